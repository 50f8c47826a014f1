"""Questionnaires counted by how satisfying the view truly was, and by the estimated chance of an answer.

For reports, never for policies. There is one small table per day and timeline. Every number in it is whole, so sums do
not depend on their order. Axes: `rows` questionnaires.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Float64, Int64

from simulator.user_days import BIN_WIDTH, BY_ESTIMATE, BY_SATISFACTION, PROPENSITY_UNIT


@final
@dataclass(frozen=True)
class AskedViews:
    """Questionnaires of one request, with true satisfaction and estimated and true answer probabilities."""

    satisfaction: Float32[np.ndarray, " rows"]
    estimated: Float64[np.ndarray, " rows"]
    true: Float32[np.ndarray, " rows"]
    answered: Bool[np.ndarray, " rows"]


def bin_table(asked_views: Sequence[AskedViews], world: str, day: int) -> pa.Table:
    """Count questionnaires by scale and bin; bin b is from b to b + 1 bin widths."""
    estimated = np.concatenate([views.estimated for views in asked_views])
    true = np.concatenate([views.true for views in asked_views]).astype(np.float64)
    answered = np.concatenate([views.answered for views in asked_views])
    satisfaction = np.concatenate([views.satisfaction for views in asked_views]).astype(np.float64)
    tables: list[pa.Table] = []
    for scale, values in ((BY_SATISFACTION, satisfaction), (BY_ESTIMATE, estimated)):
        bins, bin_of = np.unique(np.floor(values / BIN_WIDTH[scale]).astype(np.int64), return_inverse=True)
        names = {"world": world, "scale": scale}
        columns = {
            **{name: pa.array([value] * len(bins), pa.string()) for name, value in names.items()},
            "day": pa.array(np.full(len(bins), day, np.int16)),
            "bin": pa.array(bins),
            "asked": pa.array(np.bincount(bin_of, minlength=len(bins))),
            "answered": pa.array(_whole_sums(bin_of, answered.astype(np.int64), len(bins))),
            "estimated": pa.array(
                _whole_sums(bin_of, np.rint(estimated / PROPENSITY_UNIT).astype(np.int64), len(bins))
            ),
            "true": pa.array(_whole_sums(bin_of, np.rint(true / PROPENSITY_UNIT).astype(np.int64), len(bins))),
        }
        tables.append(pa.table(columns))
    return pa.concat_tables(tables)


def _whole_sums(bin_of: Int64[np.ndarray, " rows"], values: Int64[np.ndarray, " rows"], n: int) -> np.ndarray:
    """Sum whole numbers by bin."""
    sums = np.zeros(n, np.int64)
    np.add.at(sums, bin_of, values)
    return sums
