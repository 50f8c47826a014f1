"""Simulated logs to evaluate on: the full trace of a run, or a fortnight of a world; both include the truth.

Axes: `rows` logged views, `users` requests, `n` candidates.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from policies.base import Feedback, Log
from policies.events import events_logged
from simulator.errors import OfflineError
from simulator.experiment.runner import Progress, prepare, run_experiment, world_of
from simulator.experiment.setup import MIXED, platform_of
from simulator.offline.dataset import Dataset
from simulator.rollout.oracle import satisfaction_value
from simulator.spec.experiment import ArmSpec, ExperimentSpec, load_spec

DAYS: Final = 13
_SEED: Final = 1
_COLUMNS: Final = {
    "user_id": np.int32, "video_id": np.int32, "day": np.int16, "hour": np.int8, "request": np.int16,
    "position": np.int8, "watch_s": np.float32, "answer": np.int8,
}  # fmt: skip


def read_run(folder: Path) -> Dataset:
    """Read a run's trace: the mixed timeline if there is one, else all users under the control.

    Raises:
        SpecError: The spec is damaged.
        OfflineError: There is no full trace.
    """
    spec = load_spec(str(folder / "spec.toml"))
    files = sorted((folder / "trace").glob("*.parquet"))
    if spec.trace < 1 or not files:
        raise OfflineError(f"{folder}: trace = {spec.trace:g} in its spec, want the whole; run it with trace = 1.0")
    try:
        tables = [pq.read_table(file.absolute()) for file in files]
    except (OSError, pa.ArrowException) as error:
        raise OfflineError(f"{folder}: trace cannot be read: {str(error).splitlines()[0]}; run it anew") from None
    return _dataset(spec, tables, spec.name)


def simulate(world: str, users: int, workers: int, progress: Progress) -> Dataset:
    """Simulate thirteen days of a world under `base`, with questionnaires.

    Raises:
        WorldError: The world is unknown.
        SpecError: There are too few users.
    """
    arms = tuple(ArmSpec(name=name, policy="base") for name in ("one", "other"))
    spec = ExperimentSpec(
        name=world, seed=_SEED, world=world, users=users, days=DAYS, pre_days=1, truth=False, trace=1.0, arms=arms
    )
    traces = _Traces()
    run_experiment(prepare(spec, world_of(spec)), traces, workers, progress)
    return _dataset(spec, traces.tables, f"{spec.name}, {users:,} simulated users")


@final
@dataclass
class _Traces:
    """A sink that stores only the trace."""

    tables: list[pa.Table] = field(default_factory=list[pa.Table])

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Keep trace tables; other tables are dropped."""
        if name.startswith("trace/"):
            self.tables.append(table)


def _dataset(spec: ExperimentSpec, tables: list[pa.Table], name: str) -> Dataset:
    """Turn one timeline's views into a log, with the truth on its users and videos."""
    platform, users = platform_of(spec, world_of(spec))
    timelines = {str(table["world"][0]) for table in tables if len(table)}
    timeline = MIXED if MIXED in timelines else f"all:{spec.control.name}"
    feedback = Feedback.concatenate(
        [_feedback(table) for table in tables if len(table) and str(table["world"][0]) == timeline]
    )
    canonical = feedback.take(np.lexsort((feedback.day, feedback.user_id)))
    log = Log(canonical, platform.user_table, platform.video_table)
    return Dataset(name, log, satisfaction_value(platform, users.latents))


def _feedback(table: pa.Table) -> Feedback:
    """Read a trace's logged columns, without the latents."""
    columns = {name: np.asarray(table[name]).astype(dtype) for name, dtype in _COLUMNS.items()}
    events = np.zeros(len(table), np.uint16)
    for event in events_logged(asks_strongly="asked_strongly" in table.column_names):
        occurred = np.asarray(table[str(event.name).lower()])
        events |= np.where(occurred, np.uint16(event.value), np.uint16(0))
    return Feedback(events=events, **columns)
