"""Numbers and switches as callers give them: of the right type and within their range, or refused in one line.

Python takes 1.5 users for 1, True for one and nan for any number at all; what is written down is what has to be run.
"""

from numbers import Integral, Real
from typing import Final

IDS: Final = 2**31
"""How many users, or videos, there can be: their ids are 32 bits wide."""
SEEDS: Final = 2**63
"""How many seeds there are."""


def whole(name: str, given: object, low: int, high: int) -> int:
    """Check a whole number, Python's or NumPy's.

    Args:
        name: What it is called in messages.
        given: What was given.
        low: Least value.
        high: Greatest value.

    Raises:
        ValueError: Anything else, such as 1.0, True or "1", or a number out of range.

    >>> whole("users", 3, 1, 10)
    3
    """
    number = None if isinstance(given, bool) or not isinstance(given, Integral) else int(given)
    if number is None or not low <= number <= high:
        raise ValueError(f"{name}: {given!r} given, want a whole number from {low} to {high}")
    return number


def share(name: str, given: object) -> float:
    """Check a number above 0 and at most 1.

    Raises:
        ValueError: Anything else, nan too.
    """
    number = 0.0 if isinstance(given, bool) or not isinstance(given, Real) else float(given)
    if not 0 < number <= 1:
        raise ValueError(f"{name}: {given!r} given, want a number above 0 and at most 1")
    return number


def switch(name: str, given: object) -> bool:
    """Check a switch.

    Raises:
        ValueError: Anything but True and False, such as 1 or "no".
    """
    if not isinstance(given, bool):
        raise ValueError(f"{name}: {given!r} given, want True or False")
    return given
