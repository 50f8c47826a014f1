"""Figures show the report's own numbers, and say what is missing."""

import json
import re

import plotly.graph_objects as go
import pytest

from dashboards.figures import panels, theme

KEYS = ["AUT", "AVT", "P2N"]


def traces(figure: go.Figure, arm: str | None = None) -> list[go.Scatter]:
    """Traces that carry data, of one arm or of all."""
    return [trace for trace in figure.data if trace.meta is not None and arm in (None, trace.meta)]


def drawn(figure: go.Figure, name: str, axis: str, arm: str | None = None) -> set[float]:
    """All values of the traces of a name."""
    values = [value for trace in traces(figure, arm) if trace.name == name for value in trace[axis]]
    return {value for value in values if value is not None}


def ends(figure: go.Figure, axis: str, arm: str | None = None) -> set[float]:
    """Ends of all intervals."""
    lines = [trace for trace in traces(figure, arm) if trace.name == "interval"]
    return {value for line in lines for value in line[axis] if value is not None}


def texts(figure: go.Figure) -> str:
    return " ".join(str(note.text) for note in figure.layout.annotations)


def test_the_scorecard_draws_every_estimate_and_truth(report):
    figure = panels.scorecard_forest(report).figure
    rows = report.metrics
    assert drawn(figure, "circle", "x") == {row.relative_effect for row in rows}
    assert drawn(figure, "circle-open", "x") == {row.plain.relative_effect for row in rows}
    assert drawn(figure, "star", "x") == {row.true_relative_effect for row in rows}
    whole = {end for row in rows for end in (row.ci_low, row.ci_high, row.plain.ci_low, row.plain.ci_high)}
    assert ends(figure, "x") == whole


def test_headline_metrics_lead_the_scorecard(report):
    figure = panels.scorecard_forest(report).figure
    labels = {row.metric: row.label for row in report.metrics}
    assert list(figure.layout.yaxis.ticktext) == [labels["AUT"], labels["AVT"]]
    assert list(figure.layout.yaxis2.ticktext) == [labels["P2N"]]
    assert set(figure.layout.yaxis3.ticktext) == set(labels.values()) - {labels[key] for key in KEYS}


def test_lanes_are_where_their_names_are(report):
    figure = panels.scorecard_forest(report).figure
    aut = next(row for row in report.metrics if row.metric == "AUT")
    solid = next(trace for trace in traces(figure) if trace.name == "circle")
    assert solid.y[solid.x.index(aut.relative_effect)] == 0


def test_treatments_stand_side_by_side_in_their_own_colour(wide_report):
    figure = panels.scorecard_forest(wide_report).figure
    colours, places = set(), set()
    for arm in ("treatment", "bolder", "boldest"):
        rows = [row for row in wide_report.metrics if row.arm == arm]
        assert drawn(figure, "circle", "x", arm) == {row.relative_effect for row in rows}
        solid = next(trace for trace in traces(figure, arm) if trace.name == "circle")
        colours.add(solid.marker.color)
        places.add(round(min(solid.y), 3))
    assert len(colours) == len(places) == 3


def test_a_plain_estimate_is_hollow(samples):
    figure = panels.scorecard_forest(samples.bare_report()).figure
    assert drawn(figure, "circle-open", "x") == {row.relative_effect for row in samples.bare_report().metrics}
    assert not drawn(figure, "circle", "x")
    assert not drawn(figure, "star", "x")
    assert "true effect" not in {trace.name for trace in figure.data}


def test_an_a_a_test_has_its_stars_on_zero(samples):
    assert drawn(panels.scorecard_forest(samples.a_a_report()).figure, "star", "x") == {0.0}


def test_a_null_is_written_and_not_drawn(samples):
    report = samples.report_with_nulls()
    panel = panels.scorecard_forest(report)
    assert 0.0 not in drawn(panel.figure, "circle", "x") | drawn(panel.figure, "circle-open", "x")
    assert "missing, no hates in a bucket" in texts(panel.figure)
    assert panel.notes == ("P2N, treatment: missing, no hates in a bucket",)


@pytest.mark.parametrize(("days", "step"), [(1, 1), (3, 1), (7, 1), (9, 2), (28, 7), (90, 14)])
def test_ticks_are_whole_days_and_few(report, days, step):
    figure = panels.daily_lift(report.model_copy(update={"days": days}), KEYS).figure
    assert figure.layout.xaxis.dtick == step


def test_the_bar_holds_over_all_looks_where_a_metric_is_looked_at(samples):
    """The interval for one look is drawn neither for AUT nor for what else was looked at."""
    report = samples.stopped_report()
    looked = next(row for row in report.metrics if row.sequential_low is not None)
    drawn_ends = ends(panels.scorecard_forest(report).figure, "x")
    assert {looked.sequential_low, looked.sequential_high} <= drawn_ends
    assert looked.ci_low not in drawn_ends


def moved_truth(report, key, truth):
    """The report with one metric's true effect elsewhere."""
    rows = [
        row.model_copy(update={"true_relative_effect": truth}) if row.metric == key else row for row in report.metrics
    ]
    return report.model_copy(update={"metrics": rows})


def test_a_missed_truth_is_ringed_and_said(report):
    aut = next(row for row in report.metrics if row.metric == "AUT")
    just_outside = aut.ci_high + 1e-6
    figure = panels.scorecard_forest(moved_truth(report, "AUT", just_outside)).figure
    rings = [trace for trace in traces(figure) if trace.name == "missed"]
    assert [(ring.x, ring.text) for ring in rings] == [((just_outside,), ("missed",))]
    assert "true effect missed by the interval" in {trace.name for trace in figure.data}
    held = panels.scorecard_forest(moved_truth(report, "AUT", aut.ci_high)).figure
    assert "missed" not in {trace.name for trace in held.data}


def test_stars_are_hollow_and_lie_under_the_intervals(report):
    for figure in (panels.scorecard_forest(report).figure, panels.daily_lift(report, KEYS).figure):
        names = [trace.name for trace in figure.data]
        star = figure.data[names.index("star")]
        assert star.marker.symbol == "star-open"
        assert names.index("star") < names.index("interval")


def test_look_curves_draw_every_look_with_its_bands(report):
    figure = panels.look_curves(report).figure
    rows = report.looks.rows
    assert drawn(figure, "lift so far", "y") == {row.relative_effect for row in rows}
    assert drawn(figure, "true lift so far", "y") == {row.true_relative_effect for row in rows}
    assert drawn(figure, "ci", "y") == {end for row in rows for end in (row.ci_low, row.ci_high)}
    assert drawn(figure, "always", "y") == {end for row in rows for end in (row.always_low, row.always_high)}
    assert drawn(figure, "group", "y") == {e for r in rows for e in (r.group_low, r.group_high) if e is not None}


def test_look_curves_show_crossings_and_where_the_test_stopped(samples):
    report = samples.stopped_report()
    figure = panels.look_curves(report).figure
    sizes = [size for trace in traces(figure) if trace.name == "lift so far" for size in trace.marker.size]
    assert sum(size > 10 for size in sizes) == sum(row.crossed for row in report.looks.rows) > 0
    assert {shape.x0 for shape in figure.layout.shapes} == {5}


def test_daily_lift_draws_every_day(report):
    figure = panels.daily_lift(report, KEYS).figure
    rows = [row for row in report.daily if row.metric in KEYS]
    assert drawn(figure, "estimate", "y") == {row.relative_effect for row in rows}
    assert drawn(figure, "star", "y") == {row.true_relative_effect for row in rows}
    assert ends(figure, "y") == {end for row in rows for end in (row.ci_low, row.ci_high)}
    assert drawn(figure, "estimate", "x") == set(range(report.days))


def test_a_day_without_estimate_says_missing(samples):
    panel = panels.daily_lift(samples.report_with_nulls(), KEYS)
    assert "missing" in texts(panel.figure)
    assert panel.notes == ("P2N, treatment, day 3: missing, no hates in a bucket",)
    days = [trace.x for trace in traces(panel.figure) if trace.name == "estimate" and None in trace.y]
    assert len(days) == 1


def test_levels_include_the_days_before_the_test(report):
    figure = panels.daily_levels(report, KEYS).figure
    totals = [total for total in report.totals if total.metric in KEYS]
    assert drawn(figure, "in this bucket", "y") == {total.value for total in totals}
    assert drawn(figure, "all users under this arm", "y") == {total.true_value for total in totals}
    assert drawn(figure, "in this bucket", "x") == set(range(-7, 7))
    assert {"before", "test"} <= {note.text for note in figure.layout.annotations}


def test_a_level_that_is_null_leaves_a_gap(samples):
    panel = panels.daily_levels(samples.report_with_nulls(), ["P2N"])
    bucket = next(trace for trace in traces(panel.figure, "treatment") if trace.name == "in this bucket")
    assert bucket.y[bucket.x.index(3)] is None
    assert "P2N, treatment, day 3: missing" in panel.notes


def test_segments_stand_below_all_users(report):
    figure = panels.segment_forest(report, KEYS).figure
    assert list(figure.layout.yaxis.ticktext) == [
        "all users", "full activity", "high activity", "middle activity", "low activity", "UNKNOWN",
    ]  # fmt: skip
    rows = [row for row in (*report.metrics, *report.segments) if row.metric in ("AUT", "AVT")]
    assert drawn(figure, "circle", "x") == {row.relative_effect for row in rows}


def test_the_funnel_draws_and_writes_every_count(report):
    figure = panels.questionnaire_funnel(report).figure
    for row in report.questionnaire:
        trace = traces(figure, row.arm)[0]
        wanted = (row.eligible, row.exposed, row.answered, row.satisfied, row.uncertain, row.dissatisfied)
        assert tuple(trace.x) == wanted
        assert [int(text.replace(",", "")) for text in trace.text] == list(wanted)


def test_a_count_of_zero_is_written_since_a_log_axis_has_no_zero(samples):
    figure = panels.questionnaire_funnel(samples.report_with_nulls()).figure
    assert None in traces(figure, "control")[0].x
    assert "control: 0" in texts(figure)


def test_satisfied_shares_are_the_reports(report):
    figure = panels.satisfied_shares(report).figure
    assert drawn(figure, "circle-open", "x") == {row.naive for row in report.questionnaire}
    assert drawn(figure, "circle", "x") == {row.weighted for row in report.questionnaire}
    assert drawn(figure, "star", "x") == {row.true_asked for row in report.questionnaire}
    assert drawn(figure, "star-open", "x") == {row.true for row in report.questionnaire}


def test_nobody_answering_is_explained(samples):
    assert panels.satisfied_shares(samples.report_with_nulls()).notes == ("control: nobody answered",)


def test_bucket_sizes_are_planned_and_seen(report):
    bars = [trace for trace in panels.bucket_sizes(report).figure.data if isinstance(trace, go.Bar)]
    assert [list(bar.x) for bar in bars] == [
        list(report.health.users_planned.values()),
        list(report.health.users_seen.values()),
    ]


def test_pre_period_p_values_are_the_reports(wide_report):
    figure = panels.pre_period(wide_report).figure
    found = {value for trace in traces(figure) for value in trace.x}
    assert found == set(wide_report.health.pre_period.values())


def test_a_p_value_that_is_null_is_written(samples):
    assert "treatment: missing" in texts(panels.pre_period(samples.report_with_nulls()).figure)


def test_nothing_to_draw_is_said(samples):
    report = samples.bare_report()
    for panel in (
        panels.look_curves(report),
        panels.daily_lift(report, KEYS),
        panels.daily_levels(report, KEYS),
        panels.segment_forest(report, KEYS),
        panels.questionnaire_funnel(report),
        panels.satisfied_shares(report),
        panels.pre_period(report),
    ):
        assert texts(panel.figure).startswith("This report has no")
    empty = report.model_copy(update={"metrics": []})
    assert texts(panels.scorecard_forest(empty).figure) == "This report has no metrics."


def test_every_panel_is_complete(any_report):
    shown = panels.panels(any_report)
    assert len({panel.key for panel in shown}) == len(shown) == 18
    for panel in shown:
        assert re.fullmatch("[a-z-]+", panel.key)
        assert panel.title
        assert panel.caption.endswith(".")
        assert panel.figure.layout.height > 0


def test_every_lift_axis_has_a_title_with_its_unit(report):
    for panel in panels.panels(report):
        titles = [axis.title.text for axis in panel.figure.select_xaxes()]
        assert all(titles), panel.key
    levels = panels.daily_levels(report, ["AUT"]).figure
    assert levels.layout.yaxis.title.text == "s/user/day"


def test_names_with_tags_are_shown_as_they_are(samples):
    report = samples.sample_report(("<b>bold</b> & <a href='x'>link</a>",))
    for panel in panels.panels(report):
        shown = panel.figure.update_traces(meta=None).to_json().replace("\\u003c", "<")
        assert not set(re.findall("<[^>]*>", shown)) - {"<br>", "<i>", "</i>"}


def test_a_daily_row_without_a_day_is_refused(report):
    row = report.daily[0].model_copy(update={"day": None})
    with pytest.raises(ValueError, match="without a day"):
        panels.daily_lift(report.model_copy(update={"daily": [row]}), [row.metric])


def values_in(part):
    """All single values of a figure."""
    if isinstance(part, dict):
        return [value for each in part.values() for value in values_in(each)]
    if isinstance(part, (list, tuple)):
        return [value for each in part for value in values_in(each)]
    return [part]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted(luminance(colour) + 0.05 for colour in (one, other))
    return light / dark


def test_a_look_changes_colours_alone(report):
    figure = panels.scorecard_forest(report).figure
    before = json.loads(figure.to_json())
    assert figure.layout.template.layout.font.color == theme.LIGHT.ink
    dark, light = (theme.in_look(figure, look) for look in (theme.DARK, theme.LIGHT))
    assert dark.layout.template.layout.font.color == theme.DARK.ink
    assert json.loads(figure.to_json()) == before == json.loads(light.to_json())
    pairs = zip(values_in(light.to_plotly_json()["data"]), values_in(dark.to_plotly_json()["data"]), strict=True)
    assert {(old, new) for old, new in pairs if old != new} <= set(theme.LIGHTER.items())


def test_what_is_drawn_on_dark_stands_out(wide_report):
    """4.5 to 1 on the background, as for text."""
    for panel in panels.panels(moved_truth(wide_report, "AUT", 9.0)):
        drawn_values = values_in(theme.in_look(panel.figure, theme.DARK).to_plotly_json()["data"])
        colours = {value for value in drawn_values if re.fullmatch("#[0-9A-Fa-f]{6}", str(value))}
        assert {c for c in colours if contrast(c, theme.DARK.paper) < 4.5} == set(), panel.key


@pytest.mark.parametrize("look", [theme.LIGHT, theme.DARK])
def test_text_stands_out(look):
    for name in ("ink", "quiet", "better", "worse", "mixed", "estimate", "truth"):
        for ground in (look.paper, look.wash):
            assert contrast(getattr(look, name), ground) >= 4.5, (name, ground)


def test_a_sixth_treatment_has_a_colour_too(samples):
    report = samples.sample_report(tuple("abcdef"))
    colours = [theme.arm_colour(report, arm.name) for arm in report.arms]
    assert colours[0] == theme.CONTROL
    assert len(set(colours)) == 6
