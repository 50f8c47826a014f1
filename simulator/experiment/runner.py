"""From a spec to user-days: launch, pre-period, training, and the test under every arm, step by step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, final, runtime_checkable
from zlib import crc32

import pyarrow as pa

from simulator.errors import SpecError
from simulator.experiment.engine import Engine, RunContext, ServingPolicies, Store, Weights, cut_parts
from simulator.experiment.local_engine import LocalEngine
from simulator.experiment.schedule import SimulationStep, Step, TrainingStep, days_played, plan_steps
from simulator.experiment.setup import PRE, PreparedExperiment, prepare, world_of
from simulator.runs.checkpoint import FOLDER, Checkpoint, StoredFile, TimelineCheckpoint

__all__ = ["PreparedExperiment", "Progress", "Sink", "play", "play_into", "prepare", "run_experiment", "world_of"]


@runtime_checkable
class Sink(Protocol):
    """Where tables go that nobody keeps on disk."""

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Take the user-days (`user_days/...`) or the trace (`trace/...`) of everybody on one day of one line."""
        ...


Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""
Stopping = Callable[[int], bool]
"""Called with the days of the test that all lines have played: whether the test ends there."""


def run_experiment(setting: PreparedExperiment, sink: Sink, workers: int, progress: Progress) -> None:
    """Play an experiment and hand its tables to `sink`, day by day; nothing stays on disk.

    Raises:
        SpecError: The spec has a `stop_when`, which takes a look at what is on disk.
        RankedBadlyError: A policy broke its contract.
    """
    if setting.spec.stop_when is not None:
        raise SpecError(f"{setting.spec.name}: has a stop_when; run it into a folder, with simulator.run.run_to_folder")
    play_into(sink, setting, LocalEngine(workers), progress)


def play_into(sink: Sink, setting: PreparedExperiment, engine: Engine, progress: Progress) -> None:
    """`run_experiment` on an engine of your choice, which is closed at the end."""
    play(setting, MemoryStore(sink, len(cut_parts(setting.blocks))), engine, progress)


def never(_days: int) -> bool:
    """Play to the last day."""
    return False


def play(
    setting: PreparedExperiment, store: Store, engine: Engine, progress: Progress, stopping: Stopping = never
) -> None:
    """Play an experiment, or what an earlier try left of it, step by step, and close the engine.

    Raises:
        RankedBadlyError: A policy broke its contract.
        RunFolderError: A file cannot be written, or one of an earlier try is damaged.
    """
    hall = RunContext(setting, store)
    try:
        engine.open(hall)
        run = _Run(hall, engine, progress, plan_steps(setting))
        run.resume(store.read_checkpoint(), stopping)
    finally:
        engine.close()


@final
class _Run:
    """Steps done so far, and who serves where."""

    def __init__(self, hall: RunContext, engine: Engine, progress: Progress, steps: tuple[Step, ...]) -> None:
        self._hall = hall
        self._engine = engine
        self._progress = progress
        self._steps = steps
        self._weights: dict[str, tuple[Weights, ...]] = {}
        self._now = Checkpoint()

    def resume(self, before: Checkpoint | None, stopping: Stopping) -> None:
        """Play all steps that are not done, or those up to where the test ends early."""
        self._restore(before or Checkpoint(lines={PRE: TimelineCheckpoint()}))
        for index in range(self._now.done, len(self._steps)):
            step = self._steps[index]
            self._tell(index)
            moved = self._play(step) if isinstance(step, SimulationStep) else self._teach(step)
            days = days_played(self._steps, index)
            last = index == len(self._steps) - 1 or (days > 0 and stopping(days))
            done = {"done": len(self._steps), "lines": {}} if last else {"done": index + 1}
            self._now = moved.model_copy(update={**done, "steps": len(self._steps)})
            self._hall.store.write_checkpoint(self._now)
            if last:
                return

    def _restore(self, now: Checkpoint) -> None:
        """Begin where an earlier try stood."""
        self._now = now
        for line, place in now.lines.items():
            self._engine.load_users(line, place.standing)
            self._weights[line] = self._fetched(line, place)

    def _fetched(self, line: str, place: TimelineCheckpoint) -> tuple[Weights, ...]:
        """The policies of a line as they were kept."""
        if not place.policies:
            return tuple(() for _ in self._hall.setting.built(line))
        return tuple(tuple((_own_name(k.name), self._hall.store.get(k)) for k in files) for files in place.policies)

    def _play(self, scene: SimulationStep) -> Checkpoint:
        """Play a scene."""
        played = self._engine.play(scene, ServingPolicies(self._weights[scene.line], self._now.answer_model))
        place = self._now.lines[scene.line].model_copy(update={"standing": played.standing})
        if scene.learns:
            self._weights[scene.line] = played.policies
            place = TimelineCheckpoint(standing=played.standing, policies=self._kept(scene.label, played.policies))
        return self._now.model_copy(
            update={
                "lines": self._now.at(scene.line, place),
                "logs": (*self._now.logs, *played.logs),
                "tables": (*self._now.tables, *played.tables),
            }
        )

    def _teach(self, lesson: TrainingStep) -> Checkpoint:
        """Fit policies; those of the arms open the test."""
        weights, answer_model = self._engine.train(lesson, self._now.logs)
        if lesson.who == "pre":
            self._weights[PRE] = weights
            place = self._now.lines[PRE].model_copy(update={"policies": self._kept(PRE, weights)})
            return self._now.model_copy(update={"lines": self._now.at(PRE, place)})
        setting, standing = self._hall.setting, self._now.lines[PRE].standing
        kept = dict(zip(setting.buckets.arms, self._kept("arms", weights), strict=False))
        by_arm = dict(zip(setting.buckets.arms, weights, strict=True))
        self._engine.fork(PRE, setting.lines)
        places: dict[str, TimelineCheckpoint] = {}
        for line in setting.lines:
            self._weights[line] = tuple(by_arm[arm] for arm in setting.served(line))
            places[line] = TimelineCheckpoint(
                standing=standing, policies=tuple(kept[arm] for arm in setting.served(line) if kept)
            )
        return self._now.model_copy(update={"answer_model": answer_model, "logs": (), "lines": places})

    def _kept(self, label: str, policies: tuple[Weights, ...]) -> tuple[tuple[StoredFile, ...], ...]:
        """Policies as files, if anyone may go on from here."""
        store, done = self._hall.store, self._now.done
        if not store.durable:
            return ()
        return tuple(
            tuple(store.put(f"{FOLDER}/policy-{label}-{done:04d}-{index}/{name}", data) for name, data in weights)
            for index, weights in enumerate(policies)
        )

    def _tell(self, index: int) -> None:
        """Say how far the run is."""
        stages = [_stage(step) for step in self._steps]
        mine = [at for at, stage in enumerate(stages) if stage == stages[index]]
        self._progress(stages[index], mine.index(index), len(mine))


def _stage(step: Step) -> str:
    """What a step is called while it lasts."""
    if isinstance(step, TrainingStep):
        return "training"
    return "before the test" if step.line == PRE else "the test"


def _own_name(name: str) -> str:
    """A policy's file as the policy knows it: without the folders of the checkpoint and of the policy."""
    return name.split("/", 2)[2]


@final
@dataclass
class MemoryStore:
    """A store that keeps logs in memory, and hands tables on once all parts of a day are there."""

    sink: Sink
    n_parts: int
    durable: bool = False
    logs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    waiting: dict[str, dict[str, pa.Table]] = field(default_factory=dict[str, dict[str, pa.Table]])

    def put_table(self, name: str, table: pa.Table) -> StoredFile:
        """Wait for the other parts."""
        self.waiting.setdefault(name.rpartition("-")[0], {})[name] = table
        return StoredFile(name=name, size=0, crc=0)

    def put(self, name: str, data: bytes) -> StoredFile:
        """Keep a log."""
        self.logs[name] = data
        return StoredFile(name=name, size=len(data), crc=crc32(data))

    def get(self, kept: StoredFile) -> bytes:
        """A log."""
        return self.logs[kept.name]

    def read_checkpoint(self) -> Checkpoint | None:
        """There is never an earlier try."""
        return None

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """A step is done: hand on its tables, everybody in order, and forget logs that are no longer needed."""
        for day, parts in self.waiting.items():
            self.sink.write_parquet(f"{day}.parquet", pa.concat_tables([parts[name] for name in sorted(parts)]))
        self.waiting.clear()
        wanted = {kept.name for kept in checkpoint.logs}
        self.logs = {name: data for name, data in self.logs.items() if name in wanted}
