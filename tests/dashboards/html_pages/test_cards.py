"""Cards and scorecard: what stands where, in what colour, and that it can be read."""

import re

import pytest

from dashboards.figures.theme import DARK, LIGHT
from dashboards.html_pages.decision_cards import render_cards
from dashboards.html_pages.interval_bars import interval_bar
from dashboards.html_pages.scorecards import render_scorecard
from dashboards.text.decision import findings


def aut_of(report, **changes):
    """AUT's finding with fields of its row changed."""
    rows = [row.model_copy(update=changes) if row.metric == "AUT" else row for row in report.metrics]
    return next(each for each in findings(report.model_copy(update={"metrics": rows})) if each.row.metric == "AUT")


def percent(place: str) -> float:
    return float(place.removesuffix("%"))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "quiet", "better", "worse", "mixed", "estimate", "truth"])
def test_every_colour_of_text_is_readable(look, name):
    for background in (look.paper, look.wash):
        light, dark = sorted((luminance(getattr(look, name)), luminance(background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_all_marks_lie_within_the_bar_in_their_order(report):
    bar = interval_bar(aut_of(report, relative_effect=0.02, ci_low=0.01, ci_high=0.03, true_relative_effect=0.05))
    places = [percent(place) for place in (bar.zero, bar.low, bar.estimate, bar.truth)]
    assert 5 < places[0] < places[1] < places[2] < percent(bar.low) + percent(bar.width) < places[3] < 95
    assert bar.missed
    assert "truth +5.00%: missed, above the interval" in bar.label


def test_a_truth_at_an_end_is_inside(report):
    bar = interval_bar(aut_of(report, relative_effect=0.02, ci_low=0.01, ci_high=0.03, true_relative_effect=0.03))
    assert not bar.missed
    assert bar.label.endswith("truth +3.00%: inside")


def test_a_card_per_treatment_with_its_numbers(wide_report):
    html = str(render_cards(wide_report))
    assert len(re.findall('<section class="card ', html)) == 3
    assert html.count('<div class="number ') == 9
    assert html.index("How this was computed") > html.rindex('<section class="card ')


def test_a_miss_is_said_in_words(report):
    rows = [row.model_copy(update={"true_relative_effect": 0.3}) for row in report.metrics]
    html = str(render_cards(report.model_copy(update={"metrics": rows})))
    assert html.count("truth +30.00%: missed, above the interval</p>") == 3
    assert "missed" not in str(render_cards(report)).replace("that the interval missed", "")


def test_the_scorecard_has_main_metrics_guardrails_then_the_rest(samples):
    html = str(render_scorecard(samples.stopped_report()))
    groups = re.findall(r'class="group">([^<]+)<', html)
    assert groups == ["Main metrics", "Guardrails", "Other metrics"]
    assert html.index("AUT, watch") < html.index("Guardrails") < html.index("LT7") < html.index("Other metrics")


def test_only_clear_changes_are_coloured(report):
    html = str(render_scorecard(report))
    kinds = dict(re.findall(r'<tr class="(\w+)"><td class="text">(?:\w*)([^<,]+)', html)[::-1])
    assert set(kinds) == {"better", "worse", "unclear"}
    p2n = next(line for line in html.splitlines() if "P2N, positives" in line)
    assert '<tr class="unclear">' in p2n


def test_names_are_escaped(report):
    evil = report.arms[1].model_copy(update={"policy": "<b>x</b>"})
    html = str(render_cards(report.model_copy(update={"arms": [report.arms[0], evil]})))
    assert "<b>x</b>" not in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html
