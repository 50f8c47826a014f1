"""Answers that EASQ remembers, and the pairs it learns from them.

The paper's rate is one answer in ten thousand views, so that two answers hardly ever meet in one request. How pairs are
formed is not told; here [R] a satisfied and a dissatisfied view are paired (i) if the same user said so, else (ii) if
both videos are of one topic and about one length. Uncertain answers are left out.

Axes: `rows` answers, oldest first, `o` numbers of a request's user vectors, `pairs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from policies.base import Event, Feedback
from policies.easq.inputs import FrozenInputs, row_vectors
from policies.storage import want_shapes


@final
@dataclass(frozen=True)
class AnswerBuffer:
    """A replay buffer of answers.

    Attributes:
        user_id: Who answered.
        video_id: About what.
        satisfied: What was said.
        vectors: User vectors of the request.
    """

    user_id: Int64[Tensor, " rows"]
    video_id: Int64[Tensor, " rows"]
    satisfied: Bool[Tensor, " rows"]
    vectors: Float32[Tensor, "rows o"]

    def __len__(self) -> int:
        return len(self.user_id)

    def take(self, rows: Tensor | slice) -> "AnswerBuffer":
        """Some of them."""
        return AnswerBuffer(*(getattr(self, field.name)[rows] for field in fields(self)))

    def extended(self, newer: "AnswerBuffer", capacity: int) -> "AnswerBuffer":
        """The newest `capacity` of both."""
        both = (torch.cat([getattr(self, field.name), getattr(newer, field.name)]) for field in fields(self))
        return AnswerBuffer(*both).take(slice(-capacity, None))


def read_answers(
    known: FrozenInputs, feedback: Feedback, new: Bool[np.ndarray, " rows"], capacity: int, h: int
) -> AnswerBuffer:
    """The newest answers among the `new` views of a log, day by day."""
    answer_rows = np.flatnonzero(feedback.has(Event.SATISFIED | Event.DISSATISFIED) & new)
    answer_rows = answer_rows[np.argsort(feedback.day[answer_rows], kind="stable")][-capacity:]
    return AnswerBuffer(
        torch.from_numpy(feedback.user_id[answer_rows].astype(np.int64)),
        torch.from_numpy(feedback.video_id[answer_rows].astype(np.int64)),
        torch.from_numpy(feedback.has(Event.SATISFIED)[answer_rows]),
        row_vectors(known, feedback, answer_rows, h),
    )


def draw_pairs(
    answers: AnswerBuffer, group: Int64[Tensor, " videos"], n: int, generator: torch.Generator
) -> tuple[Int64[Tensor, " pairs"], Int64[Tensor, " pairs"]]:
    """At most `n` pairs of rows, satisfied and dissatisfied: an answer by chance, and an opposite one to go with it."""
    if len(answers) == 0:
        nothing = torch.zeros(0, dtype=torch.int64)
        return nothing, nothing
    one = torch.randint(len(answers), (n,), generator=generator)
    share = torch.rand(n, generator=generator, dtype=torch.float64)
    own = opposite(answers.user_id, answers.satisfied, one, share)
    other = torch.where(own >= 0, own, opposite(group[answers.video_id], answers.satisfied, one, share))
    one, other = one[other >= 0], other[other >= 0]
    pleased = answers.satisfied[one]
    return torch.where(pleased, one, other), torch.where(pleased, other, one)


def opposite(
    key: Int64[Tensor, " rows"],
    satisfied: Bool[Tensor, " rows"],
    rows: Int64[Tensor, " n"],
    share: Tensor,
) -> Int64[Tensor, " n"]:
    """For each of `rows` an opposite answer of the same key, -1 where there is none; `share` in [0, 1) picks it."""
    code = 2 * key + satisfied
    order = code.argsort(stable=True)
    opposite_code = 2 * key[rows] + ~satisfied[rows]
    first, last = (torch.searchsorted(code[order], opposite_code, right=right) for right in (False, True))
    position = first + (share * (last - first)).long()
    return torch.where(last > first, order[position.clamp_max(len(order) - 1)], -1)


def name_answers(answers: AnswerBuffer) -> dict[str, np.ndarray]:
    """Return the arrays by their stored names."""
    return {f"answers.{field.name}": getattr(answers, field.name).numpy() for field in fields(answers)}


def find_answers(folder: Path, arrays: Mapping[str, np.ndarray], known: FrozenInputs) -> AnswerBuffer:
    """Read the buffer from arrays named by `name_answers`.

    Raises:
        PolicyFolderError: An array is missing or does not fit the others.
    """
    n = -1 if "answers.user_id" not in arrays else len(arrays["answers.user_id"])
    wide = known.towers.outer.shape[1]
    shapes = {"user_id": (n,), "video_id": (n,), "satisfied": (n,), "vectors": (n, wide)}
    want_shapes(folder, arrays, {f"answers.{name}": shape for name, shape in shapes.items()})
    return AnswerBuffer(*(torch.from_numpy(arrays[f"answers.{name}"]) for name in shapes))
