"""Metrics of a test: each is a value object, a ratio of totals over the assigned users.

Axes: `users`, one entry per assigned user, active or not (intention to treat).
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
        numerator: Numerator per user.
        denominator: Denominator per user; 1 if the metric is a mean over users.
    """

    numerator: Float64[np.ndarray, " users"]
    denominator: Float64[np.ndarray, " users"]

    @property
    def value(self) -> float | None:
        """Value of the metric; None if the denominator sums to 0."""
        denominator = float(self.denominator.sum())
        return float(self.numerator.sum()) / denominator if denominator else None


@final
@dataclass(frozen=True)
class Metric:
    """One number per bucket, and how to read it.

    Attributes:
        key: Short, unique name.
        label: Label for display, at most 25 characters.
        unit: Unit of the value.
        better: Direction of an improvement.
        numerator: Columns whose sum is the numerator.
        denominator: Columns whose sum is the denominator, or None for one per assigned user.
        scale: Factor on the numerator.
        cap: Largest total of a user that counts in the numerator, before `scale`; larger ones count as this. A capped
            metric is another quantity than the one without a cap: say so in its label.

    Raises:
        ValueError: A field is invalid.

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
        """Check the fields."""
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
        """Columns that a frame of users needs."""
        return self.numerator + (self.denominator or ())

    def ratio(self, users: pd.DataFrame, prefix: str = "") -> Ratio:
        """Compute both sides of the metric per user; `prefix` chooses the columns of another period."""
        total = _total(users, self.numerator, prefix)
        numerator = self.scale * (total if self.cap is None else np.minimum(total, self.cap))
        if self.denominator is None:
            return Ratio(numerator, np.ones(len(users)))
        return Ratio(numerator, _total(users, self.denominator, prefix))


def _are_names(columns: object) -> bool:
    """Whether the value is a tuple of one or more names."""
    return isinstance(columns, tuple) and bool(columns) and all(isinstance(name, str) for name in columns)  # pyright: ignore[reportUnknownVariableType] # that is what is asked


def _total(users: pd.DataFrame, columns: tuple[str, ...], prefix: str) -> Float64[np.ndarray, " users"]:
    """Sum columns per user."""
    total = np.zeros(len(users))
    for column in columns:
        total += users[prefix + column].to_numpy()
    return total


_POSITIVE = ("likes", "follows", "comments", "forwards")


def _per_view(key: str, label: str, unit: str, better: Literal["up", "down"], column: str) -> Metric:
    """Make a metric per view."""
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
"""Keys of the three main metrics."""

DAY_TOTALS: Final = (*MAIN, "active_share")
"""Keys of the metrics that are drawn by day."""


P2N_SIDES: Final = (
    Metric("positives", "Positives per user-day", "acts/user/day", "up", _POSITIVE, ("days",)),
    Metric("negatives", "Hates per user-day", "acts/user/day", "down", ("hates",), ("days",)),
)
"""The two sides of P2N as metrics."""


def scorecard_metrics(days: int) -> tuple[Metric, ...]:
    """Metrics of the scorecard for a test of `days` days, which LT7's label names."""
    lt7 = Metric("LT7", f"LT7, active days of {days}", "days/user", "up", ("active_days",))
    return tuple(lt7 if m.key == "LT7" else m for m in _ALL if m.key != "active_share")


def day_metrics() -> tuple[Metric, ...]:
    """Metrics of one day, with the share of active users instead of LT7."""
    return tuple(metric for metric in _ALL if metric.key != "LT7")
