"""Rankers against another implementation of the same papers, trained on the same sequences and asked the same."""

import numpy as np
import pytest
import torch
from chains import Ring, draw_chains
from torch import nn
from torch.nn import functional

from policies.base import Event
from policies.registry import build_policy
from policies.sequential.gru4rec import Gru4RecPolicy
from policies.testing.synthetic_logs import draw_requests
from policies.torch_rankers.histories import Behaviour, read_views, subsequence
from policies.torch_rankers.view_samples import SampleSource, Sampling

RING = Ring(n_users=300, n_videos=40, n_topics=5, n_views=40)
H, D, EPOCHS = 10, 32, 6
LEARNING_RATE = Gru4RecPolicy().spec().learning_rate


@pytest.fixture(scope="module")
def ground():
    """Log without each user's last click, samples of it, requests that rank every video, and the click left out."""
    log = draw_chains(RING, np.random.default_rng(0))
    clicked = np.flatnonzero(log.feedback.has(Event.CLICK))
    last = clicked[np.searchsorted(log.feedback.user_id[clicked], np.arange(RING.n_users), side="right") - 1]
    before = np.arange(len(log.feedback)) < last[log.feedback.user_id]
    known = type(log)(log.feedback.take(before), log.users, log.videos)
    obs = draw_requests(known, np.arange(RING.n_users), RING.n_videos, 50, np.random.default_rng(1))
    return known, obs, log.feedback.video_id[last]


def gains(scores: np.ndarray, videos: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """NDCG@10 of each user: one video is wanted."""
    place = np.argsort(np.argsort(-scores, axis=1), axis=1)[videos == wanted[:, None]]
    return np.where(place < 10, 1 / np.log2(place + 2), 0)


def left_aligned(views) -> torch.Tensor:
    """Ids from 1, zeros on the right."""
    ids = torch.where(views.mask, views.video_id + 1, 0)
    return torch.stack([row.roll(-int((row == 0).sum())) for row in ids])


def right_aligned(ids: torch.Tensor) -> torch.Tensor:
    """Zeros on the left instead, the order kept."""
    return torch.stack([row.roll(int((row == 0).sum())) for row in ids])


def samples(log) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clicks before each click, that click, and negatives; ids from 1."""
    generator = torch.Generator().manual_seed(0)
    source = SampleSource(log, Sampling(n_negatives=16, negatives="uniform"), generator)
    sample = source.sample(source.rows, generator)
    clicks = left_aligned(subsequence(sample.requests.views, Behaviour.CLICKED, H))
    some = clicks[:, 0] > 0
    return clicks[some], sample.candidates[some, 0] + 1, sample.candidates[some, 1:] + 1


def trained(model: nn.Module, loss, data) -> nn.Module:
    """A model after some passes."""
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    generator = torch.Generator().manual_seed(1)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(data[0]), generator=generator).split(128):
            optimiser.zero_grad()
            loss(model, *(part[rows] for part in data)).backward()
            optimiser.step()
    return model.eval()


def sequence(name: str, **options):
    """A feature as the library wants it."""
    from torch_rechub.basic.features import SequenceFeature

    return SequenceFeature(name, RING.n_videos + 1, embed_dim=D, pooling="concat", padding_idx=0, **options)


def stamp():
    from torch_rechub.models.matching import STAMP

    model = STAMP(sequence("seq"), weight_std=0.05, emb_std=0.1)
    return model, lambda m, seq, hit, _: functional.cross_entropy(m({"seq": seq}), hit), lambda m, seq: m({"seq": seq})


def narm():
    from torch_rechub.models.matching import NARM

    model = NARM(sequence("seq"), D, 0.1, 0.2)

    def read(m, seq):
        """It fails on columns that no sequence of a batch reaches."""
        return m({"seq": seq[:, : int((seq > 0).sum(1).max())]})

    return model, lambda m, seq, hit, _: functional.cross_entropy(read(m, seq), hit), read


def sasrec():
    from torch_rechub.models.matching import SASRec

    features = [sequence("seq"), sequence("pos", shared_with="seq"), sequence("neg", shared_with="seq")]
    model = SASRec(features, max_len=H, dropout_rate=0.1)

    def loss(m, seq, hit, negatives):
        after = torch.cat([seq[:, 1:], torch.zeros_like(seq[:, :1])], dim=1)
        after[torch.arange(len(seq)), (seq > 0).sum(1) - 1] = hit
        up, down = m({"seq": seq, "pos": after, "neg": negatives[:, :H]})
        return (functional.softplus(-up) + functional.softplus(down))[seq > 0].mean()

    def score(m, seq):
        m.mode = "user"
        return m({"seq": seq}) @ m.item_emb.embed_dict["seq"].weight.T

    return model, loss, score


def gru4rec():
    from torch_rechub.basic.features import SparseFeature
    from torch_rechub.models.matching import GRU4Rec

    one = SparseFeature("one", 2, embed_dim=1)
    item = SparseFeature("item", RING.n_videos + 1, embed_dim=D)
    parts = ([one], [sequence("seq", shared_with="item")], [item], [sequence("neg", shared_with="item")])
    model = GRU4Rec(*parts, {"dims": [D], "activation": "prelu"}, temperature=0.1)

    def logits(m, seq, items, negatives):
        ones = torch.ones(len(seq), dtype=torch.int64)
        asked = {"one": ones, "seq": right_aligned(seq), "item": items, "neg": negatives}
        return (m.user_tower(asked) * m.item_tower(asked)).sum(-1) / m.temperature

    def loss(m, seq, hit, negatives):
        return functional.cross_entropy(logits(m, seq, hit, negatives), torch.zeros(len(hit), dtype=torch.int64))

    def score(m, seq):
        every = torch.arange(1, RING.n_videos + 1).expand(len(seq), -1)
        return logits(m, seq, torch.zeros(len(seq), dtype=torch.int64), every)

    return model, loss, score


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [stamp, narm, sasrec, gru4rec])
def test_rankers_do_no_worse_than_those_of_torch_rechub(ground, make):
    """Theirs may do worse: of the same passes at the same rate, its SASRec makes little more than popularity."""
    log, obs, wanted = ground
    with torch.random.fork_rng():
        model, loss, score = make()
        model = trained(model, loss, samples(log))
    asked = left_aligned(subsequence(read_views(obs.history, 50), Behaviour.CLICKED, H))
    with torch.no_grad():
        theirs = score(model, asked).numpy()
    theirs = gains(np.take_along_axis(theirs, obs.candidates + 1, axis=1), obs.candidates, wanted)
    policy = build_policy(make.__name__, {"negatives": "uniform", "epochs": EPOCHS})
    policy.fit(log, 0)
    ours = gains(policy.scores(obs), obs.candidates, wanted)
    error = np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / len(ours))
    assert ours.mean() > 0.3
    assert ours.mean() - theirs.mean() > -2 * error
