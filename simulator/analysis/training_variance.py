"""Variance of training: true lifts of arms that were trained several times, each over a control of the same seed.

An interval over users is for the effect of the served weights. Another training of the same policy is another draw.
Arms that differ only in `training_seed` are such draws, and their spread is the error of a statement on the policy.
"""

from collections.abc import Mapping, Sequence
from os.path import commonprefix
from statistics import fmean, stdev
from typing import Final

from scipy.stats import t

from simulator.reports.report import MetricRow
from simulator.reports.sections import TrainingRow
from simulator.spec.experiment import ArmSpec

_FEWEST: Final = 2


def training_rows(arms: Sequence[ArmSpec], rows: Sequence[MetricRow]) -> list[TrainingRow]:
    """Mean and spread of true lifts over trainings, one row per metric and set of arms trained at least twice.

    Args:
        arms: All arms, the control first.
        rows: Scorecard; rows without truth are left out.

    A treatment is compared with the control's policy of the same `training_seed`, or with the only control. Treatments
    with a seed that the control lacks are left out.
    """
    (baseline, control), *treatments = trained_arms(arms).items()
    training_variance_rows: list[TrainingRow] = []
    for name, treatment in treatments:
        for (metric, label), lift in _lifts(rows).items():
            lift_of_seed = _lifts_over_control(control, treatment, {**lift, arms[0].name: 0.0})
            if len(lift_of_seed) >= _FEWEST:
                mean, error = fmean(lift_of_seed.values()), stdev(lift_of_seed.values()) / len(lift_of_seed) ** 0.5
                reach = float(t.ppf(0.975, len(lift_of_seed) - 1)) * error
                training_variance_rows.append(
                    TrainingRow(
                        treatment=name,
                        baseline=baseline,
                        metric=metric,
                        label=label,
                        seeds=list(lift_of_seed),
                        lifts=list(lift_of_seed.values()),
                        mean=mean,
                        standard_error=error,
                        low=mean - reach,
                        high=mean + reach,
                    )
                )
    return training_variance_rows


def trained_arms(arms: Sequence[ArmSpec]) -> dict[str, dict[int, str]]:
    """Group arms that differ only in their training, by training seed; of equal arms, the first counts.

    The name of a set is the common prefix of its arms' names, or the first arm's name if there is none or it is not
    unique. The control's set comes first.
    """
    arm_sets: list[tuple[ArmSpec, dict[int, str]]] = []
    for arm in arms:
        arms_of_same_policy = [
            trained for first, trained in arm_sets if (first.policy, first.options) == (arm.policy, arm.options)
        ]
        if arms_of_same_policy:
            arms_of_same_policy[0].setdefault(arm.training_seed, arm.name)
        else:
            arm_sets.append((arm, {arm.training_seed: arm.name}))
    names = [_common_prefix(list(trained.values())) for _, trained in arm_sets]
    used_names = {"", *(arm.name for arm in arms)}
    return {
        first.name if name in used_names or names.count(name) > 1 else name: trained
        for name, (first, trained) in zip(names, arm_sets, strict=True)
    }


def _common_prefix(arm_names: Sequence[str]) -> str:
    """Common prefix of two or more names; empty for a single one."""
    return commonprefix(arm_names).rstrip("-_. ") if len(arm_names) > 1 else ""  # noqa: RUF071 (of names, not of paths)


def _lifts(rows: Sequence[MetricRow]) -> dict[tuple[str, str], dict[str, float]]:
    """True lifts by metric, then by arm."""
    lifts: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row.true_relative_effect is not None:
            lifts.setdefault((row.metric, row.label), {})[row.arm] = row.true_relative_effect
    return lifts


def _lifts_over_control(
    control: Mapping[int, str], treatment: Mapping[int, str], lift: Mapping[str, float]
) -> dict[int, float]:
    """True lifts of a treatment's trainings over the control's, by seed; `lift` is over the first arm."""
    lift_of_seed: dict[int, float] = {}
    for seed, arm in sorted(treatment.items()):
        control_arm = control.get(seed) if len(control) > 1 else next(iter(control.values()))
        if control_arm is not None and arm in lift and lift.get(control_arm, -1.0) > -1:
            lift_of_seed[seed] = (1 + lift[arm]) / (1 + lift[control_arm]) - 1
    return lift_of_seed
