"""EASQ's state as arrays, and back: weights, Adam's moments, answers, latest views, clock.

Nothing in it can run code; a folder that is damaged is refused.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Final

import numpy as np
import torch

from policies.base import Feedback
from policies.easq.answer_buffer import find_answers, name_answers
from policies.easq.inputs import name_known, read_known
from policies.easq.learning import EasqRecipe, RankerState, make_network, make_optimiser
from policies.easq.model import EasqNetwork
from policies.storage import want_shapes

_MOMENTS: Final = ("exp_avg", "exp_avg_sq")


def name_state(state: RankerState) -> dict[str, np.ndarray]:
    """Return the arrays by their stored names."""
    network = {f"network.{name}": weight.numpy() for name, weight in state.network.state_dict().items()}
    tail = {f"tail.{field.name}": getattr(state.tail, field.name) for field in fields(Feedback)}
    clock = {"clock": np.array([state.seed, state.rounds], np.int64)}
    return name_known(state.known) | name_answers(state.answers) | network | tail | clock | _name_moments(state)


def read_state(folder: Path, arrays: Mapping[str, np.ndarray], recipe: EasqRecipe) -> RankerState:
    """Read a ranker's state from arrays named by `name_state`.

    Raises:
        PolicyFolderError: An array is missing, damaged or does not fit the others.
    """
    frozen = read_known(folder, arrays)
    network = make_network(frozen, recipe, torch.Generator())
    shapes = {f"network.{name}": tuple(weight.shape) for name, weight in network.state_dict().items()}
    n = -1 if "tail.user_id" not in arrays else len(arrays["tail.user_id"])
    tail = {f"tail.{field.name}": (n,) for field in fields(Feedback)}
    want_shapes(folder, arrays, shapes | tail | {"clock": (2,)} | _moment_shapes(network))
    network.load_state_dict({name.partition(".")[2]: torch.from_numpy(arrays[name]) for name in shapes})
    optimiser = make_optimiser(network, recipe)
    for name, weight in network.named_parameters():
        step = torch.from_numpy(arrays[f"adam.{name}.step"])[0]
        if step > 0:
            moments = {kind: torch.from_numpy(arrays[f"adam.{name}.{kind}"]) for kind in _MOMENTS}
            optimiser.state[weight] = {"step": step, **moments}
    seed, rounds = (int(value) for value in arrays["clock"])
    views = Feedback(*(arrays[name] for name in tail))
    return RankerState(frozen, network.eval(), optimiser, find_answers(folder, arrays, frozen), views, seed, rounds)


def _name_moments(state: RankerState) -> dict[str, np.ndarray]:
    """Adam's state of every weight; zeros for one that has not moved."""
    arrays: dict[str, np.ndarray] = {}
    for name, weight in state.network.named_parameters():
        moments = state.optimiser.state.get(weight, {})
        arrays[f"adam.{name}.step"] = np.array([float(moments.get("step", 0))], np.float32)
        for kind in _MOMENTS:
            arrays[f"adam.{name}.{kind}"] = moments.get(kind, torch.zeros_like(weight)).detach().numpy()
    return arrays


def _moment_shapes(network: EasqNetwork) -> dict[str, tuple[int, ...]]:
    """Return the shapes of Adam's stored moments."""
    weights = dict(network.named_parameters())
    moments = {f"adam.{name}.{kind}": tuple(weight.shape) for name, weight in weights.items() for kind in _MOMENTS}
    return moments | {f"adam.{name}.step": (1,) for name in weights}
