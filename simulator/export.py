"""A run's trace as files that offline-RL tools open: Parquet, D4RL-style NumPy archives, Minari datasets."""

import os
import re
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, final, get_args

import numpy as np
from gymnasium import spaces

from simulator.transitions import Transitions

Format: TypeAlias = Literal["minari", "d4rl-npz", "parquet"]
_LOGGED: Final = ("user_id", "video_id", "day", "position")
_MINARI_ROOT: Final = "MINARI_DATASETS_PATH"
"""Minari knows no other way to be told where a dataset goes."""


@final
class ExportError(ValueError):
    """A dataset that cannot be written: says where and why."""


def export(transitions: Transitions, kind: Format, out: Path) -> Path:
    """Write transitions.

    Args:
        transitions: What to write.
        kind: `parquet`: OUT/transitions.parquet, one row per view with `episode`, `reward`, `terminal`, `cost`,
            `propensity`, and what was logged. `d4rl-npz`: OUT/transitions.npz with D4RL's keys. `minari`: a dataset
            askew/NAME-v0 under OUT, to be loaded with MINARI_DATASETS_PATH=OUT.
        out: Folder, made if need be.

    Returns:
        The file or folder written.

    Raises:
        ExportError: It is there already, cannot be written, or Minari is not installed.
    """
    if kind not in get_args(Format):
        raise ExportError(f"--format: {kind!r} given, want one of {', '.join(get_args(Format))}")
    writers: dict[str, Callable[[Transitions, Path], Path]] = {
        "parquet": _parquet,
        "d4rl-npz": _npz,
        "minari": _minari,
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        return writers[kind](transitions, out)
    except OSError as error:
        raise ExportError(f"{out}: cannot be written: {error.strerror or error}; give another --out") from None


def _free(path: Path) -> Path:
    """A path where nothing is yet."""
    if path.exists():
        raise ExportError(f"{path}: is there already; give another --out or remove it")
    return path


def _parquet(transitions: Transitions, out: Path) -> Path:
    """One row per view."""
    path = _free(out / "transitions.parquet")
    frame = transitions.trace.assign(
        episode=_episode(transitions),
        reward=transitions.rewards,
        terminal=transitions.terminals,
        cost=transitions.costs,
        propensity=transitions.propensity,
    )
    aside = path.with_name(f".{path.name}.part")
    frame.to_parquet(aside, index=False)
    return aside.replace(path)


def _npz(transitions: Transitions, out: Path) -> Path:
    """D4RL's keys (Fu et al., 2020, https://arxiv.org/abs/2004.07219); the next observation ends with the episode."""
    path = _free(out / "transitions.npz")
    following = np.where(transitions.terminals, np.arange(len(transitions)), np.arange(len(transitions)) + 1)
    infos: dict[str, Any] = {f"infos/{key}": transitions.trace[key].to_numpy() for key in _LOGGED}
    infos["infos/propensity"] = transitions.propensity
    aside = path.with_name(f".{path.stem}.part.npz")
    np.savez_compressed(
        aside,
        observations=transitions.observations,
        actions=transitions.actions,
        rewards=transitions.rewards.astype(np.float32),
        next_observations=transitions.observations[following],
        terminals=transitions.terminals,
        timeouts=np.zeros(len(transitions), bool),
        costs=transitions.costs.astype(np.float32),
        **infos,
    )
    return aside.replace(path)


def _minari(transitions: Transitions, out: Path) -> Path:
    """A Minari dataset (https://minari.farama.org), one episode per user and day."""
    try:
        import minari
        from minari.data_collector import EpisodeBuffer
    except ImportError:
        raise ExportError("--format minari: Minari is not installed; pip install 'askew[rl]'") from None
    word = re.sub(r"[^A-Za-z0-9-]+", "-", transitions.name).strip("-") or "run"
    path = _free(out / "askew" / f"{word}-v0")
    ends = np.flatnonzero(transitions.terminals) + 1
    buffers = [
        EpisodeBuffer(
            id=i,
            observations=list(_closed(transitions.observations[first:end])),
            actions=list(transitions.actions[first:end]),
            rewards=transitions.rewards[first:end].tolist(),
            terminations=transitions.terminals[first:end].tolist(),
            truncations=[False] * (end - first),
            infos={
                "propensity": _closed(transitions.propensity[first:end]),
                "cost": _closed(transitions.costs[first:end]),
                "video_id": _closed(transitions.trace["video_id"].to_numpy()[first:end]),
            },
        )
        for i, (first, end) in enumerate(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))
    ]
    with _minari_root(out), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="minari")  # of an author and a link it has not
        minari.create_dataset_from_buffers(
            f"askew/{word}-v0",
            buffers,
            observation_space=_box(transitions.observations),
            action_space=_box(transitions.actions),
            description="Views of simulated short-video users; one episode is one user's day.",
        )
    return path


def _closed(values: np.ndarray) -> np.ndarray:
    """One entry more than there are steps, as Minari stores what is seen before and after each: the last one twice."""
    return np.concatenate([values, values[-1:]])


def _box(values: np.ndarray) -> spaces.Box:
    """The space that some vectors fill."""
    return spaces.Box(values.min(axis=0), values.max(axis=0), dtype=np.float32)


def _episode(transitions: Transitions) -> np.ndarray:
    """Number of each view's episode."""
    return np.concatenate([[0], np.cumsum(transitions.terminals)[:-1]]).astype(np.int64)


@contextmanager
def _minari_root(out: Path) -> Generator[None]:
    """Let Minari write below a folder."""
    before = os.environ.get(_MINARI_ROOT)
    os.environ[_MINARI_ROOT] = str(out.resolve())
    try:
        yield
    finally:
        os.environ.pop(_MINARI_ROOT)
        if before is not None:
            os.environ[_MINARI_ROOT] = before
