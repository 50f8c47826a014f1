r"""Plackett-Luce slates: a softmax over a ranker's scores, place by place, without repeats.

$P(a_j \mid a_1 \dots a_{j-1}) = e^{s(a_j) / \tau} / \sum_{a \notin \{a_1 \dots a_{j-1}\}} e^{s(a) / \tau}$ (Plackett,
"The analysis of permutations", Applied Statistics 1975, https://doi.org/10.2307/2346567). The k largest of
$s(a) / \tau + G_a$ with independent Gumbel noise are such a slate (Kool, van Hoof and Welling, ICML 2019,
https://arxiv.org/abs/1903.06059).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from jaxtyping import Float32, Float64
from typing_extensions import override

from policies.base import Noise, Slates
from policies.exploration.explorer import Explorer
from policies.exploration.kernel import draw_by_score, score_choices, score_log_chances, score_places
from policies.storage import read_policy, rebuild

_LEAST: Final = 1e-6


@final
class SoftmaxPolicy(Explorer):
    """Draw slates by a softmax of another ranker's scores (Plackett-Luce), with known chances."""

    kind = "softmax"

    def __init__(
        self, ranker: str = "base", temperature: float = 0.5, options: Mapping[str, Any] | None = None
    ) -> None:
        """Build the ranker.

        Args:
            ranker: Policy whose scores are read, by name.
            temperature: What scores are divided by; 0.000001 or more. Small ones keep the ranker's order.
            options: Of the ranker.

        Raises:
            ValueError: A temperature out of range, no such policy, or one without scores.
        """
        if not _LEAST <= temperature < np.inf:
            raise ValueError(f"temperature={temperature} given, want a number from {_LEAST:f}")
        super().__init__(ranker, options)
        self._temperature = float(temperature)

    @classmethod
    def load(cls, folder: Path) -> "SoftmaxPolicy":
        """Read a policy from `folder`."""
        policy = rebuild(cls, folder, read_policy(folder, cls.kind))
        policy._load_ranker(folder)
        return policy

    @override
    def _settings(self) -> dict[str, Any]:
        return {"temperature": self._temperature}

    @override
    def _fill(
        self, candidates: np.ndarray, scores: Float32[np.ndarray, "users n"], noise: Noise, slates: Slates
    ) -> None:
        draw_by_score(candidates, scores, self._temperature, noise.uniform("softmax", scores.shape[1]), slates)

    @override
    def _log_chances(
        self, candidates: np.ndarray, scores: Float32[np.ndarray, "users n"], slates: Slates
    ) -> Float64[np.ndarray, "users k"]:
        chances = np.empty(slates.shape)
        score_log_chances(candidates, scores, self._temperature, slates, chances)
        return chances

    @override
    def _choices(
        self, candidates: np.ndarray, scores: Float32[np.ndarray, "users n"], slates: Slates
    ) -> Float64[np.ndarray, "users k n"]:
        chances = np.empty((*slates.shape, candidates.shape[1]))
        score_choices(candidates, scores, self._temperature, slates, chances)
        return chances

    @override
    def _places(
        self, candidates: np.ndarray, scores: Float32[np.ndarray, "users n"], slates: Slates
    ) -> Float64[np.ndarray, "users k"]:
        chances = np.empty(slates.shape)
        score_places(candidates, scores, self._temperature, slates, chances)
        return chances
