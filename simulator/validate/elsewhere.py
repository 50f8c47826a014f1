"""Checks that live in other modules, joined to the validation in this one place.

Each is a function of the world and the folders; one that raises `NotMeasuredError` leaves its section null, with the
reason. `JOINED` is what `askew validate` runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, final

from simulator import answering
from simulator.answering_estimates import ESTIMATORS
from simulator.recovery import recover
from simulator.report_validation import AnsweringEstimate, AnsweringRow, HeldOutSection, Recovery
from simulator.validate.errors import NotMeasuredError
from user_models.data.folder import open_folder
from user_models.fit import check_heldout, load_predictor
from user_models.recovery.newton import NoMaximumError
from user_models.world import World


@final
@dataclass(frozen=True)
class Subject:
    """What is validated, and on what.

    Attributes:
        world: The world.
        source: The name or folder that it was loaded from; its predictor is there.
        data: KuaiRand folder that it was fitted on, or one like it.
        heldout: Folder of rows to predict, or None for the last days of `data`.
        seed: Of whatever is drawn.
    """

    world: World
    source: str
    data: Path
    heldout: Path | None
    seed: int


@final
@dataclass(frozen=True)
class Elsewhere:
    """The checks of other modules, in the form of the report."""

    heldout: Callable[[Subject], HeldOutSection]
    answering: Callable[[Subject], list[AnsweringRow]]
    recovery: Callable[[Subject], Recovery]


def heldout_section(subject: Subject) -> HeldOutSection:
    """Prediction of unseen rows."""
    predictor = load_predictor(subject.source)
    if predictor is None:
        raise NotMeasuredError("this world carries no predictor of single rows; fit it again")
    heldout = None if subject.heldout is None else open_folder(subject.heldout)
    found = check_heldout(predictor, open_folder(subject.data), heldout, subject.seed)
    return HeldOutSection(
        auc=dict(found.auc),
        log_loss=dict(found.log_loss),
        reference_log_loss=dict(found.reference_log_loss),
        watch_spearman=found.watch_spearman,
        pit=list(found.pit),
        pit_max_deviation=found.pit_max_deviation,
        ks_by_duration={each.bucket: each.ks for each in found.ks_by_duration},
    )


def answering_section(subject: Subject) -> list[AnsweringRow]:
    """What selective answering does to the satisfied share."""
    return [answering_row(row) for row in answering.satisfied_share_check(subject.world, seed=subject.seed).rows]


def answering_row(row: answering.AnsweringRow) -> AnsweringRow:
    """One strength of selection in the form of the report."""
    columns = vars(row)
    estimates = {
        name: AnsweringEstimate(estimate=columns[name], bias=columns[f"bias_{name}"], se=columns[f"se_{name}"])
        for name in ESTIMATORS
    }
    return AnsweringRow(
        slope=row.slope,
        asked=row.asked,
        answer_rate=row.answer_rate,
        true=row.true,
        estimates=estimates,
        predicted_sign=_sign(row.predicted_sign),
        as_predicted=row.as_predicted,
    )


def recovery_section(subject: Subject) -> Recovery:
    """Known parameters, found again from simulated rows."""
    try:
        found = recover(subject.world, seed=subject.seed)
    except NoMaximumError as error:
        raise NotMeasuredError(str(error)) from None
    missed = [row.name for row in found.rows if abs(row.z) > 2]
    return Recovery(parameters=len(found.rows), share_within_two_se=found.share_within_2, missed=missed)


def _sign(value: int) -> Literal[-1, 0, 1]:
    """The sign of a number."""
    return 1 if value > 0 else -1 if value < 0 else 0


JOINED: Final = Elsewhere(heldout_section, answering_section, recovery_section)
