r"""SAQRec's losses: inverse propensities of answers, and labels that move from the teacher to the student.

Ke et al., CIKM 2024, https://doi.org/10.1145/3627673.3679643, equations 4 to 6 and 15 to 19.

Departures: the paper divides the weighted loss by $|O|$, which is unbiased only up to a constant; `normalise="self"`
divides by the sum of weights instead. $\lambda$ is "a beta function" of the loss in the text; as in the authors' code
it is the distribution function of Beta(1/2, 1/2) at the loss, scaled to [0, 1] over the batch, and weighs the teacher.

Axes: `rows` views.
"""

import math
from typing import Final, Literal, TypeAlias

import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional

Normalise: TypeAlias = Literal["self", "count"]
NORMALISE: Final = ("self", "count")
LambdaMode: TypeAlias = Literal["bce", "kl"]
LAMBDA_MODES: Final = ("bce", "kl")
_EDGE: Final = 1e-6


def inverse_propensity_loss(
    logit: Float32[Tensor, " rows"],
    satisfied: Float32[Tensor, " rows"],
    propensity: Float32[Tensor, " rows"],
    clip: float,
    normalise: Normalise = "self",
) -> Float32[Tensor, ""]:
    r"""$\sum_i w_i \mathrm{BCE}(s_i, \hat s_i)$ over answers with $w_i = 1 / \max(\rho_i, M)$ (equation 6).

    Args:
        logit: Of the predicted satisfaction.
        satisfied: 1 or 0.
        propensity: Chance that the view would be answered.
        clip: M; smaller propensities are raised to it.
        normalise: Divide by the sum of weights (`self`) or by the number of answers (`count`, the paper).

    >>> half = torch.zeros(2)
    >>> round(inverse_propensity_loss(half, torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.1]), 0.2).item(), 4)
    0.6931
    """
    weight = 1 / propensity.clamp_min(clip)
    loss = functional.binary_cross_entropy_with_logits(logit, satisfied, reduction="none")
    total = weight.sum() if normalise == "self" else torch.tensor(float(len(weight)))
    return (weight * loss).sum() / total


def teacher_weight(
    student: Float32[Tensor, " rows"], teacher: Float32[Tensor, " rows"], mode: LambdaMode = "bce"
) -> Float32[Tensor, " rows"]:
    """Compute the teacher's share of each label: it grows with the student's disagreement within the batch.

    Args:
        student: Its probabilities; at least one.
        teacher: Its probabilities.
        mode: Disagreement as cross-entropy (the authors' code), which a teacher near 1/2 never brings to zero, or as
            Kullback-Leibler divergence from teacher to student [R], which does.
    """
    student, teacher = (p.detach().clamp(_EDGE, 1 - _EDGE) for p in (student, teacher))
    loss = functional.binary_cross_entropy(student, teacher, reduction="none")
    if mode == "kl":
        loss = loss - functional.binary_cross_entropy(teacher, teacher, reduction="none")
    return arcsine((loss - loss.min()) / (loss.max() - loss.min()).clamp_min(1e-8))


def arcsine(x: Float32[Tensor, " rows"]) -> Float32[Tensor, " rows"]:
    """Distribution function of Beta(1/2, 1/2).

    >>> [round(value, 3) for value in arcsine(torch.tensor([0.01, 0.25, 0.5, 0.75])).tolist()]
    [0.064, 0.333, 0.5, 0.667]
    """
    return (2 / math.pi) * torch.asin(x.clamp(0, 1).sqrt())


def pseudo_label(
    student: Float32[Tensor, " rows"],
    teacher: Float32[Tensor, " rows"],
    mixed: bool,
    mode: LambdaMode = "bce",
) -> Float32[Tensor, " rows"]:
    """Return the teacher's satisfaction; if `mixed`, corrected by the student's (equations 17 to 19)."""
    if not mixed:
        return teacher.detach()
    weight = teacher_weight(student, teacher, mode)
    return weight * teacher.detach() + (1 - weight) * student.detach()
