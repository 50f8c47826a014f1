"""Whether a test got it right, in sentences."""

from dashboards.text.truth import held


def with_truth(report, key, truth):
    rows = [r.model_copy(update={"true_relative_effect": truth}) if r.metric == key else r for r in report.metrics]
    return report.model_copy(update={"metrics": rows})


def test_all_intervals_hold_the_truth(report):
    assert held(report) == [
        "Of the main metrics, 3 of 3 intervals hold the true effect.",
        "Of all metrics, 8 of 8 intervals hold it. Of 95% intervals about 1 in 20 misses by chance.",
    ]


def test_a_miss_says_where_the_truth_lies(report):
    above, below = with_truth(report, "AUT", 0.04), with_truth(report, "skip_rate", -0.2)
    assert held(above)[0] == "Of the main metrics, 2 of 3 intervals hold the true effect."
    assert held(above)[-1] == "Missed: AUT. The truth, +4.00%, lies above +0.57% to +3.07%."
    assert held(below)[-1] == "Missed: Skip rate. The truth, −20.00%, lies below −2.52% to −0.92%."


def test_a_miss_names_its_treatment_where_there_are_several(wide_report):
    (*_, last) = held(with_truth(wide_report, "AUT", 9.0))
    assert last.startswith("Missed: AUT of boldest.")


def test_a_test_without_truth_says_how_to_get_it(samples):
    assert held(samples.bare_report()) == [
        "The true effect of this test was not simulated: set truth = true in its spec and run it again."
    ]
