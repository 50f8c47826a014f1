"""The sequence that a ranker of one sequence reads: clicks, or clicks and answers merged.

Axes: `b` requests, `h` views of the sequence, `d` embedding size, `videos` the catalogue.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.torch_rankers.histories import Answers, Behaviour, ViewSequence, chosen, pack, trimmed
from policies.torch_rankers.initialisers import normal_table


@final
@dataclass(frozen=True)
class Merged:
    """Clicked, satisfied and dissatisfied views in one sequence, by time: the `_M` of SAQRec's baselines.

    A view that is of two kinds comes once. SAQRec (Ke et al., CIKM 2024, https://doi.org/10.1145/3627673.3679643) does
    not say whether its merged sequences tell the kinds apart; that a learned vector per kind is added is our guess.

    Attributes:
        typed: Whether it is added.
        answers: What tells satisfaction, see `policies.torch_rankers.histories.Answers`.
    """

    typed: bool = True
    answers: Answers = "both"


@final
@dataclass(frozen=True)
class SequenceOptions:
    """Options of the sequence read from a history.

    Attributes:
        h: Views, at most.
        merged: How kinds are merged; clicks alone if None.
    """

    h: int
    merged: Merged | None = None


def sequence_options(h: int, *, merged: bool, typed: bool, answers: Answers) -> SequenceOptions:
    """Return the sequence options of a policy.

    Args:
        h: Views, at most.
        merged: Whether kinds of views are merged; clicks alone if not.
        typed: See `Merged`.
        answers: See `Merged`.

    Raises:
        ValueError: An option of merged sequences differs from its default, but clicks alone are read.
    """
    options = Merged(typed, answers)
    if not merged and options != Merged():
        raise ValueError(f"typed={typed} and answers={answers!r} given without merged, which they belong to")
    return SequenceOptions(h, options if merged else None)


def merged_kinds(kind: str) -> dict[str, dict[str, bool]]:
    """Return the stored kinds of a ranker with an option `merged`: its own, and that with `_m` for merged sequences."""
    return {kind: {"merged": False}, f"{kind}_m": {"merged": True}}


@final
@dataclass(frozen=True)
class Sequence:
    """A sequence as a ranker reads it, right-aligned.

    Attributes:
        video_id: Videos; 0 where there is no view.
        x: Their vectors; zeros where there is no view.
        mask: True where there is a view.
    """

    video_id: Int64[Tensor, "b h"]
    x: Float32[Tensor, "b h d"]
    mask: Bool[Tensor, "b h"]


@final
class ClickSequenceReader(nn.Module):
    """Reads the newest clicks of a history, or the merged sequence."""

    def __init__(self, reading: SequenceOptions, d: int, generator: torch.Generator) -> None:
        """Begin with small vectors per kind, if there are any."""
        super().__init__()
        self._h, self._merged = reading.h, reading.merged
        merged = reading.merged
        self.kinds = normal_table(3, d, 0.1, generator) if merged is not None and merged.typed else None

    @override
    def forward(self, views: ViewSequence, table: Float32[Tensor, "videos d"], *, whole: bool = False) -> Sequence:
        """The sequence, with as many columns as its longest row has views; with `whole`, all `h`."""
        sequence = pack(views, self._read_mask(views), self._h)
        sequence = sequence if whole else trimmed(sequence)
        x = functional.embedding(sequence.video_id, table)
        if self.kinds is not None:
            x = x + self.kinds[self._kind(sequence)]
        return Sequence(sequence.video_id, x * sequence.mask[:, :, None], sequence.mask)

    def _read_mask(self, views: ViewSequence) -> Bool[Tensor, "b h"]:
        """Return the mask of the views to read."""
        clicked = chosen(views, Behaviour.CLICKED)
        if self._merged is None:
            return clicked
        answers = self._merged.answers
        return clicked | chosen(views, Behaviour.SATISFIED, answers) | chosen(views, Behaviour.DISSATISFIED, answers)

    def _kind(self, views: ViewSequence) -> Int64[Tensor, "b h"]:
        """0 other, 1 satisfied, 2 dissatisfied."""
        answers = "both" if self._merged is None else self._merged.answers
        pleased, displeased = (
            chosen(views, behaviour, answers) for behaviour in (Behaviour.SATISFIED, Behaviour.DISSATISFIED)
        )
        return pleased + 2 * displeased
