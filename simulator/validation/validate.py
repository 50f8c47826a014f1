"""Validation of a world: the order of the sections, and the handling of their failures."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar, final

import numpy as np

from simulator.errors import NotMeasuredError
from simulator.experiment.runner import Progress
from simulator.reports.validation import FILE, Validation
from simulator.runs.folder import RunFolder
from simulator.validation import sections
from simulator.validation.real_views import RealRows, read_real
from simulator.validation.sections import ValidationSubject
from simulator.validation.simulated_views import (
    Reduction,
    SimulationPlan,
    simulate_fortnight,
    simulate_preset,
    simulate_regimes,
)
from simulator.validation.targets import checks, gate
from simulator.validation.two_sample import two_sample
from simulator.validation.user_spread import concentration
from simulator.validation.views import ValidationViews
from user_models.data.log import open_log
from user_models.world.parameters import PRESETS
from user_models.world.world import World

PAGE: Final = "validation.html"
Section = TypeVar("Section")


def validate(subject: ValidationSubject, plan: SimulationPlan, progress: Progress) -> Validation:
    """Measure a world against real rows and published figures.

    Args:
        subject: The world and the folders.
        plan: Size of the simulation.
        progress: Called at every stage.

    Raises:
        DataError: A folder is missing or damaged.
    """
    world, attempt = subject.world, _Attempts(progress)
    progress("real rows", 0, 1)
    if subject.heldout is not None:
        open_log(subject.heldout)
    real = read_real(subject.data, world)
    reduction = simulate_regimes(world, plan, progress)
    fortnight = simulate_fortnight(world, plan, progress)
    separability = attempt(
        "two_sample", lambda: two_sample(*_two_sample_inputs(reduction, real, world), plan.seed, plan.workers)
    )
    rng = np.random.default_rng(plan.seed)
    measured = Validation(
        world=world.name,
        data=subject.data.resolve().name,
        users=plan.users,
        seed=plan.seed,
        real_rows=len(real.views),
        heldout=attempt("heldout", lambda: sections.heldout_section(subject)),
        regimes=sections.regime_section(reduction.days, world.targets),
        by_group=sections.group_section(reduction, world),
        watch_time=sections.watch_section(reduction, real.views),
        two_sample_auc=separability.auc if separability else None,
        two_sample=separability,
        per_user=sections.user_section(reduction.days.timelines["all:base"], fortnight, real.views, rng, world.targets),
        hate_concentration=concentration(fortnight.of_users("hates")).tolist(),
        activity=sections.activity_section(fortnight, world.targets),
        answering=attempt("answering", lambda: sections.answering_section(subject)),
        recovery=attempt("recovery", lambda: sections.recovery_section(subject)),
        presets={name: sections.preset_row(simulate_preset(world, name, plan, progress)) for name in PRESETS},
        reasons=attempt.reasons,
    )
    return judged(measured)


def judged(measured: Validation) -> Validation:
    """Add the checks and the verdict of the gate."""
    faults = gate(measured)
    return measured.model_copy(update={"checks": checks(measured), "faults": faults, "sound": not faults})


def write_validation(folder: Path, validation: Validation, html: str) -> None:
    """Write the figures and the page.

    Raises:
        RunFolderError: The folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = RunFolder(folder)
    files.write(FILE, lambda to: to.write_text(validation.to_json(), encoding="utf-8"))
    files.write(PAGE, lambda to: to.write_text(html, encoding="utf-8"))


def _two_sample_inputs(
    reduction: Reduction, real: RealRows, world: World
) -> tuple[ValidationViews, ValidationViews, tuple[str, ...], bool]:
    """Return the classifier's inputs: simulated and real views, public columns, and whether tags agree."""
    if reduction.sample is None:
        raise NotMeasuredError("no simulated view was traced")
    return reduction.sample.views, real.views, tuple(column.name for column in world.columns), real.same_tags


@final
@dataclass(frozen=True)
class _Attempts:
    """Measures sections, and notes the reason if one cannot be measured."""

    progress: Progress
    reasons: dict[str, str] = field(default_factory=dict[str, str])

    def __call__(self, name: str, measure: Callable[[], Section]) -> Section | None:
        """Measure a section; return None and note the reason if that is not possible."""
        self.progress(name.replace("_", " "), 0, 1)
        try:
            return measure()
        except NotMeasuredError as error:
            self.reasons[name] = str(error)
            return None
