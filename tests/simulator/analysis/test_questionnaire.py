import pandas as pd
import pytest

from simulator.analysis.questionnaire import questionnaire_rows

COLUMNS = [
    "arm",
    "eligible",
    "asked",
    "answered",
    "answers_satisfied",
    "answers_uncertain",
    "answers_dissatisfied",
    "answer_weight",
    "answer_weight_satisfied",
    "true_eligible_satisfied",
    "answer_expected",
    "answer_weight_expected",
    "true_would_say",
]
USERS = pd.DataFrame(
    [
        ("a", 10, 4, 2, 1, 0, 1, 10.0, 4.0, 5, 2.0, 5.0, 2.2),
        ("a", 10, 6, 2, 1, 1, 0, 6.0, 4.0, 7, 3.0, 3.0, 3.8),
        ("b", 20, 5, 0, 0, 0, 0, 0.0, 0.0, 3, 2.5, 0.0, 1.0),
    ],
    columns=COLUMNS,
)


def test_shares_worked_by_hand():
    row = questionnaire_rows(USERS, ["a"])[0]
    assert (row.eligible, row.exposed, row.answered) == (20, 10, 4)
    assert (row.satisfied, row.uncertain, row.dissatisfied) == (2, 1, 1)
    assert (row.naive, row.weighted, row.true) == pytest.approx((0.5, 0.5, 0.6))
    assert (row.doubly_robust, row.true_asked) == pytest.approx(((5 + 8 - 8) / 10, 0.6))


def test_nobody_answering_says_why():
    row = questionnaire_rows(USERS, ["b"])[0]
    assert (row.naive, row.weighted, row.true) == (None, None, 0.15)
    assert row.reasons == dict.fromkeys(("naive", "weighted", "doubly_robust"), "nobody answered")


def test_no_eligible_view_says_why():
    row = questionnaire_rows(USERS, ["nobody"])[0]
    assert row.true is None
    assert row.reasons["true"] == "no view was eligible"
    assert row.reasons["true_asked"] == "nobody was asked"


def test_arms_come_in_the_order_asked():
    assert [row.arm for row in questionnaire_rows(USERS, ["b", "a"])] == ["b", "a"]


def test_true_propensities_undo_selective_answers():
    """The pleased answer four times as often: naive says 80%, weights of 1 over the propensity say the true 50%."""
    users = pd.DataFrame(
        [("a", 200, 200, 50, 40, 0, 10, 40 / 0.4 + 10 / 0.1, 40 / 0.4, 100, 0, 0, 100)], columns=COLUMNS
    )
    row = questionnaire_rows(users, ["a"])[0]
    assert (row.naive, row.weighted, row.true) == pytest.approx((0.8, 0.5, 0.5))
