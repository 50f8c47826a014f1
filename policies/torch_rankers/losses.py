"""Losses of scores among sampled negatives: the clicked video is in column 0.

Axes: `b` samples, `n` candidates.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float32, Int64
from torch import Tensor
from torch.nn import functional

from policies.torch_rankers.histories import RequestBatch
from policies.torch_rankers.view_samples import ViewSample


@runtime_checkable
class Scorer(Protocol):
    """A module that scores candidates."""

    def __call__(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """One number per candidate; the larger, the better."""
        ...


def softmax_loss(scorer: Scorer, sample: ViewSample) -> Float32[Tensor, ""]:
    """Cross-entropy of the clicked video among itself and the negatives.

    In place of the softmax over all videos, which is too dear for a feed. Negatives that are drawn as often as videos
    are clicked make it favour what is clicked more than usual here (Jean et al., ACL 2015, without their correction).
    """
    return cross_entropy(scorer(sample.requests, sample.candidates))


def cross_entropy(scores: Float32[Tensor, "b n"]) -> Float32[Tensor, ""]:
    """Compute the cross-entropy of the first candidate among all."""
    return functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.int64))


def binary_loss(scorer: Scorer, sample: ViewSample) -> Float32[Tensor, ""]:
    """Binary cross-entropy of the clicked video, plus the mean of that of the negatives."""
    scores = scorer(sample.requests, sample.candidates)
    return functional.softplus(-scores[:, 0]).mean() + functional.softplus(scores[:, 1:]).mean()


def pairwise_loss(scorer: Scorer, sample: ViewSample) -> Float32[Tensor, ""]:
    """BPR: the clicked video should score above each negative (Rendle et al., UAI 2009, https://arxiv.org/abs/1205.2618)."""
    scores = scorer(sample.requests, sample.candidates)
    return functional.softplus(scores[:, 1:] - scores[:, :1]).mean()
