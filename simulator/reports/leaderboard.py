"""The leaderboard: what `leaderboard.json` holds, and how it is read."""

from typing import ClassVar, Final, Literal, final

from simulator.reports.document import Document, Kind, Number, Row

FILE: Final = "leaderboard.json"
HEADLINE: Final = ("AUT", "AVT", "P2N", "LT7")
"""Metrics of the test that are shown."""


@final
class Effect(Row):
    """A policy against `base`.

    Attributes:
        lift: Estimated, relative.
        ci_low: Of its 95% interval.
        ci_high: Likewise.
        true_lift: With every user under both arms.
    """

    lift: Number
    ci_low: Number
    ci_high: Number
    true_lift: Number


@final
class Entry(Row):
    """What was found of one policy.

    Attributes:
        policy: Its name; it keeps the contract, or it would not be here.
        offline: Scores by metric, see `simulator.reports.offline`.
        effects: By metric.
        folder: Of the test, beside this file.
    """

    policy: str
    offline: dict[str, Number]
    effects: dict[str, Effect]
    folder: str


@final
class Leaderboard(Document):
    """All policies evaluated into one folder, by true lift of AUT.

    Attributes:
        data: Where they were asked offline.
        users: Of the tests.
        days: Of the tests.
        entries: Best first.
    """

    file: ClassVar = FILE
    kind: ClassVar = Kind("a leaderboard", "askew evaluate --out", "evaluate again")
    format: Literal[1] = 1
    data: str
    users: int
    days: int
    entries: list[Entry]


load_leaderboard: Final = Leaderboard.load
