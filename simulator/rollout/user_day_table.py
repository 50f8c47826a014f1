"""Turn totals of a day into rows of the table in `simulator.user_days`."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pyarrow as pa
from jaxtyping import Int32, Int64

from simulator.rollout.day import Timeline
from simulator.rollout.request import BlockDay
from simulator.user_days import COUNTS, SCHEMA, STRONG_COUNTS, SUMS


@final
@dataclass(frozen=True)
class Buckets:
    """Arm and segment of all users, in order of id.

    Attributes:
        arms: Names of the arms.
        arm_of: Index of each user's arm.
        segments: Names of the segments.
        segment_of: Index of each user's segment.
    """

    arms: tuple[str, ...]
    arm_of: Int32[np.ndarray, " users"]
    segments: tuple[str, ...]
    segment_of: Int32[np.ndarray, " users"]

    def part(self, user_id: Int64[np.ndarray, " some"]) -> "Buckets":
        """Select users."""
        return Buckets(self.arms, self.arm_of[user_id], self.segments, self.segment_of[user_id])


def user_day_table(
    timeline: Timeline,
    days: list[BlockDay],
    day: int,
    served: tuple[str, ...],
    buckets: Buckets,
    *,
    asks_strongly: bool,
) -> pa.Table:
    """Make one row per user of a timeline on a day.

    Args:
        timeline: The users and their policies.
        days: Totals of its blocks.
        day: Negative before the test.
        served: Name of each of the timeline's policies in the column `arm`.
        buckets: Assignment of all users.
        asks_strongly: Whether the table has the `STRONG_COUNTS`.
    """
    user_id = np.concatenate([block.user_id for block in timeline.blocks])
    counts = np.concatenate([block_day.totals.counts for block_day in days])
    sums = np.concatenate([block_day.totals.sums for block_day in days])
    buckets_of_users = buckets.part(user_id)
    columns = {
        "user_id": pa.array(user_id),
        "world": _labels((timeline.name,), np.zeros(len(user_id), np.int32)),
        "arm": _labels(served, np.concatenate(timeline.served_by)),
        "bucket": _labels(buckets_of_users.arms, buckets_of_users.arm_of),
        "day": pa.array(np.full(len(user_id), day, np.int16)),
        "active": pa.array(counts[:, 0] > 0),
        "segment": _labels(buckets_of_users.segments, buckets_of_users.segment_of),
    }
    columns |= {name: pa.array(counts[:, j]) for j, name in enumerate(COUNTS)}
    columns |= {name: pa.array(sums[:, j]) for j, name in enumerate(SUMS)}
    table = pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)
    return table if asks_strongly else table.drop_columns(list(STRONG_COUNTS))


def _labels(names: tuple[str, ...], codes: Int32[np.ndarray, " users"]) -> pa.Array:
    """Column of names, from codes."""
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, pa.string()))
