"""Encoding of public features; it is stored, so that other tables are encoded the same way.

Axes: `items` users or videos; `f` numbers.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int64

from user_models.fit.rows.features import RARE, Features


@final
@dataclass(frozen=True)
class Coding:
    """Categories with a code of their own, and how numbers are standardised.

    Attributes:
        levels: Of each column; what is not among them shares one more code.
        mean: Of each number.
        spread: Standard deviation of each number, 1 where it never varies.
    """

    levels: tuple[tuple[str, ...], ...]
    mean: Float32[np.ndarray, " f"]
    spread: Float32[np.ndarray, " f"]

    @property
    def n_codes(self) -> int:
        """Codes in use, those of unknown categories included."""
        return sum(len(column) + 1 for column in self.levels)

    def encode(self, categories: pd.DataFrame, numbers: Float32[np.ndarray, "items f"]) -> Features:
        """Encode the items of a table; missing numbers become the mean."""
        codes: list[Int64[np.ndarray, " items"]] = []
        start = 0
        for levels, name in zip(self.levels, categories.columns, strict=True):
            at = pd.Index(levels, dtype=object).get_indexer(pd.Index(categories[name].to_numpy(object)))
            codes.append(start + 1 + at.astype(np.int64))
            start += len(levels) + 1
        standard = np.nan_to_num((numbers - self.mean) / self.spread).astype(np.float32)
        return Features(np.stack(codes, axis=1), self.n_codes, np.clip(standard, -5, 5))


def learn_coding(categories: pd.DataFrame, numbers: Float32[np.ndarray, "items f"]) -> Coding:
    """The coding of a table; categories with fewer than `RARE` items get no code of their own."""
    levels: list[tuple[str, ...]] = []
    for name in categories.columns:
        column = categories[name]
        counts = column.value_counts()
        levels.append(tuple(sorted(str(level) for level in counts.index[counts >= RARE])))
    spread = np.nanstd(numbers, axis=0)
    return Coding(
        tuple(levels), np.nanmean(numbers, axis=0), np.where(spread > 0, spread, np.float32(1)).astype(np.float32)
    )
