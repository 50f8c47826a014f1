"""What a test is judged by: each metric is a value object, a ratio of totals over the assigned users.

Axes: `users`, one entry per assigned user whether they came or not (intention to treat).
"""

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float64

PRE: Final = "pre_"
"""Prefix of a column's total before the test."""
Direction: TypeAlias = Literal["up", "down", "neither"]


@final
@dataclass(frozen=True)
class Ratio:
    """The two sides of a metric; the metric is the ratio of their sums.

    Attributes:
        numerator: Total per user.
        denominator: Total per user; 1 where the metric is a mean over users.
    """

    numerator: Float64[np.ndarray, " users"]
    denominator: Float64[np.ndarray, " users"]

    @property
    def value(self) -> float | None:
        """The metric, or None where the denominator sums to 0."""
        below = float(self.denominator.sum())
        return float(self.numerator.sum()) / below if below else None


@final
@dataclass(frozen=True)
class Metric:
    """One number per bucket, and how to read it.

    Attributes:
        key: Short name, unique.
        label: For people, at most 25 characters.
        unit: Of the value.
        better: Which direction is good.
        numerator: Columns that are added up.
        denominator: Columns that are added up below, or None for one per assigned user.
        scale: Factor on the numerator.
        cap: Largest total of a user that counts in the numerator, before `scale`; larger ones count as this. A capped
            metric is another quantity than the one without a cap: say so in its label.

    Raises:
        ValueError: A field that is not as it is said here.

    >>> import pandas as pd
    >>> METRICS["AVT"].ratio(pd.DataFrame({"watch_s": [30, 0, 50], "views": [2, 0, 6]})).value
    10.0
    """

    key: str
    label: str
    unit: str
    better: Direction
    numerator: tuple[str, ...]
    denominator: tuple[str, ...] | None = None
    scale: float = 1.0
    cap: float | None = None

    def __post_init__(self) -> None:
        """Refuse what would be told wrong later."""
        for name, columns in (("numerator", self.numerator), ("denominator", self.denominator)):
            if not _are_names(columns) and (name == "numerator" or columns is not None):
                raise ValueError(
                    f'metric {self.key!r}: {name} {columns!r} given, want a tuple of columns, as in ("y",)'
                )
        if self.better not in get_args(Direction):
            directions = ", ".join(get_args(Direction))
            raise ValueError(f"metric {self.key!r}: better = {self.better!r} given, want one of {directions}")
        if not math.isfinite(self.scale) or self.scale == 0:
            raise ValueError(f"metric {self.key!r}: scale = {self.scale} given, want a number that is not 0")
        if self.cap is not None and not (math.isfinite(self.cap) and self.cap > 0):
            raise ValueError(f"metric {self.key!r}: cap = {self.cap} given, want a number above 0, or none")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that a frame of users must have."""
        return self.numerator + (self.denominator or ())

    def ratio(self, users: pd.DataFrame, prefix: str = "") -> Ratio:
        """Both sides of the metric, row by row; `prefix` chooses the columns of another period."""
        total = _total(users, self.numerator, prefix)
        above = self.scale * (total if self.cap is None else np.minimum(total, self.cap))
        if self.denominator is None:
            return Ratio(above, np.ones(len(users)))
        return Ratio(above, _total(users, self.denominator, prefix))


def _are_names(columns: object) -> bool:
    """Whether these are names of columns, one at least."""
    return isinstance(columns, tuple) and bool(columns) and all(isinstance(name, str) for name in columns)  # pyright: ignore[reportUnknownVariableType] # that is what is asked


def _total(users: pd.DataFrame, columns: tuple[str, ...], prefix: str) -> Float64[np.ndarray, " users"]:
    """The columns added up, row by row."""
    total = np.zeros(len(users))
    for column in columns:
        total += users[prefix + column].to_numpy()
    return total


_POSITIVE = ("likes", "follows", "comments", "forwards")


def _per_view(key: str, label: str, unit: str, better: Literal["up", "down"], column: str) -> Metric:
    """A share of the views."""
    return Metric(key, label, unit, better, (column,), ("views",))


_ALL: Final = (
    Metric("AUT", "AUT, watch s per user-day", "s/user/day", "up", ("watch_s",), ("days",)),
    Metric("AVT", "AVT, watch s per view", "s/view", "up", ("watch_s",), ("views",)),
    Metric("P2N", "P2N, positives per hate", "ratio", "up", _POSITIVE, ("hates",)),
    Metric("LT7", "LT7, active days", "days/user", "up", ("active_days",)),
    Metric("active_share", "Active users", "share", "up", ("active_days",), ("days",)),
    Metric("views", "Views per user-day", "views/user/day", "up", ("views",), ("days",)),
    _per_view("click_rate", "Click rate", "clicks/view", "up", "clicks"),
    _per_view("long_view_rate", "Long-view rate", "long views/view", "up", "long_views"),
    _per_view("skip_rate", "Skip rate", "skips/view", "down", "skips"),
    _per_view("complete_rate", "Complete-play rate", "completes/view", "up", "completes"),
    _per_view("like_rate", "Like rate", "likes/view", "up", "likes"),
    Metric(
        "hates_per_1000_views",
        "Hates per 1,000 views",
        "hates/1000 views",
        "down",
        ("hates",),
        ("views",),
        scale=1000.0,
    ),
    Metric("exposure_rate", "Questionnaires shown", "shown/eligible", "neither", ("asked",), ("eligible",)),
    Metric("answer_rate", "Questionnaires answered", "answers/shown", "neither", ("answered",), ("asked",)),
)

METRICS: Final = {metric.key: metric for metric in _ALL}
"""Every metric by key. `days` counts a user's assigned days, active or not, so AUT is watch seconds over the
whole test divided by its days: seconds per user and day."""

MAIN: Final = ("AUT", "AVT", "P2N")
"""The three scores a test is about."""

DAY_TOTALS: Final = (*MAIN, "active_share")
"""What is drawn day by day."""


P2N_SIDES: Final = (
    Metric("positives", "Positives per user-day", "acts/user/day", "up", _POSITIVE, ("days",)),
    Metric("negatives", "Hates per user-day", "acts/user/day", "down", ("hates",), ("days",)),
)
"""The two sides of P2N, each by itself."""


def scorecard_metrics(days: int) -> tuple[Metric, ...]:
    """The scorecard's metrics for a test of that many days; LT7's label says how many."""
    lt7 = Metric("LT7", f"LT7, active days of {days}", "days/user", "up", ("active_days",))
    return tuple(lt7 if m.key == "LT7" else m for m in _ALL if m.key != "active_share")


def day_metrics() -> tuple[Metric, ...]:
    """The metrics of one day, where the share of active users stands for LT7."""
    return tuple(metric for metric in _ALL if metric.key != "LT7")
