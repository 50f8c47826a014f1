"""Every formulation fitted to the same days and scored on the same later views.

Axes: `rows` views; `figures` as in `figures.FIGURES`; `classes` of lengths.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from density_form import DensityForm
from figures import Outcome, kinds, ks_by_length, measure, resampled
from forecast import CLICK_S, Forecast, forecast
from form import WatchForm
from jaxtyping import Float64, Int64
from ladder_form import LadderForm
from learning import Learned, Schedule, learn
from network import AppealOutput, FreeOutput, Output, Sizes, StretchOutput, WatchNet
from skip_form import SkipForm
from threshold_form import adaptive_thresholds
from tree_form import quantile_tree
from views import as_views

from user_models.data.log import LogData
from user_models.fit.rows.log_rows import LogRows, read_rows

HELD_OUT_DAYS: Final = 2
"""The last days of the log are predicted from those before."""
N_DRAWS: Final = 60
"""Resamplings of the users for standard errors: each is known to a tenth (Efron and Tibshirani 1993, chapter 6)."""
_LADDER: Final = "ladder"
_STRETCHES: Final = "ladder, six stretches"


@final
@dataclass(frozen=True)
class Score:
    """One formulation on the held-out views.

    Attributes:
        name: Of the formulation.
        n_outputs: Numbers that it takes per view.
        learned: How its training ended.
        figures: As in `figures.FIGURES`.
        errors: Their standard errors over users.
        difference_errors: Standard errors of the differences from the ladder, on the same users.
        ks: By class of lengths.
    """

    name: str
    n_outputs: int
    learned: Learned
    figures: Float64[np.ndarray, " figures"]
    errors: Float64[np.ndarray, " figures"]
    difference_errors: Float64[np.ndarray, " figures"]
    ks: Float64[np.ndarray, " classes"]


@final
@dataclass(frozen=True)
class FormComparison:
    """All formulations, the ladder first.

    Attributes:
        seed: Of the first parameters, the batches, the ties and the resampling.
        n_train: Views learned from.
        n_test: Views scored.
        n_users: Users among those.
        scores: One per formulation.
    """

    seed: int
    n_train: int
    n_test: int
    n_users: int
    scores: tuple[Score, ...]


@final
@dataclass(frozen=True)
class _Made:
    """One formulation's forecasts."""

    name: str
    n_outputs: int
    learned: Learned
    forecast: Forecast


def compare(folder: LogData, seed: int, schedule: Schedule, n_draws: int = N_DRAWS) -> FormComparison:
    """Fit and score all formulations.

    Args:
        folder: With a standard log of at least three days.
        seed: The same folder and seed give the same figures on the same machine and threads.
        schedule: How each learns.
        n_draws: Resamplings of the users.

    Raises:
        DataError: Damage in the files.
        ValueError: A log of fewer than three days.
    """
    rows = read_rows(folder).rows
    before, after = split(rows.take(~rows.random))
    outcome, grid = _outcome(after), np.isin(after.page, grid_pages(before))
    sizes = Sizes(
        1 + int(max(before.user.max(), after.user.max())), 1 + int(max(before.video.max(), after.video.max()))
    )
    ties = np.random.default_rng(seed).random(len(after))
    made = [
        _Made(
            name,
            len(net.base),
            learn(net, as_views(before), schedule, generator),
            forecast(net, as_views(after), grid, ties),
        )
        for name, net, generator in _networks(before, sizes, seed)
    ]
    scores = _scores(made, outcome, resampled(outcome.user, n_draws, np.random.default_rng([seed, 1])))
    return FormComparison(seed, len(before), len(after), len(np.unique(after.user)), scores)


def split(rows: LogRows) -> tuple[LogRows, LogRows]:
    """The views before the last days, and those of the last days.

    Raises:
        ValueError: Fewer than three days.
    """
    days = np.unique(rows.date)
    if len(days) <= HELD_OUT_DAYS:
        raise ValueError(f"the log has {len(days)} days; give one with at least {HELD_OUT_DAYS + 1}")
    later = rows.date >= days[-HELD_OUT_DAYS]
    return rows.take(~later), rows.take(later)


def grid_pages(rows: LogRows) -> Int64[np.ndarray, " pages"]:
    """Pages whose clicks agree better with "anything was played" than with "played past 7 s or to the end"."""
    any_played = (rows.watch_s > 0) == rows.click
    valid = ((rows.watch_s > CLICK_S) | (rows.watch_s >= np.exp(rows.log_duration))) == rows.click
    lead = np.bincount(rows.page, weights=any_played.astype(float) - valid)
    return np.flatnonzero(lead > 0).astype(np.int64)


def _networks(rows: LogRows, sizes: Sizes, seed: int) -> Iterator[tuple[str, WatchNet, torch.Generator]]:
    """The contestants: each with the same encoder, from the same numbers, and a generator in the same state."""
    duration_s = np.exp(rows.log_duration)
    forms: dict[str, WatchForm] = {
        _LADDER: LadderForm(),
        _STRETCHES: LadderForm(),
        "ladder, free rungs": LadderForm(),
        "skip + lognormal + replay": SkipForm(),
        "thresholds (CREAD)": adaptive_thresholds(rows.watch_s, 32),
        "tree (TPM)": quantile_tree(rows.watch_s, duration_s, 8),
        "exponential + lognormals": DensityForm(5),
    }
    for name, form in forms.items():
        generator = torch.Generator().manual_seed(seed)
        pull = torch.Generator().manual_seed(seed)
        yield name, WatchNet(form, _output(name, form, pull), sizes, generator), generator


def _output(name: str, form: WatchForm, generator: torch.Generator) -> Output:
    """How the encoder moves the form: the first two ladders are held to what the world can hold per view."""
    if name == _LADDER:
        return AppealOutput(generator)
    return StretchOutput() if name == _STRETCHES else FreeOutput(len(form.start()))


def _outcome(rows: LogRows) -> Outcome:
    """What happened in these rows."""
    duration_s = np.exp(rows.log_duration.astype(np.float64))
    return Outcome(rows.user, rows.watch_s.astype(np.float64), kinds(duration_s), rows.click, rows.long_view)


def _scores(made: list[_Made], real: Outcome, draws: list[Int64[np.ndarray, " _"]]) -> tuple[Score, ...]:
    """Figures on all views, and their spread over the resampled ones."""
    everyone = np.arange(len(real.user))
    drawn = np.array([[measure(one.forecast, real, rows) for one in made] for rows in draws])
    errors, apart = drawn.std(axis=0, ddof=1), (drawn - drawn[:, :1]).std(axis=0, ddof=1)
    return tuple(
        Score(
            name=one.name,
            n_outputs=one.n_outputs,
            learned=one.learned,
            figures=measure(one.forecast, real, everyone),
            errors=errors[at],
            difference_errors=apart[at],
            ks=ks_by_length(one.forecast, real, everyone),
        )
        for at, one in enumerate(made)
    )
