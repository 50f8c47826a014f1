"""A made-up run folder, for the speed of computing a report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int64

from simulator.rollout.population import block_size
from simulator.runs.folder import RunFolder
from simulator.spec.experiment import ArmSpec, ExperimentSpec
from simulator.user_days import COUNTS, SCHEMA, STRONG_COUNTS, SUMS

DAYS: Final = 7
PRE_DAYS: Final = 3
_ARMS: Final = ("control", "treatment")
_RATES: Final = {"clicks": 0.4, "long_views": 0.25, "completes": 0.15, "skips": 0.3, "likes": 0.02, "hates": 0.001}
"""Rates per view; every other count has 0.01."""


@final
@dataclass(frozen=True)
class MadeUpDay:
    """One made-up day of some users in one world."""

    world: str
    day: int
    user_id: Int64[np.ndarray, " users"]


def make_run_folder(folder: Path, users: int, rng: np.random.Generator) -> int:
    """Write a finished run of two arms without a true effect, and return its number of rows.

    Args:
        folder: Folder to create.
        users: Users of the test.
        rng: Generator of the totals, which are made up, not simulated.
    """
    arms = tuple(ArmSpec(name=name, policy="popular") for name in _ARMS)
    spec = ExperimentSpec(name="bench", users=users, days=DAYS, pre_days=PRE_DAYS, truth=False, arms=arms)
    run = RunFolder.create(folder)
    run.begin(spec)
    size = block_size(users)
    for day in range(-PRE_DAYS, DAYS):
        world = "pre" if day < 0 else "mixed"
        for part, first in enumerate(range(0, users, size)):
            ids = np.arange(first, min(first + size, users), dtype=np.int64)
            run.put_table(
                f"user_days/{world}-{day + 1000:04d}-{part:04d}.parquet", _table(MadeUpDay(world, day, ids), rng)
            )
    return users * (DAYS + PRE_DAYS)


def _table(day: MadeUpDay, rng: np.random.Generator) -> pa.Table:
    """Make rows of `simulator.user_days`."""
    n = len(day.user_id)
    active = rng.random(n) < 0.7
    bucket = pa.array(day.user_id % len(_ARMS), pa.int32())
    columns = {
        "user_id": pa.array(day.user_id),
        "world": _labels((day.world,), pa.array(np.zeros(n, np.int32))),
        "arm": _labels(("pre",), pa.array(np.zeros(n, np.int32))) if day.day < 0 else _labels(_ARMS, bucket),
        "bucket": _labels(_ARMS, bucket),
        "day": pa.array(np.full(n, day.day, np.int16)),
        "active": pa.array(active),
        "segment": _labels(("often", "seldom"), pa.array((day.user_id // 2 % 2).astype(np.int32))),
    }
    columns |= _totals(active, rng)
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def _totals(active: Bool[np.ndarray, " users"], rng: np.random.Generator) -> dict[str, pa.Array]:
    """Draw plausible counts and sums of a day."""
    views = rng.poisson(40, len(active)) * active
    counts = {name: rng.binomial(views, _RATES.get(name, 0.01)) for name in COUNTS if name not in STRONG_COUNTS}
    counts |= dict.fromkeys(STRONG_COUNTS, np.zeros_like(views))
    counts |= {"sessions": 2 * active, "requests": -(-views // 6), "views": views, "eligible": counts["clicks"]}
    counts["asked"] = rng.binomial(counts["eligible"], 0.1)
    counts["answered"] = rng.binomial(counts["asked"], 0.3)
    counts["answers_satisfied"] = rng.binomial(counts["answered"], 0.6)
    counts["answers_dissatisfied"] = counts["answered"] - counts["answers_satisfied"]
    counts["answers_uncertain"] = 0 * views
    counts["true_answered_satisfied"] = counts["answers_satisfied"]
    sums = {name: counts["answers_satisfied" if "satisfied" in name else "answered"] / 0.3 for name in SUMS}
    sums["watch_s"] = views * rng.gamma(2.0, 8.0, len(active))
    arrays = {name: pa.array(values.astype(np.int32)) for name, values in counts.items()}
    return arrays | {name: pa.array(values) for name, values in sums.items()}


def _labels(names: tuple[str, ...], codes: pa.Array) -> pa.Array:
    """Column of names, from codes."""
    return pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string()))
