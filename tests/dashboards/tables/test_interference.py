"""The section about interference: there where arms learn, escaped, and nowhere else."""

from dashboards.html_pages.report import render_html
from dashboards.tables.interference import HEADINGS, worlds_section
from simulator.reports.report import WorldRow


def row(arm="treatment", **changes):
    fields = {
        "metric": "AUT",
        "arm": arm,
        "all_arm": 616.0,
        "bucket": 627.0,
        "bucket_alone": 634.0,
        "mixed_effect": 0.10,
        "split_effect": 0.12,
        "true_effect": 0.11,
        "interference_bias": -0.02,
        "interference_bias_se": 0.01,
    }
    return WorldRow(**(fields | changes))


def test_arms_that_learn_get_a_section(report):
    page = render_html(report.model_copy(update={"worlds": [row()]}))
    assert "Do the arms interfere?" in page
    assert "\N{MINUS SIGN}2.00%" in page
    assert all(heading in page for heading in HEADINGS)


def test_arms_that_do_not_learn_get_none(report):
    still = row(interference_bias=0.0, interference_bias_se=0.0)
    assert worlds_section(report.model_copy(update={"worlds": [still]})) == ""
    assert worlds_section(report) == ""


def test_an_arms_name_is_escaped(report):
    shown = worlds_section(report.model_copy(update={"worlds": [row("<b>bold</b>")]}))
    assert "<b>" not in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown
