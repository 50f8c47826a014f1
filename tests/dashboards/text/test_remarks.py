"""Warnings in groups: what changes a decision, and what is good to know."""

from dashboards.text.remarks import remarks_of


def with_warnings(report, *warnings):
    """The report with other warnings."""
    return report.model_copy(update={"health": report.health.model_copy(update={"warnings": list(warnings)})})


def few(metric, arm, totals, n):
    """A warning of few users, as a report has it."""
    noted = (
        f"{totals} of {arm} are spread as unevenly as over {n} equal users; below 100 the interval may be too narrow"
    )
    return f"{metric}, {arm} against control: {noted}"


def test_few_users_are_one_note_per_total(report):
    remarks = remarks_of(
        with_warnings(
            report, few("AUT", "a", "watch_s", 39), few("AVT", "a", "watch_s", 48), few("P2N", "a", "hates", 8)
        )
    )
    assert remarks.urgent == ()
    first, second = remarks.notes
    assert first == (
        "Most watch time comes from few users (as uneven as 39 to 48 equal ones): "
        "the intervals of AUT and AVT may be too narrow."
    )
    assert (
        second == "Most hates come from few users (as uneven as 8 equal ones): the interval of P2N may be too narrow."
    )
    assert remarks.summary == "2 notes"


def test_segments_are_named_in_words(report):
    left_out = "segments left out, under 100 users in a bucket: 2_14_day_new, register_days_range 61-90, low_active"
    (note,) = remarks_of(with_warnings(report, left_out)).notes
    assert note == (
        "Segments with fewer than 100 users in a bucket are left out: new, 2 to 14 days; "
        "registered 61 to 90 days ago; low activity."
    )


def test_what_is_not_known_is_urgent(report):
    remarks = remarks_of(with_warnings(report, "sample ratio mismatch (p = 1e-09): a 3 of 5 planned; do not read it"))
    assert remarks.urgent == ("Sample ratio mismatch (p = 1e-09): a 3 of 5 planned; do not read it.",)
    assert remarks.summary == "1 warning"
    assert remarks_of(with_warnings(report)).summary == "fine"


def test_a_large_lift_is_a_note_only_where_the_truth_lies_in_its_interval(report):
    row = report.metrics[0]
    lift = "a lift of +149.0%, 12 standard errors from 0, is unusually large; check before believing"
    large = f"{row.metric}, {row.arm}: {lift}"
    sure = row.model_copy(update={"true_relative_effect": row.relative_effect, "reasons": {}})
    missed = row.model_copy(update={"true_relative_effect": 9.0, "reasons": {}})
    for changed, urgent in ((sure, 0), (missed, 1)):
        metrics = [changed, *report.metrics[1:]]
        remarks = remarks_of(with_warnings(report.model_copy(update={"metrics": metrics}), large))
        assert len(remarks.urgent) == urgent
        assert len(remarks.notes) == 1 - urgent
