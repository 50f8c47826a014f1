"""How results that are kept as JSON are read back: a damaged one is refused in a line that names the field."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, final

from pydantic import BaseModel, ValidationError

from simulator.errors import RunFolderError
from simulator.names import name_fault

LARGEST: Final = 1e15
"""No measured number is larger; a percentage of one much larger is infinite."""
_LARGEST_INT: Final = 2**63
"""No seed is larger."""
_NAMES: Final = frozenset({"arm", "baseline", "label", "metric", "name", "policy", "treatment", "world"})
"""Fields that people know things by."""
_Result = TypeVar("_Result", bound=BaseModel)


@final
@dataclass(frozen=True)
class Kind:
    """What is said of a file that holds no such result.

    Attributes:
        what: Such a result, with its article.
        maker: The command that writes the folder.
        again: How to get a damaged one back.
    """

    what: str
    maker: str
    again: str


def read_result(path: Path, model: type[_Result], kind: Kind) -> _Result:
    """The result in a file.

    Raises:
        RunFolderError: No such file, or a damaged one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise RunFolderError(
            f"{path.parent}: holds no {path.name}; give the folder that `{kind.maker}` wrote"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path}: cannot be read: {error}; {kind.again}") from None
    return parse_result(text, model, kind, str(path))


def parse_result(text: str, model: type[_Result], kind: Kind, origin: str) -> _Result:
    """The result in the text of a file; `origin` names it in messages.

    Raises:
        RunFolderError: Not JSON, not such a result, or a number or name that no result can have.
    """
    try:
        result = model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            raise RunFolderError(f"{origin}: not a JSON file ({first['msg']}); {kind.again}") from None
        at = ".".join(map(str, first["loc"]))
        fault = ": ".join(filter(None, (at, first["msg"].removeprefix("Value error, "))))
        raise RunFolderError(f"{origin}: not {kind.what}: {fault}; {kind.again}") from None
    fault = next(_faults(result.model_dump(), ()), None)
    if fault is not None:
        raise RunFolderError(f"{origin}: {fault}; {kind.again}")
    return result


def _faults(value: object, at: tuple[str, ...]) -> Iterator[str]:
    """Numbers and names below a field that cannot be, each with the way to it."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _faults(each, (*at, str(key)))
    elif isinstance(value, list | tuple):
        for place, each in enumerate(value):
            yield from _faults(each, (*at, str(place)))
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{'.'.join(at)}: {value} given, want a finite number"
    elif isinstance(value, float) and abs(value) > LARGEST:
        yield f"{'.'.join(at)}: {value:g} given, want a number between -{LARGEST:g} and {LARGEST:g}"
    elif isinstance(value, int) and abs(value) > _LARGEST_INT:
        yield f"{'.'.join(at)}: a number of {value.bit_length()} bits given, want at most 64"
    elif isinstance(value, str) and at[-1] in _NAMES and (fault := name_fault(value)):
        yield f"{'.'.join(at)}: {value!r} given, {fault}"
