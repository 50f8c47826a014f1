"""What a set of moments is about: the whole test, a part of it, or some of its users."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

Kind: TypeAlias = Literal["test", "before", "day", "look", "segment"]


@final
@dataclass(frozen=True)
class Scope:
    """Over which days, and of which users.

    Attributes:
        kind: What sort it is.
        day: The day of a `day`, or the days so far of a `look`; else -1.
        feature: By which users are divided, of a `segment`.
        level: Theirs.
    """

    kind: Kind
    day: int = -1
    feature: str = ""
    level: str = ""


TEST: Final = Scope("test")
BEFORE: Final = Scope("before")


def of_day(day: int) -> Scope:
    """One day."""
    return Scope("day", day)


def of_look(days: int) -> Scope:
    """The first days."""
    return Scope("look", days)


def of_segment(feature: str, level: str) -> Scope:
    """Users of one level."""
    return Scope("segment", feature=feature, level=level)
