"""Power: users and days that a test needs, from a pilot's variances, with CUPED and with paired truth.

Power is that of two independent normal samples, two-sided, by statsmodels.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, final

from statsmodels.stats.power import NormalIndPower

from simulator.errors import SpecError
from simulator.experiment.runner import Progress
from simulator.metrics import PRE, Metric, scorecard_metrics
from simulator.reports.power import BeforeRow, DetectableRow, NeedRow, PairedRow, PowerPlan, VarianceRow
from simulator.run import run_to_folder
from simulator.runs.folder import RunFolder
from simulator.spec.experiment import ExperimentSpec
from simulator.statistics.paired import PairedEffect, true_effect
from simulator.studies.clock import Clock
from simulator.studies.potential_outcomes import AllPotentialOutcomes, PotentialOutcomes, read_outcomes
from simulator.studies.variance_components import Components, adjusted, components, influence

DAYS: Final = (1, 2, 3, 7, 14, 28, 56)
USERS: Final = (
    1_000,
    3_000,
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
)
RESOLVED: Final = 3.0
"""Standard errors at which a paired effect counts as resolved."""
_Z: Final = 1.96
"""Standard errors to either end of a 95% interval."""
_Method = Literal["plain", "cuped"]


@final
@dataclass(frozen=True)
class PowerTarget:
    """Effect that a test has to detect.

    Attributes:
        metric: Key of the metric.
        effect: Lift, not 0.
        power: Probability of detecting the effect.
        alpha: Probability of a false positive.
    """

    metric: str = "AUT"
    effect: float = 0.001
    power: float = 0.8
    alpha: float = 0.05


def run_power(
    spec: ExperimentSpec,
    target: PowerTarget,
    out: Path,
    pilot: tuple[int, int],
    progress: Progress,
    resume: bool = False,
) -> PowerPlan:
    """Run a pilot of the spec into `out/pilot` and plan from it; writes `power.json`.

    Args:
        spec: The test to plan.
        target: Effect to detect.
        out: Folder to create.
        pilot: Users of the pilot, and threads to run it on.
        progress: Called with the progress of the pilot.
        resume: Resume an interrupted pilot, which is then not timed.

    Raises:
        SpecError: The spec cannot be run, or the target is invalid; nothing was written.
        RunFolderError: The folder is not empty, has no pilot of this spec to resume, or cannot be written to.
    """
    check_target(spec, target)
    users, workers = pilot
    if users < 2:
        raise SpecError(f"--pilot {users} given, want 2 users or more")
    pilot_spec = spec.with_trace(0.0).model_copy(update={"users": min(users, spec.users), "truth": True})
    folder = RunFolder(out) if resume else RunFolder.create(out)
    clock = Clock()
    run_to_folder(pilot_spec, out / "pilot", workers, clock.watch(progress), resume)
    clock.start_stage("")
    plan = plan_power(spec, target, read_outcomes(out / "pilot", pilot_spec), None if resume else clock.seconds)
    folder.put("power.json", plan.to_json().encode())
    return plan


def plan_from_run(run: Path, spec: ExperimentSpec, target: PowerTarget, out: Path) -> PowerPlan:
    """Plan from a finished run, which serves as the pilot; writes `power.json`.

    Raises:
        SpecError: The target is invalid.
        RunFolderError: The run is damaged or lacks `truth = true`, or OUT cannot be written to.
    """
    check_target(spec, target)
    folder = RunFolder.create(out, resumable=False)
    plan = plan_power(spec, target, read_outcomes(run, spec), None)
    folder.put("power.json", plan.to_json().encode())
    return plan


def write_power_page(out: Path, html: str) -> None:
    """Write the page next to `power.json`."""
    RunFolder(out).put("power.html", html.encode())


def check_target(spec: ExperimentSpec, target: PowerTarget) -> None:
    """Check a target.

    Raises:
        SpecError: The metric is unknown, or a number is out of range.
    """
    metric_keys = [metric.key for metric in scorecard_metrics(spec.days)]
    if target.metric not in metric_keys:
        raise SpecError(f"--metric {target.metric!r} given, want one of {', '.join(metric_keys)}")
    if not (0 < abs(target.effect) < 10):
        raise SpecError(f"--effect {target.effect:g} given, want a lift that is not 0, such as 0.001 for 0.1%")
    if not (0 < target.alpha < target.power < 1):
        raise SpecError(f"--power {target.power:g} given, want a chance between {target.alpha:g} and 1")
    if spec.sweep is not None:
        raise SpecError(f"{spec.name}: has a sweep; plan one of its values, with that value under world_values")


def plan_power(
    spec: ExperimentSpec, target: PowerTarget, outcomes: AllPotentialOutcomes, seconds: dict[str, float] | None
) -> PowerPlan:
    """Plan from a finished run.

    Args:
        spec: The test to plan; its days need not be those of the run.
        target: Effect to detect.
        outcomes: Potential outcomes of the run.
        seconds: Seconds of each stage of the run; None if it was not timed.

    Raises:
        SpecError: The metric has no value in the run.
    """
    check_target(spec, target)
    metrics = {metric.key: metric for metric in scorecard_metrics(spec.days)}
    metric = metrics[target.metric]
    variances = _variances(metric, outcomes)
    if not variances:
        raise SpecError(f"--metric {target.metric} has no value in a pilot of {len(outcomes.bucket)} users; want more")
    shares = outcomes.shares / outcomes.shares[:2].sum()
    sizes = TestSizes(target, float(shares[0]), float(shares[1]), float(outcomes.shares[:2].sum()))
    days = sorted({*DAYS, spec.days})
    return PowerPlan(
        name=spec.name,
        world=spec.world,
        users=spec.users,
        days=spec.days,
        pilot_users=len(outcomes.bucket),
        metric=metric.key,
        label=metric.label,
        arm=outcomes.arms[1],
        baseline=outcomes.arms[0],
        effect=target.effect,
        power=target.power,
        alpha=target.alpha,
        variance=[_variance_row(method, variance_components) for method, variance_components in variances.items()],
        here=[
            _detectable(sizes, key, method, variance_components, (spec.users, spec.days))
            for key, other_metric in metrics.items()
            for method, variance_components in _variances(other_metric, outcomes).items()
        ],
        grid=[
            _detectable(sizes, metric.key, method, variance_components, (users, day))
            for method, variance_components in variances.items()
            for day in days
            for users in sorted({*USERS, spec.users})
        ],
        needs=[
            _need(sizes, method, day, variance_components)
            for method, variance_components in variances.items()
            for day in days
        ],
        paired=_paired(target, metric, outcomes, seconds),
        before=_before_rows(sizes, metric, outcomes, spec.days),
    )


@final
@dataclass(frozen=True)
class TestSizes:
    """Users and effects of a two-sided test of two independent buckets.

    Attributes:
        target: Effect, power and alpha.
        control: Share of control in the two buckets' users.
        treatment: Share of treatment in the two buckets' users.
        both: Share of the two buckets in all users.
    """

    target: PowerTarget
    control: float
    treatment: float
    both: float

    def users(self, variance: float) -> int:
        """Users over all arms that detect the effect, from the relative variance of a user's mean.

        >>> TestSizes(PowerTarget(effect=0.02), 0.5, 0.5, 1.0).users(0.25)
        19623
        """
        return math.ceil(self._unit * variance / self.target.effect**2 / self.control / self.both)

    def effect(self, variance: float, users: int) -> float:
        """Smallest lift that `users` over all arms detect."""
        return math.sqrt(self._unit * variance / (users * self.both * self.control))

    @property
    def _unit(self) -> float:
        """Users of control that detect a lift of one standard deviation."""
        target = self.target
        n = NormalIndPower().solve_power(
            effect_size=1.0, nobs1=None, alpha=target.alpha, power=target.power, ratio=self._ratio
        )
        return float(n)

    @property
    def _ratio(self) -> float:
        """Users of treatment per user of control."""
        return self.treatment / self.control


def _variances(metric: Metric, outcomes: AllPotentialOutcomes) -> dict[_Method, Components]:
    """Variance components of control's users, plain and with CUPED; empty if the metric has no value."""
    control = outcomes.truth[outcomes.arms[0]]
    daily = influence(metric, control)
    if daily is None:
        return {}
    variances: dict[_Method, Components] = {"plain": components(daily)}
    adjusted_daily = adjusted(daily, metric, control)
    if adjusted_daily is not None:
        variances["cuped"] = components(adjusted_daily)
    return variances


def _need(sizes: TestSizes, method: _Method, days: int, variance_components: Components) -> NeedRow:
    """Users that detect the effect, with a range for the error of the pilot."""
    variance, factor = variance_components.after(days), math.exp(_Z * variance_components.relative_error)
    return NeedRow(
        method=method,
        days=days,
        users=sizes.users(variance),
        users_low=sizes.users(variance / factor),
        users_high=sizes.users(variance * factor),
    )


def _before_rows(sizes: TestSizes, metric: Metric, outcomes: AllPotentialOutcomes, days: int) -> list[BeforeRow]:
    """Variance that is left by CUPED with each length of the pre-period, among control's users."""
    control = outcomes.truth[outcomes.arms[0]]
    daily = influence(metric, control)
    if daily is None:
        return []
    plain_variance = components(daily).after(days)
    rows: list[BeforeRow] = []
    for days_before, totals in outcomes.before.items():
        columns = {PRE + name: totals[name].to_numpy() for name in metric.columns}
        adjusted_daily = adjusted(daily, metric, PotentialOutcomes(control.users.assign(**columns), control.looks))
        if adjusted_daily is not None and plain_variance > 0:
            variance = components(adjusted_daily).after(days)
            rows.append(
                BeforeRow(days=days_before, variance_left=variance / plain_variance, users=sizes.users(variance))
            )
    return rows


def _variance_row(method: _Method, variance_components: Components) -> VarianceRow:
    """Report row of variance components."""
    total = variance_components.between + variance_components.within
    return VarianceRow(
        method=method,
        between=variance_components.between,
        within=variance_components.within,
        user_share=variance_components.between / total if total else 0.0,
        measured=variance_components.measured.tolist(),
        fitted=[variance_components.fitted(day) for day in range(1, len(variance_components.measured) + 1)],
    )


def _detectable(
    sizes: TestSizes, key: str, method: _Method, variance_components: Components, size: tuple[int, int]
) -> DetectableRow:
    """Smallest lift that a size of (users, days) detects."""
    users, days = size
    effect = sizes.effect(variance_components.after(days), users)
    return DetectableRow(metric=key, method=method, users=users, days=days, relative_effect=effect)


def _paired(
    target: PowerTarget, metric: Metric, outcomes: AllPotentialOutcomes, seconds: dict[str, float] | None
) -> PairedRow:
    """Users and seconds that paired truth needs."""
    effect: PairedEffect = true_effect(*(metric.ratio(outcomes.truth[arm].users) for arm in outcomes.arms[:2]))
    lift, error = effect.relative_effect, effect.standard_error
    per_user = None if error is None else error * math.sqrt(len(outcomes.bucket))
    users = _resolved(per_user, target.effect)
    resolved_users = _resolved(per_user, lift)
    numbers = {
        "seconds": _seconds(len(outcomes.bucket), seconds, users),
        "resolved_seconds": _seconds(len(outcomes.bucket), seconds, resolved_users),
    }
    timed_reason = (
        "no pilot was timed from its beginning to its end; give a spec instead of a run folder, and a new --out"
    )
    reasons = {name: timed_reason for name, value in numbers.items() if value is None}
    if lift is None or error is None:
        reasons |= {"relative_effect": effect.reason, "standard_error": effect.reason, "users": effect.reason}
    if resolved_users is None:
        reasons["resolved_users"] = reasons["resolved_seconds"] = effect.reason or "the pilot's true effect is 0"
    return PairedRow(
        relative_effect=lift,
        standard_error=error,
        users=users,
        resolved_users=resolved_users,
        reasons=reasons,
        **numbers,
    )


def _resolved(per_user: float | None, effect: float | None) -> int | None:
    """Users at which an effect is `RESOLVED` standard errors; at least two."""
    if per_user is None or not effect:
        return None
    return max(2, math.ceil((RESOLVED * per_user / effect) ** 2))


def _seconds(pilot_users: int, seconds: dict[str, float] | None, users: int | None) -> float | None:
    """Seconds that `users` take at the pilot's speed: training takes the same, the rest grows with users."""
    if not seconds or users is None:
        return None
    training = seconds.get("training", 0.0)
    return training + (sum(seconds.values()) - training) / pilot_users * users
