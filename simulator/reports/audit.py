"""Results of an audit, `audit.json`: error rates of each method, with known truth."""

from typing import ClassVar, Final, Literal, final

from simulator.reports.document import Document, Kind, Number, Row

RESPLITS: Final = "re-splits"
SEEDS: Final = "fresh seeds"


@final
class AuditRow(Row):
    """One method on one metric; each rate has its Monte Carlo band (Wilson, 95%) in `_low` and `_high`.

    Attributes:
        metric: Key, such as `AUT`.
        label: Label for display.
        arm: The treatment.
        baseline: The control.
        method: Such as `plain`, `cuped` or `daily_peeking`.
        wrong: Reason why the method is wrong; None for a correct one.
        source: Whether the same users were split again, or new users were drawn.
        replications: Number of A/B tests.
        unsaid: Number of A/B tests without an interval; they are left out of coverage.
        a_a_replications: Number of A/A tests.
        false_positive_rate: Share of A/A tests with p < .05.
        coverage: Share of A/B tests whose 95% interval holds the true effect on their own users.
        coverage_population: Share of intervals that hold the effect on the population; from fresh seeds only.
        power: Share of A/B tests with p < .05.
        exaggeration: Mean size of significant effects over the size of the true one (Gelman and Carlin 2014, type M).
        sign_errors: Share of significant effects with the wrong sign (type S).
        true_relative_effect: Mean true lift of the tests.
        true_relative_effect_se: Standard error of that mean, over fresh seeds or over users of the re-split test.
        uniform_p_value: Kolmogorov-Smirnov test of the A/A p-values against the uniform distribution.
        p_quantiles: Quantiles of the A/A p-values at 1/50 to 49/50, for a quantile plot.
        reasons: Reason why a number is null, by field.
    """

    metric: str
    label: str
    arm: str
    baseline: str
    method: str
    wrong: str | None
    source: Literal["re-splits", "fresh seeds"]
    replications: int
    unsaid: int
    a_a_replications: int
    false_positive_rate: Number
    false_positive_low: Number
    false_positive_high: Number
    coverage: Number
    coverage_low: Number
    coverage_high: Number
    coverage_population: Number
    coverage_population_low: Number
    coverage_population_high: Number
    power: Number
    power_low: Number
    power_high: Number
    exaggeration: Number
    exaggeration_low: Number
    exaggeration_high: Number
    sign_errors: Number
    sign_errors_low: Number
    sign_errors_high: Number
    true_relative_effect: Number
    true_relative_effect_se: Number
    uniform_p_value: Number
    p_quantiles: list[float]
    reasons: dict[str, str]


@final
class Audit(Document):
    """Error rates of a test's methods.

    Attributes:
        name: Name of the spec.
        seed: Seed of the spec, from which all other seeds derive.
        world: World of the spec.
        users: Users per test.
        days: Days per test.
        kept_policies: Whether the policies of the first fresh seed served all others.
        rows: Rows by source, treatment, metric and method.
    """

    file: ClassVar = "audit.json"
    kind: ClassVar = Kind("an audit", "askew audit --out", "write it anew: `askew audit` with --resume")
    format: Literal[1] = 1
    name: str
    seed: int
    world: str
    users: int
    days: int
    kept_policies: bool
    rows: list[AuditRow]


load_audit: Final = Audit.load
