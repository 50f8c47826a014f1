"""The leaderboard: what `leaderboard.json` holds, and how it is read."""

from typing import ClassVar, Final, Literal, final

from simulator.reports.document import Document, Kind, Number, Row

FILE: Final = "leaderboard.json"
HEADLINE: Final = ("AUT", "AVT", "P2N", "LT7")
"""Metrics of the test in the leaderboard."""


@final
class Effect(Row):
    """Effect of a policy against `base`.

    Attributes:
        lift: Estimated lift.
        ci_low: Lower end of its 95% interval.
        ci_high: Upper end of its 95% interval.
        true_lift: True lift, with every user under both arms.
    """

    lift: Number
    ci_low: Number
    ci_high: Number
    true_lift: Number


@final
class Entry(Row):
    """Results of one policy.

    Attributes:
        policy: Name of the policy, which keeps the contract.
        offline: Offline scores by metric, see `simulator.reports.offline`.
        effects: Effects by metric.
        folder: Folder of the test, relative to this file.
    """

    policy: str
    offline: dict[str, Number]
    effects: dict[str, Effect]
    folder: str


@final
class Leaderboard(Document):
    """All policies evaluated into one folder, by true lift of AUT.

    Attributes:
        data: Data of the offline evaluation.
        users: Users of the tests.
        days: Days of the tests.
        entries: Entries, best first.
    """

    file: ClassVar = FILE
    kind: ClassVar = Kind("a leaderboard", "askew evaluate --out", "evaluate again")
    format: Literal[1] = 1
    data: str
    users: int
    days: int
    entries: list[Entry]


load_leaderboard: Final = Leaderboard.load
