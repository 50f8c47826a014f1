"""Every figure of a report, with its title and a caption in plain words: pure functions of the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import plotly.graph_objects as go

from dashboards.figures import answer_forms, daily, distribution, forest, health, looks, questionnaire
from dashboards.tables import scorecard
from dashboards.text import formatting
from simulator.reports.report import Report
from simulator.reports.sections import SPLIT_ALARM


@final
@dataclass(frozen=True)
class Panel:
    """A figure and the words around it.

    Attributes:
        key: Unique among a report's panels; letters and hyphens.
        title: Heading above the figure.
        caption: How to read it.
        figure: In the light look; `theme.in_look` copies it into another one.
        notes: What is missing from the figure, and why.
    """

    key: str
    title: str
    caption: str
    figure: go.Figure
    notes: tuple[str, ...] = ()


def scorecard_forest(report: Report) -> Panel:
    """Lift of every metric beside its truth."""
    caption = (
        "Each lane is one metric; each block has its own scale. The bar is the 95% interval of the lift over"
        " control; a bar that crosses the line at 0 shows no clear change. Solid points are adjusted by the"
        " pre-period, hollow ones are not. The star is the true effect, from running every user under both arms; across"
        " many tests, 95 of 100 bars should contain it; a ring is around one that its bar missed. Where"
        " a metric is looked at during the test, its bar holds over all looks."
    )
    notes = scorecard.missing_notes(report.metrics)
    return Panel("scorecard", "Lift per metric", caption, forest.scorecard(report), tuple(notes))


def look_curves(report: Report) -> Panel:
    """Cumulative lift with the bands of looking early."""
    caption = (
        "The lift over all days so far, after each look. The darkest band holds for a single look: whoever looks every"
        " day and stops when it leaves 0 is wrong far more often than one time in twenty. The paler bands hold over all"
        " looks: group-sequential for those planned, always-valid for any. A larger point has crossed by the method"
        " chosen. The dotted line is the true lift over the same days; a dashed upright line is where the test stopped."
    )
    return Panel("looks", "Looking early", caption, looks.look_curves(report, formatting.headline_keys(report)))


def daily_lift(report: Report, metrics: Sequence[str]) -> Panel:
    """Lift per day beside the true one."""
    caption = (
        "The lift of each day on its own, with its 95% interval. Stars on the dotted line are the true effect of that"
        " day, ringed where the day's interval missed it. An effect that fades is novelty; one that grows is learning."
        " One day is noisy: read the trend."
    )
    rows = [row for row in report.daily if row.metric in metrics]
    notes = scorecard.missing_notes(rows)
    return Panel("daily-lift", "Lift per day", caption, daily.daily_lift(report, metrics), tuple(notes))


def daily_levels(report: Report, metrics: Sequence[str]) -> Panel:
    """Level of each arm per day."""
    caption = (
        "What each bucket measured per day. Left of the dashed line is the pre-period, in which everybody met the"
        " same policy: the lines should lie on each other there. Dotted lines are the truth: all users under that arm."
    )
    notes = daily.missing_levels(report, metrics)
    return Panel("daily-levels", "Level per day", caption, daily.daily_levels(report, metrics), tuple(notes))


def segment_forest(report: Report, metrics: Sequence[str]) -> Panel:
    """Lift within segments."""
    caption = (
        "The lift among users of each segment, all users on top. Segments are small and many: a single bar that"
        " leaves 0 is expected by chance in one of twenty."
    )
    rows = [row for row in report.segments if row.metric in metrics]
    notes = scorecard.missing_notes(rows)
    return Panel("segments", "Lift per segment", caption, forest.segments(report, metrics), tuple(notes))


def questionnaire_funnel(report: Report) -> Panel:
    """From views to answers."""
    caption = (
        "How many views could bring a questionnaire, how many did, and what was answered, per arm. Where the answer"
        " rates of two arms differ, the answers of the two cannot be compared as they are."
    )
    return Panel("funnel", "Questionnaire funnel", caption, questionnaire.funnel(report))


def satisfied_shares(report: Report) -> Panel:
    """Estimators of the satisfied share."""
    caption = (
        "The share of satisfied views, each way. Who answers is not a random sample of who watches, so the share of"
        " the answers can miss the truth; weighting by the estimated chance of answering corrects for what a platform"
        " can see, and no more; the doubly robust share also fills in what would have been said. The star is"
        " what all who were asked would say, which these estimate. The one with six points is another quantity:"
        " the share of the views that may be asked about that truly satisfied, without a slip in saying so."
    )
    notes = scorecard.answer_notes(report)
    return Panel("satisfied", "Satisfied share", caption, questionnaire.satisfied_shares(report), tuple(notes))


def bucket_sizes(report: Report) -> Panel:
    """Planned and seen users."""
    p = formatting.p_value(report.health.srm_p_value)
    caption = (
        f"Users assigned to each arm against the plan. Sample ratio check: p = {p}; below {SPLIT_ALARM} is an alarm."
    )
    return Panel("buckets", "Bucket sizes", caption, health.bucket_sizes(report))


def pre_period(report: Report) -> Panel:
    """Placebo comparisons before the test."""
    caption = (
        "Differences between buckets before the test, when everybody met the same policy. With a fair split the dots"
        " scatter over the whole width; dots crowding into the shaded part (below 0.05) mean the buckets differed"
        " from the start."
    )
    return Panel("pre-period", "Before the test", caption, health.pre_period(report))


def split_over_time(report: Report) -> Panel:
    """Active users per arm."""
    caption = (
        "Whether the users who came on a day were divided between the arms as planned. A point below the dashed line is"
        " an alarm: either the treatment changes who comes back, or rows of users are lost."
    )
    return Panel("split-days", "Split day by day", caption, health.split_over_time(report))


def quantile_effects(report: Report) -> Panel:
    """The whole distribution."""
    caption = (
        "How much more or less users watch per day under the treatment, from light users at the left to heavy ones at"
        " the right. A mean that rises while the middle falls is carried by heavy users. Bars are 95% intervals."
    )
    return Panel("distribution", "Effect along the distribution", caption, distribution.quantile_effects(report))


def p2n_sides(report: Report) -> Panel:
    """P2N by side."""
    caption = (
        "P2N moves when positives rise or when hates fall; this tells which. Hates are rare, so their bar is wide."
    )
    return Panel("sides", "P2N by side", caption, distribution.p2n_sides(report))


def answer_effects(report: Report) -> Panel:
    """Effects on the satisfied share."""
    caption = (
        "What the treatment does to the satisfied share by each estimator, with the user as the unit. The thick part"
        " of Lee's bounds is what is possible whoever the additional answers come from, that of Manski's whatever the"
        " silent would say. Stars are the true effect on what all who were asked would say."
    )
    return Panel("answer-effects", "Effect on the satisfied share", caption, questionnaire.answer_effects(report))


def shares_by_estimator(report: Report) -> Panel:
    """Estimators of each arm's share."""
    caption = (
        "What all who were asked would say, estimated each way, and the truth of the same views. Those by form need a"
        " random part of the questionnaires in a strong form (questionnaire.strong_share). Manski's bounds assume"
        " nothing about the silent."
    )
    figure = answer_forms.shares_by_estimator(report)
    return Panel("shares-by-estimator", "Satisfied share by estimator", caption, figure)


def share_over_ratio(report: Report) -> Panel:
    """Sensitivity of each arm's share."""
    caption = (
        "What the answers say about all who were asked, if the satisfied are so many times as likely to answer as the"
        " others. Answers alone do not tell where on the line a platform is; the stars do."
    )
    return Panel("share-sensitivity", "If the satisfied answer more", caption, answer_forms.share_over_ratio(report))


def effect_over_ratio(report: Report) -> Panel:
    """Sensitivity of the effects."""
    caption = (
        "The least and the largest effect as the arms' ratios may lie further from 1, each on its own. From the diamond"
        " on, the sign of the estimated effect is open. Stars are the true effects."
    )
    figure = answer_forms.effect_over_ratio(report)
    return Panel("effect-sensitivity", "How safe is the sign of the effect?", caption, figure)


def answered_by_feeling(report: Report) -> Panel:
    """Who answers."""
    caption = (
        "No platform can draw this: where the line rises, the pleased answer more, and their answers say too much."
    )
    return Panel("answered", "Who answers", caption, questionnaire.answered_by_feeling(report))


def propensity_calibration(report: Report) -> Panel:
    """Estimated chances of answering."""
    caption = (
        "The chance of an answer as a model fitted before the test has it, against the true one. Points off the"
        " dashed line are what weighting gets wrong: users tire of being asked, and satisfaction cannot be seen."
    )
    return Panel("propensity", "Chance of an answer", caption, questionnaire.propensity_calibration(report))


def panels(report: Report) -> list[Panel]:
    """All figures in the order in which they are read, the headline metrics where one must choose."""
    headline = formatting.headline_keys(report)
    return [
        scorecard_forest(report),
        look_curves(report),
        daily_lift(report, headline),
        daily_levels(report, headline),
        segment_forest(report, headline),
        p2n_sides(report),
        quantile_effects(report),
        questionnaire_funnel(report),
        satisfied_shares(report),
        answer_effects(report),
        shares_by_estimator(report),
        share_over_ratio(report),
        effect_over_ratio(report),
        answered_by_feeling(report),
        propensity_calibration(report),
        bucket_sizes(report),
        split_over_time(report),
        pre_period(report),
    ]
