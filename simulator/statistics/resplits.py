"""Moments of many splits of the same users at once: one product of memberships with what each user did.

What a test needs of a bucket is its size, sums and sums of products, all linear in who belongs to it. So a thousand
splits are a matrix of memberships, and their moments are that matrix times the users' values and products.

Axes: `r` splits, `users` everybody, `k` columns of a block, `kk` those and products.

What Welch's test and CUPED say of many splits at once: `simulator.statistics.comparison`, all splits in one go.

The same formulas as tea-tasting's ratio of means, which a test holds them to, digit by digit: the delta method (Deng,
Knoblich and Lu, KDD 2018, https://arxiv.org/abs/1803.06336), CUPED with the ratio of the time before over its own
denominator (Deng, Xu, Kohavi and Walker, WSDM 2013), and the interval of the lift on a log scale.

Axes: `r` splits. Columns of the moments: numerator, denominator, and the same before the test.
"""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float64
from scipy import stats

from simulator.statistics.comparison import CONFIDENCE, NEAR_ZERO


@final
@dataclass(frozen=True)
class SplitMoments:
    """One bucket of every split.

    Attributes:
        n: Users in it.
        mean: Of each column.
        covariance: Over its users; of the ratios' delta method all that is needed.
    """

    n: Float64[np.ndarray, " r"]
    mean: Float64[np.ndarray, "r k"]
    covariance: Float64[np.ndarray, "r k k"]

    def __add__(self, other: "SplitMoments") -> "SplitMoments":
        """Of both buckets together."""
        n = self.n + other.n
        apart = self.mean - other.mean
        between = apart[:, :, None] * apart[:, None, :] * (self.n * other.n / n)[:, None, None]
        scatter = self._scatter + other._scatter + between
        mean = (self.n[:, None] * self.mean + other.n[:, None] * other.mean) / n[:, None]
        return SplitMoments(n, mean, scatter / (n - 1)[:, None, None])

    @property
    def _scatter(self) -> Float64[np.ndarray, "r k k"]:
        """Sums of products of distances from the means."""
        return self.covariance * (self.n - 1)[:, None, None]


@final
@dataclass(frozen=True)
class SplitDesign:
    """What each user did, laid out so that one product gives the moments of every split.

    Attributes:
        centres: Mean over everybody of the columns of each block, by its name; taken off before anything is squared, so
            that no digits are lost.
        values: Blocks side by side: their columns, then the products of each two of them.
    """

    centres: dict[str, Float64[np.ndarray, " k"]]
    values: Float64[np.ndarray, "users kk"]

    @staticmethod
    def of(blocks: dict[str, Float64[np.ndarray, "users _"]]) -> "SplitDesign":
        """Lay out blocks of columns."""
        centres = {name: columns.mean(axis=0) for name, columns in blocks.items()}
        parts: list[np.ndarray] = []
        for name, columns in blocks.items():
            away = columns - centres[name]
            at, to = np.triu_indices(columns.shape[1])
            parts += [away, away[:, at] * away[:, to]]
        return SplitDesign(centres, np.concatenate(parts, axis=1))

    def moments(self, members: Float64[np.ndarray, "r users"]) -> dict[str, SplitMoments]:
        """Moments of the users that each split puts into a bucket, by block.

        Args:
            members: 1 for a user of the bucket, else 0; each row has two users or more.
        """
        sums, n = members @ self.values, members.sum(axis=1)
        found: dict[str, SplitMoments] = {}
        first = 0
        for name, centre in self.centres.items():
            last = first + len(centre) * (len(centre) + 3) // 2
            found[name] = _moments(n, centre, sums[:, first:last])
            first = last
        return found


def _moments(
    n: Float64[np.ndarray, " r"], centre: Float64[np.ndarray, " k"], sums: Float64[np.ndarray, "r kk"]
) -> SplitMoments:
    """One block's moments from sums of distances from the centre and of their products."""
    k = len(centre)
    at, to = np.triu_indices(k)
    mean = sums[:, :k] / n[:, None]
    covariance = np.empty((len(n), k, k))
    covariance[:, at, to] = (sums[:, k:] - n[:, None] * mean[:, at] * mean[:, to]) / (n - 1)[:, None]
    covariance[:, to, at] = covariance[:, at, to]
    return SplitMoments(n, centre + mean, covariance)


@final
@dataclass(frozen=True)
class Readings:
    """What one method says of each split; NaN where it says nothing.

    Attributes:
        relative_effect: Lift of treatment over control.
        ci_low: Lower end of its 95% interval.
        ci_high: Upper end.
        p_value: Of no difference, two-sided.
    """

    relative_effect: Float64[np.ndarray, " r"]
    ci_low: Float64[np.ndarray, " r"]
    ci_high: Float64[np.ndarray, " r"]
    p_value: Float64[np.ndarray, " r"]

    def take(self, other: "Readings", where: np.ndarray) -> "Readings":
        """The other's readings in some splits, one's own elsewhere."""
        names = ("relative_effect", "ci_low", "ci_high", "p_value")
        return Readings(*(np.where(where, getattr(other, name), getattr(self, name)) for name in names))


@final
@dataclass(frozen=True)
class Means:
    """One bucket's mean and variance per user, by one method."""

    mean: Float64[np.ndarray, " r"]
    variance: Float64[np.ndarray, " r"]
    n: Float64[np.ndarray, " r"]


def read_plain(control: SplitMoments, treatment: SplitMoments) -> Readings:
    """Welch's test on the ratio linearised by the delta method."""
    return _read(_plain(control), _plain(treatment))


def read_cuped(control: SplitMoments, treatment: SplitMoments) -> Readings:
    """The same, adjusted by the ratio before the test; no reading where that does not vary."""
    total = control + treatment
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = ratio_covariance(total, 2, 2)
        slope = ratio_covariance(total, 0, 2) / spread
        readings = _read(_adjusted(control, slope, total), _adjusted(treatment, slope, total))
    return readings.take(nothing(len(slope)), ~(spread > 0))


def _read(control: Means, treatment: Means) -> Readings:
    """`welch` with the test of the lift's interval in place of that of the difference, where there is a lift."""
    readings = welch(control, treatment)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = [bucket.variance / bucket.mean**2 for bucket in (control, treatment)]
        error, freedom = _error(relative[0], relative[1], control.n, treatment.n)
        of_lift = 2 * stats.t.sf(np.abs(np.log1p(readings.relative_effect)) / error, freedom)
    return replace(readings, p_value=np.where(np.isnan(readings.relative_effect), readings.p_value, of_lift))


def ratio_covariance(moments: SplitMoments, left: int, right: int) -> Float64[np.ndarray, " r"]:
    """Covariance per user of two ratios, by the columns of their numerators; each denominator is the next column."""
    mean, cov = moments.mean, moments.covariance
    one, other = _ratio(moments, left), _ratio(moments, right)
    crossed = (
        cov[:, left, right]
        - cov[:, left, right + 1] * other
        - cov[:, left + 1, right] * one
        + cov[:, left + 1, right + 1] * one * other
    )
    return crossed / (mean[:, left + 1] * mean[:, right + 1])


def welch(control: Means, treatment: Means) -> Readings:
    """Two-sided test of two means, and the lift's interval on a log scale.

    The lift is withheld where control is within `NEAR_ZERO` standard errors of 0, or treatment has another sign.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        error, freedom = _error(control.variance, treatment.variance, control.n, treatment.n)
        p_value = 2 * stats.t.sf(np.abs(treatment.mean - control.mean) / error, freedom)
        relative = [bucket.variance / bucket.mean**2 for bucket in (control, treatment)]
        log_error, log_freedom = _error(relative[0], relative[1], control.n, treatment.n)
        ratio = treatment.mean / control.mean
        factor = np.exp(stats.t.ppf((1 + CONFIDENCE) / 2, log_freedom) * log_error)
        near = np.abs(control.mean) <= NEAR_ZERO * np.sqrt(control.variance / control.n)
        said = ~near & (ratio > 0)
        lifts = [np.where(said, each - 1, np.nan) for each in (ratio, ratio / factor, ratio * factor)]
    return Readings(*lifts, p_value=p_value)


def _error(
    a: Float64[np.ndarray, " r"], b: Float64[np.ndarray, " r"], n_a: Float64[np.ndarray, " r"], n_b: np.ndarray
) -> tuple[Float64[np.ndarray, " r"], Float64[np.ndarray, " r"]]:
    """Standard error of a difference of means, and Welch's degrees of freedom."""
    mine, theirs = a / n_a, b / n_b
    return np.sqrt(mine + theirs), (mine + theirs) ** 2 / (mine**2 / (n_a - 1) + theirs**2 / (n_b - 1))


def _ratio(moments: SplitMoments, numerator: int) -> Float64[np.ndarray, " r"]:
    """A ratio of means; its denominator is the next column."""
    return moments.mean[:, numerator] / moments.mean[:, numerator + 1]


def _plain(moments: SplitMoments) -> Means:
    """A bucket as it is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return Means(_ratio(moments, 0), ratio_covariance(moments, 0, 0), moments.n)


def _adjusted(moments: SplitMoments, slope: Float64[np.ndarray, " r"], total: SplitMoments) -> Means:
    """A bucket moved to where it would be, had it begun like everybody."""
    variance = (
        ratio_covariance(moments, 0, 0)
        + slope * slope * ratio_covariance(moments, 2, 2)
        - 2 * slope * ratio_covariance(moments, 0, 2)
    )
    return Means(_ratio(moments, 0) - slope * (_ratio(moments, 2) - _ratio(total, 2)), variance, moments.n)


def nothing(n: int) -> Readings:
    """No reading of any split."""
    return Readings(*(np.full(n, np.nan) for _ in range(4)))
