"""What makes a policy of a torch module: `forward(requests, candidates)` gives scores, a loss learns from samples.

A ranker's file holds a module with its equations and a frozen-looking dataclass of options, which keeps a `TorchRanker`
and takes `rank`, `scores`, `fit`, `save` and `load` from here as its methods (see `policies.sequential.gru4rec`).

Axes: `users` requests served together, `n` candidates, `b` samples.
"""

from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeAlias, TypeVar, final, get_args, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from policies.base import Log, Noise, Observation, Slates, top_k
from policies.checks import check_log, check_tables
from policies.storage import PolicyFolderError, Stored, read_policy, rebuild, want_shapes, write_policy
from policies.torch_rankers.feature_tables import FeatureTables, catalogue_of, read_catalogue
from policies.torch_rankers.histories import Answers, read_requests, rows_of
from policies.torch_rankers.training import TrainingSchedule, one_thread, train
from policies.torch_rankers.view_samples import Negatives, SampleSource, Sampling, Unshown

Make: TypeAlias = Callable[[FeatureTables, torch.Generator], nn.Module]
"""Builds the module with its first weights."""
Loss: TypeAlias = Callable[[Any, Any], Tensor]
"""Mean loss of a module on what its source takes, such as `policies.torch_rankers.view_samples.ViewSample`."""
SourceFactory: TypeAlias = Callable[[Log, Sampling, torch.Generator], "TrainingSource"]
"""Chooses the targets of a log: views, or whole slates (`policies.torch_rankers.slate_samples.SlateSource`)."""

_ROWS: Final = 256
"""Requests scored together."""
_STEPS: Final = 120
"""Steps of an epoch, unless they would be too large or too small; so small logs are learned from as well."""
_FEW: Final = 1_000
"""Targets from which more than one pass is worth its time."""
_CHOICES: Final = {"answers": get_args(Answers), "negatives": get_args(Negatives), "unshown": get_args(Unshown)}


@final
@dataclass(frozen=True)
class RankerSpec:
    """What sets one ranker apart from another.

    Attributes:
        kind: The policy's name.
        make: Builds its module.
        loss: What its module learns by.
        sampling: What it learns from.
        epochs: Passes over the targets, at most; at least 1.
        learning_rate: At the first step; more than 0.
        per_step: Targets, least and most.
        source: What chooses its targets.
    """

    kind: str
    make: Make
    loss: Loss
    sampling: Sampling
    epochs: int = 4
    learning_rate: float = 0.01
    per_step: tuple[int, int] = (128, 512)
    source: SourceFactory = SampleSource

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.learning_rate <= 0:
            given = f"epochs={self.epochs}, learning_rate={self.learning_rate}"
            raise ValueError(f"{given} given, want at least 1 and more than 0")


@final
@dataclass(frozen=True)
class FittedRanker:
    """What fitting found."""

    catalogue: FeatureTables
    module: nn.Module


@final
class TorchRanker:
    """A design, and what was fitted by it."""

    def __init__(self, design: RankerSpec) -> None:
        """Begin unfitted."""
        self.design = design
        self.fitted: FittedRanker | None = None

    def fitted_or_raise(self) -> FittedRanker:
        """What was fitted, or a clear refusal."""
        if self.fitted is None:
            raise ValueError(f"{self.design.kind} is not fitted yet; call fit or load before it ranks or is saved")
        return self.fitted


@runtime_checkable
class TrainingSource(Protocol):
    """A log's targets, by user."""

    def __len__(self) -> int:
        """Targets."""
        ...

    @property
    def n_users(self) -> int:
        """Users with targets."""
        ...

    def take(self, users: Int64[Tensor, " chosen"], generator: torch.Generator) -> object:
        """All targets of some users, numbered from 0."""
        ...


@runtime_checkable
class Neural(Protocol):
    """A policy with a core: a dataclass whose other fields are its options."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    core: TorchRanker


P = TypeVar("P")


def check_options(policy: object) -> None:
    """Check a policy's options: counts are at least 1, dropout is a share, and choices are among those there are.

    Raises:
        ValueError: One is not.
    """
    for name, value in vars(policy).items():
        if isinstance(value, int) and not isinstance(value, bool) and value < 1:
            raise ValueError(f"{name}={value} given, want at least 1")
        if name == "dropout" and not 0 <= value < 1:
            raise ValueError(f"{name}={value} given, want at least 0 and less than 1")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"{name}={value!r} given, want one of {', '.join(_CHOICES[name])}")


def settings_of(policy: Neural) -> dict[str, Any]:
    """A policy's options by name."""
    return {field.name: getattr(policy, field.name) for field in fields(policy) if field.init}


def rank(policy: Neural, obs: Observation, k: int, noise: Noise) -> Slates:  # noqa: ARG001 - the contract's signature
    """See `policies.base.Policy.rank`."""
    return top_k(obs, scores(policy, obs), k)


def scores(policy: Neural, obs: Observation) -> Float32[np.ndarray, "users n"]:
    """See `policies.testing.conformance.Scoring.scores`."""
    found = policy.core.fitted_or_raise()
    check_tables(obs, len(found.catalogue.tag), len(found.catalogue.user_mean))
    requests = read_requests(obs, policy.core.design.sampling.history)
    candidates = torch.from_numpy(obs.candidates.astype(np.int64))
    out = np.empty(obs.candidates.shape, np.float32)
    with one_thread(), torch.inference_mode():
        for begin in range(0, len(out), _ROWS):
            rows = slice(begin, begin + _ROWS)
            out[rows] = found.module(rows_of(requests, rows), candidates[rows]).numpy()
    return out


def fit(policy: Neural, log: Log, seed: int) -> None:
    """See `policies.base.TrainablePolicy.fit`."""
    policy.core.fitted = fit_module(policy.core.design, log, seed)


def save(policy: Neural, folder: Path) -> None:
    """See `policies.base.TrainablePolicy.save`."""
    found = policy.core.fitted_or_raise()
    weights = {f"module.{name}": weight.numpy() for name, weight in found.module.state_dict().items()}
    write_policy(folder, Stored(policy.core.design.kind, settings_of(policy), found.catalogue.arrays() | weights))


def load(cls: type[P], folder: Path) -> P:
    """See `policies.base.TrainablePolicy.load`."""
    stored = read_policy(folder, _core(cls()).design.kind)
    policy = rebuild(cls, folder, stored)
    core = _core(policy)
    catalogue = read_catalogue(folder, stored.arrays)
    try:
        module = core.design.make(catalogue, torch.Generator())
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise PolicyFolderError(
            f"{folder}: settings and weights do not fit together ({reason}); save it anew"
        ) from None
    shapes = {f"module.{name}": tuple(weight.shape) for name, weight in module.state_dict().items()}
    want_shapes(folder, stored.arrays, shapes)
    module.load_state_dict({name.partition(".")[2]: torch.from_numpy(stored.arrays[name]) for name in shapes})
    core.fitted = FittedRanker(catalogue, module.eval())
    return policy


def fit_module(design: RankerSpec, log: Log, seed: int) -> FittedRanker:
    """Learn a module from a log.

    Raises:
        ValueError: The log has no views, or features that are not finite.
    """
    check_log(log)
    generator = torch.Generator().manual_seed(seed)
    catalogue = catalogue_of(log)
    source = design.source(log, design.sampling, generator)
    module = design.make(catalogue, generator)
    learn(module, design, source, generator)
    return FittedRanker(catalogue, module.eval())


def learn(module: nn.Module, design: RankerSpec, source: TrainingSource, generator: torch.Generator) -> None:
    """Train a module on a source's targets, with the shared trainer; users held out keep their negatives."""
    n_targets = len(source)
    least, most = design.per_step
    per_step = min(max(n_targets / _STEPS, least), most) * source.n_users / n_targets
    schedule = TrainingSchedule(
        epochs=design.epochs if n_targets >= _FEW else 1,
        users_per_step=max(1, round(per_step)),
        learning_rate=design.learning_rate,
        longest_gradient=5.0,
    )

    def loss_of(users: Tensor) -> Tensor:
        draws = generator if module.training else torch.Generator().manual_seed(0)
        return design.loss(module, source.take(users, draws))

    train(module, loss_of, partial(torch.zeros, ()), source.n_users, schedule, generator)


def _core(policy: object) -> TorchRanker:
    """The core of a policy whose class takes its methods from here."""
    if not isinstance(policy, Neural):
        raise TypeError(f"{type(policy).__name__} has no core; set one in __post_init__")
    return policy.core
