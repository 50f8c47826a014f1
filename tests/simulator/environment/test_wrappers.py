"""The environment's wrappers, and other people's checks of it."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import simulator.registration  # noqa: F401 # registers askew/Feed-v0
from policies.agents.flat_observation import names_of, numbers_of
from policies.base import Event
from policies.events import events_logged
from simulator.environment.wrappers import (
    CandidateWeights,
    FlatNumbers,
    HateCost,
    SingleVideo,
    SlateOfVideos,
    slate_scores,
)
from user_models.testing import toy_world

WORLD = toy_world()
SMALL = {"world": WORLD, "users": 30, "videos": 300, "candidates": 20, "slate_size": 4, "horizon_days": 2}


def make(**changes):
    return gymnasium.make("askew/Feed-v0", **(SMALL | changes))


def ways():
    return {
        "flat": FlatNumbers(make()),
        "one": FlatNumbers(SingleVideo(make(slate_size=1))),
        "slate": FlatNumbers(SlateOfVideos(make(), repeats="mask")),
        "weights": FlatNumbers(CandidateWeights(make())),
        "cost": HateCost(make()),
    }


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")  # it is wrapped on purpose
@pytest.mark.parametrize("way", ways())
def test_gymnasium_finds_no_fault_in_any_wrapper(way):
    check_env(ways()[way], skip_render_check=True)


def test_stable_baselines3_finds_no_fault():
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    for way in ("flat", "one", "slate", "weights"):
        checker.check_env(ways()[way], warn=True)
    checker.check_env(make(), warn=False)


@pytest.mark.filterwarnings("ignore")
def test_torchrl_finds_no_fault():
    envs = pytest.importorskip("torchrl.envs")
    utils = pytest.importorskip("torchrl.envs.utils")
    for way in ("flat", "one", "weights"):
        utils.check_env_specs(envs.GymWrapper(ways()[way]), seed=0)
    utils.check_env_specs(envs.GymWrapper(make()), seed=0)
    utils.check_env_specs(envs.GymEnv("askew/Feed-v0", **SMALL), seed=0)


@pytest.mark.filterwarnings("ignore")
def test_torchrl_truncates_at_the_horizon():
    envs = pytest.importorskip("torchrl.envs")
    rolled = envs.GymWrapper(make()).rollout(200)["next"]
    assert bool(rolled["truncated"][-1])
    assert not rolled["terminated"].any()
    assert rolled["history_events"].shape[1:] == (50, len(events_logged(asks_strongly=False)))


def test_the_chosen_video_is_shown():
    env = SingleVideo(make(slate_size=1))
    observed, _ = env.reset(seed=1)
    *_, info = env.step(np.int64(7))
    assert info["slate"].tolist() == [observed["candidate_id"][7]]


def test_the_chosen_slate_is_shown_in_its_order():
    env = SlateOfVideos(make())
    observed, _ = env.reset(seed=1)
    *_, info = env.step(np.array([7, 3, 19, 0]))
    assert info["slate"].tolist() == observed["candidate_id"][[7, 3, 19, 0]].tolist()


def test_a_repeat_is_refused_or_masked():
    env = SlateOfVideos(make())
    env.reset(seed=1)
    with pytest.raises(ValueError, match=r"slate \[7, 3, 7, 0\] repeats a video"):
        env.step(np.array([7, 3, 7, 0]))
    env = SlateOfVideos(make(), repeats="mask")
    observed, _ = env.reset(seed=1)
    *_, info = env.step(np.array([7, 3, 7, 0]))
    assert info["slate"].tolist() == observed["candidate_id"][[7, 3, 0, 1]].tolist()


@given(st.lists(st.integers(0, 19), min_size=1, max_size=6))
def test_slate_scores_bring_out_the_slate_without_repeats_then_the_earliest(slate):
    scores = slate_scores(np.array(slate), 20)
    best = sorted(range(20), key=lambda i: (-scores[i], i))[: len(slate)]
    first = list(dict.fromkeys(slate))
    others = [i for i in range(20) if i not in first]
    assert best == first + others[: len(slate) - len(first)]


@pytest.mark.parametrize(
    ("wrap", "message"),
    [
        (lambda: SingleVideo(make()), "slate_size: 4 given, want 1"),
        (lambda: SlateOfVideos(make(), repeats="maybe"), "repeats: 'maybe' given, want 'refuse' or 'mask'"),
    ],
)
def test_what_does_not_fit_is_refused(wrap, message):
    with pytest.raises(ValueError, match=message):
        wrap()


@pytest.mark.parametrize("place", [-1, 20])
def test_a_video_that_is_not_there_is_refused(place):
    env = SingleVideo(make(slate_size=1))
    with pytest.raises(ValueError, match=f"candidate {place} given, want a whole number from 0 to 19"):
        env.action(place)


def test_a_place_that_is_no_whole_number_is_refused():
    env = SingleVideo(make(slate_size=1))
    with pytest.raises(ValueError, match="want a whole number from 0 to 19"):
        env.action(np.array(1.5))
    assert np.array_equal(env.action(np.array(1)), env.action(1))


@pytest.mark.parametrize("slate", [[0, 1, 2], [0, 1, 2, 20], [-1, 1, 2, 3]])
def test_a_slate_with_strange_places_is_refused(slate):
    env = SlateOfVideos(make())
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"want \(4,\) places from 0 to 19"):
        env.step(np.array(slate))


def test_another_environment_is_refused():
    with pytest.raises(TypeError, match="CartPoleEnv given, want askew/Feed-v0"):
        FlatNumbers(gymnasium.make("CartPole-v1"))


def test_weights_order_candidates_by_their_numbers():
    env = CandidateWeights(make())
    observed, _ = env.reset(seed=1)
    length = np.argsort(-observed["candidate_features"][:, 0], kind="stable")[:4]
    action = np.zeros(env.action_space.shape, np.float32)
    action[0] = 1
    *_, info = env.step(action)
    assert info["slate"].tolist() == observed["candidate_id"][length].tolist()


def test_the_cost_counts_hates():
    env = HateCost(make(world=WORLD.with_tables(action_base=np.array([-9, -9, -9, -9, 9, -9], np.float32))))
    env.reset(seed=0)
    *_, info = env.step(np.zeros(20, np.float32))
    assert info["cost"] == ((info["events"] & Event.HATE) > 0).sum() > 0


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_numbers_are_those_of_a_hand_count(seed):
    env = make()
    env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(int(rng.integers(0, 6))):
        if any(env.step(rng.uniform(-1, 1, 20).astype(np.float32))[2:4]):
            env.reset()
    obs = env.unwrapped.offer
    numbers, history = numbers_of(obs), obs.history
    about, each = (
        dict(zip(names, array.T, strict=True))
        for names, array in zip(names_of(obs), (numbers.about, numbers.candidates[0]), strict=True)
    )
    seen = history.mask[0]
    log_watch = np.log1p(history.watch_s[0, seen].astype(float))
    clicked = (history.events[0, seen] & Event.CLICK) > 0
    mean = log_watch.mean() if seen.any() else 0
    share = clicked.mean() if seen.any() else 0
    assert about["mean_watch"][0] == pytest.approx(mean, rel=1e-5)
    assert about["click_share"][0] == pytest.approx(share, rel=1e-5)
    assert about["views_known"][0] == pytest.approx(seen.sum() / 50, rel=1e-5)
    topics = obs.videos.tag[history.video_id[0, seen]]
    for place in (0, 13):
        of_topic = topics == obs.videos.tag[obs.candidates[0, place]]
        want = (log_watch[of_topic] - mean).sum() / (of_topic.sum() + 3)
        assert each["topic_watch"][place] == pytest.approx(5 * want, abs=1e-5)
        assert each["topic_click"][place] == pytest.approx(
            15 * (clicked[of_topic] - share).sum() / (of_topic.sum() + 3), abs=1e-5
        )
        assert each["topic_lately"][place] == pytest.approx(7 * of_topic[-10:].sum() / 10, abs=1e-5)
