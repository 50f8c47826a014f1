"""How rankers fare on a fixed log, drawn: one panel per metric, one bar per policy."""

from typing import Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.small_multiples import name_lanes
from dashboards.figures.theme import QUIET, TREATMENTS, TRUTH, frame, remark
from dashboards.text import formatting
from simulator.reports import offline

METRIC_NAMES: Final = {
    "hr@1": "HR@1",
    "hr@5": "HR@5",
    "hr@10": "HR@10",
    "ndcg@5": "NDCG@5",
    "ndcg@10": "NDCG@10",
    "mrr": "MRR",
    offline.TRUE: "True satisfaction@10",
}
_PANELS: Final = ("hr@1", "hr@10", "ndcg@10", "mrr", offline.TRUE)
_95: Final = 1.96


def scores(evaluation: offline.Offline) -> go.Figure:
    """Means of the main metrics with whiskers over seeds, best policy on top; the truth's own order in its colour."""
    if not evaluation.policies:
        return remark("No policy was asked.")
    metrics = [metric for metric in _PANELS if metric in evaluation.metrics]
    titles = [METRIC_NAMES[metric] for metric in metrics]
    figure = make_subplots(rows=1, cols=len(metrics), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.03)
    figure.update_annotations(font_size=13)
    for column, metric in enumerate(metrics, start=1):
        figure.add_trace(_bars(evaluation, metric), row=1, col=column)
    names = [row.policy for row in evaluation.policies]
    name_lanes(figure, names)
    figure.update_xaxes(nticks=4)
    return frame(figure, 34 * len(names) + 110)


def _bars(evaluation: offline.Offline, metric: str) -> go.Bar:
    """One metric of every policy."""
    rows = evaluation.policies
    colour = TRUTH if metric == offline.TRUE else TREATMENTS[0]
    return go.Bar(
        x=[row.mean.get(metric) for row in rows],
        y=list(range(len(rows))),
        orientation="h",
        marker={"color": [TRUTH if row.policy == offline.TRUTH else colour for row in rows]},
        error_x={"array": [_95 * (row.standard_error.get(metric) or 0) for row in rows], "color": QUIET},
        customdata=[formatting.in_figure(row.policy) for row in rows],
        hovertemplate="%{customdata}: %{x:.4f}<extra></extra>",
        showlegend=False,
    )
