"""A network trained elsewhere, such as by Stable-Baselines3 or TorchRL in `askew/Feed-v0`, as a ranking policy.

Its folder holds numbers and names of layers only (see `policies.storage`): nothing in it is run.
`simulator.environment.agents` writes such folders.

Axes: `users` requests, `n` candidates, `f` inputs, `a` outputs.
"""

from pathlib import Path
from typing import Final, Literal, TypeAlias, cast, final, get_args

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from policies.agents.flat_observation import Numbers, numbers_of
from policies.base import Noise, Observation, Slates, top_k
from policies.storage import PolicyFolderError, Stored, read_policy, want_shapes, write_policy
from policies.torch_rankers.training import one_thread

_KIND: Final = "agent"
Activation: TypeAlias = Literal["tanh", "relu"]
Action: TypeAlias = Literal["scores", "weights"]
_ACT: Final = {"tanh": torch.tanh, "relu": torch.relu}


@final
class AgentPolicy:
    """Rank by what a trained network says of each request, read as a flat vector of numbers.

    The network is a chain of linear layers with one activation between them. With `action = "scores"` its outputs are
    one score per candidate, in the order on offer; with `"weights"` one weight per column of `Numbers.candidates`, and
    a candidate's score is their inner product.
    """

    def __init__(self, folder: str) -> None:
        """Read the network.

        Args:
            folder: What `simulator.environment.agents.save_agent` wrote.

        Raises:
            ValueError: The folder is missing, damaged or of another policy.
        """
        stored = read_policy(Path(folder), _KIND)
        self._layers = _layers(Path(folder), stored)
        self._activation, self._action = _words(Path(folder), stored)
        self._bound = 1.0 if stored.settings.get("bounded") is True else np.inf

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:  # noqa: ARG002 - the contract's signature
        """Return the `k` best candidates of each request."""
        return top_k(obs, self.scores(obs), k)

    def scores(self, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate of each request with the network.

        Raises:
            ValueError: The network was trained for another number of candidates, or for another world's features.
        """
        numbers = numbers_of(obs)
        flat = numbers.flat
        n_inputs = self._layers[0][0].shape[1]
        if flat.shape[1] != n_inputs:
            raise ValueError(
                f"agent reads {n_inputs} numbers, but {obs.candidates.shape[1]} candidates give {flat.shape[1]}; "
                "serve it with as many candidates, in the world, that it was trained with"
            )
        with torch.no_grad(), one_thread():
            outputs = self._forward(torch.from_numpy(flat)).numpy()
        return self._scores(numbers, outputs)

    def _forward(self, x: Float32[Tensor, "users f"]) -> Float32[Tensor, "users a"]:
        """The network."""
        for weight, bias in self._layers[:-1]:
            x = _ACT[self._activation](x @ weight.T + bias)
        weight, bias = self._layers[-1]
        return x @ weight.T + bias

    def _scores(self, numbers: Numbers, said: Float32[np.ndarray, "users a"]) -> Float32[np.ndarray, "users n"]:
        """Scores from the network's outputs."""
        n_outputs = numbers.candidates.shape[2 if self._action == "weights" else 1]
        if said.shape[1] != n_outputs:
            raise ValueError(f"agent says {said.shape[1]} numbers per request, want {n_outputs} {self._action}")
        said = np.clip(said, -self._bound, self._bound)
        if self._action == "scores":
            return said
        return np.einsum("unp,up->un", numbers.candidates, said).astype(np.float32)


def write_agent(
    folder: Path,
    layers: list[tuple[np.ndarray, np.ndarray]],
    activation: Activation,
    action: Action,
    *,
    bounded: bool,
) -> None:
    """Write a network as a folder that `AgentPolicy` reads.

    Args:
        folder: Made if need be.
        layers: Weights [out, in] and biases [out], first layer first.
        activation: Between the layers.
        action: What the outputs are.
        bounded: Whether outputs are cut to [-1, 1], as an environment does with those of a Gaussian policy.

    Raises:
        ValueError: The folder holds a policy already.
    """
    arrays = {f"{name}{i}": array for i, layer in enumerate(layers) for name, array in zip("wb", layer, strict=True)}
    settings = {"layers": len(layers), "activation": activation, "action": action, "bounded": bounded}
    write_policy(folder, Stored(_KIND, settings, {k: np.asarray(v, np.float32) for k, v in arrays.items()}))


def _layers(folder: Path, stored: Stored) -> list[tuple[Tensor, Tensor]]:
    """Weights and biases, each fitting the layer before."""
    n = stored.settings.get("layers")
    if not isinstance(n, int) or not 1 <= n <= 100:
        raise PolicyFolderError(f"{folder}: layers {n!r} found, want 1 to 100; save the agent anew")
    inputs, layers = -1, list[tuple[Tensor, Tensor]]()
    for i in range(n):
        want_shapes(folder, stored.arrays, {f"w{i}": (-1, inputs), f"b{i}": (-1,)})
        weight, bias = (stored.arrays[f"{name}{i}"].astype(np.float32) for name in "wb")
        want_shapes(folder, stored.arrays, {f"b{i}": (len(weight),)})
        layers.append((torch.from_numpy(weight), torch.from_numpy(bias)))
        inputs = len(weight)
    return layers


def _words(folder: Path, stored: Stored) -> tuple[Activation, Action]:
    """The two choices of the settings."""
    activation, action = stored.settings.get("activation"), stored.settings.get("action")
    if activation not in get_args(Activation) or action not in get_args(Action):
        raise PolicyFolderError(
            f"{folder}: activation {activation!r} and action {action!r} found, want one of "
            f"{', '.join(get_args(Activation))} and one of {', '.join(get_args(Action))}; save the agent anew"
        )
    return cast("Activation", activation), cast("Action", action)
