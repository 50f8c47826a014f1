"""The layout for narrow windows: panels below each other, nothing lost."""

from itertools import pairwise

import pytest

from dashboards.figures import panels
from dashboards.figures.narrow import narrow_form
from dashboards.figures.theme import frame

KEYS = ["AUT", "AVT", "P2N"]


def domains(figure, axis):
    return [tuple(each.domain) for each in getattr(figure, f"select_{axis}axes")() if each.domain]


def titles(figure):
    """Words above panels, by their height in the figure."""
    return {note.text: note.y for note in figure.layout.annotations if note.xref == note.yref == "paper"}


def test_every_panel_has_the_whole_width_and_a_row_of_its_own(any_report):
    for panel in panels.panels(any_report):
        narrow = narrow_form(panel.figure)
        assert len(domains(narrow, "x")) == len(domains(panel.figure, "x"))
        assert len(set(domains(narrow, "x"))) <= 1, panel.key
        rows = sorted(domains(narrow, "y"))
        assert all(low[1] < high[0] for low, high in pairwise(rows)), panel.key


def test_the_data_stay_as_they_are(any_report):
    for panel in panels.panels(any_report):
        assert narrow_form(panel.figure).to_plotly_json()["data"] == panel.figure.to_plotly_json()["data"]


def test_the_wide_figure_is_left_alone(report):
    figure = panels.segment_forest(report, KEYS).figure
    before = figure.to_json()
    narrow_form(figure)
    assert figure.to_json() == before


@pytest.mark.parametrize("draw", [panels.daily_lift, panels.daily_levels])
def test_panels_keep_their_height_and_their_titles(report, draw):
    wide = draw(report, KEYS).figure
    narrow = narrow_form(wide)

    def height(figure, place):
        margin = figure.layout.margin
        low, high = domains(figure, "y")[place]
        return (high - low) * (figure.layout.height - margin.t - margin.b)

    for place in range(3):
        assert height(narrow, place) == pytest.approx(height(wide, place), abs=1)
    tops = [high for _, high in domains(narrow, "y")]
    assert list(titles(narrow).values()) == pytest.approx(tops)
    assert list(titles(narrow)) == list(titles(wide))


def test_names_and_titles_that_were_shared_are_repeated(report):
    figure = panels.segment_forest(report, KEYS).figure
    assert figure.layout.yaxis2.showticklabels is False
    narrow = narrow_form(figure)
    assert narrow.layout.yaxis2.showticklabels
    assert narrow.layout.yaxis2.ticktext == narrow.layout.yaxis.ticktext
    assert narrow.layout.yaxis2.range == narrow.layout.yaxis.range
    lifts = narrow_form(panels.daily_lift(report, KEYS).figure)
    assert {axis.title.text for axis in lifts.select_yaxes()} == {"Lift (%), 95% interval"}


def test_several_rows_are_read_row_by_row(wide_report):
    """Treatments are rows of the looks, metrics columns."""
    wide = panels.look_curves(wide_report).figure
    narrow = narrow_form(wide)
    heights = list(titles(narrow).values())
    assert len(heights) == 9
    assert heights == sorted(heights, reverse=True)


def test_long_names_are_wrapped_and_stay_escaped(samples):
    report = samples.sample_report()
    rows = [row.model_copy(update={"label": "a <b>long</b> name & more of it to read"}) for row in report.metrics]
    narrow = narrow_form(panels.scorecard_forest(report.model_copy(update={"metrics": rows})).figure)
    assert narrow.layout.yaxis.ticktext[0] == "a &lt;b&gt;long&lt;/b&gt; name<br>&amp; more of it to<br>read"


def test_a_long_legend_gets_rows(report):
    figure = panels.look_curves(report).figure
    assert narrow_form(figure).layout.margin.t > figure.layout.margin.t
    short = frame(panels.pre_period(report).figure, 200)
    assert narrow_form(short).layout.height - short.layout.height <= 10
