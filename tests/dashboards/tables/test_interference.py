"""The section about interference: there where arms learn, escaped, and nowhere else."""

from dashboards.html_pages.report import render_html
from dashboards.tables.interference import HEADINGS, interference
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
    for quiet in (report.model_copy(update={"worlds": [still]}), report):
        assert not interference(quiet).lines
        assert "Do the arms interfere?" not in render_html(quiet)


def test_an_arms_name_is_escaped(report):
    page = render_html(report.model_copy(update={"worlds": [row("<b>bold</b>")]}))
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
