"""Warnings of a report, grouped: what changes a decision, and what is good to know."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

from dashboards.text import formatting
from dashboards.text.decision import listed, truth_in_interval
from simulator.reports.report import Report

_FEW: Final = re.compile(
    r"(?P<metric>.+?), .+ against .+: (?P<totals>.+) of .+ are spread as unevenly as over (?P<n>\d+) equal users"
)
_SEGMENTS: Final = re.compile(r"segments left out, under (?P<fewest>\d+) users in a bucket: (?P<names>.+)")
_TOO_GOOD: Final = re.compile(r"(?P<metric>.+?), (?P<arm>.+): a lift of .+ is unusually large")
_TOTALS: Final = {"watch_s": "watch time", "active_days": "active days"}


@final
@dataclass(frozen=True)
class Remarks:
    """Warnings in plain words.

    Attributes:
        urgent: What changes a decision.
        notes: What is good to know.
    """

    urgent: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def summary(self) -> str:
        """How many there are, in two or three words."""
        if self.urgent:
            return formatting.plural(len(self.urgent), "warning")
        return formatting.plural(len(self.notes), "note") if self.notes else "fine"


def remarks_of(report: Report) -> Remarks:
    """Group the warnings of a report; a kind that is not known here is urgent."""
    warnings = report.health.warnings
    few = [match for warning in warnings if (match := _FEW.match(warning))]
    segments = [match for warning in warnings if (match := _SEGMENTS.match(warning))]
    covered = [warning for warning in warnings if _is_covered(report, warning)]
    grouped = {match.string for match in (*few, *segments)} | set(covered)
    return Remarks(
        tuple(_sentence(warning) for warning in warnings if warning not in grouped),
        (*_few_users(few), *_left_out(segments), *(_sentence(_believed(warning)) for warning in covered)),
    )


def _few_users(matches: list[re.Match[str]]) -> list[str]:
    """One sentence per total that comes mostly from few users."""
    sentences: list[str] = []
    for totals, these in _by(matches, lambda match: _TOTALS.get(match["totals"], match["totals"].replace("_", " "))):
        metrics = list(dict.fromkeys(match["metric"] for match in these))
        come = "come" if totals.endswith("s") else "comes"
        few = _range([int(match["n"]) for match in these])
        intervals = "interval" if len(metrics) == 1 else "intervals"
        sentences.append(
            f"Most {totals} {come} from few users ({few}): the {intervals} of {listed(metrics)} may be too narrow."
        )
    return sentences


def _left_out(matches: list[re.Match[str]]) -> list[str]:
    """Segments that are too small, by name."""
    return [
        f"Segments with fewer than {match['fewest']} users in a bucket are left out: "
        f"{'; '.join(map(formatting.segment_words, match['names'].split(', ')))}."
        for match in matches
    ]


def _is_covered(report: Report, warning: str) -> bool:
    """Whether a lift is called unusually large, and the truth lies in its interval."""
    match = _TOO_GOOD.match(warning)
    rows = [row for row in report.metrics if match and (row.metric, row.arm) == (match["metric"], match["arm"])]
    return any(truth_in_interval(row) == "covered" for row in rows)


def _believed(warning: str) -> str:
    """A warning of a large lift that is true."""
    return warning.replace("; check before believing", "; the true lift lies in its interval")


def _by(matches: list[re.Match[str]], key: Callable[[re.Match[str]], str]) -> list[tuple[str, list[re.Match[str]]]]:
    """Matches by a key, in the order in which keys occur."""
    groups: dict[str, list[re.Match[str]]] = {}
    for match in matches:
        groups.setdefault(key(match), []).append(match)
    return list(groups.items())


def _range(numbers: list[int]) -> str:
    """Effective numbers of users in words."""
    low, high = min(numbers), max(numbers)
    return f"as uneven as {low} equal ones" if low == high else f"as uneven as {low} to {high} equal ones"


def _sentence(text: str) -> str:
    """A line with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
