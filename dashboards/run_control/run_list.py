"""Run folders as lines of a list: how each stands and, where it is finished, what came of it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, final

import streamlit as st

from dashboards.run_control import launch
from dashboards.run_control.found_runs import Fingerprint, fingerprint, run_label
from dashboards.text import formatting
from dashboards.text.decision import split_is_off
from dashboards.text.remarks import remarks_of
from dashboards.text.verdict import brief
from simulator.reports.report import LookRow, MetricRow, Report, RunFolderError, find_runs, load_report
from simulator.runs.state import RunState, read_keys, run_state

Kind: TypeAlias = Literal["finished", "running", "starting", "stopped", "failed", "damaged"]
ACTIVE: Final = ("running", "starting")


@final
@dataclass(frozen=True)
class RunOutcome:
    """What a finished run has to say, in a few words."""

    verdict: str
    health: str
    policies: str
    effect: tuple[float, ...]


@final
@dataclass(frozen=True)
class RunLine:
    """One run in the list.

    Attributes:
        run: Its folder.
        label: Its name within the folder of runs.
        kind: How it stands; `failed` ended before its folder was there.
        status: The same in words.
        share: Part of its steps that is done.
        outcome: Empty words where there is no report.
        date: When the report was written, or else when the folder last changed.
    """

    run: Path
    label: str
    kind: Kind
    status: str
    share: float
    outcome: RunOutcome
    date: datetime | None

    def matches(self, words: str) -> bool:
        """Whether every word that is looked for is in the line."""
        text = f"{self.label} {self.kind} {self.outcome.policies} {self.outcome.verdict} {self.outcome.health}".lower()
        return all(word in text for word in words.lower().split())


def run_lines(folder: Path) -> list[RunLine]:
    """Every run at or below a folder, those under way first, then the newest first."""
    runs = find_runs(folder)
    begun = [run for run in launch.attempted(folder) if run not in runs] if folder not in runs else []
    lines = [run_line(run, folder) for run in [*runs, *begun]]
    return sorted(lines, key=lambda line: (line.kind not in ACTIVE, -_moment(line.date), line.label))


def run_line(run: Path, folder: Path) -> RunLine:
    """One run."""
    label = run_label(run, folder)
    version = fingerprint(run)
    try:
        state = run_state(run) if (run / "spec.toml").is_file() else None
        if state is not None and state.stage == "finished" and version is not None:
            outcome = _outcome(str(run), version.mtime_ns, version.size)
            return RunLine(run, label, "finished", "finished", 1.0, outcome, _date(version))
        kind, words, share = _unfinished(run, state)
        return RunLine(run, label, kind, words, share, RunOutcome("", "", _planned(run), ()), _changed(run))
    except RunFolderError as error:
        words = f"damaged: {error}"
        return RunLine(run, label, "damaged", words, 0.0, RunOutcome("", "", "", ()), _changed(run))


def summary(report: Report) -> RunOutcome:
    """What a report has to say, in a few words."""
    policies = " · ".join(arm.policy for arm in report.arms)
    effect = tuple(100 * row.relative_effect for row in effect_rows(report) if row.relative_effect is not None)
    return RunOutcome(brief(report), _health(report), policies, effect)


@st.cache_resource(max_entries=10_000, show_spinner=False)
def _outcome(run: str, mtime_ns: int, size: int) -> RunOutcome:  # noqa: ARG001 (part of the cache's key)
    """That of a run, read again only when its report has changed."""
    return summary(load_report(Path(run)))


def _unfinished(run: Path, state: RunState | None) -> tuple[Kind, str, float]:
    """How a run without a report stands: kind, words, share done."""
    attempt = launch.read_attempt(run)
    ours = attempt is not None and attempt.alive
    if state is None or (ours and state.stage != "running"):
        if ours:
            return "starting", "starting", 0.0
        return "failed", f"did not begin: {launch.last_words(run) or 'no reason given'}", 0.0
    far = f"step {min(state.done + 1, state.steps)} of {state.steps}" if state.steps else "the first step"
    part = f", {state.part}" if state.part else ""
    share = state.done / state.steps if state.steps else 0.0
    if state.stage == "running":
        elsewhere = "" if ours or state.holder is None else f" (process {state.holder.process} on {state.holder.host})"
        return "running", f"running {far}{part}{elsewhere}", share
    done = f"after step {state.done} of {state.steps}" if state.steps else "before the first step was done"
    return "stopped", f"stopped {done}; can be resumed", share


def _planned(run: Path) -> str:
    """The policies of the arms as the spec of an unfinished run has them."""
    if not (run / "spec.toml").is_file():
        return ""
    arms: Any = read_keys(run).get("arms")
    listed = arms if isinstance(arms, list) else []
    return " · ".join(str(arm.get("policy")) for arm in listed if isinstance(arm, dict))


def _health(report: Report) -> str:
    if split_is_off(report):
        return f"alarm: sample ratio p = {formatting.p_value(report.health.srm_p_value)}"
    summary = remarks_of(report).summary
    return f"A/A, {summary}" if report.health.a_a else summary


def effect_rows(report: Report) -> list[LookRow] | list[MetricRow]:
    """The first headline metric of the first treatment: its looks, whose lift is cumulative, or else its days."""
    keys = formatting.headline_keys(report)
    if not keys or len(report.arms) < 2:
        return []
    arm, looks = report.arms[1].name, [] if report.looks is None else report.looks.rows
    rows = [row for row in looks if (row.arm, row.metric) == (arm, keys[0])]
    return rows if len(rows) > 1 else [row for row in report.daily if (row.arm, row.metric) == (arm, keys[0])]


def _date(version: Fingerprint) -> datetime:
    """When a report was written, in the time of this machine."""
    return datetime.fromtimestamp(version.mtime_ns // 10**9)  # noqa: DTZ006 (shown to whoever sits at this machine)


def _changed(run: Path) -> datetime | None:
    """When a folder last changed; None where it is not there."""
    try:
        return datetime.fromtimestamp(int(run.stat().st_mtime))  # noqa: DTZ006 (the same)
    except OSError:
        return None


def _moment(date: datetime | None) -> float:
    """A date as a number; a run without one counts as new."""
    return float("inf") if date is None else date.timestamp()
