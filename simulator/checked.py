"""Checks of numbers and switches from callers: a wrong type or a value out of range is refused in one line.

Python would take 1.5 users for 1, True for 1 and nan for any number.
"""

from numbers import Integral, Real
from typing import Final

IDS: Final = 2**31
"""Limit of ids of users and videos, which have 32 bits."""
SEEDS: Final = 2**63
"""Limit of seeds."""


def whole(name: str, value: object, low: int, high: int) -> int:
    """Check a whole number, Python's or NumPy's.

    Args:
        name: Name in messages.
        value: Value to check.
        low: Smallest allowed value.
        high: Largest allowed value.

    Raises:
        ValueError: The value is no whole number, such as 1.0, True or "1", or is out of range.

    >>> whole("users", 3, 1, 10)
    3
    """
    number = None if isinstance(value, bool) or not isinstance(value, Integral) else int(value)
    if number is None or not low <= number <= high:
        raise ValueError(f"{name}: {value!r} given, want a whole number from {low} to {high}")
    return number


def share(name: str, value: object) -> float:
    """Check a number above 0 and at most 1.

    Raises:
        ValueError: The value is something else, such as nan.
    """
    number = 0.0 if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    if not 0 < number <= 1:
        raise ValueError(f"{name}: {value!r} given, want a number above 0 and at most 1")
    return number


def switch(name: str, value: object) -> bool:
    """Check a switch.

    Raises:
        ValueError: The value is neither True nor False, such as 1 or "no".
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name}: {value!r} given, want True or False")
    return value
