"""Early stopping: check the rule after a day, and read the note in the run folder of a stopped test."""

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from simulator.analysis.accumulator import gather
from simulator.analysis.looks import interval_by, look_at
from simulator.errors import RunFolderError
from simulator.reports.report import LookRow, Stop
from simulator.spec.experiment import ExperimentSpec, StopRule

FILE: Final = "stop.json"
"""File in the run folder of a test that ended early; it holds a `Stop`."""


def stop_after(spec: ExperimentSpec, folder: Path, days: int) -> Stop | None:
    """Check whether the test ends after `days` days by its rule.

    Args:
        spec: Spec of the run.
        folder: Run folder with the user-days of the pre-period and the first `days` days.
        days: Number of finished days; after the last day the test never stops early.

    Raises:
        RunFolderError: The user-days cannot be read.
    """
    rule = spec.stop_when
    if rule is None or days >= spec.days or days not in spec.looks.after(spec.days):
        return None
    played = spec.first_days(days).without_truth()
    looks = look_at(gather(folder, played, ()), spec)
    last = next(row for row in looks.rows if (row.days, row.arm, row.metric) == (days, rule.arm, rule.metric))
    if not _leaves_out_zero(rule, last, spec.looks.method):
        return None
    low, high = interval_by(last, spec.looks.method)
    reason = f"{rule.metric} of {rule.arm}: the {spec.looks.method} interval, {low:+.2%} to {high:+.2%}, leaves out 0"
    return Stop(days=days, planned=spec.days, reason=reason)


def read_stop(folder: Path) -> Stop | None:
    """Read the note of a run that ended early; None for another run.

    Raises:
        RunFolderError: The note is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return Stop.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        raise RunFolderError(f"{path}: damaged; want what a stopped run wrote there: run the test anew") from None


def _leaves_out_zero(rule: StopRule, look: LookRow, method: str) -> bool:
    """Whether the interval leaves out 0 on the side of the rule; for every main metric higher is better."""
    low, high = interval_by(look, method)
    if low is None or high is None:
        return False
    is_above_zero, is_below_zero = low > 0, high < 0
    return {"better": is_above_zero, "worse": is_below_zero, "either": is_above_zero or is_below_zero}[rule.crossed]
