"""Readout of a live test from a file: read the table, parse the metrics, make a report.

A metric is written `NAME=NUMERATOR` or `NAME=NUMERATOR/DENOMINATOR`, with `:down` or `:neither` at the end if more is
not better. Both sides are columns, or sums of columns with `+` between them.
"""

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast, final, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from simulator.analysis.analyse import analyse
from simulator.analysis.decisions import DecisionRules
from simulator.analysis.health import srm_p_value
from simulator.analysis.user_frame import ReadoutWarning
from simulator.metrics import METRICS, Direction, Metric
from simulator.reports.report import ArmSummary, Health, Report
from simulator.statistics.comparison import CONFIDENCE

_SEPARATORS: Final = {".csv": ",", ".tsv": "\t"}
_FORM: Final = "want NAME=COLUMN or NAME=COLUMN/COLUMN, such as 'AUT=watch_s/days' or 'returns=returns:down'"


@final
@dataclass(frozen=True)
class LiveTest:
    """Settings of a live test.

    Attributes:
        arm: Column of arms.
        user: Column of users' ids.
        control: Arm that the others are compared with, as text.
        treatments: The other arms, as text; if empty, all others in the column.
        metrics: Metrics as text; see the module.
        shares: Planned share of the users per arm; equal if empty.
        rules: Decision rules.
        confidence: Confidence of all intervals.
        covariates: Further columns that were known before the test.
    """

    arm: str
    user: str
    control: str
    treatments: tuple[str, ...]
    metrics: tuple[str, ...]
    shares: Mapping[str, float] = field(default_factory=dict[str, float])
    rules: DecisionRules = field(default_factory=DecisionRules)
    confidence: float = CONFIDENCE
    covariates: tuple[str, ...] = ()


def metric_of(text: str) -> Metric:
    """Parse a metric from text; the key of a known metric gives that metric.

    Raises:
        ValueError: The text has another form than the module describes.

    >>> metric_of("P2N=likes+follows/hates").denominator
    ('hates',)
    >>> metric_of("returns=returns:down").better
    'down'
    """
    if text in METRICS:
        return METRICS[text]
    name, equals, formula = text.partition("=")
    formula, colon, direction_text = formula.partition(":")
    sides = [tuple(column.strip() for column in side.split("+")) for side in formula.split("/")]
    if not equals or not name.strip() or len(sides) > 2 or not all(column for side in sides for column in side):
        raise ValueError(f"metric {text!r} given, {_FORM}")
    if colon and direction_text not in get_args(Direction):
        raise ValueError(f"metric {text!r}: {direction_text!r} given behind the colon, want up, down or neither")
    direction: Direction = cast("Direction", direction_text) if colon else "up"
    label, unit = name.strip(), formula.strip()
    return Metric(label, label, unit, direction, sides[0], sides[1] if len(sides) == 2 else None)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table from a CSV, TSV or Parquet file.

    Raises:
        ValueError: The file is missing, of another kind, or damaged.
    """
    suffix = path.suffix.lower()
    if suffix != ".parquet" and suffix not in _SEPARATORS:
        raise ValueError(f"{path}: kind {suffix or 'none'} given, want a file that ends in .csv, .tsv or .parquet")
    if not path.is_file():
        raise ValueError(f"{path}: no such file; give the table with one row per user")
    try:
        if suffix == ".parquet":
            return pq.read_table(pa.OSFile(str(path))).to_pandas()
        options = pa_csv.ParseOptions(delimiter=_SEPARATORS[suffix])
        return pa_csv.read_csv(pa.OSFile(str(path)), parse_options=options).to_pandas()
    except (pa.ArrowException, ValueError) as error:
        raise ValueError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None


def live_report(name: str, table: pd.DataFrame, test: LiveTest) -> Report:
    """Analyse a live test.

    Args:
        name: Name of the test.
        table: One row per user; a metric's columns with the prefix `pre_` hold the totals before the test.
        test: Settings of the test.

    Returns:
        A report without truth, days or questionnaires; its health holds the split and the warnings.

    Raises:
        ValueError: A column is missing, or `analyse` refuses the table.
    """
    frame = _with_names(table, test)
    treatments = test.treatments or tuple(
        sorted(str(arm) for arm in frame["arm"].dropna().unique() if arm != test.control)
    )
    arms = (test.control, *treatments)
    shares: dict[Hashable, float] = {**test.shares}
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always", ReadoutWarning)
        rows = analyse(
            frame,
            [metric_of(text) for text in test.metrics],
            test.control,
            treatments,
            test.rules,
            shares=shares or None,
            confidence=test.confidence,
            covariates=test.covariates,
        )
    users = {arm: int((frame["arm"] == arm).sum()) for arm in arms}
    weights = {arm: test.shares.get(arm, 1.0) for arm in arms}
    planned = {arm: weight / sum(weights.values()) * sum(users.values()) for arm, weight in weights.items()}
    return Report(
        name=name,
        seed=0,
        days=1,
        pre_days=0,
        users=sum(users.values()),
        world="",
        views_scale=1.0,
        arms=[
            ArmSummary(name=arm, policy=arm, users=users[arm], share=planned[arm] / sum(planned.values()))
            for arm in arms
        ],
        metrics=rows,
        daily=[],
        totals=[],
        segments=[],
        health=Health(
            srm_p_value=srm_p_value(users, planned),
            users_planned=planned,
            users_seen=users,
            a_a=False,
            pre_period={},
            warnings=[str(record.message) for record in records if issubclass(record.category, ReadoutWarning)],
        ),
        questionnaire=[],
        multiplicity=test.rules.multiplicity,
    )


def _with_names(table: pd.DataFrame, test: LiveTest) -> pd.DataFrame:
    """Rename the columns of users and arms for `analyse`, with arms as text."""
    columns: Sequence[str] = [str(column) for column in table.columns]
    for column, option in ((test.user, "--user"), (test.arm, "--arm")):
        if column not in columns:
            raise ValueError(f"column {column!r} is missing; give another with {option}: {', '.join(columns[:12])}")
    columns_of_same_name = [
        name for name in ("user_id", "arm") if name in columns and name not in (test.user, test.arm)
    ]
    frame = table.drop(columns=columns_of_same_name).rename(columns={test.user: "user_id", test.arm: "arm"})
    arms = frame["arm"]
    return frame.assign(arm=arms.astype(str).astype(object).where(arms.notna(), None))
