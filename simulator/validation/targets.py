"""Targets for a world, and the gate that refuses a world that is clearly wrong.

Targets are what a good world reaches. The gate is wider: it refuses only worlds that are not credible. It exists
because a simulator with a hate rate of .53, where its log has .0003, went unnoticed for years.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, final

from simulator.reports.validation import Check, Compared, Number, Validation

_HELDOUT_AUC: Final = {"click": 0.74, "long_view": 0.74, "like": 0.885}
_CHECKED_RATES: Final = ("click", "long_view", "complete", "like", "hate", "watch_s")


@final
@dataclass(frozen=True)
class Limits:
    """Tolerances of the checks that a sound world passes.

    Attributes:
        factor: Factor by which a rate may be too high or too low.
        factor_of: Factors of rare rates, which depend on a few users.
        least_auc: Smallest AUC of a held-out label.
    """

    factor: float = 1.25
    factor_of: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("follow", "comment", "forward", "hate"), 2.0)
    )
    least_auc: float = 0.6


def gate(validation: Validation, limits: Limits | None = None) -> list[str]:
    """Reasons to refuse a world, one line each; empty if it is sound."""
    limits = limits or Limits()
    return [*_rate_faults(validation, limits), *_auc_faults(validation, limits)]


def checks(validation: Validation) -> list[Check]:
    """Build the check of every target; unmeasured ones have neither value nor verdict."""
    check_groups: tuple[Callable[[Validation], Iterable[Check]], ...] = (
        _heldout, _regimes, _groups, _separable, _users, _activity, _answering, _presets,
    )  # fmt: skip
    return [check for check_group in check_groups for check in check_group(validation)]


def _rate_faults(validation: Validation, limits: Limits) -> Iterator[str]:
    for regime, rates in validation.regimes.items():
        for name, compared in rates.items():
            factor = limits.factor_of.get(name, limits.factor)
            ratio = compared.ratio
            if ratio is None:
                yield f"{name} under {regime}: not a number"
            elif not 1 / factor <= ratio <= factor:
                yield f"{name} under {regime}: {ratio:.3g} times the real figure, want within a factor of {factor:g}"


def _auc_faults(validation: Validation, limits: Limits) -> Iterator[str]:
    for label, value in (validation.heldout.auc if validation.heldout else {}).items():
        if value is not None and value < limits.least_auc:
            yield f"held-out AUC of {label}: {value:.3f}, want at least {limits.least_auc:g}"


def _heldout(validation: Validation) -> Iterator[Check]:
    section = validation.heldout
    for label, target in _HELDOUT_AUC.items():
        yield _at_least(f"heldout.auc.{label}", section and section.auc.get(label), target)
        reference = section.reference_log_loss.get(label) if section else None
        loss = section.log_loss.get(label) if section else None
        passed = None if loss is None or reference is None else loss <= reference
        target_text = "at most the reference's" + ("" if reference is None else f" {reference:.4f}")
        yield Check(name=f"heldout.log_loss.{label}", value=loss, target=target_text, passed=passed)
    yield _at_least("heldout.watch_spearman", section and section.watch_spearman, 0.54)
    yield _at_most("heldout.pit_max_deviation", section and section.pit_max_deviation, 0.01)
    distances = [ks for ks in section.ks_by_duration.values() if ks is not None] if section else []
    yield _at_most("heldout.ks_by_duration.largest", max(distances, default=None), 0.05)


def _regimes(validation: Validation) -> Iterator[Check]:
    for regime, rates in validation.regimes.items():
        for name in _CHECKED_RATES:
            yield _within(f"regimes.{regime}.{name}", rates[name], 0.05)


def _groups(validation: Validation) -> Iterator[Check]:
    """Check the group that is furthest off, per grouping and logging policy."""
    for grouping, rows in validation.by_group.items():
        for regime in validation.regimes:
            off = [_off(row.compared) for row in rows if row.regime == regime and row.compared.ratio is not None]
            name = f"by_group.{grouping}.{regime}.furthest_off"
            yield _at_most(name, max(off, default=None), 0.1)


def _separable(validation: Validation) -> Iterator[Check]:
    yield _at_most("two_sample_auc", validation.two_sample_auc, 0.6)


def _users(validation: Validation) -> Iterator[Check]:
    for name, compared in validation.per_user.items():
        yield _within(f"per_user.{name}", compared, 0.1)


def _activity(validation: Validation) -> Iterator[Check]:
    for name, compared in validation.activity.items():
        yield _within(f"activity.{name}", compared, 0.05)


def _answering(validation: Validation) -> Iterator[Check]:
    rows, recovery = validation.answering, validation.recovery
    share = sum(row.as_predicted for row in rows) / len(rows) if rows else None
    yield _at_least("answering.share_as_predicted", share, 1.0)
    yield _at_least("recovery.share_within_two_se", recovery and recovery.share_within_two_se, 0.9)


def _presets(validation: Validation) -> Iterator[Check]:
    """Check the rates of EASQ and SAQRec; the tolerances (20%, and 10% for the negative share) are ours."""
    easq, saqrec = validation.presets.get("easq"), validation.presets.get("saqrec")
    if easq:
        yield _within("presets.easq.share_asked", _against(easq.share_asked, 0.005), 0.2)
        yield _at_most("presets.easq.share_answered", easq.share_answered, 0.02)
    if saqrec:
        yield _within("presets.saqrec.answered_per_view", _against(saqrec.answered_per_view, 0.01), 0.2)
        yield _within("presets.saqrec.share_negative", _against(saqrec.share_negative, 0.288), 0.1)


def _against(value: Number, real: float) -> Compared:
    return Compared.of(float("nan") if value is None else value, real)


def _off(compared: Compared) -> float:
    """Distance of the ratio from 1."""
    return abs((compared.ratio or 0.0) - 1)


def _within(name: str, compared: Compared, tolerance: float) -> Check:
    real = "" if compared.real is None else f" of {compared.real:.4g}"
    passed = None if compared.ratio is None else _off(compared) <= tolerance
    return Check(name=name, value=compared.simulated, target=f"within {tolerance:.0%}{real}", passed=passed)


def _at_least(name: str, value: Number, target: float) -> Check:
    passed = None if value is None else value >= target
    return Check(name=name, value=value, target=f"at least {target:g}", passed=passed)


def _at_most(name: str, value: Number, target: float) -> Check:
    passed = None if value is None else value <= target
    return Check(name=name, value=value, target=f"at most {target:g}", passed=passed)
