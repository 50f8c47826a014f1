"""Sequence rankers find what comes next, are their papers' formulas, and see no padding."""

import json
from dataclasses import replace
from inspect import signature

import numpy as np
import pytest
import torch
from chains import Ring, draw_chains, follows

from policies.base import Event, FixedHistory, History
from policies.registry import POLICIES, build_policy, find_policy
from policies.sequential.caser import Caser
from policies.sequential.dmt import Dmt, slate_loss
from policies.sequential.gru4rec import Gru4RecPolicy
from policies.sequential.hgn import Hgn
from policies.sequential.sasrec import SasRec, SasRecPolicy
from policies.sequential.stamp import Stamp
from policies.simple.popular import PopularPolicy
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen
from policies.torch_rankers.click_sequence import SequenceOptions
from policies.torch_rankers.feature_tables import catalogue_of
from policies.torch_rankers.slate_samples import SlateSource
from policies.torch_rankers.view_samples import Sampling

RANKERS = [name for name in POLICIES if {"size", "history"} <= set(signature(find_policy(name)).parameters)]
"""Those that read so many views of a history, and embed them."""
H, D = 6, 8


def generator(seed=0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def first_fits(policy, log, ring) -> float:
    """Share of users whose first video is of the topic that they click next."""
    users = np.arange(ring.n_users)
    obs = draw_requests(log, users, 12, 30, np.random.default_rng(1))
    best = policy.scores(obs).argmax(1)
    return float(follows(ring, log, users, obs.candidates)[users, best].mean())


def gain(name: str, ring: Ring) -> float:
    """By how much a ranker finds the topic more often than popularity does."""
    log = draw_chains(ring, np.random.default_rng(0))
    options = {"size": 16, "history": 10} if name in RANKERS else {"size": 16}
    policy, popular = build_policy(name, options), PopularPolicy()
    policy.fit(log, 0)
    popular.fit(log, 0)
    return first_fits(policy, log, ring) - first_fits(popular, log, ring)


@pytest.mark.parametrize("name", ["stamp"])
def test_what_comes_next_is_found(name):
    assert gain(name, Ring(n_users=200, n_videos=32, n_topics=4, n_views=40)) > 0.3


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["caser", "gru4rec", "narm", "sasrec", "fmlprec", "gru4rec_m", "sasrec_m", "fmlprec_m", "saqrec"]
)
def test_what_comes_next_is_found_by_the_slower_and_the_merged(name):
    assert gain(name, Ring(n_users=300, n_videos=32, n_topics=4, n_views=40)) > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hgn", "dipn", "dmt", "dfn", "feedrec", "saqrec"])
def test_what_is_clicked_again_and_again_is_found(name):
    assert gain(name, Ring(n_users=300, n_videos=32, n_topics=4, n_views=40, step=0)) > 0.15


@pytest.fixture(scope="module")
def small():
    """A log with all kinds of events, and requests after it."""
    rng = np.random.default_rng(0)
    log = draw_log(make_specimen(30, 40, rng), SyntheticLogPlan(4, answer_share=0.5), rng)
    return log, draw_requests(log, np.arange(30), 12, 20, rng)


@pytest.mark.parametrize("name", RANKERS)
def test_padding_and_what_it_hides_do_not_matter(small, name):
    log, obs = small
    policy = build_policy(name, {"history": 30})
    policy.fit(log, 0)
    given = obs.history
    wide = {field: np.pad(getattr(given, field), ((0, 0), (9, 0))) for field in History.__dataclass_fields__}
    hidden = ~wide["mask"]
    for field, junk in {"video_id": 7, "watch_s": 99, "events": 0xFFFF, "hours_ago": 3}.items():
        wide[field] = np.where(hidden, junk, wide[field]).astype(wide[field].dtype)
    padded = replace(obs, read_history=FixedHistory(History(**wide)))
    np.testing.assert_allclose(policy.scores(padded), policy.scores(obs), atol=1e-5)


@pytest.mark.parametrize("name", RANKERS)
def test_fitting_leaves_torchs_own_generator_alone(small, name):
    before = torch.get_rng_state()
    build_policy(name, {"size": 8, "history": 5}).fit(small[0], 0)
    assert torch.equal(before, torch.get_rng_state())


def module(make, **options):
    rng = np.random.default_rng(0)
    log = draw_log(make_specimen(10, 20, rng), SyntheticLogPlan(2), rng)
    return make(catalogue_of(log), generator(), d=D, **options).eval()


X = torch.randn(1, 3, D, generator=generator(1))
ALL = torch.ones(1, 3, dtype=torch.bool)


def test_stamp_scores_by_the_trilinear_product():
    stamp = module(Stamp, h=H)
    last, usual = X[0, -1], X[0].mean(0)
    memory = torch.zeros(D)
    for x in X[0]:
        hidden = torch.sigmoid(stamp.of_click(x) + stamp.of_last(last) + stamp.of_mean(usual))
        memory += (hidden @ stamp.weight[:, 0]) * x
    candidate = torch.randn(D, generator=generator(2))
    first, second = torch.tanh(stamp.general(memory)), torch.tanh(stamp.current(last))
    want = sum(first[k] * second[k] * candidate[k] for k in range(D))
    torch.testing.assert_close(stamp.query(X, ALL)[0] @ candidate, want)


def test_hgn_gates_features_then_instances():
    hgn = module(Hgn, length=3)
    user = torch.randn(1, D, generator=generator(2))
    gated = [x * torch.sigmoid(hgn.of_click(x) + hgn.of_user(user[0])) for x in X[0]]
    share = [torch.sigmoid(hgn.instance(f)[0] + hgn.place(user[0])[k]) for k, f in enumerate(gated)]
    want = sum(s * f for s, f in zip(share, gated, strict=True)) / sum(share)
    torch.testing.assert_close(hgn.pooled(X, ALL, user)[0], want)


def test_closed_gates_let_nothing_through():
    hgn = module(Hgn, length=3)
    with torch.no_grad():
        hgn.of_click.bias.fill_(-100)
    assert hgn.pooled(X, ALL, torch.zeros(1, D)).abs().max() < 1e-6


def test_caser_has_a_filter_of_every_height_and_vertical_ones():
    caser = module(Caser, length=3, dropout=0.0)
    assert [tuple(layer.weight.shape) for layer in caser.across] == [(8, D), (8, 2 * D), (8, 3 * D)]
    assert tuple(caser.down.weight.shape) == (4, 3)
    found = caser.convolved(X)[0]
    assert found.shape == (8 * 3 + 4 * D,)
    pairs = torch.stack([caser.across[1](X[0, k : k + 2].flatten()) for k in range(2)])
    torch.testing.assert_close(found[8:16], torch.relu(pairs).amax(0))
    torch.testing.assert_close(found[24:], caser.down(X[0].T).flatten())


def test_sasrec_states_know_nothing_of_later_clicks():
    sasrec = module(SasRec, dropout=0.0, layers=2, reading=SequenceOptions(H))
    later = X.clone()
    later[:, 2] += 1
    one, other = (sasrec.encoder(x, ALL) for x in (X, later))
    torch.testing.assert_close(one[:, :2], other[:, :2])
    assert not torch.allclose(one[:, 2], other[:, 2], atol=1e-2)


def test_dmt_adds_the_bias_of_a_views_place_and_of_the_first_to_what_was_not_shown(small):
    log, _ = small
    dmt = Dmt(catalogue_of(log), generator(), d=D, dropout=0.0, answers="both").eval()
    slates = SlateSource(log, Sampling(n_negatives=3), generator()).take(torch.arange(9), generator())
    logits = dmt.tasks(slates.requests, slates.candidates).detach().clone()
    for column in range(slates.mask.shape[1]):
        place = column if column < slates.n_shown else 0
        logits[:, :, column] += dmt.bias(dmt.places[place])[:, None]
    happened = torch.stack([slates.has(Event.CLICK), slates.has(Event.LONG_VIEW)])
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, happened, reduction="none")
    want = each[:, slates.mask].mean(1).sum()
    assert slates.mask.shape[1] == slates.n_shown + 3
    torch.testing.assert_close(slate_loss(dmt, slates), want)


def test_unseen_videos_have_what_their_features_tell(small):
    log, obs = small
    few = replace(log, feedback=log.feedback.take(log.feedback.video_id < 30))
    policy = Gru4RecPolicy()
    policy.fit(few, 0)
    videos = policy.core.fitted_or_raise().module.videos
    table, given = videos.table().detach(), catalogue_of(few)
    want = (videos.by_tag[given.tag] + given.given @ videos.by_feature).detach()
    assert torch.equal(table[30:], want[30:])
    assert not torch.allclose(table[:30], want[:30], atol=1e-3)
    assert np.isfinite(policy.scores(obs)).all()


def test_users_of_an_unknown_id_are_served_by_their_features(small):
    log, obs = small
    policy = build_policy("hgn", {})
    policy.fit(replace(log, feedback=log.feedback.take(log.feedback.user_id < 20)), 0)
    users = policy.core.fitted_or_raise().module.users
    with torch.no_grad():
        before = policy.scores(obs)
        users.by_id[20:] += 100
    np.testing.assert_array_equal(policy.scores(obs), before)


def test_merged_rankers_tell_satisfied_from_dissatisfied(small):
    log, obs = small
    policy = build_policy("sasrec_m", {})
    policy.fit(log, 0)
    given = obs.history
    pleased = (given.events & np.uint16(Event.SATISFIED)) != 0
    both = np.uint16(Event.SATISFIED | Event.DISSATISFIED)
    turned = replace(given, events=np.where(pleased, given.events ^ both, given.events))
    assert not np.array_equal(given.events, turned.events)
    scores = policy.scores(replace(obs, read_history=FixedHistory(turned)))
    assert not np.allclose(scores, policy.scores(obs), atol=1e-4)


@pytest.mark.parametrize("name", ["sasrec", "fmlprec", "gru4rec"])
def test_folders_of_merged_rankers_from_before_the_option_load(small, tmp_path, name):
    log, obs = small
    policy = build_policy(f"{name}_m", {"size": 8, "typed": False, "epochs": 1})
    policy.fit(log, 0)
    policy.save(tmp_path)
    head = json.loads((tmp_path / "policy.json").read_text())
    assert head["policy"] == f"{name}_m"
    assert head["settings"].pop("merged") is True
    (tmp_path / "policy.json").write_text(json.dumps(head))
    loaded = find_policy(name).load(tmp_path)
    assert (loaded.merged, loaded.typed, loaded.size) == (True, False, 8)
    np.testing.assert_array_equal(loaded.scores(obs), policy.scores(obs))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sasrec", {"layers": 0}, "layers=0 given, want at least 1"),
        ("gru4rec", {"size": 0}, "size=0 given, want at least 1"),
        ("narm", {"dropout": 1.0}, "dropout=1.0 given, want at least 0 and less than 1"),
    ],
)
def test_options_out_of_range_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        build_policy(name, options)


def test_choices_that_are_none_are_refused():
    policy = SasRecPolicy()
    policy.negatives = "none"
    with pytest.raises(ValueError, match="negatives='none' given, want one of popular, uniform, unclicked"):
        policy.__post_init__()


def test_what_is_not_fitted_is_refused(small):
    with pytest.raises(ValueError, match="gru4rec is not fitted yet"):
        Gru4RecPolicy().scores(small[1])


def test_other_tables_are_refused(small):
    log, obs = small
    policy = Gru4RecPolicy()
    policy.fit(log, 0)
    videos = obs.videos
    fewer = type(videos)(videos.duration_s[:9], videos.tag[:9], videos.features[:9], videos.names)
    with pytest.raises(ValueError, match="9 videos and 2 user features given, but fitted on 40 and 2"):
        policy.scores(replace(obs, videos=fewer))
