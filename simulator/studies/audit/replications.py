"""An audit over fresh seeds: the whole test is run many times, with one small file of readings per run.

Each replication draws new users and new noise. It also draws new videos and trains new policies, unless policies are
kept: then all replications use one catalogue and the policies of the first run, so the treatment is fixed.
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
from simulator.studies.potential_outcomes import read_outcomes

FOLDER: Final = "replications"


class _StoredRow(BaseModel):
    """Shared settings: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@final
class MethodReading(_StoredRow):
    """Reading of one replication by one method: lift, its interval and p-value, of the A/A and of the A/B test."""

    metric: str
    arm: str
    method: str
    a_a: tuple[Number, Number, Number, Number]
    a_b: tuple[Number, Number, Number, Number]
    truth: Number
    truth_se: Number


@final
class Replication(_StoredRow):
    """Readings of one run of the test with its own seed."""

    seed: int
    kept_policies: bool
    readings: list[MethodReading]


@final
class _Files:
    """A sink that writes user-days into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """See `simulator.experiment.runner.Sink`."""
        path = self._folder / name
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table, path)


def replicate(spec: ExperimentSpec, out: RunFolder, index: int, keep_policies: bool, workers: int) -> None:
    """Run the test with its `index`-th seed and store its readings, unless they are stored already.

    Raises:
        SpecError: The spec cannot be run.
        RunFolderError: A file is damaged, belongs to another audit, or cannot be written.
    """
    seed = replication_seed(spec.seed, index)
    name = f"{FOLDER}/{index:05d}.json"
    if (out.path / name).is_file():
        load_replication(out.path / name, seed, keep_policies)
        return
    seeded_spec = spec.without_sweep().with_trace(0.0).model_copy(update={"seed": seed, "truth": True})
    catalogue = replication_seed(spec.seed, 0) if keep_policies else None
    setting = prepare(seeded_spec, world_of(seeded_spec), catalogue)
    local = LocalEngine(workers)
    engine = CachedTrainingEngine(local, PolicyCache(out)) if keep_policies else local
    with TemporaryDirectory() as folder:
        play_into(_Files(Path(folder)), setting, engine, _silent)
        outcomes = read_outcomes(Path(folder), seeded_spec)
    readings = [_reading(method_readings) for method_readings in SplitReader(outcomes).read(outcomes.bucket[None, :])]
    replication = Replication(seed=seed, kept_policies=keep_policies, readings=readings)
    out.put(name, (replication.model_dump_json(indent=1) + "\n").encode())


def replication_seed(seed: int, index: int) -> int:
    """Seed of a replication; it depends on the audit's seed and the index alone."""
    return int(seed_word(seed, f"audit {index}") >> np.uint64(1))


def load_replication(path: Path, seed: int, kept_policies: bool) -> Replication:
    """Read a file that `replicate` wrote.

    Raises:
        RunFolderError: The file is damaged or belongs to another audit.
    """
    try:
        replication = Replication.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise RunFolderError(
            f"{path}: damaged ({type(error).__name__}); delete it, and --resume runs it anew"
        ) from None
    if (replication.seed, replication.kept_policies) != (seed, kept_policies):
        with_or_without = "with" if replication.kept_policies else "without"
        raise RunFolderError(
            f"{path}: run with seed {replication.seed} {with_or_without} --keep-policies; "
            "resume with the same spec and options"
        )
    return replication


def gather(spec: ExperimentSpec, out: Path, n: int, keep_policies: bool) -> list[MethodReadings]:
    """Join the readings of the first `n` replications.

    Raises:
        RunFolderError: A file is missing, damaged or of another audit.
    """
    metrics = {metric.key: metric for metric in audited_metrics(spec.days)}
    replications = [
        load_replication(out / f"{FOLDER}/{index:05d}.json", replication_seed(spec.seed, index), keep_policies)
        for index in range(n)
    ]
    return [
        join([_method_readings(replication.readings[position], metrics) for replication in replications])
        for position in range(len(replications[0].readings))
    ]


def _reading(readings: MethodReadings) -> MethodReading:
    """Convert one test's readings for storage."""
    return MethodReading(
        metric=readings.metric.key,
        arm=readings.arm,
        method=readings.method,
        a_a=_numbers(readings.a_a),
        a_b=_numbers(readings.a_b),
        truth=_number(readings.truth[0]),
        truth_se=_number(readings.truth_se[0]),
    )


def _method_readings(reading: MethodReading, metrics: dict[str, Metric]) -> MethodReadings:
    """Convert stored readings of one test back."""
    a_a, a_b = (Readings(*(_array(value) for value in values)) for values in (reading.a_a, reading.a_b))
    truth, error = _array(reading.truth), _array(reading.truth_se)
    return MethodReadings(metrics[reading.metric], reading.arm, reading.method, a_a, a_b, truth, error)


def _numbers(readings: Readings) -> tuple[Number, Number, Number, Number]:
    """Lift, interval and p-value of one test."""
    arrays = (readings.relative_effect, readings.ci_low, readings.ci_high, readings.p_value)
    numbers = [_number(values[0]) for values in arrays]
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _number(value: float) -> Number:
    """The value, or None if it is not finite."""
    return float(value) if math.isfinite(value) else None


def _array(value: Number) -> np.ndarray:
    """Array of one value; NaN for None."""
    return np.array([np.nan if value is None else value])


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Show no progress."""
