"""`askew data check`: what is read, what is missing, what is assumed; wrong input is one line and exit code 2."""

import json

import pandas as pd
import pytest

from simulator.cli.app import main

MAPPING = """
[log]
files = ["log.csv"]
[log.columns]
user = "user"
item = "item"
time = "time"
watch_s = "watch"
duration_s = "length"
click = "click"
"""


@pytest.fixture
def table():
    """Six views on three days."""
    moments = [1_700_000_000 + 43_200 * at for at in range(6)]
    return pd.DataFrame(
        {"user": [1, 1, 2, 2, 3, 3], "item": [1, 2, 1, 2, 1, 1], "time": moments, "watch": [5.0] * 6, "length": 20.0}
    ).assign(click=[1, 0, 0, 0, 1, 1])


def write(folder, table, mapping=MAPPING):
    """The mapping of a table."""
    table.to_csv(folder / "log.csv", index=False)
    (folder / "my.toml").write_text(mapping)
    return str(folder / "my.toml")


def refused(words, capsys):
    """The line with which a command is refused."""
    with pytest.raises(SystemExit) as end:
        main(words)
    said = capsys.readouterr()
    assert end.value.code == 2
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if line.strip()]
    assert len(lines) == 1
    return lines[0]


def test_what_is_read_missing_and_assumed_is_said(tmp_path, table, capsys):
    main(["data", "check", write(tmp_path, table), "--json"])
    summary = json.loads(capsys.readouterr().out)
    assert (summary["rows"], summary["users"], summary["items"]) == (6, 3, 2)
    assert (summary["days"], summary["first_day"], summary["last_day"]) == (4, 20231114, 20231117)
    assert summary["rates"] == {"click": 0.5, "watch_s": 5.0, "duration_s": 20.0}
    assert {"like", "hate", "is_random", "surface"} <= set(summary["missing"])
    assert "click" not in summary["missing"]
    assert any(line.startswith("no like: ") for line in summary["assumed"])
    assert any(line.startswith("no random exposures: ") for line in summary["assumed"])


def test_the_table_names_the_same(tmp_path, table, capsys):
    main(["data", "check", write(tmp_path, table)])
    out = capsys.readouterr().out
    assert "4 (20231114 to 20231117)" in out
    assert "a fit assumes:\n- no" in out


def test_random_exposures_are_counted(tmp_path, table, capsys):
    mapping = MAPPING + 'is_random = "random"\n'
    main(["data", "check", write(tmp_path, table.assign(random=[0, 1, 0, 0, 1, 0]), mapping), "--json"])
    summary = json.loads(capsys.readouterr().out)
    assert summary["random_rows"] == 2
    assert not any(line.startswith("no random exposures") for line in summary["assumed"])


def test_too_few_days_are_said(tmp_path, table, capsys):
    main(["data", "check", write(tmp_path, table.assign(time=1_700_000_000))])
    assert "too few days to fit on: 1 given, at least 3 wanted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="watch"), "column watch is missing"),
        (lambda table: table.assign(watch=-1.0), "line 2, column watch: '-1.0' given, a number from 0 wanted"),
        (lambda table: table.head(0), "the log has no rows that the mapping asks for"),
        (lambda table: table.assign(time="yesterday"), "column time: 'yesterday' given"),
        (lambda table: table.assign(time=table["time"] * 1000), "a time in the year 5"),
        (lambda table: table.assign(length=20_000_000.0), "items typically last 2e+07 s, want 0.1 s to 21,600 s"),
        (
            lambda table: table.assign(watch=5_000.0),
            "watch_s: 5e+03 s watched on average, of items that typically last",
        ),
        (lambda table: table.rename(columns={"click": "user"}), "column click is missing"),
        (lambda table: table.assign(click=2), "line 2, column click: '2' given, 0 or 1 wanted"),
    ],
)
def test_a_wrong_table_is_one_line_and_exit_code_2(tmp_path, table, capsys, change, message):
    assert message in refused(["data", "check", write(tmp_path, change(table))], capsys)


def test_repeated_columns_are_one_line_and_exit_code_2(tmp_path, table, capsys):
    path = write(tmp_path, table)
    twice = pd.concat([table, table["watch"]], axis=1)
    twice.to_csv(tmp_path / "log.csv", index=False)
    assert "column watch is there 2 times, once wanted" in refused(["data", "check", path], capsys)


def test_missing_files_are_one_line_and_exit_code_2(tmp_path, table, capsys):
    assert "No such file" in refused(["data", "check", str(tmp_path / "none.toml")], capsys)
    path = write(tmp_path, table)
    (tmp_path / "log.csv").unlink()
    assert "log.csv missing" in refused(["data", "check", path], capsys)
    assert "log.csv missing" in refused(["fit", path, "--out", str(tmp_path / "world")], capsys)


def test_a_wrong_unit_is_one_line_and_exit_code_2(tmp_path, table, capsys):
    mapping = MAPPING.replace('watch_s = "watch"', 'watch_s = { column = "watch", unit = "hours" }')
    assert "unit 'hours' of watch_s given; want one of s, ms" in refused(
        ["data", "check", write(tmp_path, table, mapping)], capsys
    )
