"""The table every metric is computed from: one row per user, world and day, with all totals of that day.

A *world* is one course of events for everybody: `pre` before the test, one per arm in which all users meet that
arm (`all:<arm>`), and `mixed`, in which each user meets the arm of their bucket. Where no arm learns, `mixed` is
a selection from the arm worlds and is not stored.
"""

from typing import Final

import pyarrow as pa

COUNTS: Final = (
    "sessions",
    "requests",
    "views",
    "clicks",
    "long_views",
    "completes",
    "skips",
    "likes",
    "follows",
    "comments",
    "forwards",
    "hates",
    "profile_enters",
    "eligible",
    "asked",
    "answered",
    "answers_satisfied",
    "answers_uncertain",
    "answers_dissatisfied",
    "true_satisfied",
    "true_eligible_satisfied",
    "true_answered_satisfied",
    "strong_asked",
    "strong_answered",
    "strong_satisfied",
)
"""Integer totals. `eligible` views may bring a questionnaire; `true_*` counts views that truly satisfied; `strong_*`
counts, of `asked`, `answered` and `answers_satisfied`, those of questionnaires in the strong form."""

STRONG_COUNTS: Final = ("strong_asked", "strong_answered", "strong_satisfied")
"""Totals that files hold only where some are asked strongly; elsewhere they are 0."""

SUMS: Final = (
    "watch_s",
    "answer_weight",
    "answer_weight_satisfied",
    "true_answer_weight",
    "true_answer_weight_satisfied",
    "answer_expected",
    "answer_weight_expected",
    "true_would_say",
)
"""Float totals: seconds watched; inverse answering propensities over answered views and over the satisfied among
them, with the propensity estimated from what a platform sees and with the true one; chances to say `satisfied` as
estimated from what a platform sees, over asked views and, times the estimated inverse propensity, over answered ones
(the terms of the doubly robust share); the true chances to say `satisfied`, had the view been answered, over asked
views."""

SCHEMA: Final = pa.schema(
    [
        ("user_id", pa.int64()),
        ("world", pa.dictionary(pa.int32(), pa.string())),
        ("arm", pa.dictionary(pa.int32(), pa.string())),
        ("bucket", pa.dictionary(pa.int32(), pa.string())),
        ("day", pa.int16()),
        ("active", pa.bool_()),
        *((name, pa.int32()) for name in COUNTS),
        *((name, pa.float64()) for name in SUMS),
        ("segment", pa.dictionary(pa.int32(), pa.string())),
    ]
)
"""`arm`: whose slates were seen in this world (`pre` before the test). `bucket`: the arm the user is assigned to.
`day`: from 0 in the test, negative before it. Every assigned user has a row on every day, active or not.
`segment`: the user's public activity degree."""

BY_SATISFACTION: Final = "satisfaction"
BY_ESTIMATE: Final = "estimated"
BIN_WIDTH: Final = {BY_SATISFACTION: 0.05, BY_ESTIMATE: 0.02}
"""Scales by which questionnaires are counted beside the user-days, and the width of their bins: of the latent
satisfaction, and of the estimated answering propensity."""
PROPENSITY_UNIT: Final = 1e-9
"""Propensities in those counts are sums of whole multiples of this."""
