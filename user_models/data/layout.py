"""File layout of a KuaiRand folder: the files of each variant, and a check that a folder has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, final, get_args

from user_models.data.schema import USERS, VIDEO_STATISTICS, VIDEOS, TableSchema, log_table
from user_models.errors import DataError

Variant: TypeAlias = Literal["pure", "1k", "27k"]
TableKind: TypeAlias = Literal["standard", "random", "users", "videos", "video_statistics"]
VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)
KINDS: Final[tuple[TableKind, ...]] = get_args(TableKind)
_EARLY: Final = log_table(20220408, 20220421)
_LATE: Final = log_table(20220422, 20220508)


@final
@dataclass(frozen=True)
class DataFile:
    """File of a folder, and its expected table."""

    path: Path
    table: TableSchema


Files: TypeAlias = Mapping[TableKind, tuple[DataFile, ...]]


def official_names(variant: Variant) -> dict[TableKind, dict[str, TableSchema]]:
    """Return the file names of a variant by kind of table, in reading order."""
    logs = statistics = (f"_{variant}.csv",)
    if variant == "27k":
        logs = tuple(f"_27k_part{part}.csv" for part in (1, 2))
        statistics = tuple(f"_27k_part{part}.csv" for part in (1, 2, 3))
    early = {f"log_standard_4_08_to_4_21{end}": _EARLY for end in logs}
    late = {f"log_standard_4_22_to_5_08{end}": _LATE for end in logs}
    return {
        "standard": early | late,
        "random": {f"log_random_4_22_to_5_08_{variant}.csv": _LATE},
        "users": {f"user_features_{variant}.csv": USERS},
        "videos": {f"video_features_basic_{variant}.csv": VIDEOS},
        "video_statistics": {f"video_features_statistic{end}": VIDEO_STATISTICS for end in statistics},
    }


def locate(path: Path) -> tuple[Variant, Files]:
    """Find the variant and the files under `path`, which is the folder of the files or the parent of `data`.

    The random log may be missing; its tuple of files is then empty.

    Raises:
        DataError: No folder, one that cannot be read, no file of KuaiRand in it, files of two variants, or a file
            missing.
    """
    try:
        return _located(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a folder that you may read") from None


def _located(path: Path) -> tuple[Variant, Files]:
    """`locate`, where the file system answers."""
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; give the folder that a KuaiRand archive unpacks to")
    n_files: dict[tuple[Path, Variant], int] = {
        (root, variant): n for root in (path, path / "data") for variant in VARIANTS if (n := _count(root, variant))
    }
    if not n_files:
        raise DataError(f"{path}: no KuaiRand file here or in data/; wanted files such as user_features_pure.csv")
    if len(n_files) > 1:
        names = " and ".join(f"KuaiRand-{variant} in {root}" for root, variant in n_files)
        raise DataError(f"{path}: files of {names}; keep one variant and remove the other")
    ((root, variant),) = n_files
    return variant, _present(root, variant)


def _count(root: Path, variant: Variant) -> int:
    """Number of files of the variant in this folder."""
    return sum((root / name).is_file() for names in official_names(variant).values() for name in names)


def _present(root: Path, variant: Variant) -> Files:
    """The files by kind; all but the random log must be there."""
    names = official_names(variant)
    missing = [n for kind, tables in names.items() if kind != "random" for n in tables if not (root / n).is_file()]
    if missing:
        raise DataError(f"{root}: {', '.join(missing)} missing; unpack the KuaiRand-{variant} archive again")
    return {
        kind: tuple(DataFile(root / name, table) for name, table in tables.items() if (root / name).is_file())
        for kind, tables in names.items()
    }
