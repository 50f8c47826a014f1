"""Training of SAQRec: a base recommender, the answer and satisfaction models, then the main model in two phases.

Ke et al., CIKM 2024, https://doi.org/10.1145/3627673.3679643. The main model begins with all parameters that it shares
with the base recommender, as in the authors' code. Labels are the teacher's for the first `n_mix` epochs and corrected
by the student from then on; each phase has its own schedule of learning rates [R].

Axes: `b` slates, `n` candidates, `rows` views.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Final, Literal, TypeAlias, final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from policies.base import Answer, Event, Log
from policies.saqrec.losses import LambdaMode, Normalise, inverse_propensity_loss, pseudo_label
from policies.saqrec.model import PairNetwork, Saqrec, SaqrecBase, SatisfactionNetwork, TeacherQuality
from policies.torch_rankers.feature_tables import catalogue_of
from policies.torch_rankers.losses import cross_entropy
from policies.torch_rankers.ranker import Teaching
from policies.torch_rankers.slate_samples import ClickSource, SlateSample, SlateSource
from policies.torch_rankers.spec import RankerSpec, learn
from policies.torch_rankers.training import TrainingSchedule, one_thread, train
from policies.torch_rankers.view_samples import SampleSource, choose_rows

_log = logging.getLogger(__name__)

PropensityTarget: TypeAlias = Literal["answered", "exposed"]
"""What the propensity is of: an answer, as in the authors' code, or a questionnaire shown, as in the paper."""
OBSERVED: Final = ("answered", "exposed")
_JUDGED: Final = 10
"""One answer in so many is kept from learning."""
_MOST_ANSWERS: Final = 400_000
_MOST_SILENT: Final = 60_000
"""Answers, and views without one, that stage 1 learns from at most."""
_CHUNK: Final = 512
_SCHEDULE: Final = TrainingSchedule(epochs=8, users_per_step=512, learning_rate=0.02, longest_gradient=5.0, patience=2)
_EFFECT_PRECISION: Final = 1.0
"""Of the normal prior of each video's effect on satisfaction [R]."""


@final
@dataclass(frozen=True)
class TrainingPlan:
    """Training settings of SAQRec.

    Attributes:
        beta: Weight of the satisfaction loss.
        n_mix: Epochs in which labels are the teacher's alone.
        epochs: Of the main model in all.
        clip: M, as a share of the mean propensity [R]: an answer may be as rare as one view in thousands.
        normalise: Of the weighted loss.
        lambda_mode: How disagreement with the teacher is measured.
        observed: What the propensity is of.
        unbiased: Weigh answers by inverse propensities; False weighs them alike.
        unlabelled: Count clicks without an answer as not satisfied.
        teaching: What clicks are told apart from.
        base_epochs: Of the recommender that is trained first.
    """

    beta: float = 1.0
    n_mix: int = 3
    epochs: int = 5
    clip: float = 0.2
    normalise: Normalise = "self"
    lambda_mode: LambdaMode = "bce"
    observed: PropensityTarget = "answered"
    unbiased: bool = True
    unlabelled: bool = False
    teaching: Teaching = "feed"
    base_epochs: int = 2

    @property
    def click_loss(self) -> Callable[[Float32[Tensor, "b n"], SlateSample], Float32[Tensor, ""]]:
        """L_C."""
        return click_loss if self.teaching == "feed" else sampled_click_loss


@final
@dataclass(frozen=True)
class Pairs:
    """Views with the frozen vectors of both sides.

    Attributes:
        user: Vector of the user as of the view's request.
        video: Vector of the video.
        video_id: The video.
        events: Event bits.
        weight: Views that each stands for.
    """

    user: Float32[Tensor, "rows d"]
    video: Float32[Tensor, "rows d"]
    video_id: Int64[Tensor, " rows"]
    events: Int64[Tensor, " rows"]
    weight: Float32[Tensor, " rows"]

    def __len__(self) -> int:
        return len(self.weight)

    def has(self, event: Event) -> Bool[Tensor, " rows"]:
        """Return whether each view has one of these events."""
        return (self.events & int(event)) != 0

    def take(self, rows: Tensor) -> "Pairs":
        """Some of them."""
        return Pairs(*(getattr(self, field.name)[rows] for field in fields(self)))


def train_stages(saqrec: Saqrec, spec: RankerSpec, plan: TrainingPlan, log: Log, generator: torch.Generator) -> None:
    """Train all stages on a log; without answers the teacher predicts 1/2 for every view."""
    source = (SlateSource if plan.teaching == "feed" else ClickSource)(log, spec.sampling, generator)
    base = SaqrecBase(catalogue_of(log), saqrec.shape, generator)
    learn(base, replace(spec, loss=partial(base_loss, plan=plan), epochs=plan.base_epochs), source, generator)
    saqrec.embeddings.load_state_dict(base.embeddings.state_dict())
    saqrec.teacher.base.load_state_dict(base.state_dict())
    pairs = gather_pairs(base.eval(), source.views, log, generator)
    fit_satisfaction(saqrec.teacher.satisfaction, pairs, plan, generator)
    for mixed, epochs in phases(plan):
        loss = partial(main_loss, plan=plan, mixed=mixed)
        learn(saqrec, replace(spec, loss=loss, epochs=epochs), source, generator)


def phases(plan: TrainingPlan) -> list[tuple[bool, int]]:
    """Split the epochs into phases: whether labels are corrected, and for how many epochs.

    >>> phases(TrainingPlan(n_mix=3, epochs=5)), phases(TrainingPlan(n_mix=3, epochs=2))
    ([(False, 3), (True, 2)], [(False, 2)])
    """
    plain = min(plan.n_mix, plan.epochs)
    return [(mixed, n) for mixed, n in ((False, plain), (True, plan.epochs - plain)) if n]


def click_loss(logits: Float32[Tensor, "b n"], slates: SlateSample) -> Float32[Tensor, ""]:
    """L_C (equation 15): binary cross-entropy of clicks on all that was shown, the paper's D."""
    present = slates.mask
    return functional.binary_cross_entropy_with_logits(logits[present], slates.has(Event.CLICK)[present])


def sampled_click_loss(logits: Float32[Tensor, "b n"], slates: SlateSample) -> Float32[Tensor, ""]:
    """L_C where a click is told apart from videos of the catalogue: cross-entropy of the first candidate."""
    return cross_entropy(logits.masked_fill(~slates.mask, -torch.inf))


def base_loss(base: SaqrecBase, slates: SlateSample, plan: TrainingPlan) -> Float32[Tensor, ""]:
    """Loss of the recommender that is trained first."""
    return plan.click_loss(base(slates.requests, slates.candidates), slates)


def main_loss(saqrec: Saqrec, slates: SlateSample, plan: TrainingPlan, *, mixed: bool) -> Float32[Tensor, ""]:
    """Compute L_C + beta L_S (equation 19); L_S is corrected for clicked and other views separately."""
    taught = saqrec.teacher.user(slates.requests)
    click, felt = saqrec.score(slates.requests, slates.candidates, taught)
    loss = plan.click_loss(click, slates)
    if saqrec.felt is None or plan.beta == 0:
        return loss
    teacher = saqrec.teacher.felt(taught, slates.candidates)
    student, label = torch.sigmoid(felt.detach()), torch.zeros_like(teacher)
    clicked = slates.has(Event.CLICK) > 0
    for part in (slates.mask & clicked, slates.mask & ~clicked):
        if part.any():
            label[part] = pseudo_label(student[part], teacher[part], mixed, plan.lambda_mode)
    present = slates.mask
    return loss + plan.beta * functional.binary_cross_entropy_with_logits(felt[present], label[present])


def fit_satisfaction(net: SatisfactionNetwork, pairs: Pairs, plan: TrainingPlan, generator: torch.Generator) -> None:
    """Stage 1: propensities of all views (equation 5), then satisfaction from the answers (equation 6).

    A tenth of the answers is kept from learning, to tell how well satisfaction is predicted; see `AnswerFit`.
    """
    decided = pairs.has(Event.SATISFIED | Event.DISSATISFIED)
    if plan.unlabelled:
        decided = decided | (pairs.has(Event.CLICK) & ~pairs.has(Event.ANSWERED))
    rows = torch.nonzero(decided)[:, 0]
    if len(rows) == 0:
        return
    chance = propensities(pairs, plan, generator) if plan.unbiased else torch.ones(len(pairs))
    clip = plan.clip * float((chance * pairs.weight).sum() / pairs.weight.sum())
    rows = rows[torch.randperm(len(rows), generator=generator)]
    n_judged = len(rows) // _JUDGED
    judged, answers, chance = pairs.take(rows[:n_judged]), pairs.take(rows[n_judged:]), chance[rows[n_judged:]]
    stands_for = answers.weight if plan.unlabelled else torch.ones(len(answers))

    def loss(rows: Tensor) -> Tensor:
        some = answers.take(rows)
        logit = net(some.user, some.video, some.video_id)
        satisfied = some.has(Event.SATISFIED).float()
        return inverse_propensity_loss(logit, satisfied, chance[rows] / stands_for[rows], clip, plan.normalise)

    net.requires_grad_(requires_grad=True)
    _descend(net, loss, partial(_effect_penalty, net, len(answers)), len(answers), generator)
    net.requires_grad_(requires_grad=False)
    net.record(judge(net, judged))
    _log.info("SAQRec's teacher: %s", net.quality())


def _effect_penalty(net: SatisfactionNetwork, n: int) -> Float32[Tensor, ""]:
    """Minus the log-density of the videos' effects, per answer."""
    return torch.zeros(()) if net.effect is None else 0.5 * _EFFECT_PRECISION * net.effect.square().sum() / n


def judge(net: SatisfactionNetwork, judged: Pairs) -> TeacherQuality:
    """Compare predictions with answers that were not learned from."""
    with one_thread(), torch.no_grad():
        chance = torch.sigmoid(net(judged.user, judged.video, judged.video_id)).numpy()
    satisfied = judged.has(Event.SATISFIED).numpy()
    return TeacherQuality(len(judged), auc(chance, satisfied), float(chance.std()) if len(judged) else math.nan)


def auc(score: Float32[np.ndarray, " rows"], positive: Bool[np.ndarray, " rows"]) -> float:
    """Chance that a positive row scores above a negative one, ties counted half; NaN without one of them.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.9], np.float32), np.array([False, False, True, True]))
    0.875
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if n_positive == 0 or n_negative == 0:
        return math.nan
    ranks = stats.rankdata(score)[positive].sum()
    return float((ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def propensities(pairs: Pairs, plan: TrainingPlan, generator: torch.Generator) -> Float32[Tensor, " rows"]:
    """Compute the chance that each view is answered, or asked about."""
    net = PairNetwork(pairs.user.shape[1], generator)
    observed = pairs.has(Event.ANSWERED if plan.observed == "answered" else Event.ASKED).float()

    def loss(rows: Tensor) -> Tensor:
        some = pairs.take(rows)
        return functional.binary_cross_entropy_with_logits(net(some.user, some.video), observed[rows], some.weight)

    _descend(net, loss, partial(torch.zeros, ()), len(pairs), generator)
    with one_thread(), torch.no_grad():
        return torch.sigmoid(net(pairs.user, pairs.video)).clamp_min(1e-6)


def gather_pairs(base: SaqrecBase, source: SampleSource, log: Log, generator: torch.Generator) -> Pairs:
    """Gather answers and a sample of unanswered views, with frozen vectors; weights make up for the rest."""
    answered = log.feedback.answer != Answer.NONE
    answer_rows, silent_rows = (np.flatnonzero(kind) for kind in (answered, ~answered))
    samples = [
        choose_rows(rows, most, generator) for rows, most in ((answer_rows, _MOST_ANSWERS), (silent_rows, _MOST_SILENT))
    ]
    weight = [
        np.full(len(some), len(rows) / max(1, len(some)))
        for some, rows in zip(samples, (answer_rows, silent_rows), strict=True)
    ]
    rows = np.concatenate(samples)
    with one_thread(), torch.no_grad():
        table = base.embeddings.videos.table()
        parts = [base.user(source.requests(part), table) for part in np.array_split(rows, len(rows) // _CHUNK + 1)]
        video_id = torch.from_numpy(log.feedback.video_id[rows].astype(np.int64))
    events = torch.from_numpy(log.feedback.events[rows].astype(np.int64))
    weights = torch.from_numpy(np.concatenate(weight).astype(np.float32))
    return Pairs(torch.cat(parts), table[video_id], video_id, events, weights)


def _descend(
    net: nn.Module, loss: Callable[[Tensor], Tensor], penalty: Callable[[], Tensor], n: int, generator: torch.Generator
) -> None:
    """Train on rows, a tenth held out."""
    train(net, loss, penalty, n, replace(_SCHEDULE, max_held_out=n), generator)
