"""How large a test has to be: from a pilot's variances to users and days, with CUPED and with paired truth.

statsmodels does the arithmetic of power (two independent samples, normal, two-sided).
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
from simulator.studies.potential_outcomes import AllPotentialOutcomes, PotentialOutcomes, read_lives
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
    """What a test is to find.

    Attributes:
        metric: Key.
        effect: Lift, not 0.
        power: Chance of finding it.
        alpha: Chance of a false finding.
    """

    metric: str = "AUT"
    effect: float = 0.001
    power: float = 0.8
    alpha: float = 0.05


def run_power(
    spec: ExperimentSpec,
    wanted: PowerTarget,
    out: Path,
    pilot: tuple[int, int],
    progress: Progress,
    resume: bool = False,
) -> PowerPlan:
    """Run a pilot of the spec into `out/pilot` and plan from it; writes `power.json`.

    Args:
        spec: The test to plan.
        wanted: What it is to find.
        out: Folder to create.
        pilot: Users of the pilot, and threads to run it on.
        progress: Told how far the pilot is.
        resume: Go on with the pilot of an earlier try, which is not timed then.

    Raises:
        SpecError: The spec cannot be run, or what is wanted makes no sense; nothing was written.
        RunFolderError: The folder is taken, holds no pilot of this spec to resume, or cannot be written to.
    """
    check_wanted(spec, wanted)
    users, workers = pilot
    if users < 2:
        raise SpecError(f"--pilot {users} given, want 2 users or more")
    small = spec.model_copy(update={"users": min(users, spec.users), "truth": True, "trace": 0.0})
    folder = RunFolder(out) if resume else RunFolder.create(out)
    clock = Clock()
    run_to_folder(small, out / "pilot", workers, clock.watch(progress), resume)
    clock.tell("")
    plan = plan_power(spec, wanted, read_lives(out / "pilot", small), None if resume else clock.seconds)
    folder.put("power.json", plan.to_json().encode())
    return plan


def plan_from_run(run: Path, spec: ExperimentSpec, wanted: PowerTarget, out: Path) -> PowerPlan:
    """The same from a finished run, whose users are the pilot.

    Raises:
        SpecError: What is wanted makes no sense.
        RunFolderError: A damaged run, one without `truth = true`, or OUT cannot be written to.
    """
    check_wanted(spec, wanted)
    folder = RunFolder.create(out, resumable=False)
    plan = plan_power(spec, wanted, read_lives(run, spec), None)
    folder.put("power.json", plan.to_json().encode())
    return plan


def write_power_page(out: Path, html: str) -> None:
    """Keep the page beside `power.json`."""
    RunFolder(out).put("power.html", html.encode())


def check_wanted(spec: ExperimentSpec, wanted: PowerTarget) -> None:
    """Refuse what no test can find.

    Raises:
        SpecError: An unknown metric, or a number out of range.
    """
    metric_keys = [metric.key for metric in scorecard_metrics(spec.days)]
    if wanted.metric not in metric_keys:
        raise SpecError(f"--metric {wanted.metric!r} given, want one of {', '.join(metric_keys)}")
    if not (0 < abs(wanted.effect) < 10):
        raise SpecError(f"--effect {wanted.effect:g} given, want a lift that is not 0, such as 0.001 for 0.1%")
    if not (0 < wanted.alpha < wanted.power < 1):
        raise SpecError(f"--power {wanted.power:g} given, want a chance between {wanted.alpha:g} and 1")
    if spec.sweep is not None:
        raise SpecError(f"{spec.name}: has a sweep; plan one of its values, with that value under world_values")


def plan_power(
    spec: ExperimentSpec, wanted: PowerTarget, lives: AllPotentialOutcomes, seconds: dict[str, float] | None
) -> PowerPlan:
    """Plan from a finished run.

    Args:
        spec: The test to plan; its days need not be those of the run.
        wanted: What it is to find.
        lives: Of the run.
        seconds: That each stage of the run took, None if it was not timed.

    Raises:
        SpecError: The metric has no value in the run.
    """
    check_wanted(spec, wanted)
    metrics = {metric.key: metric for metric in scorecard_metrics(spec.days)}
    metric = metrics[wanted.metric]
    variances = _variances(metric, lives)
    if not variances:
        raise SpecError(f"--metric {wanted.metric} has no value in a pilot of {len(lives.bucket)} users; want more")
    shares = lives.shares / lives.shares[:2].sum()
    sizes = TestSizes(wanted, float(shares[0]), float(shares[1]), float(lives.shares[:2].sum()))
    days = sorted({*DAYS, spec.days})
    return PowerPlan(
        name=spec.name,
        world=spec.world,
        users=spec.users,
        days=spec.days,
        pilot_users=len(lives.bucket),
        metric=metric.key,
        label=metric.label,
        arm=lives.arms[1],
        baseline=lives.arms[0],
        effect=wanted.effect,
        power=wanted.power,
        alpha=wanted.alpha,
        variance=[_variance_row(method, parts) for method, parts in variances.items()],
        here=[
            _detectable(sizes, key, method, parts, (spec.users, spec.days))
            for key, each in metrics.items()
            for method, parts in _variances(each, lives).items()
        ],
        grid=[
            _detectable(sizes, metric.key, method, parts, (users, day))
            for method, parts in variances.items()
            for day in days
            for users in sorted({*USERS, spec.users})
        ],
        needs=[_need(sizes, method, day, parts) for method, parts in variances.items() for day in days],
        paired=_paired(wanted, metric, lives, seconds),
        before=_before(sizes, metric, lives, spec.days),
    )


@final
@dataclass(frozen=True)
class TestSizes:
    """Users and effects of a two-sided test of two independent buckets.

    Attributes:
        wanted: Effect, power and alpha.
        control: Share of the two buckets' users that meets control.
        treatment: The rest.
        both: Share of all users that is in the two buckets.
    """

    wanted: PowerTarget
    control: float
    treatment: float
    both: float

    def users(self, variance: float) -> int:
        """Users over all arms that find the effect, given the relative variance of a user's mean.

        >>> TestSizes(PowerTarget(effect=0.02), 0.5, 0.5, 1.0).users(0.25)
        19623
        """
        return math.ceil(self._unit * variance / self.wanted.effect**2 / self.control / self.both)

    def effect(self, variance: float, users: int) -> float:
        """The smallest lift that so many users over all arms find."""
        return math.sqrt(self._unit * variance / (users * self.both * self.control))

    @property
    def _unit(self) -> float:
        """Users of control at which a lift of one standard deviation is found; lifts shrink with the root of users."""
        wanted = self.wanted
        n = NormalIndPower().solve_power(
            effect_size=1.0, nobs1=None, alpha=wanted.alpha, power=wanted.power, ratio=self._ratio
        )
        return float(n)

    @property
    def _ratio(self) -> float:
        """Users of treatment per user of control."""
        return self.treatment / self.control


def _variances(metric: Metric, lives: AllPotentialOutcomes) -> dict[_Method, Components]:
    """Of control's users, plain and with CUPED; nothing where the metric has no value."""
    life = lives.truth[lives.arms[0]]
    daily = influence(metric, life)
    if daily is None:
        return {}
    variances: dict[_Method, Components] = {"plain": components(daily)}
    left = adjusted(daily, metric, life)
    if left is not None:
        variances["cuped"] = components(left)
    return variances


def _need(sizes: TestSizes, method: _Method, days: int, parts: Components) -> NeedRow:
    """Users for the effect, with what the pilot's own error leaves open."""
    variance, factor = parts.after(days), math.exp(_Z * parts.relative_error)
    return NeedRow(
        method=method,
        days=days,
        users=sizes.users(variance),
        users_low=sizes.users(variance / factor),
        users_high=sizes.users(variance * factor),
    )


def _before(sizes: TestSizes, metric: Metric, lives: AllPotentialOutcomes, days: int) -> list[BeforeRow]:
    """Variance left by each length of the time before the test, among control's users."""
    life = lives.truth[lives.arms[0]]
    daily = influence(metric, life)
    if daily is None:
        return []
    plain = components(daily).after(days)
    rows: list[BeforeRow] = []
    for before, totals in lives.before.items():
        columns = {PRE + name: totals[name].to_numpy() for name in metric.columns}
        left = adjusted(daily, metric, PotentialOutcomes(life.users.assign(**columns), life.looks))
        if left is not None and plain > 0:
            variance = components(left).after(days)
            rows.append(BeforeRow(days=before, variance_left=variance / plain, users=sizes.users(variance)))
    return rows


def _variance_row(method: _Method, parts: Components) -> VarianceRow:
    """Components as they are written."""
    total = parts.between + parts.within
    return VarianceRow(
        method=method,
        between=parts.between,
        within=parts.within,
        user_share=parts.between / total if total else 0.0,
        measured=parts.measured.tolist(),
        fitted=[parts.fitted(day) for day in range(1, len(parts.measured) + 1)],
    )


def _detectable(sizes: TestSizes, key: str, method: _Method, parts: Components, size: tuple[int, int]) -> DetectableRow:
    """The smallest lift at (users, days)."""
    users, days = size
    effect = sizes.effect(parts.after(days), users)
    return DetectableRow(metric=key, method=method, users=users, days=days, relative_effect=effect)


def _paired(
    wanted: PowerTarget, metric: Metric, lives: AllPotentialOutcomes, seconds: dict[str, float] | None
) -> PairedRow:
    """What paired truth takes, as far as it can be told."""
    effect: PairedEffect = true_effect(*(metric.ratio(lives.truth[arm].users) for arm in lives.arms[:2]))
    lift, error = effect.relative_effect, effect.standard_error
    per_user = None if error is None else error * math.sqrt(len(lives.bucket))
    users = _resolved(per_user, wanted.effect)
    own = _resolved(per_user, lift)
    numbers = {
        "seconds": _seconds(len(lives.bucket), seconds, users),
        "resolved_seconds": _seconds(len(lives.bucket), seconds, own),
    }
    timed_reason = (
        "no pilot was timed from its beginning to its end; give a spec instead of a run folder, and a new --out"
    )
    reasons = {name: timed_reason for name, value in numbers.items() if value is None}
    if lift is None or error is None:
        reasons |= {"relative_effect": effect.reason, "standard_error": effect.reason, "users": effect.reason}
    if own is None:
        reasons["resolved_users"] = reasons["resolved_seconds"] = effect.reason or "the pilot's true effect is 0"
    return PairedRow(
        relative_effect=lift, standard_error=error, users=users, resolved_users=own, reasons=reasons, **numbers
    )


def _resolved(per_user: float | None, effect: float | None) -> int | None:
    """Users at which an effect is `RESOLVED` standard errors; two at least."""
    if per_user is None or not effect:
        return None
    return max(2, math.ceil((RESOLVED * per_user / effect) ** 2))


def _seconds(pilot_users: int, seconds: dict[str, float] | None, users: int | None) -> float | None:
    """What so many users take at the pilot's speed: training costs the same, the rest grows with users."""
    if not seconds or users is None:
        return None
    training = seconds.get("training", 0.0)
    return training + (sum(seconds.values()) - training) / pilot_users * users
