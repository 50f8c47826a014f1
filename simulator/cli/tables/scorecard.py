"""The report on a terminal: one table per treatment, and a line for each way the test was judged.

Every estimate stands beside the truth; at most 100 columns wide.
"""

from collections.abc import Sequence
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from simulator.reports.report import Health, Looks, MetricRow, QuestionnaireRow, Report, SecondOpinion, WorldRow
from simulator.reports.sections import SPLIT_ALARM, TrainingRow

STOPPED: Final = (
    "intervals of main metrics and guardrails are those over all looks; other intervals and p hold for one look only"
)
MULTIPLICITY: Final = {"holm": "Holm", "benjamini-hochberg": "Benjamini-Hochberg"}


def judgement_lines(report: Report) -> list[str]:
    """Stop, adjusted p-values, guardrails, intervals that bear looking early, and the second opinion."""
    arms = [arm.name for arm in report.arms[1:]]
    stop = report.stopped
    return [
        *([f"stopped after {stop.days} of {stop.planned} days: {stop.reason}", STOPPED] if stop else []),
        *(line for arm in arms for line in _adjusted(report, arm)),
        *(line for arm in arms for line in _sequential(report, arm)),
        *(_guardrail(row) for row in report.valid_metrics() if row.guardrail),
        *([_agreement(report.second_opinion)] if report.second_opinion else []),
    ]


def _adjusted(report: Report, arm: str) -> list[str]:
    """The main metrics' p-values after adjustment."""
    rows = [row for row in report.metrics if row.arm == arm and row.adjusted_p_value is not None]
    if not rows or report.multiplicity == "none":
        return []
    n = sum(row.adjusted_p_value is not None for row in report.metrics)
    said = ", ".join(f"{row.metric} {row.adjusted_p_value:.3g}" for row in rows)
    return [f"{arm}: p adjusted for {n} tests of main metrics ({MULTIPLICITY[report.multiplicity]}): {said}"]


def _sequential(report: Report, arm: str) -> list[str]:
    """The main metrics' intervals over all looks."""
    looks = report.looks
    rows = [row for row in report.metrics if row.arm == arm and row.sequential_low is not None]
    if looks is None or looks.method == "fixed" or not rows:
        return []
    said = ", ".join(f"{row.metric} {_span(row.sequential_low, row.sequential_high)}" for row in rows)
    return [f"{arm}: {1 - looks.alpha:.0%} over {_n_looks(looks)} looks, {looks.method}: {said}"]


def _n_looks(looks: Looks) -> int:
    """Looks at each metric."""
    return len({row.days for row in looks.rows})


def _span(low: float | None, high: float | None) -> str:
    """An interval of a lift in percent."""
    return "n/a" if low is None or high is None else f"[{100 * low:+.2f}, {100 * high:+.2f}]"


def _guardrail(row: MetricRow) -> str:
    """A guardrail's verdict and what it rests on."""
    span = _span(row.ci_low, row.ci_high)
    return f"guardrail {row.metric}, {row.arm}: {row.guardrail}, margin {row.margin:.2%} against {span}"


def _agreement(opinion: SecondOpinion) -> str:
    """How far the two libraries agree."""
    if opinion.effect_difference is None or opinion.error_difference is None:
        return f"second opinion: none, {opinion.reason}"
    effects, errors = f"{opinion.effect_difference:.0e}", f"{opinion.error_difference:.0e}"
    said = f"second opinion, {opinion.engine}: {opinion.rows} estimates agree"
    return f"{said}; effects to {effects} errors, errors to {errors}"


LIFTS: Final = "lift: adjusted by the time before the test (CUPED) where it can be; control and treatment are not"


def scorecard(report: Report) -> Group:
    """What `askew run` and `askew report` print."""
    rows = report.valid_metrics()
    tables = [_table(report, [row for row in rows if row.arm == arm]) for arm in dict.fromkeys(row.arm for row in rows)]
    warnings = [f"! {warning}" for warning in report.health.warnings]
    lines = [LIFTS, *_reasons(report.metrics), *judgement_lines(report), _split(report.health)]
    lines += [*_interference(report.worlds), *warnings]
    return Group(*tables, *_trainings(report.trainings), *map(Text, lines), _questionnaires(report.questionnaire))


def lift(value: float | None) -> str:
    """A relative effect in percent, with its sign.

    >>> lift(0.01234), lift(-0.5), lift(None)
    ('+1.23%', '-50.00%', 'n/a')
    """
    return "n/a" if value is None else f"{100 * value:+.2f}%"


def interval(low: float | None, high: float | None) -> str:
    """An interval of a relative effect in percent; empty where there is none."""
    return "" if low is None or high is None else f"[{100 * low:+.2f}, {100 * high:+.2f}]"


def covers(row: MetricRow) -> str:
    """Whether the 95% interval holds the true lift; a dash where either is missing."""
    if row.ci_low is None or row.ci_high is None or row.true_relative_effect is None:
        return "-"
    return "yes" if row.ci_low <= row.true_relative_effect <= row.ci_high else "no"


def _table(report: Report, rows: Sequence[MetricRow]) -> Table:
    """One treatment against control."""
    first = rows[0]
    title = f"{report.name}: {first.arm} against {first.baseline}, {report.users:,} users, {report.days} days"
    table = Table(title=Text(title), title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("metric", no_wrap=True)
    for heading in ("control", "treatment", "lift", "95% interval", "p", "true lift", "covered"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, _cells(row)))
    return table


def _cells(row: MetricRow) -> tuple[str, ...]:
    """One line of the table."""
    return (
        row.label,
        _number(row.control),
        _number(row.treatment),
        lift(row.relative_effect),
        interval(row.ci_low, row.ci_high),
        _p_value(row.p_value),
        lift(row.true_relative_effect),
        covers(row),
    )


def _number(value: float | None) -> str:
    """Four digits, or all before the point where there are more."""
    if value is None:
        return "n/a"
    return f"{value:.4g}" if abs(value) < 1_000 else f"{value:,.0f}"


def _p_value(value: float | None) -> str:
    """Three decimals."""
    if value is None:
        return "n/a"
    return "<.001" if value < 0.001 else f"{value:.3f}"


def _split(health: Health) -> str:
    """Whether buckets have the planned sizes."""
    if health.srm_p_value is None:
        return "split: not checked"
    verdict = "sample ratio mismatch" if health.srm_p_value < SPLIT_ALARM else "as planned"
    sizes = " : ".join(f"{n:,}" for n in health.users_seen.values())
    return f"split: {sizes}, {verdict} (p = {_p_value(health.srm_p_value)})"


def _interference(rows: Sequence[WorldRow]) -> list[str]:
    """How far learning arms bend each lift, one line per treatment; nothing where no arm learns."""
    bent = [row for row in rows if row.interference_bias is not None and row.interference_bias_se]
    return [
        f"interference, {arm}: "
        + ", ".join(
            f"{row.metric} {lift(row.interference_bias)} (standard error {100 * (row.interference_bias_se or 0):.2f})"
            for row in bent
            if row.arm == arm
        )
        for arm in dict.fromkeys(row.arm for row in bent)
    ]


def _trainings(rows: Sequence[TrainingRow]) -> list[Table]:
    """True lifts over trainings, one table per policy that was trained several times."""
    tables: list[Table] = []
    for treatment in dict.fromkeys(row.treatment for row in rows):
        mine = [row for row in rows if row.treatment == treatment]
        title = f"{treatment} against {mine[0].baseline}, true lifts over {len(mine[0].lifts)} trainings"
        table = Table(title=Text(title), title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("metric", no_wrap=True)
        for heading in ("mean", "standard error", "95% interval", "least", "greatest"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in mine:
            error = f"{100 * row.standard_error:.2f}%"
            ends = (lift(min(row.lifts)), lift(max(row.lifts)))
            table.add_row(Text(row.label), lift(row.mean), error, Text(interval(row.low, row.high)), *ends)
        tables.append(table)
    return tables


def _questionnaires(rows: Sequence[QuestionnaireRow]) -> Table:
    """The funnel of each arm, and the satisfied share by each way of counting."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("questionnaire", no_wrap=True)
    for heading in ("eligible", "shown", "answered", "satisfied: naive", "weighted", "robust", "true"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        counts = (f"{n:,}" for n in (row.eligible, row.exposed, row.answered))
        shares = map(_share, (row.naive, row.weighted, row.doubly_robust, row.true))
        table.add_row(Text(row.arm), *counts, *shares)
    return table


def _share(value: float | None) -> str:
    """A share in percent."""
    return "n/a" if value is None else f"{value:.1%}"


def _reasons(rows: Sequence[MetricRow]) -> list[str]:
    """Why a lift is missing, one line each."""
    missing = [row for row in rows if row.relative_effect is None]
    return [f"{row.metric}, {row.arm}: no lift, {row.reasons['relative_effect']}" for row in missing]
