"""What options take: numbers are read strictly, within the range that the command can use."""

import os
import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

from cyclopts import Parameter, Token

from simulator.checked import IDS, SEEDS

_WHOLE: Final = re.compile(r"[+-]?[0-9]+(_[0-9]+)*")
_LONGEST: Final = 40
"""Letters of a number; more are out of every range, and in the end too many for `int`."""


def whole(low: int, high: int) -> Parameter:
    """An option that takes whole numbers from `low` to `high`, written as such: 3, not 3.0."""

    def read(_type: object, tokens: Sequence[Token]) -> int:
        word = tokens[0].value
        number = int(word) if _WHOLE.fullmatch(word) and len(word) <= _LONGEST else None
        if number is None or not low <= number <= high:
            raise ValueError(f"{word!r} given, want a whole number from {low} to {high}")
        return number

    return Parameter(converter=read)


EngineName: TypeAlias = Literal["local", "ray"]
Users: TypeAlias = Annotated[int, whole(2, IDS - 1)]
Most: TypeAlias = Annotated[int, whole(1, IDS - 1)]
Seed: TypeAlias = Annotated[int, whole(0, SEEDS - 1)]
Days: TypeAlias = Annotated[int, whole(1, 365)]
Times: TypeAlias = Annotated[int, whole(0, 1_000_000)]
Workers: TypeAlias = Annotated[int, whole(1, 4096)]
Switch: TypeAlias = Annotated[bool, Parameter(negative="")]
Json: TypeAlias = Annotated[bool, Parameter(name="--json", negative="")]


def workers_or_all(workers: int | None) -> int:
    """As many as were asked for, else one per core."""
    return workers or os.cpu_count() or 1
