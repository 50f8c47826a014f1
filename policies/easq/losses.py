r"""EASQ's losses: behaviour pairs within a request, questionnaire pairs, and a preference loss that ties them.

https://arxiv.org/abs/2601.20215:

$$L = L_{main} + \lambda_1 L_{satis} + \lambda_2 L_{DPO}, \quad
L_{main} = -\sum_{y_i > y_j} \log\sigma(\hat y_i - \hat y_j), \quad
L_{satis} = -\sum_{s_i > s_j} \log\sigma(\hat s_i - \hat s_j),$$

$$L_{DPO} = -\log\sigma\big(\beta\,
[\log(\hat y_+ / \mathrm{sg}\,\hat s_+) - \log(\hat y_- / \mathrm{sg}\,\hat s_-)]\big).$$

The reference of the last (Rafailov et al., NeurIPS 2023, https://arxiv.org/abs/2305.18290) is the satisfaction head as
it stands: a margin loss whose margin is that head's own gap. Sums are means here [R], and behaviour is ordered as in
EMER (https://arxiv.org/abs/2508.05093): many positive acts before one before none; equal ones by watch time, a hate
last [R]. EMER's prior loss keeps the order that each predicted rate gives, also among videos that were not shown.

Axes: `b` requests, `k` candidates of a request, `rates` predicted rates, `pairs`.
"""

from typing import Final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor
from torch.nn import functional

from policies.base import Event

_POSITIVE: Final = (Event.LONG_VIEW, Event.LIKE, Event.FOLLOW, Event.COMMENT, Event.FORWARD)
_LONGEST: Final = 8.0
"""log(1 + s) of watch times never gets there."""


def feedback_rank(events: Int64[Tensor, "*b"], watch_s: Float32[Tensor, "*b"]) -> Float32[Tensor, "*b"]:
    """Grade views by their feedback, for comparison within a request.

    >>> two_acts = int(Event.LONG_VIEW | Event.LIKE)
    >>> feedback_rank(torch.tensor([two_acts, int(Event.LIKE), 0, int(Event.HATE)]), torch.zeros(4)).tolist()
    [2.0, 1.0, 0.0, -1.0]
    """
    n_positive = torch.stack([(events & int(event)) > 0 for event in _POSITIVE]).sum(0)
    tier = torch.where((events & int(Event.HATE)) > 0, -1, n_positive.clamp_max(2))
    return tier + watch_s.log1p() / _LONGEST


def request_loss(
    y: Float32[Tensor, "b k"], order: Float32[Tensor, "b k"], mask: Bool[Tensor, "b k"]
) -> Float32[Tensor, ""]:
    """Average -log sigma(y_i - y_j) over pairs of one request with i before j in `order`; 0 without pairs."""
    pair = (order[:, :, None] > order[:, None, :]) & mask[:, :, None] & mask[:, None, :]
    loss = functional.softplus(y[:, None, :] - y[:, :, None]) * pair
    return loss.sum() / pair.sum().clamp_min(1)


def prior_loss(
    y: Float32[Tensor, "b k"], rates: Float32[Tensor, "b k rates"], mask: Bool[Tensor, "b k"]
) -> Float32[Tensor, ""]:
    """Compute the prior loss: departure of the score from the order of each predicted rate."""
    return torch.stack([request_loss(y, rate, mask) for rate in rates.unbind(-1)]).mean()


def pair_loss(better: Float32[Tensor, " pairs"], worse: Float32[Tensor, " pairs"]) -> Float32[Tensor, ""]:
    """Mean of -log sigma(better - worse); 0 without pairs."""
    return functional.softplus(worse - better).sum() / max(1, len(better))


def preference_loss(
    y: tuple[Float32[Tensor, " pairs"], Float32[Tensor, " pairs"]],
    s: tuple[Float32[Tensor, " pairs"], Float32[Tensor, " pairs"]],
    beta: float,
) -> Float32[Tensor, ""]:
    """L_DPO: behaviour scores against satisfaction scores, the better of each pair first; 0 without pairs.

    >>> one, two = torch.ones(1), torch.full((1,), 2.0)
    >>> round(preference_loss((two, one), (one, one), 1.0).item(), 4)
    0.4055
    """
    (y_better, y_worse), (s_better, s_worse) = y, s
    gap = (y_better / y_worse).log() - (s_better / s_worse).log().detach()
    return functional.softplus(-beta * gap).sum() / max(1, len(gap))
