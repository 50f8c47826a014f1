"""An audit over fresh seeds: the whole test run again and again, one small file of readings per run.

Each replication draws new users and new noise, and new videos and trained policies too, unless policies are kept:
then one catalogue and the first run's policies serve all of them, and the treatment is one fixed thing.
"""

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from simulator.errors import RunFolderError
from simulator.experiment.local_engine import LocalEngine
from simulator.experiment.runner import play_into
from simulator.experiment.setup import prepare, world_of
from simulator.metrics import Metric
from simulator.noise import seed_word
from simulator.reports.report import Number
from simulator.runs.folder import RunFolder
from simulator.spec.experiment import ExperimentSpec
from simulator.statistics.resplits import Readings
from simulator.studies.audit.methods import audited_metrics
from simulator.studies.audit.policy_cache import CachedTrainingEngine, PolicyCache
from simulator.studies.audit.readings import MethodReadings, SplitReader, join
from simulator.studies.potential_outcomes import read_lives

FOLDER: Final = "replications"


class _StoredRow(BaseModel):
    """Shared settings: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@final
class MethodReading(_StoredRow):
    """One method's reading of one replication: lift, its interval and p, of the A/A and of the A/B test."""

    metric: str
    arm: str
    method: str
    a_a: tuple[Number, Number, Number, Number]
    a_b: tuple[Number, Number, Number, Number]
    truth: Number
    truth_se: Number


@final
class Replication(_StoredRow):
    """One run of the test with a seed of its own."""

    seed: int
    kept_policies: bool
    readings: list[MethodReading]


@final
class _Files:
    """A sink that leaves user-days in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """See `simulator.experiment.runner.Sink`."""
        path = self._folder / name
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table, path)


def replicate(spec: ExperimentSpec, out: RunFolder, index: int, keep_policies: bool, workers: int) -> None:
    """Run the test with its `index`-th seed and keep what was read of it, unless that is done already.

    Raises:
        SpecError: The spec cannot be run.
        RunFolderError: A file of an earlier try that is damaged or of another audit, or that cannot be written.
    """
    seed = replication_seed(spec.seed, index)
    name = f"{FOLDER}/{index:05d}.json"
    if (out.path / name).is_file():
        load_replication(out.path / name, seed, keep_policies)
        return
    again = spec.model_copy(update={"seed": seed, "truth": True, "trace": 0.0, "sweep": None})
    catalogue = replication_seed(spec.seed, 0) if keep_policies else None
    setting = prepare(again, world_of(again), catalogue)
    local = LocalEngine(workers)
    engine = CachedTrainingEngine(local, PolicyCache(out)) if keep_policies else local
    with TemporaryDirectory() as folder:
        play_into(_Files(Path(folder)), setting, engine, _silent)
        lives = read_lives(Path(folder), again)
    readings = [_reading(found) for found in SplitReader(lives).read(lives.bucket[None, :])]
    done = Replication(seed=seed, kept_policies=keep_policies, readings=readings)
    out.put(name, (done.model_dump_json(indent=1) + "\n").encode())


def replication_seed(seed: int, index: int) -> int:
    """The seed of a replication: the same for every audit of that seed, whoever runs it and in which order."""
    return int(seed_word(seed, f"audit {index}") >> np.uint64(1))


def load_replication(path: Path, seed: int, kept_policies: bool) -> Replication:
    """What `replicate` wrote.

    Raises:
        RunFolderError: Damaged, or of another audit.
    """
    try:
        done = Replication.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise RunFolderError(
            f"{path}: damaged ({type(error).__name__}); delete it, and --resume runs it anew"
        ) from None
    if (done.seed, done.kept_policies) != (seed, kept_policies):
        kept = "with" if done.kept_policies else "without"
        raise RunFolderError(
            f"{path}: run with seed {done.seed} {kept} --keep-policies; resume with the same spec and options"
        )
    return done


def gather(spec: ExperimentSpec, out: Path, n: int, keep_policies: bool) -> list[MethodReadings]:
    """What the first `n` replications say together.

    Raises:
        RunFolderError: A file that is missing, damaged or of another audit.
    """
    metrics = {metric.key: metric for metric in audited_metrics(spec.days)}
    done = [
        load_replication(out / f"{FOLDER}/{index:05d}.json", replication_seed(spec.seed, index), keep_policies)
        for index in range(n)
    ]
    return [join([_evidence(each.readings[place], metrics) for each in done]) for place in range(len(done[0].readings))]


def _reading(found: MethodReadings) -> MethodReading:
    """One test's evidence as it is written."""
    return MethodReading(
        metric=found.metric.key,
        arm=found.arm,
        method=found.method,
        a_a=_numbers(found.a_a),
        a_b=_numbers(found.a_b),
        truth=_number(found.truth[0]),
        truth_se=_number(found.truth_se[0]),
    )


def _evidence(reading: MethodReading, metrics: dict[str, Metric]) -> MethodReadings:
    """One test's evidence as it was written."""
    a_a, a_b = (Readings(*(_array(value) for value in four)) for four in (reading.a_a, reading.a_b))
    truth, error = _array(reading.truth), _array(reading.truth_se)
    return MethodReadings(metrics[reading.metric], reading.arm, reading.method, a_a, a_b, truth, error)


def _numbers(readings: Readings) -> tuple[Number, Number, Number, Number]:
    """Lift, interval and p of one test."""
    four = (readings.relative_effect, readings.ci_low, readings.ci_high, readings.p_value)
    low = [_number(values[0]) for values in four]
    return low[0], low[1], low[2], low[3]


def _number(value: float) -> Number:
    """None for what is not a number."""
    return float(value) if math.isfinite(value) else None


def _array(value: Number) -> np.ndarray:
    """An array of one."""
    return np.array([np.nan if value is None else value])


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Show no progress."""
