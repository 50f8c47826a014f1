"""What a terminal shows of a report: the words of the page, within the terminal's width."""

import importlib.util
import io
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from dashboards.tables.scorecard import score_lines
from dashboards.text.remarks import remarks_of
from dashboards.text.verdict import brief, verdict
from simulator.cli.tables.fitted import FittedTable
from simulator.cli.tables.scorecard import scorecard
from simulator.reports.report import Report
from simulator.reports.sections import TrainingRow

SAMPLES = Path(__file__).parents[3] / "dashboards" / "sample_report.py"
WIDTHS = (60, 80, 120, 200)
TABLES = {
    60: """
                                                True
Metric           Lift   95% interval Change     lift Truth
AUT, watch s   +1.82%      +0.57% to better   +1.44% covered
per user-day                  +3.07%         ± 0.16%
AVT, watch s   −0.87%      −1.48% to worse    +1.00% missed
per view                      −0.26%         ± 0.08%
P2N, positives +6.10%      −1.35% to unclear  +3.82% covered
per hate                     +13.55%         ± 0.95%
LT7, active    +0.21%      −0.16% to unclear  +0.10% covered
days                          +0.58%         ± 0.05%
Skip rate      −1.72%      −2.52% to better   −1.97% covered
                              −0.92%         ± 0.10%
Questionnaires +3.30%      −0.82% to unclear  +2.04% covered
answered                      +7.42%         ± 0.53%
Left out at this width: Control, Treatment, p, Method,
Adjusted control, Adjusted treatment.
""",
    80: """
Metric                     Lift      95% interval Change       True lift Truth
AUT, watch s per         +1.82%  +0.57% to +3.07% better  +1.44% ± 0.16% covered
user-day
AVT, watch s per view    −0.87%  −1.48% to −0.26% worse   +1.00% ± 0.08% missed
P2N, positives per hate  +6.10% −1.35% to +13.55% unclear +3.82% ± 0.95% covered
LT7, active days         +0.21%  −0.16% to +0.58% unclear +0.10% ± 0.05% covered
Skip rate                −1.72%  −2.52% to −0.92% better  −1.97% ± 0.10% covered
Questionnaires answered  +3.30%  −0.82% to +7.42% unclear +2.04% ± 0.53% covered
Left out at this width: Control, Treatment, p, Method, Adjusted control,
Adjusted treatment.
""",
    120: """
Metric                     Control  Treatment    Lift       95% interval  Change        True lift  Truth         p
AUT, watch s per user-day    312.5      318.1  +1.82%   +0.57% to +3.07%  better   +1.44% ± 0.16%  covered  0.0312
AVT, watch s per view        17.43      17.28  −0.87%   −1.48% to −0.26%  worse    +1.00% ± 0.08%  missed   0.0312
P2N, positives per hate      78.25      83.02  +6.10%  −1.35% to +13.55%  unclear  +3.82% ± 0.95%  covered  0.0312
LT7, active days             4.812      4.822  +0.21%   −0.16% to +0.58%  unclear  +0.10% ± 0.05%  covered  0.0312
Skip rate                   0.2931     0.2881  −1.72%   −2.52% to −0.92%  better   −1.97% ± 0.10%  covered  0.0312
Questionnaires answered      0.081    0.08367  +3.30%   −0.82% to +7.42%  unclear  +2.04% ± 0.53%  covered  0.0312
Left out at this width: Method, Adjusted control, Adjusted treatment.
""",
    200: """
Metric                     Control  Treatment    Lift       95% interval  Change        True lift  Truth         p  Method    Adjusted control  Adjusted treatment
AUT, watch s per user-day    312.5      318.1  +1.82%   +0.57% to +3.07%  better   +1.44% ± 0.16%  covered  0.0312  adjusted             309.3                 315
AVT, watch s per view        17.43      17.28  −0.87%   −1.48% to −0.26%  worse    +1.00% ± 0.08%  missed   0.0312  adjusted             17.26               17.11
P2N, positives per hate      78.25      83.02  +6.10%  −1.35% to +13.55%  unclear  +3.82% ± 0.95%  covered  0.0312  adjusted             77.47               82.19
LT7, active days             4.812      4.822  +0.21%   −0.16% to +0.58%  unclear  +0.10% ± 0.05%  covered  0.0312  adjusted             4.764               4.774
Skip rate                   0.2931     0.2881  −1.72%   −2.52% to −0.92%  better   −1.97% ± 0.10%  covered  0.0312  adjusted            0.2902              0.2852
Questionnaires answered      0.081    0.08367  +3.30%   −0.82% to +7.42%  unclear  +2.04% ± 0.53%  covered  0.0312  adjusted           0.08019             0.08284
""",  # noqa: E501 (as printed)
}


@pytest.fixture(scope="module")
def samples():
    spec = importlib.util.spec_from_file_location("terminal_samples", SAMPLES)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def report(samples) -> Report:
    """Three main metrics of which AVT's truth is missed, a guardrail that comes last in the file, and two others."""
    report = samples.sample_report()
    rows = {row.metric: row for row in report.metrics}
    rows["AVT"] = rows["AVT"].model_copy(update={"true_relative_effect": 0.01})
    rows["LT7"] = rows["LT7"].model_copy(update={"margin": 0.01, "guardrail": "passed"})
    keys = ("skip_rate", "P2N", "answer_rate", "AVT", "AUT", "LT7")
    return report.model_copy(update={"metrics": [rows[key] for key in keys]})


def printed(report: Report, width: int = 100, **how) -> str:
    out = io.StringIO()
    Console(file=out, width=width, **how).print(scorecard(report))
    return out.getvalue()


def without_breaks(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", WIDTHS)
def test_the_table_at_known_widths(report: Report, width: int):
    lines = [line.rstrip() for line in printed(report, width).splitlines()]
    begin = lines.index("treatment (satisfaction) against control (base)") + 1
    assert "\n".join(lines[begin : lines.index("", begin)]) == TABLES[width].strip("\n")


@given(width=st.integers(60, 200))
def test_no_line_is_longer_than_the_terminal_and_no_word_is_broken(samples, width: int):
    report = samples.sample_report(("treatment", "bolder"))
    text = printed(report, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    words = set(re.findall(r"[\w.,%+−]+", " ".join(printed(report, 1000).split())))
    assert set(re.findall(r"[\w.,%+−]+", text)) - {"Left", "out", "at", "this", "width"} <= words | {
        f"{word}{mark}" for word in words for mark in ",."
    }


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_line_is_the_verdict_and_the_sentences_are_those_of_the_page(report: Report, width: int):
    text = printed(report, width)
    assert text.splitlines()[0] == f"demo: {brief(report)}" == "demo: Mixed: AUT better, P2N unclear, AVT worse"
    for sentence in (*verdict(report), *remarks_of(report).notes):
        assert sentence in without_breaks(text)


def test_a_wide_table_has_the_cells_of_the_page(report: Report):
    text = printed(report, 200)
    for score in score_lines(report):
        line = next(line for line in text.splitlines() if line.startswith(score.metric))
        for cell in (score.lift, score.interval, score.change, score.true_lift, score.truth, score.p_value):
            assert cell in line


def test_main_metrics_come_first_then_guardrails_then_the_others(report: Report):
    first = [line.metric.partition(",")[0] for line in score_lines(report)]
    assert first == ["AUT", "AVT", "P2N", "LT7", "Skip rate", "Questionnaires answered"]
    lines = printed(report, 120).splitlines()
    at = [next(n for n, line in enumerate(lines) if line.startswith(name)) for name in first]
    assert at == list(range(at[0], at[0] + 6))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_truth_outside_its_interval_is_marked(report: Report, width: int):
    lines = [line for line in printed(report, width).splitlines() if re.search(r"\bmissed\s", line)]
    assert len(lines) == 1
    assert lines[0].startswith("AVT")


def test_colours_are_on_a_terminal_only(report: Report, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    on = printed(report, 120, force_terminal=True, color_system="standard")
    for word, code in (("better", "32"), ("worse", "31"), ("missed", "1;33")):
        assert re.search(rf"\x1b\[{code}m{word}", on)
    assert not re.search(r"\x1b\[[\d;]*m(covered|unclear|higher)", on)
    assert "\x1b" not in printed(report, 120)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = printed(report, 120, force_terminal=True, color_system="standard")
    assert not re.search(r"\x1b\[[\d;]*3\dm", plain)


def test_a_terminal_without_unicode_gets_signs_that_it_has(report: Report):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=out, width=120).print(scorecard(report))
    out.flush()
    text = out.buffer.getvalue().decode("ascii")
    assert "-0.87%" in text
    assert "+/-" in text


@pytest.mark.parametrize(
    "name", ["exp [beta]", "[/x]", "[bold]a[/bold] [link=file:///x]b[/link]", ":smile:", "\\[red]", "测试"]
)
def test_names_are_shown_as_they_are(report: Report, name: str):
    arms = [report.arms[0], report.arms[1].model_copy(update={"name": name})]
    rows = [row.model_copy(update={"arm": name, "label": f"{name} m"}) for row in report.metrics]
    changed = {"name": name, "arms": arms, "metrics": rows, "trainings": [training(name)], "questionnaire": []}
    text = without_breaks(printed(report.model_copy(update=changed), 300))
    assert text.startswith(f"{name}: ")
    assert f"{name} (satisfaction) against control (base) Metric" in text
    assert text.count(f"{name} m ") >= len(rows)
    assert f"{name} against base +1.00%" in text


def training(name: str) -> TrainingRow:
    return TrainingRow(
        treatment=name,
        baseline="base",
        metric="AUT",
        label="AUT, watch s per user-day",
        seeds=[0, 1, 2],
        lifts=[0.01, -0.02, 0.04],
        mean=0.01,
        standard_error=0.01732,
        low=-0.0645,
        high=0.0845,
    )


def test_a_name_longer_than_the_terminal_is_folded(samples):
    assert max(map(len, printed(samples.sample_report(("t" * 150,)), 60).splitlines())) <= 60


def test_every_treatment_has_its_table(samples):
    text = printed(samples.sample_report(("treatment", "bolder")))
    assert "treatment (satisfaction) against control (base)\n" in text
    assert "\nbolder (satisfaction) against control (base)\n" in text


def test_what_chance_in_training_does_is_told(report: Report):
    text = printed(report.model_copy(update={"trainings": [training("treatment")]}), 120)
    assert "What does chance in training do?" in text
    assert "treatment against base" in text
    assert "0: +1.00%, 1: −2.00%, 2: +4.00%" in text
    assert "chance in training" not in printed(report.model_copy(update={"trainings": []}), 120)


def test_what_is_missing_is_explained_and_has_no_column(report: Report, samples):
    row = samples.without_estimate(report.metrics[1], "control has no hates")
    text = printed(report.model_copy(update={"metrics": [row, report.metrics[0]]}))
    assert "P2N, treatment: missing, control has no hates" in text
    asked = [row.model_copy(update={"true": None, "true_asked": None}) for row in report.questionnaire]
    bare = report.model_copy(
        update={
            "metrics": [samples.without_truth(row) for row in report.metrics],
            "questionnaire": asked,
            "answering": None,
        }
    )
    headings = [line for line in printed(bare, 200).splitlines() if line.startswith(("Metric", "Arm"))]
    assert len(headings) == 2
    assert not any("True" in line for line in headings)


def test_shares_by_estimator_are_told_where_there_are_two_forms(report: Report):
    text = printed(report, 160)
    assert "Satisfied share by estimator" in text
    assert re.search(r"probit of answering and saying +control +56.00% +1.10 pp +54.00% to 58.00% +55.00%", text)
    nothing = dict.fromkeys(report.answering.forms.strong_asked, 0)
    forms = report.answering.forms.model_copy(update={"strong_asked": nothing})
    answering = report.answering.model_copy(update={"forms": forms})
    text = printed(report.model_copy(update={"answering": answering}), 160)
    assert "Satisfied share by estimator" not in text
    assert re.search(r"treatment +\+6.00 pp +1.13 +1.09 +1.20 +1.25 +\+5.00 pp", text)


def test_the_true_share_is_what_all_asked_would_say(report: Report):
    asked = report.questionnaire[0]
    text = printed(report, 200)
    at = text.index("True: all asked")
    assert text.index(f"{asked.true_asked:.2%}") > at


def test_warnings_have_a_line_each(report: Report):
    health = report.health.model_copy(update={"warnings": ["one thing", "another"], "srm_p_value": 1e-9})
    text = printed(report.model_copy(update={"health": health}))
    assert text.splitlines()[0] == "demo: Do not trust"
    assert "! One thing.\n! Another.\n" in text
    assert "Users split not as planned" in text


@given(cells=st.lists(st.tuples(*[st.text("ab ", max_size=12)] * 3), min_size=1, max_size=3), width=st.integers(20, 60))
def test_a_table_fits_whatever_it_holds(cells, width: int):
    out = io.StringIO()
    table = FittedTable("T", ("Metric", "one", "two"), cells, ("Metric", "one"), essential=2)
    Console(file=out, width=width).print(table)
    lines = out.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= width
