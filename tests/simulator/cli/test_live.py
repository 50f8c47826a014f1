"""`askew analyse`: a table of users in, rows and a page out."""

import json

import pytest

from simulator.cli import app

TABLE = "id,arm,orders,name\n" + "".join(f"{i},{'AB'[i % 2]},{i % 7},<b>\n" for i in range(400))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "<i>users.csv"
    path.write_text(TABLE)
    return path


def words(table, *more: str) -> list[str]:
    return ["analyse", str(table), "--user", "id", "--control", "A", "--metric", "orders=orders:down", *more]


def test_it_prints_rows_and_writes_a_page(table, tmp_path, capsys):
    page = tmp_path / "live.html"
    app.main(words(table, "--out", str(page)))
    said = capsys.readouterr().out
    assert "400 users: A 200, B 200 (sample ratio p = 1.0000)" in said
    assert "orders unclear" in said
    text = page.read_text()
    assert "&lt;i&gt;users.csv" in text
    assert "<i>users" not in text


def test_json_holds_the_rows(table, capsys):
    app.main(words(table, "--json"))
    (row,) = json.loads(capsys.readouterr().out)["metrics"]
    assert (row["metric"], row["arm"], row["method"]) == ("orders", "B", "plain")
    assert row["log_standard_error"] > 0


@pytest.mark.parametrize(
    "more",
    [
        ["--treatment", "C"],
        ["--guardrail", "orders"],
        ["--guardrail", "clicks=0.1"],
        ["--share", "A=nine"],
        ["--share", "A=0.9"],
        ["--confidence", "1"],
        ["--metric", "orders=orders"],
        ["--out", "nowhere/page.html"],
        ["--arm", "name"],
    ],
)
def test_bad_input_is_one_line(table, more, capsys):
    with pytest.raises(SystemExit) as end:
        app.main(words(table, *more))
    said = capsys.readouterr().err
    assert (end.value.code, said.count("\n")) == (2, 1)
    assert said.startswith("askew: ")
