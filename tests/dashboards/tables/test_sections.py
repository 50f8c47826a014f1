"""Sections beyond the scorecard show the report's own numbers, in figures and in tables."""

import plotly.graph_objects as go

from dashboards.figures import panels
from dashboards.html_pages.report import render_html
from dashboards.tables import answer_forms, sections
from simulator.reports.sections import split_alarm


def drawn(figure: go.Figure, name: str, axis: str = "x") -> set[float]:
    """All values of the traces of a name."""
    found = [value for trace in figure.data if trace.name == name and trace.meta is not None for value in trace[axis]]
    return {value for value in found if value is not None}


def test_effects_on_the_satisfied_share_stand_beside_their_truth(wide_report):
    figure = panels.answer_effects(wide_report).figure
    answering = wide_report.answering
    assert drawn(figure, "circle") == {row.effect for row in answering.effects}
    assert drawn(figure, "star") == {row.true_effect for row in answering.effects}
    bounds = [*answering.bounds, *(row for row in answering.forms.bounds if row.baseline)]
    ends = {end for row in (*answering.effects, *bounds) for end in (row.low, row.high)}
    assert ends | {end for row in bounds for end in (row.lower, row.upper)} == drawn(figure, "interval")


def test_shares_by_estimator_stand_beside_the_truth_of_the_same(wide_report):
    figure, forms = panels.shares_by_estimator(wide_report).figure, wide_report.answering.forms
    bounds = [row for row in forms.bounds if row.baseline is None]
    assert drawn(figure, "circle") == {row.share for row in forms.shares}
    assert drawn(figure, "star") == {row.true for row in (*forms.shares, *bounds)}
    ends = {end for row in (*forms.shares, *bounds) for end in (row.low, row.high)}
    assert ends | {end for row in bounds for end in (row.lower, row.upper)} == drawn(figure, "interval")


def test_sensitivity_is_drawn_with_the_true_place(wide_report):
    forms = wide_report.answering.forms
    figure = panels.share_over_ratio(wide_report).figure
    for arm in wide_report.arms:
        line = next(trace for trace in figure.data if trace.meta == arm.name)
        assert list(line.x) == [row.ratio for row in forms.curve if row.arm == arm.name]
        assert list(line.y) == [row.share for row in forms.curve if row.arm == arm.name]
    assert drawn(figure, "true") == {row.ratio for row in forms.ratios}
    assert drawn(figure, "true", "y") == {row.true for row in forms.ratios}
    figure = panels.effect_over_ratio(wide_report).figure
    for arm in wide_report.arms[1:]:
        lines = [list(trace.y) for trace in figure.data if trace.meta == arm.name and trace.mode == "lines"]
        mine = [row for row in forms.ranges if row.arm == arm.name]
        assert lines == [[getattr(row, end) for row in mine] for end in ("lower", "upper", "low", "high")]
    assert drawn(figure, "diamond") == {sign.ratio for sign in forms.signs}
    assert drawn(figure, "true", "y") == {sign.true_effect for sign in forms.signs}


def test_reports_from_before_there_were_forms_say_so(report):
    old = report.model_copy(update={"answering": report.answering.model_copy(update={"forms": None})})
    for make in (panels.shares_by_estimator, panels.share_over_ratio, panels.effect_over_ratio):
        assert "older than this figure" in str(make(old).figure.layout.annotations)
    assert answer_forms.shares(old).lines == answer_forms.sensitivity(old).lines == []
    assert panels.answer_effects(old).figure.data


def test_both_sides_of_p2n_are_drawn(wide_report):
    figure = panels.p2n_sides(wide_report).figure
    assert drawn(figure, "circle") == {row.lift for row in wide_report.p2n}
    assert drawn(figure, "star") == {row.true_lift for row in wide_report.p2n}


def test_every_quantile_is_drawn_beside_its_truth(report):
    figure = panels.quantile_effects(report).figure
    assert drawn(figure, "circle", "y") == {row.lift for row in report.distribution}
    assert drawn(figure, "star", "y") == {row.true_lift for row in report.distribution}
    ends = {end for row in report.distribution for end in (row.lift_low, row.lift_high)}
    assert drawn(figure, "interval", "y") == ends


def test_who_answers_is_drawn_per_arm(report):
    figure = panels.answered_by_feeling(report).figure
    for arm in report.arms:
        rates = {row.rate for row in report.answering.by_feeling if row.arm == arm.name}
        assert drawn(figure, arm.name, "y") == rates


def test_estimated_chances_are_drawn_against_true_ones(report):
    figure = panels.propensity_calibration(report).figure
    rows = report.answering.calibration
    assert drawn(figure, "true chance") == {row.estimated for row in rows}
    assert drawn(figure, "true chance", "y") == {row.true for row in rows}


def test_a_day_off_plan_lies_below_the_alarm(report):
    figure = panels.split_over_time(report).figure
    p_values = drawn(figure, "p-value of the day's active users", "y")
    assert p_values == {check.p_value for check in report.health.split_by_day}
    alarm = figure.layout.shapes[0].y0
    assert alarm == split_alarm(report.health.split_by_day) == 0.001 / 7
    assert [p for p in p_values if p < alarm] == [c.p_value for c in report.health.split_by_day if c.alarm]
    line = next(trace for trace in figure.data if trace.meta == "split")
    assert list(line.x) == [check.day for check in report.health.split_by_day]


def test_an_effect_that_is_missing_has_a_word(report):
    rows = [row.model_copy(update={"effect": None, "low": None, "high": None}) for row in report.answering.effects]
    lost = report.model_copy(update={"answering": report.answering.model_copy(update={"effects": rows})})
    notes = panels.answer_effects(lost).figure.layout.annotations
    assert sum("missing" in note.text for note in notes) == len(rows)


def cells(table: sections.SectionTable) -> str:
    return " | ".join(cell for line in table.lines for cell in line)


def test_health_checks_name_what_is_off(report):
    said = cells(sections.health_checks(report))
    assert "Active users day by day | day 6 | look into it" in said
    assert "Users within segments | none of 1 off plan | ok" in said
    assert "Users in two arms | 3 (0.01%) | warn" in said
    assert "A/A re-splits, AUT | 5.5% significant, p-values uniform: p = 0.4100 | ok" in said
    assert "A/A re-splits, P2N | why | missing" in said
    assert "Lifts too good to be true | treatment/AVT | look into it" in said


def test_an_a_a_test_says_what_is_significant(samples):
    report = samples.a_a_report()
    assert "A/A: metrics significant at 5% | none | ok" in cells(sections.health_checks(report))


def test_tables_hold_the_reports_numbers(report):
    assert "2.5 s/user/day | −1 to 6 | 0.1600 | 1.25 s/user/day" in cells(sections.novelty(report))
    assert "time since registration | AUT | treatment | 3 | 1.5 | 0.2100 | 0.4200" in cells(
        sections.heterogeneity(report)
    )
    assert "900 / 80" in cells(sections.p2n(report))
    assert "Note: only 80 users have any." in sections.p2n(report).caption
    assert "30.00% | 32.00% | +2.00 pp | +1.00 pp to +3.00 pp | 0.0001 | look into it" in cells(
        sections.answer_rates(report)
    )
    effects = cells(sections.answer_effects(report))
    assert "doubly robust | treatment | 60.00% | 66.00% | +7.00 pp" in effects
    assert "bounds (Lee) | treatment |  |  | +2.00 pp to +9.00 pp | +1.00 pp to +10.00 pp" in effects
    assert "bounds (Manski) | treatment |  |  | -40.00 pp to +41.00 pp".replace("-", "\u2212") in effects
    shares = cells(answer_forms.shares(report))
    assert "strong form only | control | 58.00% | 1.10 pp | 56.00% to 60.00% | 55.00%" in shares
    assert "bounds (Manski) | control | 30.00% to 70.00% |  | 28.00% to 72.00% | 55.00%" in shares
    assert "treatment | +6.00 pp | 1.13 | 1.09 | 1.20 | 1.25 | +5.00 pp" in cells(answer_forms.sensitivity(report))


def test_every_line_has_a_cell_per_heading(any_report):
    for table in sections.tables(any_report):
        assert {len(line) for line in table.lines} == {len(table.headings)}


def test_the_page_has_every_table_that_has_lines(report, samples):
    page = render_html(report)
    assert all(f"<h2>{table.title}</h2>" in page for table in sections.tables(report))
    assert "P2N taken apart" not in render_html(samples.bare_report())


def test_a_short_test_says_why_nothing_fades(report):
    health = report.health.model_copy(update={"novelty": []})
    short = sections.novelty(report.model_copy(update={"health": health}))
    assert (short.lines, "fewer than 4 days" in short.caption) == ([], True)
