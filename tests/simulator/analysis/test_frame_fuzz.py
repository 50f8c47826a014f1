"""Frames of every kind: rows, or one line that is ours; whoever is left out is counted in a warning."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analysis.analyse import ReadoutWarning, analyse
from simulator.metrics import Metric

PROFIT = Metric("profit", "Profit", "$/user", "up", ("profit",))
RATIO = Metric("per_order", "Profit per order", "$/order", "up", ("profit",), ("orders",))
ARMS = ("a", "b", "c", None)
SIZES = st.sampled_from([0.0, 1.0, -3.0, 1e-300, 1e18, 1e200])
COLUMNS = st.sampled_from(
    ["numbers"] * 14 + ["constant", "whole", "gaps", "infinite", "text", "objects", "flags", "gone"]
)
IDS = st.sampled_from(["whole"] * 6 + ["text", "twice", "missing", "mixed kinds"])
KINDS = st.sampled_from([lambda frame: frame, pa.Table.from_pandas, lambda frame: frame.to_dict("list")])


def column(kind: str, n: int, size: float, rng: np.random.Generator):
    """Values of one column; None where there is none."""
    numbers = size * rng.lognormal(0, 1, n)
    return {
        "numbers": numbers,
        "constant": np.full(n, size),
        "whole": rng.integers(0, 5, n),
        "gaps": np.where(np.arange(n) % 7 == 3, np.nan, numbers),
        "infinite": np.where(np.arange(n) % 9 == 4, np.inf, numbers),
        "text": np.array([str(x) for x in numbers], object),
        "objects": np.array([{"x": 1}] * n, object),
        "flags": rng.random(n) < 0.5,
        "gone": None,
    }[kind]


def ids(kind: str, n: int):
    """Users' ids."""
    whole = np.arange(n)
    if kind == "twice" and n > 1:
        whole[-1] = 0
    if kind == "text":
        return np.array([f"u{i}" for i in whole], object)
    if kind == "missing":
        return np.array([None, *whole[1:]], object) if n else np.array([], object)
    return np.array([f"u{i}" if i % 2 else i for i in whole], object) if kind == "mixed kinds" else whole


@settings(max_examples=120)
@given(st.data())
def test_any_frame_is_read_or_refused_in_one_line_and_nobody_is_lost(data):
    n = data.draw(st.integers(0, 60))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    arm = [data.draw(st.sampled_from(ARMS)) if i < 4 else ARMS[int(rng.integers(0, 2))] for i in range(n)]
    frame = pd.DataFrame({"user_id": ids(data.draw(IDS), n), "arm": pd.Series(arm, dtype=object)})
    for name in ("profit", "orders", "pre_profit", "pre_orders"):
        values = column(data.draw(COLUMNS), n, data.draw(SIZES), rng)
        frame = frame if values is None else frame.assign(**{name: values})
    try:
        users = data.draw(KINDS)(frame)
    except pa.ArrowException:
        return  # the frame cannot be of this kind
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ReadoutWarning)
        try:
            rows = analyse(users, [PROFIT, RATIO], "a", ["b"])
        except ValueError as refusal:
            assert "\n" not in str(refusal)  # noqa: PT017 (what was drawn may be sound)
            return
    said = [str(warning.message) for warning in caught if issubclass(warning.category, ReadoutWarning)]
    assert [(row.metric, row.arm) for row in rows] == [("profit", "b"), ("per_order", "b")]
    for row in rows:
        for name in ("effect", "relative_effect", "p_value", "standard_error"):
            value = getattr(row, name)
            assert name in row.reasons if value is None else np.isfinite(value)
    nowhere, elsewhere = frame["arm"].isna().sum(), (frame["arm"] == "c").sum()
    assert not nowhere or any(line.startswith(f"{nowhere} of {n} users have no arm") for line in said)
    assert not elsewhere or any(f"'c' ({elsewhere} users)" in line for line in said)
