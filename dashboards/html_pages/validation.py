"""`validation.html`: one file that shows from disk, without network, how far a world can be believed."""

from typing import Final

from dashboards.figures import validation as figures
from dashboards.figures.panels import Panel
from dashboards.html_pages.page import Line, Page, render_page, section_of, section_of_table
from dashboards.tables.sections import SectionTable
from dashboards.text import formatting
from simulator.reports.validation import Check, Number, Validation

CHECK_HEADINGS: Final = ("Metric", "Measured", "Target", "Verdict")
COMPARED_HEADINGS: Final = ("Metric", "Simulated", "Real", "Ratio")
PRESET_HEADINGS: Final = ("Metric", "Asked", "Answered", "Answers per view", "Negative", "Answers")
_RANDOM_CAPTION: Final = (
    "Filled points and solid lines are simulated, hollow ones published. Under random videos nobody has chosen for the"
    " user, so a difference here lies in how users or videos were modelled, and not in the ranker."
)
_BASE_CAPTION: Final = (
    "The same under `base`, beside the log that a production ranker filled. Rates by hour take their shape from"
    " the world's targets, and their level from its overall rate."
)
_RATIO_CAPTION: Final = (
    "One world, two regimes: what its users do with random videos, and with what a ranker chose. A point on the line"
    " at 1 is exactly right; the inner band is 5%, the outer one 10%. The scale is logarithmic, so twice too high and"
    " twice too low are equally far from the line."
)
_WATCH_CAPTION: Final = (
    "Each panel is one range of video lengths. A curve says which share of the views ended by a given second: steep"
    " parts at the left are skips, the last step is watching to the end. The number above is the largest gap between"
    " the curves (Kolmogorov-Smirnov); the target is 0.05. The real side is the standard log of the folder given."
)
_PIT_CAPTION: Final = (
    "For every held-out view: in which tenth of its predicted distribution did the real watch time fall? If the"
    " predictions are calibrated, all bars are equal; the band is one point either side."
)
_HATE_CAPTION: Final = (
    "Hates come from a few. The curve is simulated: 14 days of real activity. The star is the published share of the"
    " tenth of haters who hate most."
)
_BIAS_CAPTION: Final = (
    "People who are pleased answer more, the more so to the right. Each line is one way of estimating the satisfied"
    " share; its distance from 0 is the error, with 95% intervals. Weighting by what a platform sees corrects only"
    " what it can see; only the true chances of answering, which no platform knows, remove the bias."
)


def render_validation(validation: Validation) -> str:
    """Render the page; the same validation gives the same text."""
    sound, *rest = (Line(text) for text in sentences(validation))
    box = [sound, *(Line(fault, "warning") for fault in validation.faults), *rest]
    sections = [
        section_of_table(_targets(validation)),
        *map(section_of, panels(validation)),
        *map(section_of_table, _tables(validation)),
    ]
    title = f"Validation of {validation.world}"
    return render_page(Page(title, facts(validation), box, sections, alarm=not validation.sound))


def panels(validation: Validation) -> list[Panel]:
    """All figures in the order in which they are read."""
    return [
        Panel("ratios", "Both regimes at once", _RATIO_CAPTION, figures.ratios(validation)),
        Panel("groups-random", "Groups under random videos", _RANDOM_CAPTION, figures.groups(validation, "random")),
        Panel("groups-base", "Groups under the ranker", _BASE_CAPTION, figures.groups(validation, "base")),
        Panel("watch", "How long views last", _WATCH_CAPTION, figures.watch_times(validation)),
        Panel("pit", "Is the predicted watch time calibrated?", _PIT_CAPTION, figures.pit(validation)),
        Panel("apart", "Can a classifier tell?", _apart_caption(validation), figures.importances(validation)),
        Panel("hates", "Who hates", _HATE_CAPTION, figures.hates(validation)),
        Panel("biases", "What the questionnaire hides", _BIAS_CAPTION, figures.biases(validation)),
    ]


def _apart_caption(validation: Validation) -> str:
    """The classifier's success in words."""
    classifier = validation.two_sample
    if classifier is None:
        return "Boosted trees are asked to tell simulated views from real ones."
    return (
        f"Boosted trees were shown {classifier.rows_per_side:,} simulated views and as many real ones, with the same"
        f" columns, and reached an AUC of {classifier.auc:.3f} on users that they had not seen; 0.5 is guessing, the"
        " target is at most 0.6. The bars say which columns gave the simulation away."
    )


def facts(validation: Validation) -> str:
    """What was compared, in a line."""
    return (
        f"{validation.users:,} simulated users, seed {validation.seed}, beside {validation.real_rows:,} rows of the"
        f" log in {validation.data} and the world's targets."
    )


def sentences(validation: Validation) -> list[str]:
    """Whether the gate lets the world through, how many targets it meets, and what was not measured."""
    measured = [check for check in validation.checks if check.passed is not None]
    met = sum(bool(check.passed) for check in measured)
    gate = "Sound: no rate is far from reality." if validation.sound else "Refused: this world's rates are off."
    targets = f"{met} of {len(measured)} targets met; {len(validation.checks) - len(measured)} not measured."
    return [gate, targets, *(f"{name}: {why}" for name, why in sorted(validation.reasons.items()))]


def _targets(validation: Validation) -> SectionTable:
    """List every target, those that are missed first."""
    order = {False: 0, True: 1, None: 2}
    ranked = sorted(validation.checks, key=lambda check: order[check.passed])
    return SectionTable("Targets", CHECK_HEADINGS, [check_line(check) for check in ranked], "")


def check_line(check: Check) -> tuple[str, str, str, str]:
    """One row of the table of targets."""
    outcomes = {True: "met", False: "missed", None: "not measured"}
    return check.name, formatting.number(check.value), check.target, outcomes[check.passed]


def _tables(validation: Validation) -> list[SectionTable]:
    """Numbers without a figure: users, activity, presets."""
    people = {**validation.per_user, **validation.activity}
    compared = [
        (name.replace("_", " "), *(formatting.number(value) for value in (c.simulated, c.real, c.ratio)))
        for name, c in people.items()
    ]
    presets = [
        (
            name,
            *map(_share, (row.share_asked, row.share_answered, row.answered_per_view, row.share_negative)),
            formatting.count(row.answers),
        )
        for name, row in validation.presets.items()
    ]
    return [
        SectionTable("Users, coming and going", COMPARED_HEADINGS, compared, ""),
        SectionTable("Questionnaire presets", PRESET_HEADINGS, presets, ""),
    ]


def _share(value: Number) -> str:
    return formatting.share(value)
