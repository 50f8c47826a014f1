"""Numbers and names as people read them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.text import formatting


@pytest.mark.parametrize(
    "say", [formatting.lift, formatting.number, formatting.share, formatting.count, formatting.p_value]
)
def test_null_is_missing_and_never_zero(say):
    assert say(None) == "missing"


@given(st.floats(-0.9, 5).filter(lambda x: x == 0 or abs(x) > 1e-4))
def test_lift_reads_back(value):
    text = formatting.lift(value)
    assert float(text.replace("\N{MINUS SIGN}", "-").rstrip("%")) / 100 == pytest.approx(value, abs=5.1e-5)
    assert (text[0] in "+\N{MINUS SIGN}") == (value != 0)


@given(st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-3))
def test_number_keeps_four_digits(value):
    said = float(formatting.number(value).replace(",", "").replace("\N{MINUS SIGN}", "-"))
    assert said == pytest.approx(value, rel=5.1e-4)


def test_an_interval_open_at_one_end_says_so():
    assert formatting.interval(None, 0.02) == "missing to +2.00%"
    assert formatting.interval(None, None) == "missing"


@given(st.text(max_size=80))
def test_text_in_figures_holds_no_tag_but_line_breaks(text):
    assert "<" not in formatting.in_figure(text).replace("<br>", "")


@given(st.text(alphabet="ab*_`[]()<>#~:$\\|!&\n", max_size=40))
def test_no_punctuation_keeps_its_meaning_in_markdown(text):
    said = formatting.in_markdown(text)
    assert "\n" not in said
    plain = said.replace("\\\\", "")
    marks = [place for place, letter in enumerate(plain) if letter in "*_`[]()<>#~:$|!&"]
    assert all(place > 0 and plain[place - 1] == "\\" for place in marks)


@pytest.mark.parametrize(
    "text",
    [":smile:", "https://a.b", "HTTP://a.b", "www.a.b", "a@b.c", "a -> b", "a <-> b", "a -- b", ">= 1", ":material_x:"],
)
def test_what_streamlit_turns_behind_a_backslash_is_broken_by_a_joiner(text):
    turned = r":[\w+-]+:|https?://|www\.|[-.\w+]+@[-\w]+\.|(^|\s)(<->|->|<-|--|>=|<=|~=)(\s|$)"
    shown = formatting.in_markdown(text).replace("\\", "")
    assert re.search(turned, text, re.IGNORECASE)
    assert not re.search(turned, shown, re.IGNORECASE)
    assert shown.replace("\N{WORD JOINER}", "") == text


def test_headline_metrics_come_first(report):
    assert formatting.metric_keys(report)[:3] == ["AUT", "AVT", "P2N"]
    assert set(formatting.metric_keys(report)) == {row.metric for row in report.metrics}
