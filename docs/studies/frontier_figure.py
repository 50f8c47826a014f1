"""What is there to gain: `python docs/studies/frontier_figure.py RUN PICTURE`, RUN a run of `frontier`.

The true effect of every arm against the first, on watch time per user and on the share of views that satisfy, in a
figure; with other metrics, in a table. A line joins the rankers that know the expected watch time and satisfaction, in
the order of the weight of satisfaction; standard errors are over users.
"""

import sys
from pathlib import Path

import plotly.graph_objects as go
from picture import WIDTH, draw
from plotly.subplots import make_subplots
from share_effects import SHARES, WATCHED, users_of

from dashboards.figures.theme import TREATMENTS, frame
from simulator.metrics import METRICS
from simulator.spec.experiment import load_spec
from simulator.statistics.paired import PairedEffect, true_effect

SHOWN = (WATCHED, METRICS["AVT"], METRICS["P2N"], SHARES[0], METRICS["like_rate"], METRICS["hates_per_1000_views"])
AXES = (WATCHED, SHARES[0])
KNOWN = "watch and "
NEAR = 0.25
"""Effects below this on both axes are near."""


def effects_of(run: Path) -> dict[str, tuple[PairedEffect, ...]]:
    control, *treatments = (arm.name for arm in load_spec(str(run / "spec.toml")).arms)
    before = users_of(run, f"all:{control}", SHOWN)
    return {
        arm: tuple(true_effect(metric.ratio(before), metric.ratio(after)) for metric in SHOWN)
        for arm in treatments
        for after in [users_of(run, f"all:{arm}", SHOWN)]
    }


def figure_of(effects: dict[str, tuple[PairedEffect, ...]]) -> go.Figure:
    """All arms to the left; to the right those near the first arm, which the left panel does not name."""
    figure = make_subplots(rows=1, cols=2, column_titles=("All", "Near the control"), horizontal_spacing=0.09)
    knowing = [arm for arm in effects if arm.startswith(KNOWN)]
    near = [arm for arm in effects if max(abs(effects[arm][SHOWN.index(each)].relative_effect) for each in AXES) < NEAR]
    far = [arm for arm in effects if arm not in near and arm not in knowing]
    lines = "knows watch time, and satisfaction by weight"
    for arms, mode, column, colour, name in (
        (knowing, "lines+markers+text", 1, TREATMENTS[0], lines),
        (far, "markers+text", 1, TREATMENTS[1], "other rankers"),
        (near, "markers", 1, TREATMENTS[1], None),
        (near, "markers+text", 2, TREATMENTS[1], None),
    ):
        watched, satisfied = ([effects[arm][SHOWN.index(metric)] for arm in arms] for metric in AXES)
        trace = go.Scatter(
            x=[effect.relative_effect for effect in satisfied],
            y=[effect.relative_effect for effect in watched],
            text=[arm.removeprefix(KNOWN) for arm in arms],
            error_y={"type": "data", "array": [2 * effect.standard_error for effect in watched], "width": 0},
            name=name,
            showlegend=name is not None,
        )
        sides = [("bottom right", "top right")[at % 2] if column == 2 else "top center" for at in range(len(arms))]
        figure.add_trace(trace.update(mode=mode, marker_color=colour, line_color=colour), row=1, col=column)
        figure.data[-1].update(textposition=sides)
    figure.update_xaxes(title_text="Share satisfied, true effect", tickformat="+.0%")
    figure.update_yaxes(tickformat="+.0%")
    figure.update_yaxes(title_text="AUT, true effect", row=1, col=1)
    figure.update_xaxes(range=[-0.12, 0.27], row=1, col=2)
    return frame(figure, 520).update_layout(width=WIDTH, paper_bgcolor="white")


def table_of(effects: dict[str, tuple[PairedEffect, ...]]) -> str:
    labels = " | ".join(metric.label for metric in SHOWN)
    rows = [
        f"| {arm} | "
        + " | ".join(f"{effect.relative_effect:+.1%} ({effect.standard_error:.1%})" for effect in of_arm)
        + " |"
        for arm, of_arm in effects.items()
    ]
    return "\n".join([f"| | {labels} |", "| --- " * (1 + len(SHOWN)) + "|", *rows]) + "\n"


def main(run: Path, picture: Path) -> None:
    effects = effects_of(run)
    sys.stdout.write(table_of(effects))
    draw(figure_of(effects), picture)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
