"""The mixed world beside all-arm worlds: no interference where no arm learns, and the planted one where there is."""

import io

import numpy as np
import pytest
from rich.console import Console

from policies.simple.popular import PopularPolicy
from simulator.analysis.interference import interference
from simulator.analysis.summarise import summarise
from simulator.cli.tables.scorecard import scorecard
from simulator.errors import SpecError
from simulator.experiment.runner import prepare, world_of
from simulator.experiment.setup import MIXED
from simulator.experiment.shard import learn
from simulator.metrics import METRICS
from simulator.reports.report import parse_report
from simulator.rollout.population import empty_response
from simulator.rollout.request import logged
from simulator.run import run_to_folder
from simulator.runs.user_day_reader import open_user_days
from simulator.spec.experiment import parse_spec
from simulator.statistics.paired import paired_spread

FORGETFUL = {"half_life_days": 0.2, "prior_views": 2.0}
ARMS = [
    {"name": "control", "policy": "popular", "options": {**FORGETFUL, "watch_weight": 0.0}},
    {"name": "treatment", "policy": "popular", "options": {**FORGETFUL, "watch_weight": 3.0}},
]


def keys_of(world, **changes):
    keys = {
        "name": "small",
        "seed": 5,
        "world": world,
        "users": 400,
        "videos": 150,
        "days": 1,
        "pre_days": 1,
        "launch_days": 1,
        "rounds_per_day": 2,
        "views_scale": 0.05,
        "candidates": 30,
        "pre_policy": "popular",
        "arms": ARMS,
    }
    return keys | changes


def silent(stage, done, total):
    pass


@pytest.fixture(scope="module")
def runs(world, tmp_path_factory):
    """Folders of the same test, as it was before there was pooling and pooled; do not write into them."""
    ways = {"diverted": {}, "pooled": {"learning": "pooled"}}
    folders = {}
    for name, keys in ways.items():
        folders[name] = tmp_path_factory.mktemp("worlds") / name
        run_to_folder(parse_spec(keys_of(world, **keys), "test"), folders[name], 1, silent)
    return folders


def files_of(folder, pattern):
    return {path.name: path.read_bytes() for path in sorted(folder.glob(pattern))}


def mixed_rows(folder):
    with open_user_days(folder) as table:
        return table.users("mixed", range(1))


def test_keys_left_out_are_their_defaults_and_stay_out_of_the_run_folder(world, runs):
    said = parse_spec(keys_of(world, learning="diverted", popularity="per_arm"), "test")
    assert said == parse_spec(keys_of(world), "test")
    text = (runs["diverted"] / "spec.toml").read_text()
    assert "learning" not in text
    assert "popularity" not in text
    assert 'learning = "pooled"' in (runs["pooled"] / "spec.toml").read_text()


def test_pooled_learning_moves_the_mixed_world_and_no_other(runs):
    assert not mixed_rows(runs["pooled"]).equals(mixed_rows(runs["diverted"]))
    for line in ("world0", "world1", "pre"):
        pattern = f"user_days/{line}-*"
        assert files_of(runs["pooled"], pattern) == files_of(runs["diverted"], pattern) != {}


@pytest.mark.parametrize(
    ("keys", "counted", "learned"),
    [
        ({}, False, False),
        ({"popularity": "pooled"}, True, False),
        ({"learning": "pooled"}, True, True),
    ],
)
def test_what_is_pooled(world, keys, counted, learned):
    spec = parse_spec(keys_of(world, **keys), "test")
    setting = prepare(spec, world_of(spec))
    assert setting.is_pooled(PopularPolicy()) == counted
    assert setting.is_pooled(Attentive()) == learned


class Attentive:
    """A policy that learns, and counts nothing: it remembers whose feedback it was given."""

    def __init__(self):
        self.seen = []

    def rank(self, obs, k, noise):
        return obs.candidates[:, :k]

    def fit(self, log, seed):
        pass

    def update(self, feedback):
        self.seen.append(set(feedback.user_id.tolist()))

    def save(self, folder):
        pass

    @classmethod
    def load(cls, folder):
        return cls()


@pytest.mark.parametrize(("keys", "pooled"), [({}, False), ({"learning": "pooled"}, True)])
def test_pooled_policies_are_given_everybody_and_diverted_ones_their_bucket(world, keys, pooled):
    spec = parse_spec(keys_of(world, **keys), "test")
    setting = prepare(spec, world_of(spec))
    policies = (Attentive(), Attentive())
    learn(setting, MIXED, policies, [feedback_of(setting)])
    mine = [set(np.flatnonzero(setting.buckets.arm_of == arm).tolist()) for arm in (0, 1)]
    everybody = mine[0] | mine[1]
    assert [policy.seen for policy in policies] == [[everybody if pooled else own] for own in mine]


def feedback_of(setting):
    """One view of each user."""
    block = setting.blocks[0]
    rows = np.arange(setting.spec.users)
    zeros = np.zeros(len(rows), np.int16)
    slates = np.zeros((len(rows), 1), np.int32)
    response = empty_response(len(rows), 1)
    response.viewed[:] = True
    return logged(block, 0, rows, zeros.astype(np.int8), zeros, slates, response)


def test_the_report_shows_what_pooling_does(runs):
    for name in ("diverted", "pooled"):
        rows = parse_report((runs[name] / "report.json").read_text(), name).worlds
        assert [(row.arm, row.metric) for row in rows[:4]] == [
            *(("control", metric) for metric in ("AUT", "AVT", "P2N")),
            ("treatment", "AUT"),
        ]
        row = rows[3]
        assert row.interference_bias == pytest.approx(row.mixed_effect - row.split_effect)
        assert row.interference_bias_se > 0
        assert rows[0].reasons["interference_bias"] == "the arm is the control"


def test_arms_that_do_not_learn_do_not_interfere(sample_report):
    rows = [row for row in sample_report.worlds if row.arm == "treatment"]
    assert [row.metric for row in rows] == ["AUT", "AVT", "P2N"]
    assert {(row.interference_bias, row.interference_bias_se) for row in rows} == {(0.0, 0.0)}
    assert all(row.bucket == row.bucket_alone for row in rows)


def test_a_planted_shift_of_the_mixed_world_is_found(sample_run, tmp_path):
    """The treatment's bucket watches a tenth more in the mixed world than its users do in the treatment's own."""
    plan = sample_run.SamplePlan(users=400, mixed=True)
    sample_run.write_settings(tmp_path, plan)
    rows = sample_run.sample_rows(plan)
    moved = (rows["world"] == "mixed") & (rows["bucket"] == "treatment")
    rows.loc[moved, "watch_s"] *= 1.1
    sample_run.write_rows(tmp_path, rows, 2)
    row = next(row for row in summarise(tmp_path).worlds if (row.arm, row.metric) == ("treatment", "AUT"))
    assert row.bucket == pytest.approx(1.1 * row.bucket_alone, rel=1e-12)
    assert row.interference_bias == pytest.approx(0.1 * (1 + row.split_effect), rel=1e-9)


def test_the_standard_error_of_interference_is_that_of_resampled_users(sample_run):
    """The delta method beside 2,000 bootstrap samples of users, whose own error is 1.6%."""
    rng = np.random.default_rng(4)
    frame = sample_run.sample_rows(sample_run.SamplePlan(users=600, days=1)).query("world == 'all:base'")
    alone = METRICS["AVT"].ratio(frame)
    mixed = METRICS["AVT"].ratio(frame.assign(watch_s=frame["watch_s"] * rng.lognormal(0.1, 0.5, len(frame))))
    sides = np.stack([alone.numerator, alone.denominator, mixed.numerator, mixed.denominator], axis=1)
    half = len(sides) // 2

    def bias(control, treatment):
        a, b = control.sum(axis=0), treatment.sum(axis=0)
        return (b[2] / b[3]) / (a[2] / a[3]) - (b[0] / b[1]) / (a[0] / a[1])

    buckets = sides[:half], sides[half:]
    drawn = [bias(*(bucket[rng.integers(0, half, half)] for bucket in buckets)) for _ in range(2000)]
    ratios = [[type(alone)(b[:, 0], b[:, 1]), type(alone)(b[:, 2], b[:, 3])] for b in buckets]
    found, error = interference(*(paired_spread(*pair) for pair in ratios))
    assert found == pytest.approx(bias(*buckets), rel=1e-12)
    assert error == pytest.approx(np.std(drawn), rel=0.1)


@pytest.mark.parametrize("key", ["learning", "popularity"])
def test_an_unknown_way_of_pooling_is_refused(world, key):
    with pytest.raises(SpecError, match=f"{key}: 'shared' given"):
        parse_spec(keys_of(world, **{key: "shared"}), "test")


def test_the_scorecard_says_how_far_learning_arms_bend_a_lift(runs, sample_report):
    report = parse_report((runs["pooled"] / "report.json").read_text(), "pooled")
    console = Console(width=200, file=io.StringIO())
    console.print(scorecard(report))
    assert "Do the arms interfere?" in console.file.getvalue()
    still = Console(width=200, file=io.StringIO())
    still.print(scorecard(sample_report))
    assert "interfere" not in still.file.getvalue()
