"""Recovered parameters compared with the truth."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from user_models.recovery.action_likelihood import ActTruth, fit_act
from user_models.recovery.newton import MaximumLikelihoodFit
from user_models.recovery.views import RecoveryViews
from user_models.recovery.watch_likelihood import WatchTruth, fit_watch

WANTED: Final = 0.9
"""Share of the parameters that ought to lie within 2 standard errors of the truth; 95.4% do if errors are right."""


@final
@dataclass(frozen=True)
class RecoveredRow:
    """One parameter.

    Attributes:
        name: Such as `stage[30s,8]`, `watch.taste` or `like.satisfaction`.
        true: Its value in the world.
        estimate: By maximum likelihood.
        error: Standard error, from the observed information.
        z: Standard errors between the two.
    """

    name: str
    true: float
    estimate: float
    error: float
    z: float


@final
@dataclass(frozen=True)
class RecoveryResult:
    """All parameters that were estimated.

    Attributes:
        rows: One each.
        n_views: Views that were simulated.
        n_users: By how many users.
        n_held: Parameters on which too few views bear; they stayed at the truth and do not count.
    """

    rows: tuple[RecoveredRow, ...]
    n_views: int
    n_users: int
    n_held: int

    @property
    def share_within_2(self) -> float:
        """Share of the parameters within 2 standard errors of the truth."""
        return float(np.mean([abs(row.z) <= 2 for row in self.rows]))

    @property
    def recovered(self) -> bool:
        """Return whether that share is at least 90%."""
        return self.share_within_2 >= WANTED


def recover_from(views: RecoveryViews, watch: WatchTruth, acts: tuple[ActTruth, ...]) -> RecoveryResult:
    """Fit all parameters to the views and compare them with the truth.

    Args:
        views: Simulated views, with what is taken as known.
        watch: True watch-time parameters; they fix gauges and held cells, and are what estimates are judged by.
        acts: The same of each action, in the order of the columns of `views.acted`.

    Raises:
        NoMaximumError: Too few views.
    """
    n_shared = len(watch.names)
    fitted = fit_watch(views, watch)
    shared = MaximumLikelihoodFit(fitted.estimate[:n_shared], fitted.error[:n_shared])
    rows = _rows(watch.names, watch.vector[:n_shared], shared)
    n_named = n_shared
    for action, act in enumerate(acts):
        truth = np.append(act.cell, act.satisfaction)
        rows += _rows(act.names, truth, fit_act(views, action, act))
        n_named += len(truth)
    return RecoveryResult(tuple(rows), len(views.user), views.n_users, n_named - len(rows))


def _rows(names: list[str], truth: np.ndarray, found: MaximumLikelihoodFit) -> list[RecoveredRow]:
    """One row per parameter that was not held."""
    return [
        RecoveredRow(name, float(true), float(estimate), float(error), float((estimate - true) / error))
        for name, true, estimate, error in zip(names, truth, found.estimate, found.error, strict=True)
        if error > 0
    ]
