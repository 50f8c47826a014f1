r"""SAQRec's networks: the recommender that its embeddings come from, and the main model that questionnaires shape.

Ke et al., "SAQRec: Aligning Recommender Systems to User Satisfaction via Questionnaire Feedback", CIKM 2024,
https://doi.org/10.1145/3627673.3679643, section 4.2. Clicked, satisfied and dissatisfied views are encoded apart
(equation 8); SID and MLSE draw satisfaction out of the clicks (equations 9 to 12, `policies.saqrec.interests`);

$$u_f = \sum_k w_k\,[u_{s+}, u_{s-}, h_r, u_{MLSE}, v_u]_k, \qquad
\hat y = u_f \cdot v_i, \qquad s_f = u_f \cdot \mathrm{MLP}_s(v_i).$$

A user without answers of a kind has the longest-watched click as satisfied view, the shortest-watched as dissatisfied
one, as in the authors' code. The simulator hands out the last 50 views, answers among them, so that the paper's
lengths (50 clicks, 20 satisfied, 5 dissatisfied) are cut to what can be there [R].

Axes: `b` requests, `n` candidates, `d` embedding size, `h` history length, `m` clicked views.

SAQRec's first stage: who answers, and what satisfies those who did, on frozen embeddings.

Ke et al., CIKM 2024, https://doi.org/10.1145/3627673.3679643, section 4.1. A network $\rho(u, i)$ learns from all views
which are answered (equation 5); a network $g(u, i)$ learns from the answers, weighted by $1 / \max(\rho, M)$, what is
satisfied (equation 6). The embeddings of users and videos come from a recommender trained before and stay as they are,
which is what lets $g$ speak of videos that nobody was asked about.

Axes: `rows` views, `d` sizes of embeddings.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.saqrec.interests import DenoisedInterest, InterestVariant, LevelledInterest, WeightedSum
from policies.torch_rankers.feature_tables import FeatureTables, UserEmbedding, VideoEmbedding
from policies.torch_rankers.histories import Answers, Behaviour, RequestBatch, ViewSequence, chosen, pack, trimmed
from policies.torch_rankers.initialisers import linear
from policies.torch_rankers.layers import EncoderShape, Mlp, SequenceEncoder

_HIDDEN: Final = (64, 32)
"""Units; 200 and 80 in the authors' code, for larger embeddings [R]."""


@final
class PairNetwork(nn.Module):
    """A number about a user and a video: both embeddings and their product through two hidden layers.

    The product [R] is not in the paper's input; without it the match of a taste has to be learned from answers alone.
    """

    def __init__(self, d: int, generator: torch.Generator) -> None:
        """Begin undecided about everything."""
        super().__init__()
        first, second = _HIDDEN
        self.of_user = linear(d, first, generator)
        self.of_video = linear(d, first, generator)
        self.of_both = linear(d, first, generator)
        self.inner = linear(first, second, generator)
        self.outer = linear(second, 1, generator)
        nn.init.zeros_(self.outer.weight)

    @override
    def forward(self, user: Float32[Tensor, "*#b d"], video: Float32[Tensor, "*#b d"]) -> Float32[Tensor, "*b"]:
        """The logit."""
        hidden = torch.relu(self.of_user(user) + self.of_video(video) + self.of_both(user * video))
        return self.outer(torch.relu(self.inner(hidden)))[..., 0]


_SATISFIED: Final = 10
_DISSATISFIED: Final = 5


@final
@dataclass(frozen=True)
class TeacherQuality:
    """How well answers that were not learned from are predicted.

    Attributes:
        answers: Their number.
        auc: Chance that a satisfied one is predicted above another; .5 is chance, NaN where all said the same.
        spread: Standard deviation of the predicted chances; a teacher without spread teaches nothing.
    """

    answers: int
    auc: float
    spread: float


@final
class SatisfactionNetwork(nn.Module):
    """Logit of satisfaction: a network on frozen vectors, plus an effect per video.

    The effect [R] is not in the paper. What satisfies is in part a property of the video that clicks do not show, so
    that vectors learned from clicks hold next to nothing of it.
    """

    def __init__(self, shape: "SaqrecShape", n_videos: int, generator: torch.Generator) -> None:
        """Begin undecided about everything."""
        super().__init__()
        self.pair = PairNetwork(shape.d, generator)
        self.effect = nn.Parameter(torch.zeros(n_videos)) if shape.video_effect else None
        self.register_buffer("judged", torch.full((3,), torch.nan))

    @override
    def forward(
        self, user: Float32[Tensor, "*#b d"], video: Float32[Tensor, "*#b d"], video_id: Int64[Tensor, "*b"]
    ) -> Float32[Tensor, "*b"]:
        """The logit."""
        logit = self.pair(user, video)
        return logit if self.effect is None else logit + self.effect[video_id]

    def record(self, quality: TeacherQuality) -> None:
        """Store how well satisfaction is predicted among the weights."""
        self.get_buffer("judged").copy_(torch.tensor([quality.answers, quality.auc, quality.spread]))

    def quality(self) -> TeacherQuality | None:
        """Return how well satisfaction is predicted; None where no answer was learned from."""
        answers, auc, spread = self.get_buffer("judged").tolist()
        return None if math.isnan(answers) else TeacherQuality(int(answers), auc, spread)


@final
@dataclass(frozen=True)
class SaqrecShape:
    """Sizes and parts of the main model; a part that is False is left out (the paper's ablations).

    Attributes:
        d: Length of vectors.
        clicks: Clicks of a history that are read, at most.
        n_groups: Levels of satisfaction, N_l.
        dropout: In training.
        variant: The paper's equations or the authors' code, see `policies.saqrec.interests`.
        answers: What tells satisfied from dissatisfied views.
        sid: Ask clicks what agrees with satisfaction.
        mlse: Group clicks by satisfaction.
        mtl: Predict satisfaction as a second task.
        video_effect: Give each video an effect on satisfaction, see `SatisfactionNetwork`.
    """

    d: int = 32
    clicks: int = 25
    n_groups: int = 8
    dropout: float = 0.1
    variant: InterestVariant = "paper"
    answers: Answers = "questionnaire"
    sid: bool = True
    mlse: bool = True
    mtl: bool = True
    video_effect: bool = True


@final
class Embeddings(nn.Module):
    """Layers that the base recommender and the main model share: embeddings, and an encoder of clicks."""

    def __init__(self, catalogue: FeatureTables, shape: SaqrecShape, generator: torch.Generator) -> None:
        super().__init__()
        self.videos = VideoEmbedding(catalogue, shape.d, generator)
        self.users = UserEmbedding(catalogue, shape.d, generator)
        self.clicked = SequenceEncoder(EncoderShape(shape.clicks, shape.d), generator, shape.dropout)


@final
class SaqrecBase(nn.Module):
    """The recommender trained first: one encoder of clicks and the user's features, weighed, times the video."""

    def __init__(self, catalogue: FeatureTables, shape: SaqrecShape, generator: torch.Generator) -> None:
        super().__init__()
        self.clicks = shape.clicks
        self.embeddings = Embeddings(catalogue, shape, generator)
        self.fuse = WeightedSum(2, shape.d, "code", generator)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Logits of clicks."""
        table = self.embeddings.videos.table()
        return (functional.embedding(candidates, table) @ self.user(requests, table)[:, :, None])[:, :, 0]

    def user(self, requests: RequestBatch, table: Float32[Tensor, "videos d"]) -> Float32[Tensor, "b d"]:
        """Compute the user's vector; the teacher's too [R], as it describes tastes of users without an embedding."""
        clicks = clicked_views(requests.views, self.clicks)
        last = self.embeddings.clicked.last(functional.embedding(clicks.video_id, table), clicks.mask)
        vectors = torch.stack([last, self.embeddings.users(requests)], dim=1)
        return self.fuse(vectors, torch.ones(len(last), 2, dtype=torch.bool))


@final
class Teacher(nn.Module):
    """Stage 1 as the main model sees it: satisfaction of any user with any video, on frozen embeddings."""

    def __init__(self, base: SaqrecBase, satisfaction: SatisfactionNetwork) -> None:
        super().__init__()
        self.base, self.satisfaction = base, satisfaction
        self.requires_grad_(requires_grad=False)

    @override
    def forward(self, requests: RequestBatch, video_id: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Chance that the user is satisfied with each video."""
        return self.felt(self.user(requests), video_id)

    def user(self, requests: RequestBatch) -> Float32[Tensor, "b d"]:
        """The user's frozen vector."""
        return self.base.user(requests, self.base.embeddings.videos.table())

    def felt(self, user: Float32[Tensor, "b d"], video_id: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Predict the chance of satisfaction from user vectors that are already computed."""
        video = functional.embedding(video_id, self.base.embeddings.videos.table())
        return torch.sigmoid(self.satisfaction(user[:, None], video, video_id))


@final
class Saqrec(nn.Module):
    """The main model, f in the paper; the teacher inside it is never trained with it."""

    def __init__(self, catalogue: FeatureTables, shape: SaqrecShape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self.embeddings = Embeddings(catalogue, shape, generator)
        self.satisfied = SequenceEncoder(EncoderShape(_SATISFIED, shape.d), generator, shape.dropout)
        self.dissatisfied = SequenceEncoder(EncoderShape(_DISSATISFIED, shape.d), generator, shape.dropout)
        self.sid = nn.ModuleList(DenoisedInterest(shape.d, shape.variant, generator) for _ in range(2 * shape.sid))
        self.mlse = LevelledInterest(shape.n_groups, shape.d, shape.variant, generator) if shape.mlse else None
        self.fuse = WeightedSum(4 + shape.mlse, shape.d, shape.variant, generator)
        self.felt = Mlp((shape.d, shape.d, shape.d), generator) if shape.mtl else None
        base = SaqrecBase(catalogue, replace(shape, dropout=0.0), generator)
        self.teacher = Teacher(base, SatisfactionNetwork(shape, len(catalogue.tag), generator))

    @override
    def forward(
        self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]
    ) -> tuple[Float32[Tensor, "b n"], Float32[Tensor, "b n"]]:
        """Logits of a click and of satisfaction (equation 14); the latter is 0 without its head."""
        return self.score(requests, candidates, self.teacher.user(requests))

    def score(
        self, requests: RequestBatch, candidates: Int64[Tensor, "b n"], taught: Float32[Tensor, "b d"]
    ) -> tuple[Float32[Tensor, "b n"], Float32[Tensor, "b n"]]:
        """Score candidates, given the teacher's user vectors, which MLSE needs."""
        table = self.embeddings.videos.table()
        user, video = self.user(requests, table, taught)[:, :, None], functional.embedding(candidates, table)
        click = (video @ user)[:, :, 0]
        return click, torch.zeros_like(click) if self.felt is None else (self.felt(video) @ user)[:, :, 0]

    def user(
        self, requests: RequestBatch, table: Float32[Tensor, "videos d"], taught: Float32[Tensor, "b d"]
    ) -> Float32[Tensor, "b d"]:
        """u_f (equation 13)."""
        views, answers = requests.views, self.shape.answers
        clicks = clicked_views(views, self.shape.clicks)
        h_r = self.embeddings.clicked(functional.embedding(clicks.video_id, table), clicks.mask)
        felt: list[Tensor] = []
        for encoder, told in (
            (self.satisfied, pack(views, satisfied_views(views, answers), _SATISFIED)),
            (self.dissatisfied, pack(views, dissatisfied_views(views, answers), _DISSATISFIED)),
        ):
            felt.append(encoder.last(functional.embedding(told.video_id, table), told.mask))
        if len(self.sid):
            felt = [sid(h_r, clicks.mask, h) for sid, h in zip(self.sid, felt, strict=True)]
        vectors = [*felt, h_r[:, -1], self.embeddings.users(requests)]
        if self.mlse is not None:
            vectors.append(self.mlse(h_r, clicks.mask, self.teacher.felt(taught, clicks.video_id)))
        stacked = torch.stack(vectors, dim=1)
        return self.fuse(stacked, torch.ones(stacked.shape[:2], dtype=torch.bool))


def clicked_views(views: ViewSequence, n: int) -> ViewSequence:
    """The newest clicks, `n` at most, with as many columns as the longest row has."""
    return trimmed(pack(views, chosen(views, Behaviour.CLICKED), n))


def satisfied_views(views: ViewSequence, answers: Answers) -> Bool[Tensor, "b h"]:
    """Views that satisfied; the longest-watched click where there are none."""
    return _or_click(views, chosen(views, Behaviour.SATISFIED, answers), views.watch_s)


def dissatisfied_views(views: ViewSequence, answers: Answers) -> Bool[Tensor, "b h"]:
    """Views that did not satisfy; the shortest-watched click where there are none."""
    return _or_click(views, chosen(views, Behaviour.DISSATISFIED, answers), -views.watch_s)


def _or_click(views: ViewSequence, told: Bool[Tensor, "b h"], liking: Float32[Tensor, "b h"]) -> Bool[Tensor, "b h"]:
    """Return the given views, or for users without any the click with the largest `liking`; the oldest of equals."""
    clicked = chosen(views, Behaviour.CLICKED)
    best = liking.masked_fill(~clicked, -torch.inf).argmax(dim=1, keepdim=True)
    alone = torch.zeros_like(told).scatter(1, best, value=True) & clicked
    return torch.where(told.any(1, keepdim=True), told, alone)
