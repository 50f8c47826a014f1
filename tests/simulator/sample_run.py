"""A made-up run folder: heavy-tailed users whose worlds share their noise, so the truth is known."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

from simulator.user_days import COUNTS, SCHEMA

SEGMENTS = ("full_active", "high_active", "low_active")


@dataclass(frozen=True)
class SamplePlan:
    """What the run looks like; `gain` is the treatment's true lift of AUT and AVT."""

    users: int = 800
    days: int = 3
    pre_days: int = 4
    arms: tuple[str, ...] = ("base", "treatment")
    policies: tuple[str, ...] = ("base", "satisfaction")
    gain: float = 0.05
    spared_hates: float = 0.25
    truth: bool = True
    mixed: bool = False
    files: int = 2
    seed: int = 7
    name: str = "sample"


def write_sample_run(folder: Path, plan: SamplePlan | None = None) -> Path:
    """Write `spec.toml`, `versions.json` and `user_days/`; returns the folder."""
    plan = plan or SamplePlan()
    write_settings(folder, plan)
    write_rows(folder, sample_rows(plan), plan.files)
    return folder


def write_settings(folder: Path, plan: SamplePlan) -> None:
    """The two small files of a run folder."""
    folder.mkdir(parents=True, exist_ok=True)
    arms = [{"name": a, "policy": p} for a, p in zip(plan.arms, plan.policies, strict=True)]
    keys = {"name": plan.name, "seed": plan.seed, "users": plan.users, "days": plan.days}
    keys |= {"pre_days": plan.pre_days, "truth": plan.truth, "arms": arms}
    (folder / "spec.toml").write_text(tomli_w.dumps(keys), encoding="utf-8")
    (folder / "versions.json").write_text(json.dumps({"askew": "0.1.0"}), encoding="utf-8")


def write_rows(folder: Path, rows: pd.DataFrame, files: int, row_group_size: int = 100_000) -> None:
    """The table, cut into `files` files of different lengths."""
    (folder / "user_days").mkdir(exist_ok=True)
    cuts = [0, *sorted(len(rows) * i * i // files**2 for i in range(1, files)), len(rows)]
    for i, (start, end) in enumerate(pairwise(cuts)):
        table = pa.Table.from_pandas(rows.iloc[start:end], schema=SCHEMA, preserve_index=False)
        pq.write_table(table, folder / "user_days" / f"part-{i:04d}.parquet", row_group_size=row_group_size)


def sample_rows(plan: SamplePlan) -> pd.DataFrame:
    """Every row of `user_days`, by world, user and day."""
    rng = np.random.default_rng(plan.seed)
    base = _control_rows(plan, rng)
    bucket = np.array(plan.arms)[rng.integers(0, len(plan.arms), plan.users)][base["user_id"]]
    base = base.assign(bucket=bucket)
    kept = rng.random(len(base))
    in_test = base["day"] >= 0
    arms = {arm: _under(base[in_test], plan, i, kept[in_test]) for i, arm in enumerate(plan.arms)}
    worlds = [base[~in_test].assign(world="pre", arm="base")]
    if plan.truth or not plan.mixed:
        worlds += [rows.assign(world=f"all:{arm}", arm=arm) for arm, rows in arms.items()]
    if plan.mixed:
        worlds += [rows[rows["bucket"] == arm].assign(world="mixed", arm=arm) for arm, rows in arms.items()]
    return pd.concat(worlds, ignore_index=True)[SCHEMA.names]


def _control_rows(plan: SamplePlan, rng: np.random.Generator) -> pd.DataFrame:
    """What everybody does under the control, from the first day before the test."""
    days = np.arange(-plan.pre_days, plan.days, dtype=np.int16)
    user, day = (grid.ravel() for grid in np.meshgrid(np.arange(plan.users), days, indexing="ij"))
    segment = rng.integers(0, 3, plan.users)
    rate = rng.lognormal(3.0 - 0.5 * segment, 0.7)[user]
    active = rng.random(len(user)) < (0.9 - 0.2 * segment)[user]
    views = np.where(active, 1 + rng.poisson(rate), 0)
    watch_s = views * rng.lognormal(2.5, 0.3, plan.users)[user] * rng.lognormal(0, 0.3, len(user))
    counts = _counts(views, rng)
    weight = counts["answered"] * rng.uniform(2, 6, len(user))
    part = counts["answers_satisfied"] / np.maximum(counts["answered"], 1)
    sums = dict.fromkeys(("answer_weight", "true_answer_weight"), weight)
    sums |= dict.fromkeys(("answer_weight_satisfied", "true_answer_weight_satisfied"), weight * part)
    sums |= {"answer_expected": 0.6 * counts["asked"], "answer_weight_expected": 0.6 * weight}
    sums |= {"true_would_say": 0.55 * counts["asked"]}
    columns = {"user_id": user, "day": day, "active": active, **counts, **sums, "watch_s": watch_s}
    return pd.DataFrame({**columns, "segment": np.array(SEGMENTS)[segment[user]]})


def _counts(views: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Counts of everything, given the views."""
    c = dict.fromkeys(COUNTS, np.zeros_like(views)) | {"views": views}
    c["sessions"] = (views > 0).astype(views.dtype)
    c["requests"] = (views + 5) // 6
    for name, rate in (("clicks", 0.5), ("likes", 0.03), ("follows", 0.01), ("hates", 0.02)):
        c[name] = rng.binomial(views, rate)
    c["long_views"] = rng.binomial(c["clicks"], 0.6)
    c["completes"] = rng.binomial(c["clicks"], 0.4)
    c["skips"] = rng.binomial(views - c["clicks"], 0.8)
    c["eligible"] = c["clicks"]
    c["asked"] = rng.binomial(c["eligible"], 0.1)
    c["answered"] = rng.binomial(c["asked"], 0.3)
    c["answers_satisfied"] = rng.binomial(c["answered"], 0.7)
    c["answers_dissatisfied"] = c["answered"] - c["answers_satisfied"]
    c["true_eligible_satisfied"] = rng.binomial(c["eligible"], 0.55)
    return c


def _under(rows: pd.DataFrame, plan: SamplePlan, arm: int, kept: np.ndarray) -> pd.DataFrame:
    """The same users under an arm; `kept` decides whose hates the treatment spares. Equal policies, equal rows."""
    if plan.policies[arm] == plan.policies[0]:
        return rows
    hates = np.where(kept < plan.spared_hates, 0, rows["hates"])
    return rows.assign(watch_s=rows["watch_s"] * (1 + plan.gain), hates=hates)
