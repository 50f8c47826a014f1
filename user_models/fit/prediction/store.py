"""Storage of predictors: `predictor.json` and `predictor.safetensors` in the world's folder, checked when read."""

import hashlib
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.numpy import save as save_arrays

from user_models.dynamics.watch_thresholds import N_THRESHOLDS
from user_models.errors import WorldError
from user_models.fit.prediction.feature_encoder import Coding
from user_models.fit.prediction.inputs import PriorViews
from user_models.fit.prediction.network import Network
from user_models.fit.prediction.predictor import Predictor, shape_of
from user_models.fit.prediction.running_counts import N_SUMS, RunningCounts
from user_models.fit.rows.features import Features
from user_models.world.checked_files import read_description, read_weights
from user_models.world.store import bundled_worlds
from user_models.world.tables import ACTIONS

FORMAT: Final = 1
ABOUT: Final = "predictor.json"
WEIGHTS: Final = "predictor.safetensors"
_KINDS: Final = ("watching", "acting")
_Levels = tuple[tuple[str, ...], ...]


class _PredictorFile(BaseModel):
    """`predictor.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    weights_sha256: str
    networks: int
    last_date: int
    n_rows: int
    grid_pages: tuple[int, ...]
    user_levels: _Levels
    video_levels: _Levels


def save_predictor(predictor: Predictor, folder: Path) -> None:
    """Write a predictor into a world's folder.

    Raises:
        WorldError: The folder cannot be written.
    """
    weights = save_arrays(_arrays(predictor))
    content = _PredictorFile(
        format=FORMAT,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        networks=len(predictor.watching),
        last_date=predictor.past.last_date,
        n_rows=predictor.n_rows,
        grid_pages=predictor.grid_pages,
        user_levels=predictor.users.levels,
        video_levels=predictor.videos.levels,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS).write_bytes(weights)
        (folder / ABOUT).write_text(content.model_dump_json() + "\n", encoding="utf-8")
    except OSError as error:
        raise WorldError(f"{folder}: cannot be written: {error.strerror}; make room or give another folder") from None


def load_predictor(name: str) -> Predictor | None:
    """The predictor of a bundled world, or of a world's folder; None where the world has none.

    Raises:
        WorldError: A damaged one.
    """
    folder = bundled_worlds().get(name, Path(name))
    if not (folder / ABOUT).exists() and not (folder / WEIGHTS).exists():
        return None
    missing = f", while {WEIGHTS} is there; fit the world again"
    content = read_description(folder / ABOUT, _PredictorFile, missing)
    arrays = read_weights(folder / WEIGHTS, content.weights_sha256)
    try:
        return _assembled(content, arrays)
    except (KeyError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WorldError(f"{folder / WEIGHTS}: does not fit {ABOUT} ({reason}); fit the world again") from None


def _arrays(predictor: Predictor) -> dict[str, np.ndarray]:
    """All numbers of a predictor by name; sums in half precision, which they were rounded to."""
    arrays: dict[str, np.ndarray] = {}
    for kind, networks in zip(_KINDS, (predictor.watching, predictor.acting), strict=True):
        for index, network in enumerate(networks):
            for name, tensor in network.state_dict().items():
                arrays[f"{kind}.{index}.{name}"] = np.ascontiguousarray(tensor.numpy())
    for name, coding, ledger in (
        ("users", predictor.users, predictor.past.users),
        ("videos", predictor.videos, predictor.past.videos),
    ):
        arrays[f"{name}.mean"], arrays[f"{name}.spread"] = coding.mean, coding.spread
        arrays[f"{name}.ids"], arrays[f"{name}.sums"] = ledger.ids, ledger.sums.astype(np.float16)
    return arrays


def _assembled(content: _PredictorFile, arrays: dict[str, np.ndarray]) -> Predictor:
    """A predictor from its parts."""
    users = Coding(content.user_levels, arrays["users.mean"], arrays["users.spread"])
    videos = Coding(content.video_levels, arrays["videos.mean"], arrays["videos.spread"])
    watching, acting = (
        tuple(_network(f"{kind}.{index}.", arrays, (users, videos), outputs) for index in range(content.networks))
        for kind, outputs in zip(_KINDS, (N_THRESHOLDS, len(ACTIONS)), strict=True)
    )
    past = PriorViews(_ledger(arrays, "users"), _ledger(arrays, "videos"), content.last_date)
    return Predictor(watching, acting, users, videos, past, content.grid_pages, content.n_rows)


def _ledger(arrays: dict[str, np.ndarray], name: str) -> RunningCounts:
    """The sums of users or videos."""
    ids, sums = arrays[f"{name}.ids"], arrays[f"{name}.sums"]
    if sums.shape != (len(ids), N_SUMS) or not np.isfinite(sums).all() or (np.diff(ids) <= 0).any():
        raise ValueError(f"{name}.sums are not finite sums of ascending ids")
    return RunningCounts(ids, sums.astype(np.float32))


def _network(prefix: str, arrays: dict[str, np.ndarray], codings: tuple[Coding, Coding], outputs: int) -> Network:
    """One network."""
    state = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
    if any(np.isnan(array).any() for array in state.values()):
        raise ValueError(f"{prefix}* holds values that are not numbers")
    users, videos = (
        Features(np.zeros((0, 1), np.int64), coding.n_codes, np.zeros((0, len(coding.mean)), np.float32))
        for coding in codings
    )
    shape = shape_of(users, videos, len(state["mean"]), outputs)
    network = Network(shape, state["mean"], state["spread"], 0.0, torch.Generator().manual_seed(0))
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in state.items()})
    return network
