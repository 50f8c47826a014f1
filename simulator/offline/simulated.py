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
from simulator.experiment.setup import MIXED, stage_of
from simulator.offline.dataset import Dataset
from simulator.rollout.oracle import pleasure
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
        SpecError: A damaged spec.
        OfflineError: No full trace there.
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
    """Thirteen days of a world under `base`, questionnaires included.

    Raises:
        WorldError: No such world.
        SpecError: Too few users.
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
    """A sink that keeps the trace and nothing else."""

    tables: list[pa.Table] = field(default_factory=list[pa.Table])

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Keep trace tables; other tables are dropped."""
        if name.startswith("trace/"):
            self.tables.append(table)


def _dataset(spec: ExperimentSpec, tables: list[pa.Table], name: str) -> Dataset:
    """One line's views as a log, and the truth about its users and videos."""
    stage, people = stage_of(spec, world_of(spec))
    lines = {str(table["world"][0]) for table in tables if len(table)}
    line = MIXED if MIXED in lines else f"all:{spec.control.name}"
    feedback = Feedback.concatenate(
        [_feedback(table) for table in tables if len(table) and str(table["world"][0]) == line]
    )
    canonical = feedback.take(np.lexsort((feedback.day, feedback.user_id)))
    log = Log(canonical, stage.user_table, stage.video_table)
    return Dataset(name, log, pleasure(stage, people.latents))


def _feedback(table: pa.Table) -> Feedback:
    """Return a trace's logged columns, without the latents."""
    columns = {name: np.asarray(table[name]).astype(dtype) for name, dtype in _COLUMNS.items()}
    events = np.zeros(len(table), np.uint16)
    for event in events_logged(asks_strongly="asked_strongly" in table.column_names):
        happened = np.asarray(table[str(event.name).lower()])
        events |= np.where(happened, np.uint16(event.value), np.uint16(0))
    return Feedback(events=events, **columns)
