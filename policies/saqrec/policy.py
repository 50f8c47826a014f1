"""SAQRec as a policy, alone or added to the base ranker.

The paper's treatment is "base + SAQRec": with `fuse_base` the score is that of
`policies.two_tower.base_policy.BasePolicy`, whose towers are fitted on the same log, plus `fuse_weight` times SAQRec's
log-scores [R]. Alone SAQRec hears clicks and answers, but neither skips nor watch time, and loses to that ranker by
far.

Axes: `b` requests, `n` candidates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeAlias, final

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.base import Log
from policies.checks import check_log
from policies.saqrec.fit import OBSERVED, PropensityTarget, TrainingPlan, base_loss, train_stages
from policies.saqrec.interests import VARIANTS, InterestVariant
from policies.saqrec.losses import LAMBDA_MODES, NORMALISE, LambdaMode, Normalise
from policies.saqrec.model import Saqrec, SaqrecShape, TeacherQuality
from policies.torch_rankers.feature_tables import FeatureTables, catalogue_of
from policies.torch_rankers.histories import Answers, RequestBatch
from policies.torch_rankers.ranker import Teaching, TorchPolicy
from policies.torch_rankers.spec import FittedRanker, RankerSpec
from policies.torch_rankers.view_samples import Sampling, Unshown, with_unshown
from policies.two_tower.fit import Recipe, fit_towers
from policies.two_tower.frozen_towers import TowerWeights
from policies.two_tower.serving import plain_fusion

Serving: TypeAlias = Literal["click", "click*satisfaction", "satisfaction"]
"""Rank by the click head alone, as the paper and its code do, by both, or by the satisfaction head alone [R]."""
_SERVINGS: Final = ("click", "click*satisfaction", "satisfaction")
_PER_STEP: Final = (128, 3072)
"""Views in a step, least and most."""
_BASE_FUSION: Final = plain_fusion(1.0, 0.5)
"""The base ranker's weights of clicks and watch time."""


@final
@dataclass(frozen=True)
class Fusing:
    """Weights of the served score.

    Attributes:
        click: Weight of the log-chance of a click.
        felt: Weight of the log-chance of being satisfied.
        base: Whether the base ranker's score is added.
        own: Weight of SAQRec's log-scores beside it.
    """

    click: float
    felt: float
    base: bool
    own: float


@final
class Served(nn.Module):
    """SAQRec with the weights of its served score, and the base ranker's towers if they are used."""

    def __init__(
        self, catalogue: FeatureTables, generator: torch.Generator, *, shape: SaqrecShape, fusing: Fusing
    ) -> None:
        super().__init__()
        self.fusing = fusing
        self.saqrec = Saqrec(catalogue, shape, generator)
        self.towers = TowerWeights(catalogue) if fusing.base else None

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Compute the score: log y_hat, w log s_f or their sum, plus the base ranker's score if `base` is set."""
        click, felt = self.saqrec(requests, candidates)
        own = self.fusing.click * functional.logsigmoid(click)
        if self.fusing.felt:
            own = own + self.fusing.felt * functional.logsigmoid(felt)
        if self.towers is None:
            return own
        return self.towers.scores(requests, candidates, _BASE_FUSION) + self.fusing.own * own


def fit_served(
    spec: RankerSpec,
    log: Log,
    seed: int,
    *,
    make: Callable[[FeatureTables, torch.Generator], Served],
    plan: TrainingPlan,
) -> FittedRanker:
    """Fit SAQRec stage by stage, after the base ranker's towers if they are served.

    Raises:
        ValueError: The log has no views, or features that are not finite.
    """
    check_log(log)
    generator = torch.Generator().manual_seed(seed)
    catalogue = catalogue_of(log)
    served = make(catalogue, generator)
    if served.towers is not None:
        served.towers.fill(fit_towers(log, Recipe(), seed))
    train_stages(served.saqrec, spec, plan, log, generator)
    return FittedRanker(catalogue, served.eval())


@final
@dataclass(eq=False)
class SaqrecPolicy(TorchPolicy):
    """Rank by SAQRec: clicks as seen through satisfied, dissatisfied and graded interests.

    Attributes:
        serving: What the score is made of.
        satisfaction_weight: w in `log y_hat + w log s_f`, where satisfaction is served [R].
        fuse_base: Add the base ranker's score.
        fuse_weight: Weight of SAQRec beside it, chosen on a pilot for the satisfaction head; what larger ones cost in
            watch time is in docs/rankers.md.
        variant: Equations of the paper, or what the authors' code does.
        n_groups: Levels of satisfaction in MLSE, N_l; at least 1.
        unbiased: Weigh answers by inverse propensities.
        sid: Keep SID.
        mlse: Keep MLSE.
        mtl: Keep the satisfaction task.
        beta: Weight of the satisfaction loss; at least 0.
        n_mix: Epochs before labels are corrected; at least 0.
        clip: Propensities below this share of their mean are raised to it; at least 0.
        normalise: Divide the weighted loss by the weights' sum or by the number of answers.
        lambda_mode: How labels are corrected.
        observed: What propensities are of.
        answers: What tells satisfied from dissatisfied views in histories.
        size: Length of vectors; even, at least 2.
        dropout: In training, in [0, 1).
        epochs: Passes over the targets; at least 1.
        learning_rate: At the first step; more than 0.
        max_targets: Views learned from, at most; at least 1.
        unshown: Videos that count as not clicked beside what was shown, see
            `policies.torch_rankers.view_samples.Unshown`; none is the paper's D, popular its code's.
        teaching: Learn clicks from the slates that were shown, or tell them apart from videos of the catalogue, see
            `policies.torch_rankers.ranker.Teaching`.
        clicks: Clicks of a history that are read, at most; at least 1.
        base_epochs: Passes over the targets of the recommender that is trained first; at least 1.
        video_effect: Give each video an effect on satisfaction of its own [R], see
            `policies.saqrec.model.SatisfactionNetwork`; the paper has none.
        unlabelled: Count clicks without an answer as not satisfied; for logs in which likes stand in for answers,
            where next to nobody is dissatisfied.
    """

    may_be_zero = ("n_mix",)
    serving: Serving = "click"
    satisfaction_weight: float = 1.0
    fuse_base: bool = False
    fuse_weight: float = 0.15
    variant: InterestVariant = "paper"
    n_groups: int = 8
    unbiased: bool = True
    sid: bool = True
    mlse: bool = True
    mtl: bool = True
    beta: float = 1.0
    n_mix: int = 3
    clip: float = 0.2
    normalise: Normalise = "self"
    lambda_mode: LambdaMode = "bce"
    observed: PropensityTarget = "answered"
    answers: Answers = "questionnaire"
    size: int = 32
    dropout: float = 0.1
    epochs: int = 5
    max_targets: int = 500_000
    learning_rate: float = 0.003
    unshown: Unshown = "none"
    teaching: Teaching = "feed"
    clicks: int = 25
    base_epochs: int = 2
    video_effect: bool = True
    unlabelled: bool = False

    def quality(self) -> TeacherQuality | None:
        """Return how well the fitted teacher predicts satisfaction; None if there was no answer to learn from."""
        served = self.core.fitted_or_raise().module
        return served.saqrec.teacher.satisfaction.quality()

    @override
    def spec(self) -> RankerSpec:
        self._check()
        shape = SaqrecShape(
            d=self.size,
            clicks=self.clicks,
            n_groups=self.n_groups,
            dropout=self.dropout,
            variant=self.variant,
            answers=self.answers,
            sid=self.sid,
            mlse=self.mlse,
            mtl=self.mtl,
            video_effect=self.video_effect,
        )
        felt = self.satisfaction_weight if self.serving != "click" else 0.0
        fusing = Fusing(float(self.serving != "satisfaction"), felt, self.fuse_base, self.fuse_weight)
        make = partial(Served, shape=shape, fusing=fusing)
        return RankerSpec(
            "saqrec",
            make,
            partial(base_loss, plan=self._training_plan()),
            self._sampling(),
            self.epochs,
            self.learning_rate,
            _PER_STEP if self.teaching == "feed" else RankerSpec.per_step,
            fit_with=partial(fit_served, make=make, plan=self._training_plan()),
        )

    def _sampling(self) -> Sampling:
        """The options of sampling."""
        if self.teaching == "feed":
            return with_unshown(Sampling(max_targets=self.max_targets, targets="shown"), self.unshown)
        return Sampling(max_targets=self.max_targets, negatives="uniform" if self.unshown == "none" else self.unshown)

    def _training_plan(self) -> TrainingPlan:
        """The options of training."""
        return TrainingPlan(
            beta=self.beta,
            n_mix=self.n_mix,
            epochs=self.epochs,
            clip=self.clip,
            normalise=self.normalise,
            lambda_mode=self.lambda_mode,
            observed=self.observed,
            unbiased=self.unbiased,
            unlabelled=self.unlabelled,
            teaching=self.teaching,
            base_epochs=self.base_epochs,
        )

    def _check(self) -> None:
        """Refuse options out of range."""
        choices_of = {
            "serving": _SERVINGS, "variant": VARIANTS, "normalise": NORMALISE, "lambda_mode": LAMBDA_MODES,
            "observed": OBSERVED,
        }  # fmt: skip
        for name, choices in choices_of.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r} given, want one of {', '.join(choices)}")
        least = {"beta": 0, "n_mix": 0, "clip": 0, "size": 2}
        for name, value in least.items():
            if not getattr(self, name) >= value:
                raise ValueError(f"{name}={getattr(self, name)} given, want at least {value}")
        if self.serving != "click" and not self.mtl:
            raise ValueError(f"serving={self.serving!r} given without mtl, want the head that predicts satisfaction")
