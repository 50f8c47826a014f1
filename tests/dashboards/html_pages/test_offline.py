"""The page of an offline evaluation: every number it holds, and nothing that a name could smuggle in."""

import pytest

from dashboards.figures import theme
from dashboards.figures.offline import scores
from dashboards.html_pages.offline import lead_in_words, render_offline
from simulator.cli.rankers import print_offline
from simulator.reports.offline import FILE, METRICS, TRUE, TRUTH, Lead, Offline, PolicyRow, SeedRow

ODD = "<script>alert(1)</script>"


def made_up(names, true=False, seeds=2) -> Offline:
    metrics = (*METRICS, TRUE) if true else METRICS
    policies = []
    rows = []
    for at, name in enumerate(names):
        mean = dict.fromkeys(metrics, 0.5 - at / 10)
        error = dict.fromkeys(metrics, 0.01 if seeds > 1 else None)
        policies.append(PolicyRow(policy=name, seeds=seeds, mean=mean, standard_error=error))
        rows += [SeedRow(policy=name, seed=seed, scores=mean) for seed in range(seeds)]
    lead = Lead(best=names[0], second=names[1], difference=0.1, p_value=0.0312, users=400) if len(names) > 1 else None
    return Offline(
        data=f"data {ODD}",
        users=400,
        videos=300,
        views=9000,
        negatives=99,
        core=5,
        rows=rows,
        policies=policies,
        lead=lead,
    )


def test_the_page_shows_every_policy_and_escapes_names():
    page = render_offline(made_up(("base", ODD)))
    assert ODD not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "0.5000 ± 0.0100" in page
    assert "base leads" in page
    assert "400 users, 300 videos with 5 clicks or more, 9,000 views" in page


def test_the_same_evaluation_gives_the_same_page():
    assert render_offline(made_up(("a", "b"))) == render_offline(made_up(("a", "b")))


def test_one_seed_has_no_standard_error_and_one_policy_no_lead():
    page = render_offline(made_up(("alone",), seeds=1))
    assert "±" not in page.partition("<table>")[2]
    assert "nothing to compare" in page


def test_bars_are_the_means_and_the_truth_has_its_colour():
    figure = scores(made_up(("base", TRUTH), true=True))
    assert len(figure.data) == 5
    assert list(figure.data[0].x) == pytest.approx([0.5, 0.4])
    assert figure.data[0].marker.color[1] == theme.TRUTH
    assert "True satisfaction@10" in [note.text for note in figure.layout.annotations]


def test_no_policy_gives_a_remark():
    assert "No policy" in scores(made_up(())).layout.annotations[0].text


def test_equal_policies_are_said_to_be_equal():
    lead = Lead(best="a", second="b", difference=0.0, p_value=None, users=3)
    assert "nobody differs" in lead_in_words(lead)


def test_scores_of_several_seeds_fit_eighty_columns_of_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / FILE).write_text(made_up(("fmlprec_m", "counts:Counts")).to_json())
    print_offline(tmp_path, False)
    lines = capsys.readouterr().out.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("counts:Counts"))
    assert lines[at].split() == ["counts:Counts", "2", *["0.4000"] * 6]
    assert lines[at + 1].split() == ["±", "0.0100"] * 6
    assert max(map(len, lines[1 : at + 2])) <= 80
