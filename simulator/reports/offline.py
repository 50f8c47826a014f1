"""The offline evaluation: what `offline.json` holds, and how it is read.

One row per policy and seed; means over seeds with their standard errors; and the best policy against the second best.
"""

import json
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal, final

from simulator.reports.document import Document, Kind, Number, Row

FILE: Final = "offline.json"
METRICS: Final = ("hr@1", "hr@5", "hr@10", "ndcg@5", "ndcg@10", "mrr")
"""In the order in which they are shown."""
MAIN: Final = "ndcg@10"
"""The one by which policies are ordered and compared."""
TRUE: Final = "true@10"
"""Share of the possible true satisfaction in the first ten places; simulated logs only."""
TRUTH: Final = "(true satisfaction)"
"""Stands for the order by the truth itself, where it is known; no policy."""


@final
class SeedRow(Row):
    """What one policy scored with one seed.

    Attributes:
        policy: Its name.
        seed: Of its fit and of the videos it was asked about.
        scores: By metric.
    """

    policy: str
    seed: int
    scores: dict[str, Number]

    def flat(self) -> dict[str, Any]:
        """Policy, seed and metrics side by side."""
        return {"policy": self.policy, "seed": self.seed, **self.scores}


@final
class PolicyRow(Row):
    """What one policy scored.

    Attributes:
        policy: Its name.
        seeds: How many.
        mean: By metric, over seeds.
        standard_error: Of the mean; null from a single seed.
    """

    policy: str
    seeds: int
    mean: dict[str, Number]
    standard_error: dict[str, Number]


@final
class Lead(Row):
    """The best policy against the second best.

    Attributes:
        best: By `MAIN`.
        second: The next.
        difference: Of their means.
        p_value: Two-sided, of a t-test paired by user, each user's mean over seeds; null where nobody differs.
        users: Pairs.
    """

    best: str
    second: str
    difference: float
    p_value: Number
    users: int


@final
class Offline(Document):
    """Everything that `askew offline` found.

    Attributes:
        data: Name of the data.
        users: Users asked about.
        videos: Videos of the core.
        views: Views learned from.
        negatives: Videos beside the test.
        core: Fewest clicks of a user or video.
        rows: Per policy and seed.
        policies: Best first.
        lead: None with fewer than two policies.
    """

    file: ClassVar = FILE
    kind: ClassVar = Kind("an offline evaluation", "askew offline --out", "evaluate again")
    format: Literal[1] = 1
    data: str
    users: int
    videos: int
    views: int
    negatives: int
    core: int
    rows: list[SeedRow]
    policies: list[PolicyRow]
    lead: Lead | None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that were measured, in order."""
        return (*METRICS, TRUE) if any(TRUE in row.mean for row in self.policies) else METRICS


def rows_json(rows: Sequence[SeedRow]) -> str:
    """A JSON list with one flat row per policy and seed."""
    return json.dumps([row.flat() for row in rows], indent=1, allow_nan=False) + "\n"


load_offline: Final = Offline.load
