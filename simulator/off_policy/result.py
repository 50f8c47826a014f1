"""The result of an off-policy evaluation: what `off_policy.json` holds."""

from typing import ClassVar, Literal, TypeAlias, final

from simulator.reports.document import Document, Kind, Number, Row

Unit: TypeAlias = Literal["first view", "view", "session"]
"""What a value is per: the first view of a request, any view, or a session."""
Where: TypeAlias = Literal["policy at the log's requests", "policy in its own course", "logging policy"]


@final
class EstimateRow(Row):
    """What one estimator says.

    Attributes:
        unit: What the value is per.
        estimator: Its name.
        value: Estimate from the log.
        se: Standard error, clustered by user.
        low: Lower end of the 95% interval.
        high: Its upper end.
        effective: Effective sample size, in slates.
        gap: Estimate less the truth at the log's requests.
        gap_se: Standard error of the gap, clustered by user.
    """

    unit: Unit
    estimator: str
    value: Number
    se: Number
    low: Number
    high: Number
    effective: Number
    gap: Number
    gap_se: Number


@final
class TruthRow(Row):
    """A value that only a simulation knows, or that of the log.

    Attributes:
        unit: What the value is per.
        where: Whose value: of the evaluated policy, shown one slate at each request of the log; of that policy serving
            the same users from the first day; or of the logging policy.
        value: Mean.
        se: Standard error, clustered by user.
    """

    unit: Unit
    where: Where
    value: Number
    se: Number


@final
class OffPolicy(Document):
    """An off-policy evaluation.

    Attributes:
        run: Name of the run.
        logging: The arm whose log it is.
        policy: The evaluated one.
        reward: What a view is worth.
        users: In the log.
        slates: In the log.
        views: In the log.
        estimates: One row per unit and estimator.
        truths: One row per unit and course of events.
    """

    file: ClassVar[str] = "off_policy.json"
    kind: ClassVar[Kind] = Kind("an off-policy evaluation", "askew ope", "run `askew ope` again")

    run: str
    logging: str
    policy: str
    reward: str
    users: int
    slates: int
    views: int
    estimates: tuple[EstimateRow, ...]
    truths: tuple[TruthRow, ...]
