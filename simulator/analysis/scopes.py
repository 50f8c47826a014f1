"""Scopes of moments: the whole test, a part of it, or a segment of users."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

Kind: TypeAlias = Literal["test", "before", "day", "look", "segment"]


@final
@dataclass(frozen=True)
class Scope:
    """Days and users of a set of moments.

    Attributes:
        kind: Kind of the scope.
        day: The day of a `day`, or the number of days of a `look`; else -1.
        feature: Feature of a `segment`.
        level: Level of that feature.
    """

    kind: Kind
    day: int = -1
    feature: str = ""
    level: str = ""


TEST: Final = Scope("test")
BEFORE: Final = Scope("before")


def of_day(day: int) -> Scope:
    """Scope of one day."""
    return Scope("day", day)


def of_look(days: int) -> Scope:
    """Scope of the first `days` days."""
    return Scope("look", days)


def of_segment(feature: str, level: str) -> Scope:
    """Scope of the users of one level."""
    return Scope("segment", feature=feature, level=level)
