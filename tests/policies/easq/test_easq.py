"""EASQ: gradient routing, losses by hand, pairs of answers, learning round by round."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.base import Event
from policies.easq.answer_buffer import AnswerBuffer, draw_pairs, opposite
from policies.easq.learning import EasqRecipe, join, latest
from policies.easq.losses import feedback_rank, pair_loss, preference_loss, prior_loss, request_loss
from policies.easq.model import EasqNetwork, EasqShape, ExpertMixture
from policies.easq.policy import EasqPolicy, EmerPolicy, EmerSPolicy
from policies.noise import KeyedNoise
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen

NOISE = KeyedNoise(np.zeros(120, np.uint64))
SHAPE = EasqShape(n_videos=9, n_inputs=5)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def warm_network(shape=SHAPE):
    """A network whose side path has something to say."""
    network = EasqNetwork(shape, seeded())
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=seeded(1)))
    return network


def scored(network, n=6):
    """Both scores of some candidates."""
    return network(torch.arange(n), torch.randn(n, 5, generator=seeded(2)))


def moved(network, loss):
    """Parts of the network that a loss has a gradient on."""
    network.zero_grad()
    loss.backward()
    touched = {name for name, w in network.named_parameters() if w.grad is not None and w.grad.abs().sum() > 0}
    return {name.partition(".")[0] for name in touched}


def test_behaviour_moves_backbone_and_main_head_alone():
    network = warm_network()
    y, _ = scored(network)
    assert moved(network, pair_loss(y[:3], y[3:])) == {"w0", "main"}
    assert network.main.router.weight.grad.abs().sum() > 0


def test_answers_move_side_path_and_satisfaction_head_alone():
    network = warm_network()
    _, s = scored(network)
    assert moved(network, pair_loss(s[:3], s[3:])) == {"a", "b", "satisfaction"}


def test_preferences_move_backbone_and_main_head_alone():
    network = warm_network()
    y, s = scored(network)
    assert moved(network, preference_loss((y[:3], y[3:]), (s[:3], s[3:]), 0.5)) == {"w0", "main"}


def test_the_side_path_says_nothing_at_first_and_is_heard_later():
    network = EasqNetwork(SHAPE, seeded())
    video_id, dense = torch.arange(4), torch.randn(4, 5, generator=seeded(3))
    assert torch.equal(network.served(video_id, dense), network.main(network.w0(video_id, dense)))
    with torch.no_grad():
        network.b += 0.5
    assert not torch.equal(network.served(video_id, dense), network.main(network.w0(video_id, dense)))


def test_what_is_served_is_the_main_head():
    network = warm_network()
    video_id, dense = torch.arange(4), torch.randn(4, 5, generator=seeded(3))
    assert torch.equal(network.served(video_id, dense), network(video_id, dense)[0])


def test_shut_gates_kill_neither_score_nor_gradient():
    mixture = ExpertMixture(4, 3, seeded())
    with torch.no_grad():
        mixture.router.bias -= 1e6
    h = torch.randn(5, 4, generator=seeded(1), requires_grad=True)
    score = mixture(h)
    assert (score > 0).all()
    assert score.std() > 0
    score.sum().backward()
    assert (h.grad.abs().sum(1) > 0).all()


def test_gates_switch_experts_on():
    mixture = ExpertMixture(4, 3, seeded())
    h = torch.randn(5, 4, generator=seeded(1))
    with torch.no_grad():
        mixture.router.bias -= 1e6
        alone = mixture(h)
        mixture.router.bias += 2e6
    assert not torch.allclose(mixture(h), alone)


def test_preference_loss_by_hand():
    y, s = (torch.tensor([2.0]), torch.tensor([1.0])), (torch.tensor([3.0]), torch.tensor([0.5]))
    gap = 0.5 * (np.log(2 / 3) - np.log(1 / 0.5))
    assert preference_loss(y, s, 0.5).item() == pytest.approx(np.log1p(np.exp(-gap)), rel=1e-6)


def test_request_loss_by_hand():
    y, order = torch.tensor([[1.0, 3.0, 2.0, 9.0]]), torch.tensor([[2.0, 1.0, 1.0, 5.0]])
    mask = torch.tensor([[True, True, True, False]])
    # two pairs: the first before the second and before the third; equals and what is not there make none
    wanted = (np.log1p(np.exp(2.0)) + np.log1p(np.exp(1.0))) / 2
    assert request_loss(y, order, mask).item() == pytest.approx(wanted, rel=1e-6)
    assert request_loss(y, order * 0, mask).item() == 0


def test_prior_loss_is_least_for_the_order_of_the_rates():
    rates, mask = torch.tensor([[[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]]), torch.ones(1, 3, dtype=torch.bool)
    losses = [prior_loss(torch.tensor([y]), rates, mask).item() for y in ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])]
    assert losses[0] < losses[1]


def test_many_acts_go_before_one_before_none_and_a_hate_last():
    one, two = int(Event.LIKE), int(Event.LIKE | Event.FOLLOW | Event.COMMENT)
    events = torch.tensor([two, one, one, 0, int(Event.HATE | Event.LIKE)])
    order = feedback_rank(events, torch.tensor([1.0, 500.0, 20.0, 5000.0 - 2100, 600.0]))
    assert (order.diff() < 0).all()


def answers_of(user, video, satisfied):
    n = len(user)
    ids = (torch.tensor(x, dtype=torch.int64) for x in (user, video))
    return AnswerBuffer(*ids, torch.tensor(satisfied, dtype=torch.bool), torch.zeros(n, 2))


def test_an_answer_goes_with_an_opposite_one_of_the_same_user_or_else_of_alike_videos():
    # user 1 said both; users 2 and 3 disagree about videos of one group; user 4 has nobody
    answers = answers_of([1, 1, 2, 3, 4], [0, 1, 2, 3, 4], [True, False, True, False, True])
    group = torch.tensor([7, 8, 5, 5, 9])
    better, worse = draw_pairs(answers, group, 200, seeded())
    assert set(zip(better.tolist(), worse.tolist(), strict=True)) == {(0, 1), (2, 3)}


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=20), share=st.floats(0, 0.999))
def test_an_opposite_is_found_whenever_there_is_one(rows, share):
    key, satisfied = torch.tensor([k for k, _ in rows]), torch.tensor([s for _, s in rows])
    every = torch.arange(len(rows))
    found = opposite(key, satisfied, every, torch.full((len(rows),), share, dtype=torch.float64))
    for row, other in zip(every.tolist(), found.tolist(), strict=True):
        there = [i for i, (k, s) in enumerate(rows) if k == rows[row][0] and s != rows[row][1]]
        assert other in there if there else other == -1


def test_nothing_is_paired_without_answers():
    assert [len(side) for side in draw_pairs(answers_of([], [], []), torch.arange(3), 9, seeded())] == [0, 0]


def test_the_buffer_forgets_the_oldest():
    old, new = answers_of([1, 2, 3], [1, 1, 1], [True] * 3), answers_of([4, 5], [1, 1], [False] * 2)
    assert old.extended(new, 3).user_id.tolist() == [3, 4, 5]
    assert old.extended(new, 99).user_id.tolist() == [1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def world():
    """A log before the test, a round during it, requests after it."""
    rng = np.random.default_rng(3)
    specimen = make_specimen(120, 60, rng)
    log = draw_log(specimen, SyntheticLogPlan(n_requests=8, answer_share=0.0), rng)
    later = draw_log(specimen, SyntheticLogPlan(n_requests=8, answer_share=0.9), rng).feedback
    return (
        specimen,
        log,
        replace(later, day=(later.day + 20).astype(np.int16)),
        draw_requests(log, np.arange(120), 30, 20, rng),
    )


def fitted(make, world, **options):
    policy = make(epochs=1, max_requests=600, **options)
    policy.fit(world[1], seed=5)
    return policy


def test_views_are_kept_from_round_to_round(world):
    _, log, round_, _ = world
    tail = latest(log.feedback, 10)
    assert np.unique(tail.user_id, return_counts=True)[1].max() == 10
    joined, new = join(tail, round_)
    assert np.array_equal(joined.take(new).watch_s, round_.watch_s)
    assert (np.diff(joined.user_id) >= 0).all()
    user = joined.user_id == 7
    assert np.array_equal(joined.take(user & ~new).watch_s, log.feedback.take(log.feedback.user_id == 7).watch_s[-10:])


def test_served_order_moves_towards_the_satisfied(world):
    specimen, _, round_, obs = world
    policy = fitted(EasqPolicy, world, preference_weight=2.0, online_rate=3e-3)
    true = specimen.pleasure(obs.user_id, obs.candidates)
    before = specimen.pleasure(obs.user_id, policy.rank(obs, 5, NOISE)).mean()
    for _ in range(6):
        policy.update(round_)
    after = specimen.pleasure(obs.user_id, policy.rank(obs, 5, NOISE)).mean()
    assert after > before + 0.1 * true.std()


@pytest.mark.parametrize("make", [EasqPolicy, EmerSPolicy])
def test_answers_change_what_is_served(world, make):
    _, _, round_, obs = world
    silent = replace(
        round_,
        answer=np.zeros_like(round_.answer),
        events=round_.events & np.uint16(0xFFFF ^ (Event.ANSWERED | Event.SATISFIED | Event.DISSATISFIED).value),
    )
    scores = []
    for feedback in (round_, silent):
        policy = fitted(make, world, online_rate=1e-3)
        policy.update(feedback)
        scores.append(policy.scores(obs))
    assert not np.allclose(*scores)


def test_emer_hears_no_answers(world):
    _, _, round_, obs = world
    flipped = replace(round_, events=round_.events ^ np.uint16((Event.SATISFIED | Event.DISSATISFIED).value))
    scores = []
    for feedback in (round_, flipped):
        policy = fitted(EmerPolicy, world)
        policy.update(feedback)
        scores.append(policy.scores(obs))
    assert np.array_equal(*scores)


def test_a_loaded_policy_goes_on_to_the_same_bytes(world, tmp_path):
    _, _, round_, obs = world
    policy = fitted(EasqPolicy, world, capacity=150)
    policy.update(round_)
    policy.save(tmp_path / "one")
    loaded = EasqPolicy.load(tmp_path / "one")
    for each in (policy, loaded):
        each.update(replace(round_, day=(round_.day + 20).astype(np.int16)))
    assert np.array_equal(policy.scores(obs), loaded.scores(obs))
    policy.save(tmp_path / "two")
    loaded.save(tmp_path / "three")
    for name in ("policy.json", "weights.safetensors"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "three" / name).read_bytes()
    assert len(policy.core.fitted_or_raise().answers) == 150


@pytest.mark.parametrize(("option", "gone"), [("lora", "a"), ("moe", "main.router"), ("dpo", None)])
def test_an_ablation_changes_network_or_loss(world, option, gone):
    whole, without = EasqPolicy(), EasqPolicy(**{option: False})
    recipes = [policy.spec().recipe for policy in (whole, without)]
    assert recipes[0] != recipes[1]
    if gone is None:
        assert recipes[1].preference_weight == 0
        return
    networks = [EasqNetwork(EasqShape(9, 5, rank=r.rank, main_experts=r.experts[0]), seeded()) for r in recipes]
    names = [{name for name, _ in network.named_parameters()} for network in networks]
    assert any(name.startswith(gone) for name in names[0] - names[1])


def test_emer_s_has_emers_parameters():
    one, other = EmerPolicy().spec().recipe, EmerSPolicy().spec().recipe
    sizes = ("width", "rank", "experts")
    assert [getattr(one, name) for name in sizes] == [getattr(other, name) for name in sizes]
    assert (one.answers, other.answers) == ("none", "main")


def test_an_unfitted_ranker_says_so(world):
    with pytest.raises(ValueError, match="easq is not fitted yet"):
        EasqPolicy().rank(world[3], 3, NOISE)


def test_another_catalogue_is_refused(world):
    policy = fitted(EmerPolicy, world)
    obs = world[3]
    tables = {name: getattr(obs.videos, name)[:-1] for name in ("duration_s", "tag", "features")}
    with pytest.raises(ValueError, match=r"59 videos .* fitted on 60"):
        policy.scores(replace(obs, videos=replace(obs.videos, **tables)))


@pytest.mark.parametrize(
    ("n_answers", "n_requests", "share"), [(0, 100, 0.0), (5, 100, 0.5), (10, 100, 1.0), (90, 100, 1.0), (0, 0, 0.0)]
)
def test_few_answers_count_in_proportion(n_answers, n_requests, share):
    recipe = EasqRecipe(preference_weight=0.2, full_density=0.1)
    assert recipe.weighed(n_answers, n_requests).preference_weight == pytest.approx(0.2 * share)
    assert replace(recipe, full_density=0).weighed(n_answers, n_requests).preference_weight == 0.2
