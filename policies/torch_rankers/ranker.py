"""Shared policy class of torch rankers: a spec, its fitted state, and the methods of the policy interface.

A ranker's file holds a module with its equations and a dataclass of options that derives from `TorchPolicy` and returns
a spec (see `policies.sequential.gru4rec`). The spec fits, scores and stores; `TorchPolicy` does the rest.

Axes: `users` requests served together, `n` candidates.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import (
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
    final,
    get_args,
    runtime_checkable,
)

import numpy as np
from jaxtyping import Float32

from policies.base import Log, Noise, Observation, Slates, top_k
from policies.storage import Stored, read_policy, rebuild, write_policy
from policies.torch_rankers.histories import Answers
from policies.torch_rankers.view_samples import Negatives, Unshown

Teaching: TypeAlias = Literal["feed", "catalogue"]
"""Learn as the ranker's paper says, or by what all rankers share, see `RankerSpec.for_catalogue`.

A feed asks which of some videos is best once shown; leave-one-out asks which of a whole catalogue was clicked.
"""

F = TypeVar("F")
"""What a spec fits: weights and the tables that they belong to."""
P = TypeVar("P", bound="TorchPolicy")

_CHOICES: Final = {
    "answers": get_args(Answers),
    "negatives": get_args(Negatives),
    "unshown": get_args(Unshown),
    "teaching": get_args(Teaching),
}


@runtime_checkable
class Spec(Protocol[F]):
    """Specification of a ranker: its options, and how it is fitted, scored and stored."""

    @property
    def kind(self) -> str:
        """The policy's name in messages and in its folder."""
        ...

    def fit(self, log: Log, seed: int) -> F:
        """Fit on a log; the same log and seed give the same result."""
        ...

    def scores(self, fitted: F, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate of every request."""
        ...

    def arrays(self, fitted: F) -> dict[str, np.ndarray]:
        """Return the arrays to store, by name."""
        ...

    def restore(self, folder: Path, arrays: Mapping[str, np.ndarray]) -> F:
        """Rebuild the fitted state from `arrays`, read from `folder`.

        Raises:
            PolicyFolderError: An array is missing, damaged or does not fit the others.
        """
        ...


@final
class TorchRanker(Generic[F]):
    """Specification of a ranker and its fitted state."""

    def __init__(self, spec: Spec[F]) -> None:
        """Begin unfitted."""
        self.spec = spec
        self.fitted: F | None = None

    def fitted_or_raise(self) -> F:
        """Return the fitted state.

        Raises:
            ValueError: Nothing was fitted or loaded yet.
        """
        if self.fitted is None:
            raise ValueError(
                f"{self.spec.kind} is not fitted yet; call fit or load before it ranks, learns or is saved"
            )
        return self.fitted

    def fit(self, log: Log, seed: int) -> None:
        """Fit to a log, replacing the earlier state."""
        self.fitted = self.spec.fit(log, seed)

    def scores(self, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate of every request."""
        return self.spec.scores(self.fitted_or_raise(), obs)

    def save(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Write the fitted state, and the options of the spec, into a new folder."""
        write_policy(folder, Stored(self.spec.kind, settings, self.spec.arrays(self.fitted_or_raise())))

    def restore(self, folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
        """Restore the state stored in a folder."""
        self.fitted = self.spec.restore(folder, arrays)


@dataclass(eq=False)
class TorchPolicy(ABC):
    """A policy of a torch ranker: subclasses are dataclasses whose fields are the ranker's options.

    Attributes:
        core: The ranker that the options specify.
        may_be_zero: Counts among the options that may be 0.
        stored_kinds: Kinds of folder that the class reads, each with the options that the kind alone tells; only the
            kind of its spec if empty.
    """

    core: TorchRanker[Any] = field(init=False, repr=False)
    may_be_zero: ClassVar[tuple[str, ...]] = ()
    stored_kinds: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __post_init__(self) -> None:
        check_options(self)
        self.core = TorchRanker(self.spec())

    @abstractmethod
    def spec(self) -> Spec[Any]:
        """Return the spec of these options.

        Raises:
            ValueError: Options that do not go together.
        """

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:  # noqa: ARG002 - the contract's signature
        """Return the `k` best candidates of each request."""
        return top_k(obs, self.core.scores(obs), k)

    def scores(self, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate of each request."""
        return self.core.scores(obs)

    def fit(self, log: Log, seed: int) -> None:
        """Fit the ranker to a log."""
        self.core.fit(log, seed)

    def save(self, folder: Path) -> None:
        """Write the ranker to `folder`."""
        self.core.save(folder, {option.name: getattr(self, option.name) for option in fields(self) if option.init})

    @classmethod
    def load(cls: type[P], folder: Path) -> P:
        """Read a ranker from `folder`."""
        kinds = cls.stored_kinds or {cls().core.spec.kind: {}}
        stored = read_policy(folder, *kinds)
        policy = rebuild(cls, folder, replace(stored, settings={**kinds[stored.kind], **stored.settings}))
        policy.core.restore(folder, stored.arrays)
        return policy


def check_options(policy: TorchPolicy) -> None:
    """Check a policy's options: counts are at least 1, dropout is a share, and choices are among those there are.

    Raises:
        ValueError: One is not.
    """
    for name, value in vars(policy).items():
        is_count = isinstance(value, int) and not isinstance(value, bool) and name not in policy.may_be_zero
        if is_count and value < 1:
            raise ValueError(f"{name}={value} given, want at least 1")
        if name == "dropout" and not 0 <= value < 1:
            raise ValueError(f"{name}={value} given, want at least 0 and less than 1")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"{name}={value!r} given, want one of {', '.join(_CHOICES[name])}")
