"""INF: rank with implicit negative feedback, skips before all.

Reconstruction of Pan et al., "Learning and Optimization of Implicit Negative Feedback for Industrial Short-video
Recommender System", CIKM 2023, https://arxiv.org/abs/2308.13249, of which only abstract and introduction could be had:
a feedback-aware encoding (`policies.inf.encoder`) and a prediction of several objectives that keeps apart what they
share and what they do not (`policies.inf.objectives`). What is in between is ours: target attention twice, by the
target as if it were liked and as if it were skipped, a mixture of experts with a gate per objective, and, since
production has a ranker already, what that predicts of each candidate (`policies.two_tower.frozen_towers`). Learned from
are whole slates, so that a history is encoded once for all that was shown after it.

Axes: `b` requests, `n` candidates, `d` vector size.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, final

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.base import Log
from policies.checks import check_log
from policies.inf.encoder import FeedbackAttention, FeedbackTargetAttention, FeedbackTokens, RequestContext, positive
from policies.inf.objectives import (
    FIRST_LOGIT,
    OBJECTIVES,
    ObjectiveFusion,
    Thresholds,
    fuse,
    labels_of,
    loss,
    outcomes,
    thresholds_of,
)
from policies.kernel import TASKS
from policies.torch_rankers.feature_tables import FeatureTables, UserEmbedding, VideoEmbedding, catalogue_of
from policies.torch_rankers.histories import RequestBatch, trimmed
from policies.torch_rankers.initialisers import linear
from policies.torch_rankers.layers import Dropout, Mmoe
from policies.torch_rankers.ranker import TorchPolicy
from policies.torch_rankers.slate_samples import PER_STEP, SlateSample, SlateSource
from policies.torch_rankers.spec import FittedRanker, RankerSpec, learn
from policies.torch_rankers.view_samples import Sampling, Unshown, with_unshown
from policies.two_tower.fit import Recipe, fit_towers
from policies.two_tower.frozen_towers import N_TOLD, TowerWeights

_PARTS: Final = 5
_UNITS: Final = 16
_NO_VIDEOS: Final = Thresholds(torch.zeros(0), torch.zeros(0))
"""Until a log is learned from."""


@final
@dataclass(frozen=True)
class InfShape:
    """Sizes and parts.

    Attributes:
        d: Length of vectors.
        h: Views of a history.
        experts: Shared by the objectives.
        dropout: In training.
        rates: Whether the base ranker's rates are read.
    """

    d: int
    h: int
    experts: int
    dropout: float
    rates: bool


@final
class Rates(nn.Module):
    """Rates that the base ranker predicts per candidate: inputs of the experts, with a linear skip to every head."""

    def __init__(self, catalogue: FeatureTables, generator: torch.Generator) -> None:
        """Begin with straight ways that are shut."""
        super().__init__()
        self.towers = TowerWeights(catalogue)
        self.straight = linear(TASKS, len(OBJECTIVES), generator)
        nn.init.zeros_(self.straight.weight)

    @override
    def forward(
        self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]
    ) -> tuple[Float32[Tensor, "b n i"], Float32[Tensor, "tasks b n"]]:
        """Compute the inputs, and the skip term of each objective."""
        features = self.towers.tower_features(requests, candidates)
        return features, self.straight(features[..., :TASKS]).movedim(-1, 0)


@final
class Inf(nn.Module):
    """Feedback-aware encoding, two target attentions, experts, and one head per objective."""

    def __init__(self, catalogue: FeatureTables, shape: InfShape, generator: torch.Generator) -> None:
        """Begin with heads at about the usual rates."""
        super().__init__()
        d = shape.d
        self.rates = Rates(catalogue, generator) if shape.rates else None
        self.videos = VideoEmbedding(catalogue, d, generator)
        self.users = UserEmbedding(catalogue, d, generator)
        self.tokens = FeedbackTokens(shape.h, d, generator)
        self.attention = FeedbackAttention(d, 2, Dropout(shape.dropout, generator), generator)
        self.context = RequestContext(d, generator)
        self.asking = FeedbackTargetAttention(d, _UNITS, generator)
        inputs = _PARTS * d + (N_TOLD if shape.rates else 0)
        self.experts = Mmoe((inputs, 2 * d, d), shape.experts, len(OBJECTIVES), generator)
        self.heads = nn.ModuleList([linear(d, 1, generator) for _ in OBJECTIVES])
        for head, begin in zip(self.heads, FIRST_LOGIT, strict=True):
            nn.init.constant_(head.get_parameter("bias"), begin)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "tasks b n"]:
        """One number per objective and candidate."""
        requests = replace(requests, views=trimmed(requests.views))
        views, table = requests.views, self.videos.table()
        target = functional.embedding(candidates, table)
        liked = positive(views)
        tokens = self.tokens(functional.embedding(views.video_id, table), requests)
        x = self.attention(tokens, liked, views.mask)
        whole = [part[:, None].expand_as(target) for part in (self.users(requests), self.context(requests))]
        rate_features, straight = (target[..., :0], 0.0) if self.rates is None else self.rates(requests, candidates)
        mixed = self.experts(
            torch.cat([self.asking(target, x, liked, views.mask), target, *whole, rate_features], dim=-1)
        )
        return torch.stack([head(each)[..., 0] for head, each in zip(self.heads, mixed, strict=True)]) + straight


@final
class InfScorer(nn.Module):
    """Network and fusion that serve requests."""

    def __init__(self, net: Inf, fusion: ObjectiveFusion, *, ordinal: bool) -> None:
        """Keep both."""
        super().__init__()
        self.net, self.fusion, self.ordinal = net, fusion, ordinal

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Scores."""
        return fuse(outcomes(self.net(requests, candidates), ordinal=self.ordinal), self.fusion)


def inf_loss(scorer: InfScorer, slates: SlateSample, thresholds: Thresholds) -> Float32[Tensor, ""]:
    """Loss of all objectives on the views of some slates."""
    present = slates.mask
    labels = labels_of(thresholds, slates.candidates[present], slates.events[present], slates.watch_s[present])
    return loss(scorer.net(slates.requests, slates.candidates)[:, present], labels, ordinal=scorer.ordinal)


def make_scorer(
    catalogue: FeatureTables, generator: torch.Generator, *, shape: InfShape, fusion: ObjectiveFusion, ordinal: bool
) -> InfScorer:
    """Return the module with its first weights."""
    return InfScorer(Inf(catalogue, shape, generator), fusion, ordinal=ordinal)


def fit_scorer(
    spec: RankerSpec, log: Log, seed: int, *, make: Callable[[FeatureTables, torch.Generator], InfScorer]
) -> FittedRanker:
    """Fit the base ranker's towers, if they are read, then the network, with the log's own thresholds.

    Raises:
        ValueError: The log has no views, or features that are not finite.
    """
    check_log(log)
    spec = replace(spec, loss=partial(inf_loss, thresholds=thresholds_of(log)))
    generator = torch.Generator().manual_seed(seed)
    catalogue = catalogue_of(log)
    scorer = make(catalogue, generator)
    if scorer.net.rates is not None:
        scorer.net.rates.towers.fill(fit_towers(log, Recipe(spec.sampling.history), seed))
    learn(scorer, spec, SlateSource(log, spec.sampling, generator), generator)
    return FittedRanker(catalogue, scorer.eval())


@final
@dataclass(eq=False)
class InfPolicy(TorchPolicy):
    """Rank by expected watch time, against predicted skips and hates (implicit negative feedback).

    Attributes:
        watch_power: Power of the expected seconds; at least 0, as are all powers and weights.
        skip_power: Power of the chance of no skip; 0 is the ranker without implicit negative feedback.
        hate_power: Power of the chance of no hate.
        effective_weight: Weight of the chance of an effective view.
        finished_weight: Weight of the chance of a finished view.
        like_weight: Weight of the chance of a like.
        ordinal: Whether outcomes are steps of one ladder, so that no chance of an effective view and a skip exceeds 1.
        size: Length of embeddings; even.
        history: Latest views that are read of each user; at least 1.
        experts: Experts that the objectives share; at least 1.
        rates: Read what the base ranker's towers, fitted first on the same log, predict of each candidate.
        dropout: In training.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most, in whole slates; at least 1.
        unshown: Videos that count as skipped beside what was shown, see `policies.torch_rankers.view_samples.Unshown`;
            none in a feed.
        learning_rate: At the first step; more than 0.
    """

    watch_power: float = 1.0
    skip_power: float = 1.0
    hate_power: float = 5.0
    effective_weight: float = 1.0
    finished_weight: float = 1.0
    like_weight: float = 5.0
    ordinal: bool = True
    size: int = 24
    history: int = 30
    experts: int = 4
    rates: bool = True
    dropout: float = 0.1
    epochs: int = 3
    max_targets: int = 500_000
    unshown: Unshown = "none"
    learning_rate: float = 0.01

    @override
    def spec(self) -> RankerSpec:
        sampling = with_unshown(Sampling(self.history, self.max_targets, targets="shown"), self.unshown)
        shape = InfShape(self.size, self.history, self.experts, self.dropout, self.rates)
        make = partial(make_scorer, shape=shape, fusion=self._fusion(), ordinal=self.ordinal)
        return RankerSpec(
            "inf",
            make,
            partial(inf_loss, thresholds=_NO_VIDEOS),
            sampling,
            self.epochs,
            self.learning_rate,
            PER_STEP,
            SlateSource,
            fit_with=partial(fit_scorer, make=make),
        )

    def _fusion(self) -> ObjectiveFusion:
        return ObjectiveFusion(
            watch=self.watch_power,
            skip=self.skip_power,
            hate=self.hate_power,
            effective=self.effective_weight,
            finished=self.finished_weight,
            like=self.like_weight,
        )
