"""`audit.html` and `power.html`: what they say and draw, escaped, the same every time, and without network."""

import html
import re

import pytest
from markupsafe import escape

from dashboards.figures.audit import quantiles, rates, shown_rows
from dashboards.figures.power import smallest_effect
from dashboards.html_pages.audit import HEADINGS, cells, render_audit
from dashboards.html_pages.power import render_power
from simulator.reports.audit import Audit, AuditRow
from simulator.reports.power import DetectableRow, NeedRow, PairedRow, PowerPlan, VarianceRow

EVIL = '<script>alert("x")</script>'
RATES = ("false_positive", "coverage", "coverage_population", "power", "exaggeration", "sign_errors")


def row(metric="AUT", method="plain", **changes):
    bands = {f"{name}_{end}": value for name in RATES for end, value in (("low", 0.03), ("high", 0.97))}
    fields = {
        "metric": metric,
        "label": metric,
        "arm": "treatment",
        "baseline": "control",
        "method": method,
        "wrong": None,
        "source": "re-splits",
        "replications": 1000,
        "unsaid": 0,
        "a_a_replications": 1000,
        "false_positive_rate": 0.05,
        "coverage": 0.95,
        "coverage_population": 0.94,
        "power": 0.4,
        "exaggeration": 1.6,
        "sign_errors": 0.01,
        "true_relative_effect": 0.02,
        "true_relative_effect_se": 0.001,
        "uniform_p_value": 0.4,
        "p_quantiles": [k / 50 for k in range(1, 50)],
        "reasons": {},
    }
    return AuditRow(**(fields | bands | changes))


def audit_of(*rows, **changes):
    fields = {"name": "n", "seed": 1, "world": "w", "users": 100, "days": 2, "kept_policies": False, "rows": list(rows)}
    return Audit(**(fields | changes))


AUDIT = audit_of(
    row(),
    row(method="cuped", coverage=0.9, coverage_high=0.92),
    row("click_rate", "per_view_t", wrong="takes a user's views for independent", false_positive_rate=0.8),
    row("LT7"),
    row(source="fresh seeds", replications=200),
)


def words(page):
    return html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)))


def test_the_page_says_which_method_falls_short_and_which_is_wrong():
    said = words(render_audit(AUDIT))
    assert "Covers less than 95%: AUT, cuped (re-splits): 90.00%." in said
    assert "Wrong on purpose: per view t takes a user's views for independent." in said
    assert "treatment against control, 200 fresh seeds" in said


def test_without_a_fault_the_page_says_so():
    assert "No method that is meant to be right covers less than 95%." in words(render_audit(audit_of(row())))


def test_every_row_is_in_the_table_and_missing_numbers_say_so():
    assert len(cells(row())) == len(HEADINGS)
    assert cells(row(power=None))[5] == "missing"
    assert cells(AUDIT.rows[2])[1] == "per view t (wrong)"


def test_the_figure_shows_main_metrics_and_wrong_methods_each_with_its_value():
    shown = shown_rows(AUDIT, "re-splits", "treatment")
    assert [(r.metric, r.method) for r in shown] == [("AUT", "plain"), ("AUT", "cuped"), ("click_rate", "per_view_t")]
    figure = rates(shown)
    right, wrong = figure.data[:2]
    assert list(right.x) == [0.05, 0.05]
    assert list(wrong.x) == [0.8]
    assert right.error_x.array[0] == pytest.approx(0.97 - 0.05)
    assert right.error_x.arrayminus[0] == pytest.approx(0.05 - 0.03)


def test_quantiles_are_drawn_against_the_uniform_ones():
    diagonal, curve = quantiles([row()]).data
    assert list(diagonal.x) == list(diagonal.y) == [0, 1]
    assert list(curve.x) == pytest.approx(list(curve.y))


def test_figures_of_nothing_say_so():
    assert "Nothing" in rates([]).layout.annotations[0].text
    assert "No A/A" in quantiles([row(p_quantiles=[])]).layout.annotations[0].text


def plan_of(**changes):
    grid = [
        DetectableRow(metric="AUT", method=how, users=users, days=days, relative_effect=0.5 / users**0.5 / days)
        for how in ("plain", "cuped")
        for users in (100, 1000)
        for days in (1, 2, 7, 28)
    ]
    fields = {
        "name": "n",
        "world": "w",
        "users": 1000,
        "days": 2,
        "pilot_users": 50,
        "metric": "AUT",
        "label": "AUT",
        "arm": "treatment",
        "baseline": "control",
        "effect": 0.001,
        "power": 0.8,
        "alpha": 0.05,
        "variance": [
            VarianceRow(method=how, between=1.0, within=3.0, user_share=0.25, measured=[4.0], fitted=[4.0])
            for how in ("plain", "cuped")
        ],
        "here": [r for r in grid if (r.users, r.days) == (1000, 2)],
        "grid": grid,
        "needs": [NeedRow(method=how, days=day, users=12_345) for how in ("plain", "cuped") for day in (1, 2)],
        "paired": PairedRow(
            relative_effect=0.004,
            standard_error=0.0004,
            users=30_415,
            seconds=77.0,
            resolved_users=2_115,
            resolved_seconds=9.0,
        ),
    }
    return PowerPlan(**(fields | changes))


def test_the_plan_says_users_and_what_paired_truth_takes():
    said = words(render_power(plan_of()))
    assert "2 days take 12,345 users (plain) or 12,345 users (cuped); the spec has 1,000." in said
    assert "+0.10% is three standard errors at 30,415 users, 77 seconds of simulation." in said


def test_a_plan_without_paired_truth_says_why():
    paired = PairedRow(
        relative_effect=None,
        standard_error=None,
        users=None,
        seconds=None,
        resolved_users=None,
        resolved_seconds=None,
        reasons={"users": "the true control value is 0"},
    )
    assert "Paired truth: the true control value is 0." in words(render_power(plan_of(paired=paired)))


def test_the_figure_marks_where_the_spec_stands():
    spots = [trace for trace in smallest_effect(plan_of()).data if trace.name == "you are here"]
    assert [list(spot.x) for spot in spots] == [[1000], [2]]
    assert spots[0].y[0] == plan_of().here[-1].relative_effect


PAGES = {
    "audit": lambda name: render_audit(audit_of(row(arm=name), name=name, world=name)),
    "power": lambda name: render_power(plan_of(name=name, arm=name, world=name)),
}


@pytest.mark.parametrize("kind", PAGES)
def test_names_are_escaped_and_the_same_input_gives_the_same_page(kind):
    page = PAGES[kind](EVIL)
    assert EVIL not in page
    assert escape(EVIL) in page
    assert page == PAGES[kind](EVIL)


@pytest.mark.parametrize("kind", PAGES)
def test_nothing_is_loaded_from_elsewhere(kind):
    page = re.sub(r"<script.*?</script>", "", PAGES[kind]("n"), flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)=["']?(?!#)[^"'> ]+""", page)
    assert "default-src 'none'" in page
