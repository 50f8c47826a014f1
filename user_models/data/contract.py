"""The log contract: the columns that a log, its users, its items and their counts may have, with their meaning.

A log has one row per exposure. Only `user`, `item`, `time` and `watch_s` must be there, and `duration_s` in the log or
in the table of items. What is missing is named when the log is read, and a fit takes it from a stated prior.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from user_models.data.cells import Kind

Unit: TypeAlias = Literal["s", "ms", "us", "min", "lengths", "text", "files", "yyyymmdd", "hours", "hhmm"]


@final
@dataclass(frozen=True)
class ContractColumn:
    """One column of the contract.

    Attributes:
        meaning: What it says, with its unit.
        kind: How its cells are read.
        units: Units that a mapping may give it; the first is the default. Empty where it has none.
        required: Whether a mapping must name it.
    """

    meaning: str
    kind: Kind
    units: tuple[Unit, ...] = ()
    required: bool = False


def _flag(meaning: str) -> ContractColumn:
    return ContractColumn(meaning, "flag")


ACTIONS: Final = ("like", "follow", "comment", "forward", "hate", "profile_visit")
"""Actions of a log, in the order in which a world has them."""
LOG: Final[dict[str, ContractColumn]] = {
    "user": ContractColumn("who watched", "id", required=True),
    "item": ContractColumn("what was shown", "id", required=True),
    "time": ContractColumn(
        "when: Unix time, or written out in the time zone; `files` where each file covers so many days and rows are in"
        " order, the times then being spread evenly",
        "number",
        ("s", "ms", "us", "text", "files"),
        required=True,
    ),
    "day": ContractColumn("local day, where the log has its own; that of `time` otherwise", "number", ("yyyymmdd",)),
    "hour": ContractColumn(
        "local hour, where the log has its own; that of `time` otherwise", "number", ("hours", "hhmm")
    ),
    "watch_s": ContractColumn(
        "seconds watched, replays included; `lengths` are multiples of the duration",
        "number",
        ("s", "ms", "min", "lengths"),
        required=True,
    ),
    "duration_s": ContractColumn("length of the item, s; 0 where not known", "number", ("s", "ms", "min")),
    "click": _flag("clicked; without it, played for 7 s or to the end"),
    "long_view": _flag("played for long; without it, 18 s or to the end"),
    "like": _flag("liked"),
    "follow": _flag("followed the author"),
    "comment": _flag("wrote a comment"),
    "forward": _flag("forwarded"),
    "hate": _flag("said that they hate it"),
    "profile_visit": _flag("opened the author's profile"),
    "profile_stay_s": ContractColumn("time on the author's profile, s", "number", ("s", "ms", "min")),
    "comment_stay_s": ContractColumn("time in the comments, s", "number", ("s", "ms", "min")),
    "author": ContractColumn("who made the item", "id"),
    "topic": ContractColumn("topic of the item, or a list of topics, the main one first", "text"),
    "surface": ContractColumn("page of the app", "text"),
    "request": ContractColumn("request that the row belongs to", "id"),
    "position": ContractColumn("place on the slate, from 0", "number"),
    "is_random": _flag("shown at random rather than by the ranker"),
    "propensity": ContractColumn("chance with which the ranker showed it", "number"),
    "asked": _flag("asked whether they are satisfied"),
    "answered": _flag("answered"),
    "answer": ContractColumn("answer: 1 dissatisfied, 2 uncertain, 3 satisfied; 0 or empty without one", "number"),
}
USERS: Final[dict[str, ContractColumn]] = {"user": ContractColumn("id of the user", "id", required=True)}
ITEMS: Final[dict[str, ContractColumn]] = {
    "item": ContractColumn("id of the item", "id", required=True),
    "author": LOG["author"],
    "duration_s": LOG["duration_s"],
    "topic": LOG["topic"],
    "width": ContractColumn("width, pixels", "number"),
    "height": ContractColumn("height, pixels", "number"),
}
_COUNTED: Final[tuple[tuple[str, str, tuple[Unit, ...]], ...]] = (
    ("shows", "exposures", ()),
    ("plays", "plays", ()),
    ("play_ms", "watch time, ms", ("ms",)),
    ("progress", "share of the item that was played", ()),
    ("valid_plays", "plays that count as clicks", ()),
    ("long_plays", "long plays", ()),
    ("complete_plays", "plays to the end", ()),
    ("short_plays", "plays that ended at once", ()),
    ("likes", "likes", ()),
    ("follows", "follows", ()),
    ("comments", "comments", ()),
    ("shares", "shares", ()),
    ("collects", "bookmarks", ()),
    ("dislikes", "requests to see less of the kind", ()),
    ("reports", "reports", ()),
    ("comment_stay_ms", "time in the comments, ms", ("ms",)),
)
COUNTS: Final[dict[str, ContractColumn]] = {
    "item": ContractColumn("id of the item", "id", required=True),
    **{name: ContractColumn(f"{meaning}, of everybody", "number", units) for name, meaning, units in _COUNTED},
}
MAY_BE_EMPTY: Final = ("topic", "width", "height", "answer", "propensity", "position", "request", *COUNTS)
"""Columns whose cells may say nothing; also `duration_s` and `author` of the table of items."""
HIGHEST: Final = {"propensity": 1.0, "answer": 3.0, "day": 99_991_231.0, "hour": 2359.0}
"""Largest numbers of columns that have one."""
