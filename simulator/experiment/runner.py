"""From a spec to user-days: launch, pre-period, training, and the test under every arm, step by step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, final, runtime_checkable
from zlib import crc32

import pyarrow as pa

from simulator.errors import SpecError
from simulator.experiment.engine import Engine, PackedPolicy, RunContext, ServingPolicies, Store, cut_shards
from simulator.experiment.local_engine import LocalEngine
from simulator.experiment.schedule import SimulationStep, Step, TrainingStep, days_played, plan_steps
from simulator.experiment.setup import PRE, PreparedExperiment, prepare, world_of
from simulator.runs.checkpoint import FOLDER, Checkpoint, StoredFile, TimelineCheckpoint

__all__ = ["PreparedExperiment", "Progress", "Sink", "play", "play_into", "prepare", "run_experiment", "world_of"]


@runtime_checkable
class Sink(Protocol):
    """Receiver of a run's tables instead of a folder."""

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Receive the user-days (`user_days/...`) or the trace (`trace/...`) of one day of one timeline."""
        ...


Progress = Callable[[str, int, int], None]
"""Function that is called with the stage, the number of finished steps, and the number of all steps."""
Stopping = Callable[[int], bool]
"""Function from the finished days of the test to whether the test ends there."""


def run_experiment(setting: PreparedExperiment, sink: Sink, workers: int, progress: Progress) -> None:
    """Run an experiment and pass its tables to `sink`, day by day; nothing is stored on disk.

    Raises:
        SpecError: The spec has a `stop_when`, which needs a run folder.
        InvalidSlateError: A policy broke its contract.
    """
    if setting.spec.stop_when is not None:
        raise SpecError(f"{setting.spec.name}: has a stop_when; run it into a folder, with simulator.run.run_to_folder")
    play_into(sink, setting, LocalEngine(workers), progress)


def play_into(sink: Sink, setting: PreparedExperiment, engine: Engine, progress: Progress) -> None:
    """Run an experiment on the given engine, which is closed at the end; see `run_experiment`."""
    play(setting, MemoryStore(sink, len(cut_shards(setting.blocks))), engine, progress)


def never(_days: int) -> bool:
    """Never stop before the last day."""
    return False


def play(
    setting: PreparedExperiment, store: Store, engine: Engine, progress: Progress, stopping: Stopping = never
) -> None:
    """Run an experiment, or the rest of an interrupted one, step by step, and close the engine.

    Raises:
        InvalidSlateError: A policy broke its contract.
        RunFolderError: A file cannot be written, or an existing one is damaged.
    """
    context = RunContext(setting, store)
    try:
        engine.open(context)
        run = _Run(context, engine, progress, plan_steps(setting))
        run.resume(store.read_checkpoint(), stopping)
    finally:
        engine.close()


@final
class _Run:
    """Run in progress: its finished steps, and the weights of each timeline's policies."""

    def __init__(self, context: RunContext, engine: Engine, progress: Progress, steps: tuple[Step, ...]) -> None:
        self._context = context
        self._engine = engine
        self._progress = progress
        self._steps = steps
        self._weights: dict[str, tuple[PackedPolicy, ...]] = {}
        self._now = Checkpoint()

    def resume(self, checkpoint: Checkpoint | None, stopping: Stopping) -> None:
        """Run all steps that are not done, or until the test ends early."""
        self._restore(checkpoint or Checkpoint(lines={PRE: TimelineCheckpoint()}))
        for index in range(self._now.done, len(self._steps)):
            step = self._steps[index]
            self._show_progress(index)
            next_checkpoint = self._play(step) if isinstance(step, SimulationStep) else self._train(step)
            days = days_played(self._steps, index)
            is_last = index == len(self._steps) - 1 or (days > 0 and stopping(days))
            progress_fields = {"done": len(self._steps), "lines": {}} if is_last else {"done": index + 1}
            self._now = next_checkpoint.model_copy(update={**progress_fields, "steps": len(self._steps)})
            self._context.store.write_checkpoint(self._now)
            if is_last:
                return

    def _restore(self, stored: Checkpoint) -> None:
        """Load users and policies of a checkpoint."""
        self._now = stored
        for timeline, checkpoint in stored.lines.items():
            self._engine.load_users(timeline, checkpoint.standing)
            self._weights[timeline] = self._load_weights(timeline, checkpoint)

    def _load_weights(self, timeline: str, checkpoint: TimelineCheckpoint) -> tuple[PackedPolicy, ...]:
        """Read the stored policies of a timeline."""
        if not checkpoint.policies:
            return tuple(() for _ in self._context.setting.built(timeline))
        get = self._context.store.get
        return tuple(tuple((_own_name(file.name), get(file)) for file in files) for files in checkpoint.policies)

    def _play(self, step: SimulationStep) -> Checkpoint:
        """Simulate a step and return the checkpoint after it."""
        results = self._engine.play(step, ServingPolicies(self._weights[step.timeline], self._now.answer_model))
        policies = self._now.lines[step.timeline].policies
        if step.learns:
            self._weights[step.timeline] = results.policies
            policies = self._stored(step.label, results.policies)
        checkpoint = TimelineCheckpoint(standing=results.states, policies=policies)
        return self._now.with_timeline(step.timeline, checkpoint).with_files(results.tables, results.logs)

    def _train(self, step: TrainingStep) -> Checkpoint:
        """Train policies, start the test's timelines after those of the arms, and return the checkpoint after it."""
        weights, answer_model = self._engine.train(step, self._now.logs)
        states = self._now.lines[PRE].standing
        if step.who == "pre":
            self._weights[PRE] = weights
            checkpoint = TimelineCheckpoint(standing=states, policies=self._stored(PRE, weights))
            return self._now.with_timeline(PRE, checkpoint)
        setting = self._context.setting
        stored = dict(zip(setting.buckets.arms, self._stored("arms", weights), strict=False))
        by_arm = dict(zip(setting.buckets.arms, weights, strict=True))
        self._engine.fork(PRE, setting.timelines)
        checkpoints: dict[str, TimelineCheckpoint] = {}
        for timeline in setting.timelines:
            self._weights[timeline] = tuple(by_arm[arm] for arm in setting.served(timeline))
            checkpoints[timeline] = TimelineCheckpoint(
                standing=states, policies=tuple(stored[arm] for arm in setting.served(timeline) if stored)
            )
        return self._now.model_copy(update={"answer_model": answer_model, "logs": (), "lines": checkpoints})

    def _stored(self, label: str, policies: tuple[PackedPolicy, ...]) -> tuple[tuple[StoredFile, ...], ...]:
        """Store policies, if the store is durable."""
        store, done = self._context.store, self._now.done
        if not store.durable:
            return ()
        return tuple(
            tuple(store.put(f"{FOLDER}/policy-{label}-{done:04d}-{index}/{name}", data) for name, data in weights)
            for index, weights in enumerate(policies)
        )

    def _show_progress(self, index: int) -> None:
        """Report the progress of the run."""
        stages = [_stage(step) for step in self._steps]
        steps_of_stage = [number for number, stage in enumerate(stages) if stage == stages[index]]
        self._progress(stages[index], steps_of_stage.index(index), len(steps_of_stage))


def _stage(step: Step) -> str:
    """Name the stage of a step for progress messages."""
    if isinstance(step, TrainingStep):
        return "training"
    return "before the test" if step.timeline == PRE else "the test"


def _own_name(name: str) -> str:
    """Return the path of a policy's file inside the policy's own folder."""
    return name.split("/", 2)[2]


@final
@dataclass
class MemoryStore:
    """A store that holds logs in memory and passes tables on when those of all shards are complete."""

    sink: Sink
    n_shards: int
    durable: bool = False
    logs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    waiting: dict[str, dict[str, pa.Table]] = field(default_factory=dict[str, dict[str, pa.Table]])

    def put_table(self, name: str, table: pa.Table) -> StoredFile:
        """Hold a table until those of the other shards are complete."""
        self.waiting.setdefault(name.rpartition("-")[0], {})[name] = table
        return StoredFile(name=name, size=0, crc=0)

    def put(self, name: str, data: bytes) -> StoredFile:
        """Hold a log in memory."""
        self.logs[name] = data
        return StoredFile(name=name, size=len(data), crc=crc32(data))

    def get(self, stored: StoredFile) -> bytes:
        """Read a log."""
        return self.logs[stored.name]

    def read_checkpoint(self) -> Checkpoint | None:
        """Return None: there is nothing to resume."""
        return None

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Pass on a step's tables with all users in order, and drop logs that are no longer needed."""
        for day, tables_of_day in self.waiting.items():
            self.sink.write_parquet(
                f"{day}.parquet", pa.concat_tables([tables_of_day[name] for name in sorted(tables_of_day)])
            )
        self.waiting.clear()
        needed = {stored.name for stored in checkpoint.logs}
        self.logs = {name: data for name, data in self.logs.items() if name in needed}
