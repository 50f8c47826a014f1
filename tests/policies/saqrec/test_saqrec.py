"""SAQRec: labels, inverse propensities, interests by hand; ablations; learning what satisfies."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.base import Event, top_k
from policies.noise import KeyedNoise
from policies.saqrec.fit import (
    Pairs,
    TrainingPlan,
    fit_satisfaction,
    main_loss,
    phases,
    propensities,
    sampled_click_loss,
)
from policies.saqrec.interests import (
    DenoisedInterest,
    LevelledInterest,
    WeightedSum,
    by_count,
    by_quantile,
    masked_softmax,
)
from policies.saqrec.losses import arcsine, inverse_propensity_loss, pseudo_label, teacher_weight
from policies.saqrec.model import Saqrec, SaqrecShape, SatisfactionNetwork, dissatisfied_views, satisfied_views
from policies.saqrec.policy import SaqrecPolicy
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen
from policies.torch_rankers.feature_tables import catalogue_of
from policies.torch_rankers.histories import ViewSequence, read_requests
from policies.torch_rankers.slate_samples import ClickSource, SlateSource
from policies.torch_rankers.view_samples import Sampling
from policies.two_tower.base_policy import BasePolicy

NOISE = KeyedNoise(np.zeros(150, np.uint64))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("x", "weight"),
    [(0, 0), (0.01, 0.064), (0.1, 0.205), (0.25, 0.333), (0.5, 0.5), (0.75, 0.667), (0.9, 0.795), (1, 1)],
)
def test_the_teacher_weighs_as_the_beta_distribution_says(x, weight):
    assert arcsine(torch.tensor([float(x)])).item() == pytest.approx(weight, abs=5e-4)


def test_the_student_is_trusted_where_it_agrees_and_the_teacher_where_it_does_not():
    teacher = torch.tensor([0.95, 0.95, 0.95])
    student = torch.tensor([0.95, 0.6, 0.1])
    weight = teacher_weight(student, teacher)
    assert weight[0].item() == pytest.approx(0, abs=1e-3)
    assert 0 < weight[1] < weight[2]
    assert weight[2].item() == pytest.approx(1, abs=1e-3)
    label = pseudo_label(student, teacher, mixed=True)
    assert label[0].item() == pytest.approx(0.95, abs=1e-3)
    assert label[2].item() == pytest.approx(0.95, abs=1e-3)
    assert label[1].item() == pytest.approx((weight[1] * 0.95 + (1 - weight[1]) * 0.6).item())


def test_only_divergence_trusts_a_student_who_shares_the_teachers_doubt():
    teacher, student = torch.tensor([0.5, 0.99]), torch.tensor([0.5, 0.9])
    assert teacher_weight(student, teacher, "bce")[0] > 0.99
    assert teacher_weight(student, teacher, "kl")[0] < 0.01


def test_labels_carry_no_gradient_and_are_the_teachers_before_the_switch():
    teacher, student = torch.tensor([0.2, 0.7]), torch.tensor([0.9, 0.1], requires_grad=True)
    assert torch.equal(pseudo_label(student, teacher, mixed=False), teacher)
    assert not pseudo_label(student, teacher, mixed=True).requires_grad


def test_labels_switch_after_n_mix_epochs():
    assert phases(TrainingPlan(n_mix=3, epochs=5)) == [(False, 3), (True, 2)]
    assert phases(TrainingPlan(n_mix=0, epochs=2)) == [(True, 2)]
    assert phases(TrainingPlan(n_mix=9, epochs=2)) == [(False, 2)]


def test_known_propensities_recover_a_share_that_the_naive_one_misses():
    rng = np.random.default_rng(3)
    n, true = 20_000, 0.4
    group = rng.random(n) < 0.5
    satisfied = rng.random(n) < np.where(group, 0.7, 0.1)
    chance = np.where(group, 0.3, 0.1).astype(np.float32)
    told = rng.random(n) < chance
    label, propensity = torch.from_numpy(satisfied[told].astype(np.float32)), torch.from_numpy(chance[told])

    def share(weights):
        """The constant share with the least loss, to the nearest thousandth."""
        shares = torch.arange(0.3, 0.7, 0.001)
        loss = [inverse_propensity_loss(x.logit().expand(len(label)), label, weights, 0.01).item() for x in shares]
        return shares[int(np.argmin(loss))].item()

    weight = 1 / propensity.numpy()
    # the standard error of a self-normalised mean
    error = np.sqrt((weight**2 * (label.numpy() - true) ** 2).sum()) / weight.sum()
    assert share(propensity) == pytest.approx(true, abs=float(3.29 * error) + 0.001)
    assert share(torch.ones(len(label))) == pytest.approx(0.55, abs=0.02)


def test_the_papers_normalisation_divides_by_the_answers():
    logit, satisfied, propensity = torch.zeros(2), torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.001])
    weighed = (2 + 1 / 0.05) * np.log(2)
    assert inverse_propensity_loss(logit, satisfied, propensity, 0.05, "count").item() == pytest.approx(weighed / 2)
    assert inverse_propensity_loss(logit, satisfied, propensity, 0.05, "self").item() == pytest.approx(np.log(2))


def test_a_weighted_sum_leaves_out_what_is_not_there():
    vectors, there = torch.randn(3, 4, 6, generator=seeded()), torch.tensor([True, True, False, True]).expand(3, 4)
    for variant in ("paper", "code"):
        layer = WeightedSum(4, 6, variant, seeded(1))
        other = vectors.clone()
        other[:, 2] = 99
        assert torch.allclose(layer(vectors, there), layer(other, there))
    assert masked_softmax(torch.zeros(1, 3), torch.tensor([[True, False, True]])).tolist() == [[0.5, 0, 0.5]]


def test_denoised_interest_attends_to_what_agrees():
    sid = DenoisedInterest(2, "paper", seeded())
    torch.nn.init.zeros_(sid.fuse.together.layers[-1].weight)
    clicked = torch.tensor([[[50.0, 0.0], [0.0, 50.0], [9.0, 9.0]]])
    mask, interest = torch.tensor([[True, True, False]]), torch.tensor([[1.0, 0.0]])
    # with constant weights of 1/2: half the interest, half the one click that it agrees with
    assert torch.allclose(sid(clicked, mask, interest), torch.tensor([[25.5, 0.0]]), atol=1e-4)


def test_levels_are_cut_by_count_or_by_quantiles():
    score, mask = torch.tensor([[0.9, 0.1, 0.9, 0.9, 0.4, 0.0]]), torch.tensor([[True] * 5 + [False]])
    assert by_count(score, mask, 3)[0].int().tolist() == [[1, 0, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 1, 0, 0, 0, 0]]
    # the median is .9: the ties stay together below it, and the group above is empty
    assert by_quantile(score, mask, 2)[0].int().tolist() == [[1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0]]


def test_a_level_is_the_softmax_of_its_satisfaction():
    mlse = LevelledInterest(2, 1, "paper", seeded())
    torch.nn.init.zeros_(mlse.fuse.together.layers[-1].weight)
    clicked = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])
    felt = torch.tensor([[0.2, 0.9, 0.1, 0.8]])
    best, rest = np.exp([0.9, 0.8]), np.exp([0.2, 0.1])
    wanted = 0.5 * (best @ [2, 4] / best.sum() + rest @ [1, 3] / rest.sum())
    assert mlse(clicked, torch.ones(1, 4, dtype=torch.bool), felt).item() == pytest.approx(wanted, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(0, 5), pad=st.integers(1, 4), variant=st.sampled_from(["paper", "code"]), seed=st.integers(0, 99))
def test_padding_changes_no_interest(n, pad, variant, seed):
    clicked, felt = torch.randn(1, n, 3, generator=seeded(seed)), torch.rand(1, n, generator=seeded(seed))
    interest, mask = torch.randn(1, 3, generator=seeded(seed + 1)), torch.ones(1, n, dtype=torch.bool)
    sid, mlse = DenoisedInterest(3, variant, seeded()), LevelledInterest(3, 3, variant, seeded())
    padded = [torch.cat([torch.full((1, pad, *x.shape[2:]), 7.0), x], dim=1) for x in (clicked, felt)]
    hidden = torch.cat([torch.zeros(1, pad, dtype=torch.bool), mask], dim=1)
    if n:
        assert torch.allclose(sid(clicked, mask, interest), sid(padded[0], hidden, interest), atol=1e-5)
        assert torch.allclose(mlse(clicked, mask, felt), mlse(padded[0], hidden, padded[1]), atol=1e-5)
    assert not mlse(padded[0], hidden & False, padded[1]).any()


def views_of(events, watch_s):
    """One user's views."""
    events, watch_s = torch.tensor([events]), torch.tensor([watch_s])
    whole = torch.arange(events.shape[1])[None]
    return ViewSequence(whole, whole, events, watch_s, whole, torch.ones_like(whole, dtype=torch.bool))


def test_who_never_answered_is_told_by_the_longest_and_the_shortest_click():
    click, said = int(Event.CLICK), int(Event.CLICK | Event.ANSWERED | Event.SATISFIED)
    silent = views_of([click, 0, click, click], [20.0, 90.0, 50.0, 8.0])
    assert satisfied_views(silent, "questionnaire")[0].tolist() == [False, False, True, False]
    assert dissatisfied_views(silent, "questionnaire")[0].tolist() == [False, False, False, True]
    told = views_of([click, said, click, 0], [20.0, 30.0, 50.0, 8.0])
    assert satisfied_views(told, "questionnaire")[0].tolist() == [False, True, False, False]
    unclicked = views_of([0, 0], [1.0, 2.0])
    assert not satisfied_views(unclicked, "questionnaire").any()


@pytest.fixture(scope="module")
def answered():
    """A log with many answers, and requests after it."""
    rng = np.random.default_rng(11)
    specimen = make_specimen(150, 40, rng)
    log = draw_log(specimen, SyntheticLogPlan(n_requests=12, answer_share=0.8), rng)
    return specimen, log, draw_requests(log, np.arange(150), 20, 50, rng)


@pytest.fixture(scope="module")
def fitted(answered):
    policy = SaqrecPolicy(epochs=4, n_mix=1, serving="click*satisfaction", satisfaction_weight=4.0)
    policy.fit(answered[1], seed=1)
    return policy


@pytest.mark.parametrize("part", ["sid", "mlse", "mtl"])
def test_an_ablation_changes_the_network(answered, part):
    catalogue = catalogue_of(answered[1])
    whole = Saqrec(catalogue, SaqrecShape(), seeded())
    without = Saqrec(catalogue, replace(SaqrecShape(), **{part: False}), seeded())
    names = {name for name, _ in whole.named_parameters()} - {name for name, _ in without.named_parameters()}
    assert names
    assert all(name.startswith({"sid": "sid", "mlse": "mlse", "mtl": "felt"}[part]) for name in names)


def pairs_of(user, events, video_id=None):
    """Views of users with vectors of one number, and of videos with equal vectors."""
    n = len(user)
    video_id = torch.zeros(n, dtype=torch.int64) if video_id is None else video_id
    return Pairs(user, torch.ones(n, 1), video_id, events, torch.ones(n))


def test_propensities_are_learned_and_weigh_the_teacher():
    rng = np.random.default_rng(5)
    n = 6000
    kind = rng.integers(0, 2, n)
    answered = rng.random(n) < np.where(kind == 1, 0.4, 0.1)
    satisfied = rng.random(n) < np.where(kind == 1, 0.8, 0.2)
    events = np.where(answered, np.where(satisfied, Event.SATISFIED, Event.DISSATISFIED) | Event.ANSWERED, 0)
    x = torch.from_numpy(kind[:, None].astype(np.float32))
    pairs = pairs_of(x, torch.from_numpy(events.astype(np.int64)))
    chance = propensities(pairs, TrainingPlan(), seeded())
    for k, true in ((0, 0.1), (1, 0.4)):
        error = np.sqrt(true * (1 - true) / (n / 2))
        assert chance[kind == k].mean().item() == pytest.approx(true, abs=3.29 * error + 0.02)
    nets = [SatisfactionNetwork(SaqrecShape(d=1, video_effect=False), 1, seeded(1)) for _ in range(2)]
    for net, unbiased in zip(nets, (True, False), strict=True):
        fit_satisfaction(net, pairs, TrainingPlan(unbiased=unbiased), seeded(2))
    both = [torch.sigmoid(net(x, torch.ones(n, 1), pairs.video_id)) for net in nets]
    assert not torch.equal(*both)
    for felt in both:
        assert felt[kind == 1].mean() > felt[kind == 0].mean() + 0.4


def test_without_answers_the_teacher_says_a_half():
    net = SatisfactionNetwork(SaqrecShape(d=1), 1, seeded())
    silent = pairs_of(torch.ones(3, 1), torch.zeros(3, dtype=torch.int64))
    fit_satisfaction(net, silent, TrainingPlan(), seeded())
    assert torch.equal(torch.sigmoid(net(silent.user, silent.video, silent.video_id)), torch.full((3,), 0.5))
    assert net.quality() is None


def answers_about_videos(rng, n=20_000, n_videos=20):
    """Answers that depend on the video alone, which no vector tells."""
    video_id = rng.integers(0, n_videos, n)
    chance = np.linspace(0.1, 0.9, n_videos)
    satisfied = rng.random(n) < chance[video_id]
    events = np.where(satisfied, Event.SATISFIED, Event.DISSATISFIED) | Event.ANSWERED | Event.CLICK
    return pairs_of(torch.ones(n, 1), torch.from_numpy(events.astype(np.int64)), torch.from_numpy(video_id)), chance


def test_an_effect_per_video_tells_what_vectors_do_not():
    pairs, chance = answers_about_videos(np.random.default_rng(6))
    each = torch.arange(len(chance))
    learned = {}
    for video_effect in (True, False):
        net = SatisfactionNetwork(SaqrecShape(d=1, video_effect=video_effect), len(chance), seeded())
        fit_satisfaction(net, pairs, TrainingPlan(unbiased=False), seeded(1))
        learned[video_effect] = net
    said = torch.sigmoid(learned[True](torch.ones(len(each), 1), torch.ones(len(each), 1), each)).detach().numpy()
    assert np.corrcoef(said, chance)[0, 1] > 0.95
    with_effect, without = learned[True].quality(), learned[False].quality()
    # a true AUC of .78 from 2,000 answers has a standard error of .01
    assert with_effect.answers == 2000
    assert with_effect.auc > 0.7 > 0.6 > without.auc
    assert with_effect.spread > 0.15 > 0.05 > without.spread


def test_where_nobody_is_dissatisfied_clicks_without_an_answer_teach():
    pairs, chance = answers_about_videos(np.random.default_rng(7))
    liked = pairs.has(Event.SATISFIED)
    events = torch.where(liked, pairs.events, int(Event.CLICK))
    pairs = replace(pairs, events=events)
    each = torch.arange(len(chance))
    spread = {}
    for unlabelled in (False, True):
        net = SatisfactionNetwork(SaqrecShape(d=1), len(chance), seeded())
        fit_satisfaction(net, pairs, TrainingPlan(unbiased=False, unlabelled=unlabelled), seeded(1))
        said = torch.sigmoid(net(torch.ones(len(each), 1), torch.ones(len(each), 1), each)).detach().numpy()
        spread[unlabelled] = said.max() - said.min()
    assert spread[True] > 0.5 > 0.1 > spread[False]


def test_clicks_are_told_apart_from_the_catalogue(answered):
    log = answered[1]
    source = ClickSource(log, Sampling(n_negatives=16), seeded())
    sample = source.take(torch.arange(10), seeded())
    assert sample.candidates.shape[1] == 17
    assert (sample.has(Event.CLICK)[:, 0] == 1).all()
    assert not sample.has(Event.CLICK)[:, 1:].any()
    best = torch.zeros(sample.candidates.shape)
    best[:, 0] = 50
    assert sampled_click_loss(best, sample).item() == pytest.approx(0, abs=1e-6)
    assert sampled_click_loss(torch.zeros_like(best), sample).item() == pytest.approx(np.log(17), abs=1e-5)


def test_the_teacher_learns_what_satisfies(answered, fitted):
    specimen, _, obs = answered
    teacher = fitted.core.fitted_or_raise().module.saqrec.teacher
    felt = teacher(read_requests(obs, 50), torch.from_numpy(obs.candidates.astype(np.int64)))
    true = specimen.pleasure(obs.user_id, obs.candidates)
    assert np.corrcoef(felt.numpy().ravel(), true.ravel())[0, 1] > 0.4
    assert fitted.quality().auc > 0.6


def test_the_satisfaction_head_follows_the_teacher(answered, fitted):
    obs = answered[2]
    requests, candidates = read_requests(obs, 50), torch.from_numpy(obs.candidates.astype(np.int64))
    saqrec = fitted.core.fitted_or_raise().module.saqrec
    with torch.no_grad():
        _, felt = saqrec(requests, candidates)
        taught = saqrec.teacher(requests, candidates)
    assert np.corrcoef(torch.sigmoid(felt).numpy().ravel(), taught.numpy().ravel())[0, 1] > 0.5


def test_the_teacher_is_not_trained_with_the_student(answered, fitted):
    source = SlateSource(answered[1], Sampling(n_negatives=0), seeded())
    saqrec = fitted.core.fitted_or_raise().module.saqrec
    main_loss(saqrec, source.take(torch.arange(5), seeded()), TrainingPlan(), mixed=True).backward()
    assert all(weight.grad is None for weight in saqrec.teacher.parameters())
    assert saqrec.felt.layers[0].weight.grad.abs().sum() > 0


def test_satisfaction_is_served_when_asked_for(answered, fitted):
    specimen, _, obs = answered
    with torch.no_grad():
        click, _ = fitted.core.fitted_or_raise().module.saqrec(
            read_requests(obs, 50), torch.from_numpy(obs.candidates.astype(np.int64))
        )
    by_click = specimen.pleasure(obs.user_id, top_k(obs, click.numpy(), 5)).mean()
    assert specimen.pleasure(obs.user_id, fitted.rank(obs, 5, NOISE)).mean() > by_click + 0.1


def test_the_satisfaction_head_serves_alone(answered, fitted):
    _, _, obs = answered
    candidates = torch.from_numpy(obs.candidates.astype(np.int64))
    module = fitted.core.fitted_or_raise().module
    alone = (
        SaqrecPolicy(serving="satisfaction", satisfaction_weight=2.0).spec().make(catalogue_of(answered[1]), seeded())
    )
    alone.eval().load_state_dict(module.state_dict())
    with torch.no_grad():
        _, felt = module.saqrec(read_requests(obs, 50), candidates)
        score = alone(read_requests(obs, 50), candidates)
    assert torch.allclose(score, 2 * torch.nn.functional.logsigmoid(felt))


def test_without_weight_the_fused_ranker_is_the_base_ranker(answered):
    _, log, obs = answered
    few = replace(log, feedback=log.feedback.take(log.feedback.user_id < 60))
    fused, base = SaqrecPolicy(fuse_base=True, fuse_weight=0.0, epochs=1, max_targets=200), BasePolicy()
    fused.fit(few, seed=4)
    base.fit(few, seed=4)
    assert np.array_equal(fused.rank(obs, 6, NOISE), base.rank(obs, 6, NOISE))


def test_the_switch_changes_the_loss(answered, fitted):
    sample = SlateSource(answered[1], Sampling(n_negatives=0), seeded()).take(torch.arange(20), seeded())
    saqrec = fitted.core.fitted_or_raise().module.saqrec
    plain, mixed = (main_loss(saqrec, sample, TrainingPlan(), mixed=mixed).item() for mixed in (False, True))
    assert plain != pytest.approx(mixed, rel=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"n_groups": 0},
        {"clicks": 0},
        {"beta": -1.0},
        {"serving": "click*satisfaction", "mtl": False},
        {"serving": "satisfaction", "mtl": False},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="given"):
        SaqrecPolicy(**options)


def test_every_option_is_kept(answered, fitted, tmp_path):
    fitted.save(tmp_path / "saqrec")
    loaded = SaqrecPolicy.load(tmp_path / "saqrec")
    for option in fields(SaqrecPolicy):
        if option.init:
            assert getattr(loaded, option.name) == getattr(fitted, option.name)
    assert np.array_equal(loaded.scores(answered[2]), fitted.scores(answered[2]))
