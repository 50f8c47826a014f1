"""Results of the offline evaluation, `offline.json`.

One row per policy and seed; means over seeds with their standard errors; and the best policy against the second best.
"""

import json
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal, final

from simulator.reports.document import Document, Kind, Number, Row

FILE: Final = "offline.json"
METRICS: Final = ("hr@1", "hr@5", "hr@10", "ndcg@5", "ndcg@10", "mrr")
"""Metrics in display order."""
MAIN: Final = "ndcg@10"
"""Metric that policies are ordered and compared by."""
TRUE: Final = "true@10"
"""Share of the possible true satisfaction in the first ten places; simulated logs only."""
TRUTH: Final = "(true satisfaction)"
"""Name of the ranking by true satisfaction; it is not a policy."""


@final
class SeedRow(Row):
    """Scores of one policy with one seed.

    Attributes:
        policy: Name of the policy.
        seed: Seed of its fit and of the candidates.
        scores: Scores by metric.
    """

    policy: str
    seed: int
    scores: dict[str, Number]

    def flat(self) -> dict[str, Any]:
        """Flat mapping of policy, seed and scores."""
        return {"policy": self.policy, "seed": self.seed, **self.scores}


@final
class PolicyRow(Row):
    """Scores of one policy over all seeds.

    Attributes:
        policy: Name of the policy.
        seeds: Number of seeds.
        mean: Mean over seeds, by metric.
        standard_error: Standard error of the mean, by metric; null for a single seed.
    """

    policy: str
    seeds: int
    mean: dict[str, Number]
    standard_error: dict[str, Number]


@final
class Lead(Row):
    """The best policy against the second best.

    Attributes:
        best: Best policy by `MAIN`.
        second: Second best policy.
        difference: Difference of their means.
        p_value: Two-sided p-value of a t-test paired by user, on each user's mean over seeds; null if no user differs.
        users: Number of pairs.
    """

    best: str
    second: str
    difference: float
    p_value: Number
    users: int


@final
class Offline(Document):
    """Results of `askew offline`.

    Attributes:
        data: Name of the data.
        users: Number of tested users.
        videos: Number of videos of the core.
        views: Number of training views.
        negatives: Number of videos that each test video is ranked among.
        core: Smallest number of clicks of a user or video.
        rows: Scores per policy and seed.
        policies: Mean scores, best first.
        lead: Best against second best policy; None with fewer than two policies.
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
