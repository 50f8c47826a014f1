"""What the questionnaire says and what it hides: its funnel, and the satisfied share by each way of counting."""

from collections.abc import Sequence

import pandas as pd

from simulator.answer_effects import answer_spread, share
from simulator.report import QuestionnaireRow


def questionnaire_rows(users: pd.DataFrame, arms: Sequence[str]) -> list[QuestionnaireRow]:
    """One row per arm, over the users of its bucket."""
    return [_row(users.loc[users["arm"] == arm], arm) for arm in arms]


def _row(users: pd.DataFrame, arm: str) -> QuestionnaireRow:
    """One bucket's funnel.

    The weighted share is Hajek's: inverse propensities over the satisfied answers, over those of all answers
    (Hajek 1971, comment on Basu, in Foundations of Statistical Inference). The doubly robust one is the mean over asked
    views of m + R (Y - m) / e, with R answered, Y said `satisfied`, e the propensity and m the chance to say so, both
    estimated before the test, the second part normalised: see `simulator.answer_effects`.
    """
    naive = _share(users, "answers_satisfied", "answered")
    weighted = _share(users, "answer_weight_satisfied", "answer_weight")
    robust = share(answer_spread(users), "doubly_robust")
    true = _share(users, "true_eligible_satisfied", "eligible")
    true_asked = _share(users, "true_would_say", "asked")
    reasons = dict.fromkeys(("naive", "weighted", "doubly_robust"), "nobody answered")
    reasons |= {"true": "no view was eligible", "true_asked": "nobody was asked"}
    said = {"naive": naive, "weighted": weighted, "doubly_robust": robust, "true": true, "true_asked": true_asked}
    return QuestionnaireRow(
        arm=arm,
        eligible=int(users["eligible"].sum()),
        exposed=int(users["asked"].sum()),
        answered=int(users["answered"].sum()),
        satisfied=int(users["answers_satisfied"].sum()),
        uncertain=int(users["answers_uncertain"].sum()),
        dissatisfied=int(users["answers_dissatisfied"].sum()),
        naive=naive,
        weighted=weighted,
        doubly_robust=robust,
        true=true,
        true_asked=true_asked,
        reasons={name: reasons[name] for name, value in said.items() if value is None},
    )


def _share(users: pd.DataFrame, part: str, whole: str) -> float | None:
    """One column's total over another's; None where that is 0."""
    total = float(users[whole].sum())
    return float(users[part].sum()) / total if total else None
