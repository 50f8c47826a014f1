"""Results stored as JSON: common settings, writing and reading.

A damaged file is refused in one line that names the field.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias, TypeVar, final

from pydantic import BaseModel, ConfigDict, ValidationError

from simulator.errors import RunFolderError
from simulator.names import name_fault

LARGEST: Final = 1e15
"""Largest number in a document; a percentage of a much larger one is infinite."""
_LARGEST_INT: Final = 2**63
"""Bound of whole numbers, such as seeds."""
_NAMES: Final = frozenset({"arm", "baseline", "label", "metric", "name", "policy", "treatment", "world"})
"""Fields that hold names."""
Number: TypeAlias = float | None
"""A number, or null with a reason."""
_Document = TypeVar("_Document", bound="Document")


class Row(BaseModel):
    """A part of a document: frozen, no unknown keys, no number that is not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@final
@dataclass(frozen=True)
class Kind:
    """Words for a document in messages.

    Attributes:
        what: Name of the kind of result, with its article.
        maker: Command that writes the folder.
        again: Advice on how to replace a damaged document.
    """

    what: str
    maker: str
    again: str


class Document(Row):
    """A result that is one JSON file of a folder.

    Attributes:
        file: Name of the file.
        kind: Words for it in messages.
    """

    file: ClassVar[str]
    kind: ClassVar[Kind]

    def to_json(self) -> str:
        """Return the text of the file: stable key order, no non-finite number."""
        return json.dumps(self.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"

    @classmethod
    def load(cls: type[_Document], folder: Path) -> _Document:
        """Read the document of a folder.

        Raises:
            RunFolderError: The file is missing or damaged.
        """
        path = folder / cls.file
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise RunFolderError(
                f"{folder}: holds no {path.name}; give the folder that `{cls.kind.maker}` wrote"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise RunFolderError(f"{path}: cannot be read: {error}; {cls.kind.again}") from None
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls: type[_Document], text: str, origin: str) -> _Document:
        """Read the text of a file; `origin` names it in messages.

        Raises:
            RunFolderError: The text is not JSON or not such a result, or a number or name is invalid.
        """
        try:
            result = cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            fault = _first_fault(error, cls.kind.what)
        else:
            fault = next(_faults(result.model_dump(), ()), None)
            if fault is None:
                return result
        raise RunFolderError(f"{origin}: {fault}; {cls.kind.again}")


def _first_fault(error: ValidationError, what: str) -> str:
    """Describe the first fault of a text that is no such result."""
    first: Any = error.errors(include_url=False)[0]
    path = ".".join(map(str, first["loc"]))
    if first["type"] == "json_invalid":
        return f"not a JSON file ({first['msg']})"
    if first["type"] == "finite_number":
        return f"{path}: {first['input']} given, want a finite number"
    return f"not {what}: " + ": ".join(filter(None, (path, first["msg"].removeprefix("Value error, "))))


def _faults(value: object, path: tuple[str, ...]) -> Iterator[str]:
    """Yield a line for each number or name below a field that no result can have."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _faults(part, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _faults(part, (*path, str(index)))
    elif isinstance(value, float) and abs(value) > LARGEST:
        yield f"{'.'.join(path)}: {value:g} given, want a number between -{LARGEST:g} and {LARGEST:g}"
    elif isinstance(value, int) and abs(value) > _LARGEST_INT:
        yield f"{'.'.join(path)}: a number of {value.bit_length()} bits given, want at most 64"
    elif isinstance(value, str) and path[-1] in _NAMES and (fault := name_fault(value)):
        yield f"{'.'.join(path)}: {value!r} given, {fault}"
