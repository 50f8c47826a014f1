"""Save an agent that was trained in the environment, so that the policy `agent` can serve it as an arm of a test.

Only the layers of its network are stored. Stable-Baselines3 stores models with pickle, which can run code when read.
"""

from pathlib import Path
from typing import Any, Final, final

import torch
from torch import nn

from policies.agents.agent_policy import Action, Activation, write_agent

_ACTIVATIONS: Final[dict[type[nn.Module], Activation]] = {nn.Tanh: "tanh", nn.ReLU: "relu"}


@final
class AgentError(ValueError):
    """An agent that cannot be written; the message names the given and the expected value."""


def save_agent(model: Any, folder: Path, action: Action = "scores") -> None:  # noqa: ANN401 # whatever library made it
    """Write a trained agent as a folder that the policy `agent` serves from: `options = {folder = "..."}` in a spec.

    The agent must have been trained on `simulator.environment.wrappers.FlatNumbers`, with as many candidates as the
    test will have.

    Args:
        model: A PPO, A2C or DQN of Stable-Baselines3 with an `MlpPolicy`, or any `torch.nn.Sequential` of linear
            layers with tanh or ReLU between them, such as TorchRL's `MLP`.
        folder: Folder to write to; made if it does not exist.
        action: What the outputs are: `scores` of the candidates (also the values of `SingleVideo`'s actions), or the
            `weights` of `simulator.environment.wrappers.CandidateWeights`.

    Raises:
        AgentError: The kind of agent or network is not supported.
        ValueError: The folder holds a policy already.
    """
    modules, bounded = _chain(model)
    layers = [module for module in modules if isinstance(module, nn.Linear)]
    activations: set[Activation] = {_ACTIVATIONS[type(module)] for module in modules if type(module) in _ACTIVATIONS}
    unsupported = [type(m).__name__ for m in modules if not isinstance(m, nn.Linear) and type(m) not in _ACTIVATIONS]
    if unsupported or not layers or len(activations) > 1 or not _alternates(modules):
        layer_names = ", ".join(type(module).__name__ for module in modules) or "nothing"
        raise AgentError(f"a network of {layer_names} given, want linear layers with one of tanh and ReLU between them")
    arrays = [(_numbers(layer.weight), _numbers(_bias(layer))) for layer in layers]
    write_agent(folder, arrays, "relu" if "relu" in activations else "tanh", action, bounded=bounded)


def _chain(model: Any) -> tuple[list[nn.Module], bool]:  # noqa: ANN401 # whatever library made it
    """The layers from inputs to outputs, and whether the environment clipped the outputs to [-1, 1] in training."""
    if isinstance(model, nn.Sequential):
        return list(model), False
    policy: Any = getattr(model, "policy", None)
    if hasattr(policy, "mlp_extractor") and hasattr(policy, "action_net"):
        return [*policy.mlp_extractor.policy_net, policy.action_net], hasattr(policy, "log_std")
    if hasattr(policy, "q_net") and hasattr(policy.q_net, "q_net"):
        return list(policy.q_net.q_net), False
    raise AgentError(
        f"an agent of type {type(model).__name__} given, want a PPO, A2C or DQN of Stable-Baselines3 with an "
        "MlpPolicy, or a torch.nn.Sequential"
    )


def _alternates(modules: list[nn.Module]) -> bool:
    """Return whether linear layers and activations alternate, a linear layer first and last."""
    return (
        all(isinstance(module, nn.Linear) == (i % 2 == 0) for i, module in enumerate(modules)) and len(modules) % 2 == 1
    )


def _bias(layer: nn.Linear) -> torch.Tensor:
    """A layer's bias, or zeros."""
    return layer.bias if isinstance(layer.bias, torch.Tensor) else torch.zeros(layer.out_features)  # pyright: ignore[reportUnnecessaryIsInstance] # None without


def _numbers(tensor: torch.Tensor) -> Any:  # noqa: ANN401 # a numpy array
    """A tensor as an array."""
    return tensor.detach().cpu().numpy()
