"""The comparison as one table of text, and as one JSON object."""

import json
from typing import Final

import numpy as np
from comparison import FormComparison, Score
from figures import CLASS_NAMES, FIGURES
from jaxtyping import Float64

_DIGITS: Final = (4, 3, 4, 2, 4, 4, 4, 4, 4)


def as_table(comparison: FormComparison) -> str:
    """One line of figures and one of standard errors per formulation, then the KS distances by length."""
    head = f"{'formulation':<26}" + "".join(f"{name:>15}" for name in FIGURES)
    lines = [line for score in comparison.scores for line in _lines(score)]
    ks_head = f"{'KS by length in s':<26}" + "".join(f"{name:>9}" for name in CLASS_NAMES)
    ks = [f"{score.name:<26}" + "".join(f"{distance:>9.3f}" for distance in score.ks) for score in comparison.scores]
    title = f"{comparison.n_train} views learned from, {comparison.n_test} scored, of {comparison.n_users} users"
    return "\n".join([title, "", head, *lines, "", ks_head, *ks]) + "\n"


def as_json(comparison: FormComparison) -> str:
    """All of it; what is not finite is null."""
    scores = {score.name: _object(score) for score in comparison.scores}
    counts = {name: getattr(comparison, name) for name in ("seed", "n_train", "n_test", "n_users")}
    return json.dumps({**counts, "scores": scores}, indent=1) + "\n"


def _lines(score: Score) -> tuple[str, str]:
    """Figures, and below them their standard errors and, in brackets, those of the difference from the first line."""
    figures = zip(score.figures, _DIGITS, strict=True)
    errors = zip(score.errors, score.difference_errors, _DIGITS, strict=True)
    values = "".join(f"{value:>15.{digits}f}" for value, digits in figures)
    below = "".join(f"{f'{one:.{digits}f} ({apart:.{digits}f})':>15}" for one, apart, digits in errors)
    return f"{score.name:<26}{values}", f"{'':<26}{below}"


def _object(score: Score) -> dict[str, object]:
    """One formulation as JSON holds it."""
    return {
        "n_outputs": score.n_outputs,
        "epochs": score.learned.epochs,
        "figures": _named(FIGURES, score.figures),
        "standard_errors": _named(FIGURES, score.errors),
        "difference_standard_errors": _named(FIGURES, score.difference_errors),
        "ks_by_duration": _named(CLASS_NAMES, score.ks),
    }


def _named(names: tuple[str, ...], values: Float64[np.ndarray, " values"]) -> dict[str, float | None]:
    """Values by name."""
    return {name: float(value) if np.isfinite(value) else None for name, value in zip(names, values, strict=True)}
