"""Mapping files: which columns of anybody's files are which columns of the contract.

A mapping is a TOML file. Its paths are relative to it. `base` names a mapping that ships with askew, whose keys then
hold where the file has none. The mappings that ship are in `mappings/`, and serve folders that have their files.
"""

import tomllib
from collections.abc import Mapping as Dictionary
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from user_models.data.contract import COUNTS, ITEMS, LOG, USERS, ContractColumn
from user_models.errors import DataError

SHIPPED: Final = Path(str(files("user_models") / "data" / "mappings"))
"""Folder of the mappings that come with askew."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@final
class Source(_Strict):
    """Where a column of the contract comes from.

    Attributes:
        column: Name in the file; empty for a time that the file does not have.
        unit: One of the units of the contract; its first by default.
        yes: Of a flag: the cells that mean yes, where they are other than 1 and true.
        days: Of a time with the unit `files`: days that each file covers.
        start: Of a time with the unit `files`: the first day.
    """

    column: str = ""
    unit: str = ""
    yes: tuple[str, ...] = ()
    days: float = Field(default=1.0, gt=0)
    start: str = "2024-01-01"


def _source(given: object) -> object:
    """A plain name means a column without more."""
    return {"column": given} if isinstance(given, str) else given


def _texts(given: object) -> object:
    """One value or several, as text."""
    values: list[object] = list(given) if isinstance(given, list) else [given]  # pyright: ignore[reportUnknownArgumentType]
    return tuple(str(int(value)) if isinstance(value, bool) else str(value) for value in values)


Columns = dict[str, Annotated[Source, BeforeValidator(_source)]]
Values = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class Table(_Strict):
    """One kind of table.

    Attributes:
        files: Names or patterns, relative to the mapping, in reading order; CSV (also .gz) or Parquet.
        delimiter: Between the cells of CSV files.
        columns: Columns of the contract, and where they come from.
        repeated: Whether an id may stand in several rows, of which the first counts; for tables other than the log.
    """

    files: tuple[str, ...] = Field(min_length=1)
    repeated: bool = False
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    columns: Columns


@final
class Surfaces(_Strict):
    """Pages of the app that are told apart.

    Attributes:
        main: The main feed.
        grid: The page where items are chosen from a grid; empty if there is none.
        other: Further pages with effects of their own, three at most.
    """

    main: str
    grid: str = ""
    other: tuple[str, ...] = Field(default=(), max_length=3)


@final
class LogTable(Table):
    """The log.

    Attributes:
        random_files: Logs of random exposures, which may be missing.
        where: Only rows with these values in these columns of the file.
        surfaces: Pages that are told apart; by how often they come, without it.
    """

    random_files: tuple[str, ...] = ()
    where: dict[str, Values] = Field(default_factory=dict[str, Values])
    surfaces: Surfaces | None = None


@final
class UserTable(Table):
    """Public features of users.

    Attributes:
        categories: Columns of the file with labels.
        numbers: Columns of the file with numbers.
        profile: Categories whose combinations are the kinds of user; the first three by default.
    """

    categories: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    profile: tuple[str, ...] = ()


@final
class ItemTable(Table):
    """Public features of items.

    Attributes:
        categories: Columns of the file with labels, beside the topic.
    """

    categories: tuple[str, ...] = ()


@final
class Mapping(_Strict):
    """How to read somebody's files.

    Attributes:
        name: Of the data.
        source: Where they are described.
        attribution: Credit that the data ask for.
        time_zone: Of local times, an IANA name.
        totals: TOML file with totals known beside the rows; empty if none are.
        complete: Whether the log has every view of its users; sessions and returns can then be counted.
        log: The log.
        users: Features of users; None where there are none.
        items: Features of items; None where the log has all there is.
        counts: Counts of everybody's views of each item; None where they are counted in the log.
    """

    name: str
    source: str = ""
    attribution: str = ""
    time_zone: str = "UTC"
    totals: str = ""
    complete: bool = True
    log: LogTable
    users: UserTable | None = None
    items: ItemTable | None = None
    counts: Table | None = None

    @model_validator(mode="after")
    def _is_sound(self) -> "Mapping":
        """Check names and units against the contract."""
        for table, contract in self.tables():
            _check(table, contract)
        if "duration_s" not in self.log.columns and not (self.items and "duration_s" in self.items.columns):
            raise ValueError("duration_s is mapped neither in [log.columns] nor in [items.columns]; name its column")
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"time_zone {self.time_zone!r} given, want a name such as Asia/Shanghai") from error
        if self.users and (odd := set(self.users.profile) - set(self.users.categories)):
            raise ValueError(f"profile column {min(odd)!r} is not among the categories of [users]; add it there")
        return self

    def tables(self) -> list[tuple[Table, Dictionary[str, ContractColumn]]]:
        """Tables that are mapped, each with its contract."""
        pairs = ((self.log, LOG), (self.users, USERS), (self.items, ITEMS), (self.counts, COUNTS))
        return [(table, contract) for table, contract in pairs if table is not None]


def _check(table: Table, contract: Dictionary[str, ContractColumn]) -> None:
    """Refuse a table with columns or units that the contract has not."""
    for name, source in table.columns.items():
        if name not in contract:
            near = get_close_matches(name, contract, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"want some of {', '.join(contract)}"
            raise ValueError(f"column {name!r} is not in the contract; {hint}")
        units = contract[name].units
        if source.unit and source.unit not in units:
            want = f"want one of {', '.join(units)}" if units else "it has none; leave unit out"
            raise ValueError(f"unit {source.unit!r} of {name} given; {want}")
        if not source.column and unit_of(name, source, contract) != "files":
            raise ValueError(f"{name} names no column; give the name of one")
        if source.yes and contract[name].kind != "flag":
            raise ValueError(f"yes is given for {name}, which is no flag; leave it out")
    for name, column in contract.items():
        if column.required and name not in table.columns:
            raise ValueError(f"required column {name} ({column.meaning.split(';')[0]}) is not mapped; name its column")


def unit_of(name: str, source: Source, contract: Dictionary[str, ContractColumn]) -> str:
    """Unit of a mapped column; empty for one without."""
    units = contract[name].units
    return source.unit or (units[0] if units else "")


def shipped() -> dict[str, Path]:
    """Mappings that come with askew, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml")) if not path.stem.endswith("-totals")}


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        DataError: No such file, no TOML, or not a mapping.
    """
    content = _content(path)
    try:
        return Mapping.model_validate({"name": path.stem, **content})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        text = first["msg"].removeprefix("Value error, ")
        raise DataError(f"{path}: {f'{where}: ' if where else ''}{text}") from None


def _content(path: Path) -> dict[str, Any]:
    """The keys of a mapping file over those of its base."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; give a mapping file or a folder of data") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is no TOML ({error}); mend it") from None
    base = content.pop("base", None)
    if base is None:
        return content
    if base not in shipped():
        raise DataError(f"{path}: base {base!r} given, want one of {', '.join(shipped())}")
    return _over(_content(shipped()[base]), content)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Keys of both; where both have one, tables are joined and other values are those of `above`."""
    joined = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        joined[key] = _over(below[key], value) if both else value
    return joined
