"""Numbers and names in plain words. Nothing is computed: a number is only rounded for reading."""

import html
import math
import re
import textwrap
from collections.abc import Mapping
from typing import Final

from simulator.reports.report import MetricRow, Number, Report

HEADLINE: Final = ("AUT", "AVT", "P2N")
"""The metrics that come first, in this order."""
MISSING: Final = "missing"
_MINUS = "\N{MINUS SIGN}"
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# what Streamlit turns into emoji, icons, links and arrows even behind a backslash; an unseen joiner within stops it
_TURNED = re.compile(r"(?<=:)(?=[\w+-]+:|//)|(?<=www)(?=\.)|(?<=@)(?=\w)|(?<=[-<>~])(?=[->=]+(?:\s|$))", re.IGNORECASE)
_JOINER = "\N{WORD JOINER}"


def lift(value: Number) -> str:
    """A relative effect in percent with its sign; exactly zero has none.

    >>> lift(0.0123), lift(-0.004), lift(0.0), lift(None)
    ('+1.23%', '−0.40%', '0%', 'missing')
    """
    if value is None:
        return MISSING
    return "0%" if value == 0 else f"{value:+.2%}".replace("-", _MINUS)


def interval(low: Number, high: Number) -> str:
    """Both ends of an interval of lifts; an open end says so."""
    return MISSING if low is None and high is None else f"{lift(low)} to {lift(high)}"


def number(value: Number) -> str:
    """Four significant digits, with thousands separated.

    >>> number(312.4567), number(0.03217), number(1234567.0), number(None)
    ('312.5', '0.03217', '1,234,567', 'missing')
    """
    if value is None:
        return MISSING
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", _MINUS)


def share(value: Number) -> str:
    """A share in percent.

    >>> share(0.6241)
    '62.41%'
    """
    return MISSING if value is None else f"{value:.2%}"


def count(value: Number) -> str:
    """A whole number with thousands separated.

    >>> count(10_031)
    '10,031'
    """
    return MISSING if value is None else f"{value:,.0f}"


def plural(n: float, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "day"), plural(2, "day"), plural(1200, "user")
    ('1 day', '2 days', '1,200 users')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def rounded_count(value: float) -> str:
    """A whole number to two digits, rounded up.

    >>> rounded_count(43_210.0), rounded_count(7.2)
    ('44,000', '8')
    """
    step = 10 ** max(math.floor(math.log10(max(value, 1))) - 1, 0)
    return f"{math.ceil(value / step) * step:,}"


def p_value(value: Number) -> str:
    """A p-value with four decimals, or that it is smaller.

    >>> p_value(0.03125), p_value(1e-9)
    ('0.0312', '< 0.0001')
    """
    if value is None:
        return MISSING
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def equals_p(name: str, value: Number) -> str:
    """A p-value with its name.

    >>> equals_p("p", 0.03125), equals_p("adjusted p", 1e-9)
    ('p = 0.0312', 'adjusted p < 0.0001')
    """
    text = p_value(value)
    return f"{name} {text}" if text.startswith("<") else f"{name} = {text}"


def segment_words(name: str) -> str:
    """Name of a segment in words; its column is left out where the level says enough.

    >>> segment_words("2_14_day_new"), segment_words("register_days_range 15-30"), segment_words("low_active")
    ('new, 2 to 14 days', 'registered 15 to 30 days ago', 'low activity')
    """
    new = re.fullmatch(r"(?:user_active_degree )?(\d+)_(\d+)_day_new", name)
    if new:
        return f"new, {new[1]} to {new[2]} days"
    registered = re.fullmatch(r"register_days_range (\d+)(?:-(\d+)|\+)", name)
    if registered:
        return f"registered {registered[1]}{f' to {registered[2]}' if registered[2] else ' or more'} days ago"
    return re.sub(r"_active$", " activity", name).replace("_", " ")


def feature_words(name: str) -> str:
    """Name of a public column of users in words.

    >>> feature_words("register_days_range"), feature_words("is_lowactive_period")
    ('time since registration', 'is lowactive period')
    """
    known = {"user_active_degree": "activity", "register_days_range": "time since registration"}
    return known.get(name, name.replace("_", " "))


def why(reasons: Mapping[str, str], field: str) -> str:
    """Why a number is null.

    >>> why({"p_value": "no hates"}, "p_value"), why({}, "p_value")
    ('no hates', 'no reason given')
    """
    return reasons.get(field, "no reason given")


def in_figure(text: str, width: int = 200) -> str:
    """Text safe to draw: Plotly reads tags in labels, so they are escaped; wrapped at `width` characters.

    >>> in_figure("<b>bold</b> arm")
    '&lt;b&gt;bold&lt;/b&gt; arm'
    """
    lines = textwrap.wrap(text, width) or [""]
    return "<br>".join(html.escape(line, quote=False) for line in lines)


def in_legend(name: str) -> str:
    """A name short enough to stand in a row with others; an ellipsis says that there is more.

    >>> in_legend("a name that goes on and on and on")
    'a name that goes on and on…'
    """
    return in_figure(name if len(name) <= 28 else f"{name[:27].rstrip()}…")


def in_markdown(text: str) -> str:
    r"""Text safe in Streamlit's Markdown: every mark of punctuation loses its meaning.

    >>> print(in_markdown("a*b*"))
    a\*b\*
    """
    return _PUNCTUATION.sub(r"\\\1", _TURNED.sub(_JOINER, " ".join(text.split())))


def metric_keys(report: Report) -> list[str]:
    """List the metrics of the scorecard: the headline, then guardrails, then the others in the report's order."""
    keys = list(dict.fromkeys(row.metric for row in report.metrics))
    guardrails = {row.metric for row in report.metrics if row.margin is not None}
    others = sorted((key for key in keys if key not in HEADLINE), key=lambda key: key not in guardrails)
    return [key for key in HEADLINE if key in keys] + others


def headline_keys(report: Report) -> list[str]:
    """The headline metrics that this report has."""
    return [key for key in metric_keys(report) if key in HEADLINE]


def describe(report: Report, metric: str) -> MetricRow:
    """A row of the scorecard that carries the metric's label and unit."""
    return next(row for row in report.metrics if row.metric == metric)


def facts(report: Report) -> str:
    """What was run, in a line."""
    before = f" after {report.pre_days} before it" if report.pre_days else ""
    return (
        f"{plural(report.users, 'user')}, {plural(report.days, 'day')} of test{before}, world {report.world}, "
        f"{report.views_scale:.0%} of real activity, seed {report.seed}."
    )


def footer(report: Report) -> str:
    """What kind of numbers these are."""
    return (
        f"Simulated users; written by askew from report.json, format {report.format}. Lift is relative to the control,"
        " the first arm, at its adjusted mean: where the pre-period is used, that is the mean once differences from"
        " before the test are taken out. A true lift is the paired difference of the same users under both arms, ± its"
        " standard error."
    )
