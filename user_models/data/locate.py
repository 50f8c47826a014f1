"""Which mapping and files stand behind a path: a mapping file, or a folder of data that askew has a mapping for."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from user_models.data.mapping import Mapping, read_mapping, shipped
from user_models.errors import DataError


@final
@dataclass(frozen=True)
class Located:
    """A mapping, and the folder that its files are in."""

    mapping: Mapping
    root: Path

    def files(self, patterns: Iterable[str], *, needed: bool = True) -> tuple[Path, ...]:
        """The files of some patterns, in their order; those of one pattern by name.

        Raises:
            DataError: A needed pattern without a file.
        """
        paths: list[Path] = []
        for pattern in patterns:
            matched = sorted(self.root.glob(pattern))
            if needed and not matched:
                raise DataError(f"{self.root}: {pattern} missing; give the folder or the mapping that has it")
            paths += matched
        return tuple(paths)


def locate(path: Path) -> Located:
    """Find the mapping and the files of a path.

    Args:
        path: A mapping file; or a folder with the files of a mapping that ships, or the parent of its `data` folder.

    Raises:
        DataError: No such file or folder, one that cannot be read, a folder that no mapping fits, or a missing file.
    """
    try:
        if not path.is_dir():
            return Located(read_mapping(path), path.parent)
        return _complete(_fitting(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a folder that you may read") from None


def _fitting(path: Path) -> Located:
    """The mapping of which a folder has the largest share of files."""
    pairs = [Located(read_mapping(file), root) for file in shipped().values() for root in (path, path / "data")]
    shares = [(_share(each), -at, each) for at, each in enumerate(pairs)]
    best = max(shares, key=lambda each: each[:2])
    if not best[0]:
        names = ", ".join(shipped())
        raise DataError(
            f"{path}: no mapping fits what is in this folder (there are mappings for {names}); give a mapping file"
        )
    if best[0] == 1 and len(whole := [each for share, _, each in shares if share == 1]) > 1:
        names = " and ".join(f"{each.mapping.name} in {each.root}" for each in whole)
        raise DataError(f"{path}: files of {names}; keep one of them and remove the other")
    return best[2]


def _needed(mapping: Mapping) -> tuple[str, ...]:
    """Patterns of the files that a mapping cannot do without."""
    return tuple(dict.fromkeys(pattern for table, _ in mapping.tables() for pattern in table.files))


def _share(each: Located) -> float:
    """Share of the needed files that a folder has."""
    patterns = _needed(each.mapping)
    return sum(any(each.root.glob(pattern)) for pattern in patterns) / len(patterns)


def _complete(each: Located) -> Located:
    """The same, if no file is missing."""
    missing = [pattern for pattern in _needed(each.mapping) if not any(each.root.glob(pattern))]
    if missing:
        raise DataError(f"{each.root}: {', '.join(missing)} missing; give the complete folder of {each.mapping.name}")
    return each
