"""Which values a scalar of a world can have at all: beyond them an equation has no meaning, or no end.

The plausible range in `user_models.parameters` says which values to doubt; these say which ones to refuse.
"""

import math
from typing import Final

_SHARE: Final = (0.0, 1.0)
_SPREAD: Final = (0.0, 1_000.0)
_ANY: Final = (-1_000.0, 1_000.0)
_POSSIBLE: Final[dict[str, tuple[float, float]]] = {
    "satiation.memory_views": (1.0, 1e6),
    "satiation.kept": _SHARE,
    "drift.kept": _SHARE,
    "drift.noise": _SPREAD,
    "habituation.memory_days": (1e-3, 1e6),
    "videos.new_per_day": _SHARE,
    "questionnaire.ask": _SHARE,
    "questionnaire.ask_long_views": _SPREAD,
    "questionnaire.most_per_day": (0.0, 32_767.0),
    "questionnaire.cool_down_days": (0.0, 10_000.0),
    "questionnaire.answer_spread": _SPREAD,
    "questionnaire.fatigue_kept": _SHARE,
    "questionnaire.say_noise": _SPREAD,
    "leaving.cost_scale": (0.01, 1_000.0),
    "leaving.shape": (0.2, 20.0),
    "returning.mood_kept": _SHARE,
}


def fault(name: str, value: float) -> str | None:
    """What is wrong with a value, if it cannot be.

    >>> fault("leaving.shape", 0.0)
    "'leaving.shape' is 0, want 0.2 to 20"
    """
    low, high = _POSSIBLE.get(name, _ANY)
    if math.isfinite(value) and low <= value <= high:
        return None
    return f"{name!r} is {value:g}, want {low:g} to {high:g}"


def faults(values: dict[str, float]) -> list[str]:
    """Everything that is wrong with some values by name."""
    return [found for name, value in values.items() if (found := fault(name, value))]
