"""The spec of a ranker that is one torch module: `forward(requests, candidates)` scores, a loss learns from samples.

Axes: `users` requests served together, `n` candidates.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, final, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from policies.base import Log, Observation
from policies.checks import check_log, check_tables
from policies.storage import PolicyFolderError, want_shapes
from policies.torch_rankers.feature_tables import FeatureTables, catalogue_of, read_catalogue
from policies.torch_rankers.histories import read_requests, rows_of
from policies.torch_rankers.losses import softmax_loss
from policies.torch_rankers.training import TrainingSchedule, one_thread, train
from policies.torch_rankers.view_samples import SampleSource, Sampling

Make: TypeAlias = Callable[[FeatureTables, torch.Generator], nn.Module]
"""Builds the module with its first weights."""
Loss: TypeAlias = Callable[[Any, Any], Tensor]
"""Mean loss of a module on what its source takes, such as `policies.torch_rankers.view_samples.ViewSample`."""
SourceFactory: TypeAlias = Callable[[Log, Sampling, torch.Generator], "TrainingSource"]
"""Chooses the targets of a log: views, or whole slates (`policies.torch_rankers.slate_samples.SlateSource`)."""
FitModule: TypeAlias = Callable[["RankerSpec", Log, int], "FittedRanker"]
"""Fits the module of a spec on a log, from a seed."""

_ROWS: Final = 256
"""Requests scored together."""
_STEPS: Final = 120
"""Steps of an epoch, unless they would be too large or too small; so small logs are learned from as well."""
_CLICKS: Final = 200_000
"""Clicks that are learned from, at most, where they are sought in the whole catalogue."""
_FEW: Final = 1_000
"""Targets from which more than one pass is worth its time."""


@final
@dataclass(frozen=True)
class FittedRanker:
    """A fitted module.

    Attributes:
        catalogue: Feature tables of the log that it was fitted on.
        module: Fitted, in evaluation mode.
    """

    catalogue: FeatureTables
    module: nn.Module


@runtime_checkable
class TrainingSource(Protocol):
    """A log's targets, by user."""

    def __len__(self) -> int:
        """Count the targets."""
        ...

    @property
    def n_users(self) -> int:
        """Users with targets."""
        ...

    def take(self, users: Int64[Tensor, " chosen"], generator: torch.Generator) -> object:
        """Return all targets of some users, numbered from 0."""
        ...


def fit_module(spec: "RankerSpec", log: Log, seed: int) -> FittedRanker:
    """Fit the spec's module by its loss.

    Raises:
        ValueError: The log has no views, or features that are not finite.
    """
    check_log(log)
    generator = torch.Generator().manual_seed(seed)
    catalogue = catalogue_of(log)
    source = spec.source(log, spec.sampling, generator)
    module = spec.make(catalogue, generator)
    learn(module, spec, source, generator)
    return FittedRanker(catalogue, module.eval())


def learn(module: nn.Module, spec: "RankerSpec", source: TrainingSource, generator: torch.Generator) -> None:
    """Train a module on a source's targets, with the shared trainer; users held out keep their negatives."""
    n_targets = len(source)
    least, most = spec.per_step
    per_step = min(max(n_targets / _STEPS, least), most) * source.n_users / n_targets
    schedule = TrainingSchedule(
        epochs=spec.epochs if n_targets >= _FEW else 1,
        users_per_step=max(1, round(per_step)),
        learning_rate=spec.learning_rate,
        longest_gradient=5.0,
    )

    def loss_of(users: Tensor) -> Tensor:
        draws = generator if module.training else torch.Generator().manual_seed(0)
        return spec.loss(module, source.take(users, draws))

    train(module, loss_of, partial(torch.zeros, ()), source.n_users, schedule, generator)


@final
@dataclass(frozen=True)
class RankerSpec:
    """Specification of one torch ranker; a `policies.torch_rankers.ranker.Spec`.

    Attributes:
        kind: The policy's name.
        make: Builds its module.
        loss: Loss that its module is trained on.
        sampling: Which targets and negatives are sampled.
        epochs: Passes over the targets, at most; at least 1.
        learning_rate: At the first step; more than 0.
        per_step: Targets per step, least and most.
        source: Chooses the targets of a log.
        fit_with: Fits the module, where training on `loss` is not all there is to it.
    """

    kind: str
    make: Make
    loss: Loss
    sampling: Sampling
    epochs: int = 4
    learning_rate: float = 0.01
    per_step: tuple[int, int] = (128, 512)
    source: SourceFactory = SampleSource
    fit_with: FitModule = fit_module

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.learning_rate <= 0:
            given = f"epochs={self.epochs}, learning_rate={self.learning_rate}"
            raise ValueError(f"{given} given, want at least 1 and more than 0")

    def for_catalogue(self) -> "RankerSpec":
        """Return the spec with the teaching that all rankers share where clicks are sought in the whole catalogue.

        Each click is told apart from 16 videos drawn evenly from those of the log, by softmax; 12 epochs at most, by
        the loss of users held out. Only the score itself is learned, not a ranker's further tasks.
        """
        sampling = replace(self.sampling, n_negatives=16, negatives="uniform", targets="clicked", max_targets=_CLICKS)
        return replace(
            self,
            loss=softmax_loss,
            sampling=sampling,
            epochs=12,
            learning_rate=0.01,
            per_step=RankerSpec.per_step,
            source=SampleSource,
        )

    def fit(self, log: Log, seed: int) -> FittedRanker:
        """Fit the module on a log."""
        return self.fit_with(self, log, seed)

    def scores(self, fitted: FittedRanker, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate of every request.

        Raises:
            ValueError: The catalogue or the user features are not those of the log that was fitted on.
        """
        check_tables(obs, len(fitted.catalogue.tag), len(fitted.catalogue.user_mean))
        requests = read_requests(obs, self.sampling.history)
        candidates = torch.from_numpy(obs.candidates.astype(np.int64))
        out = np.empty(obs.candidates.shape, np.float32)
        with one_thread(), torch.inference_mode():
            for begin in range(0, len(out), _ROWS):
                rows = slice(begin, begin + _ROWS)
                out[rows] = fitted.module(rows_of(requests, rows), candidates[rows]).numpy()
        return out

    def arrays(self, fitted: FittedRanker) -> dict[str, np.ndarray]:
        """Return tables and weights by the name that they are stored under."""
        weights = {f"module.{name}": weight.numpy() for name, weight in fitted.module.state_dict().items()}
        return fitted.catalogue.arrays() | weights

    def restore(self, folder: Path, arrays: Mapping[str, np.ndarray]) -> FittedRanker:
        """Rebuild the module from stored tables and weights.

        Raises:
            PolicyFolderError: An array is missing, damaged or does not fit the others.
        """
        catalogue = read_catalogue(folder, arrays)
        try:
            module = self.make(catalogue, torch.Generator())
        except (TypeError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise PolicyFolderError(
                f"{folder}: settings and weights do not fit together ({reason}); save it anew"
            ) from None
        shapes = {f"module.{name}": tuple(weight.shape) for name, weight in module.state_dict().items()}
        want_shapes(folder, arrays, shapes)
        module.load_state_dict({name.partition(".")[2]: torch.from_numpy(arrays[name]) for name in shapes})
        return FittedRanker(catalogue, module.eval())
