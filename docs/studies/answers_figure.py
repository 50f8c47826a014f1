"""How rankers hang on answers, in one figure: `python docs/studies/answers_figure.py PICTURE SWEEP...`.

Each folder holds a sweep of two arms, such as `askew run density_easq`. A column of panels per parameter, a line per
treatment: its true effects against its control, two standard errors over users to either side. The same is written
as a table. Where it is swept how often users are asked, what counts is the share of views that they answered.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import plotly.graph_objects as go
from picture import WIDTH, draw
from plotly.subplots import make_subplots
from share_effects import SHARES, WATCHED, users_of

from dashboards.figures.theme import TREATMENTS, frame
from simulator.metrics import METRICS
from simulator.reports.sweep import Sweep, load_sweep
from simulator.runs.user_day_reader import literal
from simulator.statistics.paired import PairedEffect, true_effect

SHOWN = (WATCHED, METRICS["AVT"], SHARES[0])
ASKING = "questionnaire.ask"


@dataclass(frozen=True)
class Point:
    """One value of one sweep."""

    at: float
    answers: int
    effects: tuple[PairedEffect, ...]


@dataclass(frozen=True)
class EffectCurve:
    """One sweep: a treatment against its control."""

    parameter: str
    meaning: str
    name: str
    points: tuple[Point, ...]


def line_of(folder: Path) -> EffectCurve:
    sweep = load_sweep(folder)
    control = next(row.baseline for point in sweep.points for row in point.metrics)
    (treatment,) = sweep.treatments
    points = tuple(point_of(sweep, folder / point.path, point.value, (control, treatment)) for point in sweep.points)
    return EffectCurve(sweep.parameter.name, sweep.parameter.meaning, f"{treatment} against {control}", points)


def point_of(sweep: Sweep, run: Path, value: float, arms: tuple[str, str]) -> Point:
    before, after = (users_of(run, f"all:{arm}", SHOWN) for arm in arms)
    effects = tuple(true_effect(metric.ratio(before), metric.ratio(after)) for metric in SHOWN)
    query = "select sum(answered)::int, sum(views)::int from read_parquet(?) where world like 'all:%' and day >= 0"
    answers, views = duckdb.execute(query, [literal((run / "user_days").glob("*.parquet"))]).fetchone() or (0, 1)
    return Point(answers / views if sweep.parameter.name == ASKING else value, answers // 2, effects)


def figure_of(lines: list[EffectCurve]) -> go.Figure:
    columns = list(dict.fromkeys(line.parameter for line in lines))
    figure = make_subplots(len(SHOWN), len(columns), shared_xaxes=True, shared_yaxes="rows", vertical_spacing=0.04)
    names = list(dict.fromkeys(line.name for line in lines))
    for line in lines:
        column, colour = columns.index(line.parameter) + 1, TREATMENTS[names.index(line.name)]
        for row in range(len(SHOWN)):
            effects = [point.effects[row] for point in line.points]
            bars = {"type": "data", "array": [2 * effect.standard_error for effect in effects], "width": 0}
            y = [effect.relative_effect for effect in effects]
            trace = go.Scatter(x=[point.at for point in line.points], y=y, name=line.name, error_y=bars)
            trace.update(
                mode="lines+markers", marker_color=colour, line_color=colour, showlegend=row == column - 1 == 0
            )
            figure.add_trace(trace, row=row + 1, col=column)
    for row, metric in enumerate(SHOWN):
        figure.update_yaxes(title_text=f"{metric.label}<br>true effect", row=row + 1, col=1)
    figure.update_yaxes(tickformat=".3~%", rangemode="tozero")
    meanings = {line.parameter: line.meaning for line in lines}
    for column, parameter in enumerate(columns, start=1):
        asking = parameter == ASKING
        scale = {"type": "log", "dtick": 1, "tickformat": ".2~%"} if asking else {}
        figure.update_xaxes(**scale, zeroline=False, col=column)
        title = "share of views that are answered" if asking else meanings[parameter]
        figure.update_xaxes(title_text=title, row=len(SHOWN), col=column)
    return frame(figure, 240 * len(SHOWN)).update_layout(width=WIDTH, paper_bgcolor="white")


def table_of(lines: list[EffectCurve]) -> str:
    labels = " | ".join(metric.label for metric in SHOWN)
    rows = [
        f"| {line.name} | {point.at:.2g} | {point.answers:,} | "
        + " | ".join(f"{effect.relative_effect:+.2%} ({effect.standard_error:.2%})" for effect in point.effects)
        + " |"
        for line in lines
        for point in line.points
    ]
    return "\n".join([f"| | at | answers | {labels} |", "| --- " * (3 + len(SHOWN)) + "|", *rows]) + "\n"


def main(picture: Path, folders: list[Path]) -> None:
    lines = [line_of(folder) for folder in folders]
    sys.stdout.write(table_of(lines))
    figure = figure_of(lines)
    draw(figure, picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]])
