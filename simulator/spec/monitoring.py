"""The part of a spec on monitoring: guardrails, interim looks and early stopping."""

from typing import Annotated, Final, Literal, final

from pydantic import BaseModel, ConfigDict, Field

from simulator.metrics import METRICS

STRICT: Final = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
"""Config of every table of a spec: no unknown key, no 3.0 or true for a whole number, no 1 or "no" for a switch, no
nan. Only lists are read as tuples, which TOML lacks."""
Method = Literal["group-sequential", "always-valid", "fixed"]


@final
class LooksSpec(BaseModel):
    """Days of interim looks, and the method that keeps their error.

    Attributes:
        method: `group-sequential`: bounds for planned looks. `always-valid`: wider bounds for any moment. `fixed`: a
            single look after the last day.
        days: Days of the test after which there are looks, ascending; empty for every day (`fixed`: the last). There
            is always a look after the last day.
        spending: For group-sequential bounds: `obrien-fleming` keeps most error for the end, `pocock` spends evenly.
        alpha: Two-sided error over all looks.
        unprotected: With `fixed`: allow earlier looks, with intervals that hold for one look only.
    """

    model_config = STRICT

    method: Method = "group-sequential"
    days: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False)] = ()
    spending: Literal["obrien-fleming", "pocock"] = "obrien-fleming"
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    unprotected: bool = False

    def after(self, days: int) -> tuple[int, ...]:
        """Days after which a test of `days` days has looks.

        >>> LooksSpec().after(3), LooksSpec(days=(2,)).after(7), LooksSpec(method="fixed").after(7)
        ((1, 2, 3), (2, 7), (7,))
        """
        if self.method == "fixed" and not self.unprotected:
            return (days,)
        return (*(day for day in self.days or range(1, days) if day < days), days)


@final
class StopRule(BaseModel):
    """End the test after the first look at which one metric's interval leaves out 0; later days are not simulated.

    Attributes:
        metric: Main metric: AUT, AVT or P2N.
        arm: Name of the treatment.
        crossed: Direction that counts.
    """

    model_config = STRICT

    metric: Literal["AUT", "AVT", "P2N"]
    arm: str
    crossed: Literal["better", "worse", "either"] = "either"


def looks_fault(looks: LooksSpec, days: int, stop: StopRule | None, treatments: list[str]) -> str:
    """Fault of looks and stopping rule; empty if there is none."""
    if list(looks.days) != sorted(set(looks.days)) or (looks.days and looks.days[-1] > days):
        return f"looks.days: {list(looks.days)} given, want ascending numbers of days, at most days = {days}"
    early = stop is not None or (looks.days and looks.days != (days,))
    if looks.method == "fixed" and early and not looks.unprotected:
        return (
            "looks: a fixed horizon given, whose intervals do not hold before the last day; want method = "
            '"group-sequential" or "always-valid", or unprotected = true to look early all the same'
        )
    if looks.unprotected and looks.method != "fixed":
        return f'looks.unprotected: true given, but method = "{looks.method}" protects; take it out'
    if stop is not None and stop.arm not in treatments:
        return f"stop_when.arm: {stop.arm!r} given, want a treatment: {', '.join(treatments)}"
    return ""


def guardrails_fault(guardrails: dict[str, float]) -> str:
    """Fault of guardrails; empty if there is none."""
    for metric, margin in guardrails.items():
        if metric not in METRICS or metric == "active_share" or METRICS[metric].better == "neither":
            metrics = ", ".join(key for key, m in METRICS.items() if m.better != "neither" and key != "active_share")
            return f"guardrails: {metric!r} given, want one of {metrics}"
        if not 0 < margin < 1:
            return f"guardrails.{metric}: {margin} given, want a relative margin between 0 and 1, such as 0.01"
    return ""
