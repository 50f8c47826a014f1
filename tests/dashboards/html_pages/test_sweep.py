"""`sweep.html`: what it says and draws, escaped, the same every time, and without network."""

from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import escape

from dashboards.figures.sweep import effect_against_value, truth_against_value
from dashboards.html_pages.sweep import render_sweep
from dashboards.text.sweep import EFFECT_CAPTION, TRUTH_CAPTION
from simulator.reports.sweep import Sweep, SweepPoint, SweptParameter

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>'
SHOWN = ("AUT", "AVT", "P2N", "LT7")


class Page(HTMLParser):
    """Tags and visible words of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.words = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data):
        if self._open not in ("script", "style"):
            self.words.append(data)

    def handle_endtag(self, tag):
        self._open = ""

    def values(self, *names):
        return [value for _, attrs in self.tags for name, value in attrs.items() if name in names and value]


def parameter(**changes):
    fields = {
        "name": "returning.satisfaction",
        "meaning": "logit of returning tomorrow per unit of mood",
        "source": "a guess",
        "value": 0.1,
        "low": 0.0,
        "high": 0.5,
    }
    return SweptParameter(**(fields | changes))


def sweep_of(samples, values=(0.0, 0.1, 0.3), arms=("treatment",), change=lambda row, value: row):
    """Every lift grows by a tenth per unit of the parameter."""
    points = []
    for value in values:
        rows = [samples.metric_row(metric, arm, shift=value / 10) for arm in arms for metric in samples.METRICS]
        metrics = [change(row, value) for row in rows]
        points.append(SweepPoint(value=value, path=repr(value), users=20_000, metrics=metrics))
    return Sweep(
        name="demo", seed=7, days=7, world="kuairand-pure", parameter=parameter(), values=list(values), points=points
    )


@pytest.fixture(scope="module")
def sweep(samples):
    return sweep_of(samples)


@pytest.fixture(scope="module")
def text(sweep):
    return render_sweep(sweep)


def drawn(figure, **wanted):
    """Traces with points, in the order drawn."""
    return [
        trace
        for trace in figure.data
        if trace.showlegend is False and all(getattr(trace, k) == v for k, v in wanted.items())
    ]


def test_estimates_and_truths_stand_at_their_values(sweep):
    figure = effect_against_value(sweep)
    dots = drawn(figure, mode="markers")
    stars = [trace for trace in drawn(figure, mode="lines+markers") if trace.marker.symbol == "star-open"]
    for key, dot, star in zip(SHOWN, dots, stars, strict=True):
        rows = [row for point in sweep.points for row in point.metrics if row.metric == key]
        assert dot.x == star.x == (0.0, 0.1, 0.3)
        assert dot.y == tuple(row.relative_effect for row in rows)
        assert star.y == tuple(row.true_relative_effect for row in rows)


def test_every_interval_is_drawn_from_end_to_end(sweep):
    lines = [trace for trace in drawn(effect_against_value(sweep)) if trace.hoverinfo == "skip"]
    for key, line in zip(SHOWN, lines, strict=True):
        rows = [row for point in sweep.points for row in point.metrics if row.metric == key]
        assert [end for end in line.y if end is not None] == [end for r in rows for end in (r.ci_low, r.ci_high)]


def test_the_truth_alone_carries_two_standard_errors(sweep):
    first = drawn(truth_against_value(sweep))[0]
    rows = [row for point in sweep.points for row in point.metrics if row.metric == "AUT"]
    assert first.error_y.array == tuple(2 * row.true_relative_effect_se for row in rows)


def test_axes_say_what_they_measure_and_in_which_unit(sweep):
    layout = effect_against_value(sweep).to_plotly_json()["layout"]
    across = [axis["title"]["text"] for name, axis in layout.items() if name.startswith("xaxis")]
    assert len(across) == 4
    assert all("returning.satisfaction" in title and "logit of returning" in title for title in across)
    assert layout["yaxis"]["title"]["text"] == "Lift over control (%), 95% interval"


def test_treatments_stand_side_by_side_in_colours_of_their_own(samples):
    figure = effect_against_value(sweep_of(samples, arms=("treatment", "bolder")))
    one, two = (drawn(figure, meta=arm, mode="markers")[0] for arm in ("treatment", "bolder"))
    assert all(a < value < b for a, b, value in zip(one.x, two.x, (0.0, 0.1, 0.3), strict=True))
    assert one.marker.color != two.marker.color


def test_the_plausible_range_is_shaded_as_far_as_the_axis_goes(sweep):
    figure = effect_against_value(sweep)
    low, high = figure.layout.xaxis.range
    shades = [shape for shape in figure.layout.shapes if shape.fillcolor]
    assert {(shape.x0, shape.x1) for shape in shades} == {(0.0, high)}
    assert low < 0.0 < 0.3 < high < 0.5
    assert {shape.x0 for shape in figure.layout.shapes if not shape.fillcolor} == {0.1}


def test_values_that_differ_by_factors_stand_on_a_logarithmic_axis(samples):
    values = (0.0004, 0.004, 0.04, 0.4)
    figure = effect_against_value(sweep_of(samples, values, arms=("treatment", "bolder")))
    one, two = (np.array(drawn(figure, meta=arm, mode="markers")[0].x) for arm in ("treatment", "bolder"))
    assert figure.layout.xaxis.type == "log"
    np.testing.assert_allclose(two / one, two[0] / one[0], rtol=1e-12)
    np.testing.assert_allclose(np.sqrt(one * two), values, rtol=1e-12)
    low, high = figure.layout.xaxis.range
    assert 10**low < min(values) < max(values) < 10**high
    shade = next(shape for shape in figure.layout.shapes if shape.fillcolor)
    assert (shade.x0, shade.x1) == pytest.approx((10**low, 0.5))


def test_where_nothing_happens_the_axis_is_about_0(samples):
    def still(row, value):
        gone = {"true_relative_effect": 0.0, "true_relative_effect_se": 0.0} if row.metric == "LT7" else {}
        return row.model_copy(update=gone)

    figure = truth_against_value(sweep_of(samples, change=still))
    assert figure.layout.yaxis4.range == (-0.001, 0.001)
    assert figure.layout.yaxis.range is None


def test_values_from_0_on_stand_on_a_linear_axis(samples):
    assert effect_against_value(sweep_of(samples, (0.0, 0.004, 0.4))).layout.xaxis.type == "linear"


def test_it_says_that_the_value_is_assumed_and_what_hangs_on_it(sweep, text):
    said = " ".join(Page(text).words)
    assert "returning.satisfaction (logit of returning tomorrow per unit of mood) is assumed: nobody knows its" in said
    # AUT: +1.82% less .6 of .64% at 0, and .1 * .3 more at .3
    aut = "AUT, watch s per user-day: the true effect lies between +1.44% and +4.44% (standard error at most 0.16%)"
    assert f"{aut}, above 0 throughout; the test says higher at every value." in said
    # AVT: -.87% at 0 and 0.1 more than that
    avt = "AVT, watch s per view: the true effect lies between −1.06% and +1.94%"
    assert avt in said
    assert "not on one side of 0; the test says lower at 0, no clear change at 0.1, higher at 0.3." in said
    for caption in (EFFECT_CAPTION, TRUTH_CAPTION):
        assert caption in said


def test_every_value_links_to_its_own_report(text):
    assert Page(text).values("href") == [f"./{value}/report.html" for value in ("0.0", "0.1", "0.3")]


def test_it_needs_no_network(text):
    page = Page(text)
    assert not page.values("src", "srcset", "data", "poster", "background", "action")
    assert not any(tag in ("link", "base") for tag, _ in page.tags)
    assert "content=\"default-src 'none'" in text
    assert text.count('id="library"') == 1


def test_it_carries_both_looks(text):
    assert "prefers-color-scheme: dark" in text
    assert all(f'"{look}": {{' in text for look in ("light", "dark"))


def test_same_sweep_same_page(sweep, text):
    assert render_sweep(sweep) == text


def test_names_are_escaped_everywhere(samples, text):
    evil = sweep_of(
        samples, change=lambda row, _: row.model_copy(update={"arm": EVIL, "baseline": EVIL, "label": EVIL})
    )
    worst = parameter(name=EVIL, meaning=EVIL, source=EVIL)
    points = [point.model_copy(update={"path": EVIL}) for point in evil.points]
    page = render_sweep(evil.model_copy(update={"name": EVIL, "world": EVIL, "parameter": worst, "points": points}))
    assert EVIL not in page
    assert escape(EVIL) in page
    tags = Page(page).tags
    assert not any(tag == "img" for tag, _ in tags)
    assert not any(name.startswith("on") for _, attrs in tags for name in attrs)
    assert sum(tag == "script" for tag, _ in tags) == sum(tag == "script" for tag, _ in Page(text).tags)


def test_what_is_missing_is_explained(samples):
    def lose(row, value):
        lost = row.metric == "P2N" and value == 0.1
        return samples.without_estimate(row, "no hates in a bucket") if lost else row

    said = " ".join(Page(render_sweep(sweep_of(samples, change=lose))).words)
    assert "P2N, treatment, at 0.1: missing, no hates in a bucket" in said
    assert "the test says no clear change at 0, nothing at 0.1" in said


def test_without_truth_there_is_one_figure_and_a_word(samples):
    page = render_sweep(sweep_of(samples, change=lambda row, _: samples.without_truth(row)))
    assert "the true effect was not simulated" in page
    assert 'id="figure-effect"' in page
    assert 'id="figure-truth"' not in page


def test_an_interrupted_sweep_says_how_far_it_came(sweep):
    begun = sweep.model_copy(update={"points": sweep.points[:1]})
    assert "1 of 3 values finished" in render_sweep(begun)


def test_a_value_out_of_range_is_pointed_out(samples):
    said = " ".join(Page(render_sweep(sweep_of(samples, values=(0.0, 0.9)))).words)
    assert "returning.satisfaction = 0.9 lies outside its plausible range, 0 to 0.5" in said
