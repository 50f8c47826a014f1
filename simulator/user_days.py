"""The table of user-days, from which all metrics are computed: one row per user, world and day.

A *world* is one simulated timeline of all users: `pre` before the test, `all:<arm>` in which one arm serves all users,
and `mixed` in which each user is served by the arm of their bucket. If no arm learns, `mixed` is a selection from the
arm worlds and is not stored.
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
"""Totals that are stored only if the strong form is used; otherwise they are 0."""

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
"""Float totals. `watch_s`: seconds watched. `answer_weight*`: inverse estimated answering propensities over answered
views and over satisfied answers; `true_answer_weight*`: the same with true propensities. `answer_expected`: estimated
probabilities of the answer `satisfied` over asked views; `answer_weight_expected`: those times the estimated inverse
propensity, over answered views (the terms of the doubly robust share). `true_would_say`: true probabilities of the
answer `satisfied`, if the view were answered, over asked views."""

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
"""`arm`: the arm that served the user in this world (`pre` before the test). `bucket`: the arm of the user's bucket.
`day`: from 0 in the test, negative before it. Every assigned user has a row on every day, active or not.
`segment`: the user's public activity degree."""

BY_SATISFACTION: Final = "satisfaction"
BY_ESTIMATE: Final = "estimated"
BIN_WIDTH: Final = {BY_SATISFACTION: 0.05, BY_ESTIMATE: 0.02}
"""Width of the bins in which questionnaires are counted, by scale: true satisfaction, and estimated propensity."""
PROPENSITY_UNIT: Final = 1e-9
"""Unit of propensities in those counts, which are whole multiples of it."""
