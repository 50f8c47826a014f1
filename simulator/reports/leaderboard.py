"""The leaderboard: what `leaderboard.json` holds, and how it is read."""

import json
from pathlib import Path
from typing import Final, Literal, final

from pydantic import BaseModel, ConfigDict

from simulator.reports.reading import Kind, read_result

FILE: Final = "leaderboard.json"
HEADLINE: Final = ("AUT", "AVT", "P2N", "LT7")
"""Metrics of the test that are shown."""

Number = float | None
_KIND: Final = Kind("a leaderboard", "askew evaluate --out", "evaluate again")


class _Row(BaseModel):
    """Shared settings: frozen, no unknown keys, no number that is not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@final
class Effect(_Row):
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
class Entry(_Row):
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
class Leaderboard(_Row):
    """All policies evaluated into one folder, by true lift of AUT.

    Attributes:
        data: Where they were asked offline.
        users: Of the tests.
        days: Of the tests.
        entries: Best first.
    """

    format: Literal[1] = 1
    data: str
    users: int
    days: int
    entries: list[Entry]

    def to_json(self) -> str:
        """The text of `leaderboard.json`."""
        return json.dumps(self.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"


def load_leaderboard(folder: Path) -> Leaderboard:
    """Read what `askew evaluate --out` wrote.

    Raises:
        RunFolderError: No leaderboard there, or a damaged one.
    """
    return read_result(folder / FILE, Leaderboard, _KIND)
