"""Write a run's trace for offline-RL tools: Parquet, D4RL-style NumPy archives, Minari datasets."""

import os
import re
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from gymnasium import spaces

from simulator.environment.transitions import Transitions
from simulator.errors import ExportError
from simulator.whole_file import whole_file

Format: TypeAlias = Literal["minari", "d4rl-npz", "parquet"]
_LOGGED: Final = ("user_id", "video_id", "day", "request", "position")
_MINARI_ROOT: Final = "MINARI_DATASETS_PATH"
"""The only way to set Minari's folder."""
_TOGETHER: Final = 50_000
"""Rows of a Parquet file per write."""
_ROOM: Final = 2
"""Factor for HDF5's blocks, of which half may stay empty."""
_ROW_BYTES: Final = 80
"""Bytes of a row without its vectors: ten numbers."""
_EPISODE_BYTES: Final = 50_000
"""Bytes that HDF5 needs per episode, without its numbers; 34,000 were measured."""
_CHUNK_BYTES: Final = 1 << 20


def export(transitions: Transitions, format_name: Format, out: Path) -> Path:
    """Write transitions, whole or not at all.

    Args:
        transitions: The transitions to write.
        format_name: `parquet`: OUT/transitions.parquet, one row per view with `episode`, `reward`, `terminal`,
            `timeout`, `cost`, `propensity`, `candidates`, and the log's columns.
            `d4rl-npz`: OUT/transitions.npz with D4RL's keys.
            `minari`: a dataset askew/NAME-v0 under OUT, to be loaded with MINARI_DATASETS_PATH=OUT.
        out: Folder to write to; made if it does not exist.

    Returns:
        The file or folder written.

    Raises:
        ExportError: The file exists or cannot be written, or Minari is not installed.
    """
    if format_name not in get_args(Format):
        raise ExportError(f"--format: {format_name!r} given, want one of {', '.join(get_args(Format))}")
    writers: dict[str, Callable[[Transitions, Path], Path]] = {
        "parquet": _parquet,
        "d4rl-npz": _npz,
        "minari": _minari,
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        return writers[format_name](transitions, out)
    except (OSError, RuntimeError) as error:  # h5py's are of both kinds
        raise ExportError(f"{out}: cannot be written: {_reason(error)}; make room or give another --out") from None


def _reason(error: OSError | RuntimeError) -> str:
    """Describe a system error in one line."""
    number = getattr(error, "errno", None) or next(iter(re.findall(r"errno = (\d+)", str(error))), None)
    return os.strerror(int(number)) if number else str(error).partition("\n")[0]


def _unused(path: Path) -> Path:
    """Check that nothing exists at a path, and return it."""
    if path.exists():
        raise ExportError(f"{path}: is there already; give another --out or remove it")
    return path


def _parquet(transitions: Transitions, out: Path) -> Path:
    """Write a Parquet file with one row per view."""
    path = _unused(out / "transitions.parquet")
    frame = transitions.trace.assign(
        episode=_episode(transitions),
        reward=transitions.rewards,
        terminal=False,
        timeout=transitions.timeouts,
        cost=transitions.costs,
        propensity=transitions.propensity,
    )
    logged = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
    n = transitions.offered.shape[1]
    schema = logged.schema.append(pa.field("candidates", pa.list_(pa.int32(), n)))
    with whole_file(path) as partial_path, pq.ParquetWriter(partial_path, schema, compression="zstd") as writer:
        for first in range(0, len(logged), _TOGETHER):
            offered = transitions.candidates(slice(first, first + _TOGETHER))
            column = pa.FixedSizeListArray.from_arrays(pa.array(offered.ravel()), n)
            writer.write_table(logged.slice(first, _TOGETHER).append_column("candidates", column))
    return path


def _npz(transitions: Transitions, out: Path) -> Path:
    """Write a NumPy archive with D4RL's keys (Fu et al., 2020, https://arxiv.org/abs/2004.07219)."""
    path = _unused(out / "transitions.npz")
    infos: dict[str, Any] = {f"infos/{key}": transitions.trace[key].to_numpy() for key in _LOGGED}
    infos["infos/propensity"] = transitions.propensity
    infos["infos/candidates"] = transitions.candidates(slice(None))
    with whole_file(path) as partial_path, partial_path.open("wb") as file:
        np.savez_compressed(
            file,
            observations=transitions.observations,
            actions=transitions.actions,
            rewards=transitions.rewards.astype(np.float32),
            next_observations=transitions.observations[transitions.following()],
            terminals=np.zeros(len(transitions), bool),
            timeouts=transitions.timeouts,
            costs=transitions.costs.astype(np.float32),
            **infos,
        )
    return path


def _minari(transitions: Transitions, out: Path) -> Path:
    """Write a Minari dataset (https://minari.farama.org), one episode per user and day."""
    try:
        import minari
    except ImportError:
        raise ExportError("--format minari: Minari is not installed; pip install 'askew[rl]'") from None
    dataset_name = re.sub(r"[^A-Za-z0-9-]+", "-", transitions.name).strip("-") or "run"
    path = _unused(out / "askew" / f"{dataset_name}-v0")
    with TemporaryDirectory(prefix=".export-", dir=out) as root:
        _check_disk_space(Path(root) / "room", transitions)
        with _minari_root(Path(root)), warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module="minari")  # of an author and a link it lacks
            minari.create_dataset_from_buffers(
                f"askew/{dataset_name}-v0",
                _episodes(transitions),
                observation_space=_box(transitions.observations),
                action_space=_box(transitions.actions),
                description="Views of simulated short-video users; one episode is one user's day.",
            )
        path.parent.mkdir(exist_ok=True)
        for created in sorted(
            (Path(root) / "askew").iterdir()
        ):  # the dataset, and a file about all datasets in the folder
            created.replace(path.parent / created.name)
    return path


def _check_disk_space(path: Path, transitions: Transitions) -> None:
    """Write and remove a file of the dataset's largest size: HDF5 may crash on a full disk."""
    row_bytes = sum(array[:1].nbytes for array in (transitions.observations, transitions.actions, transitions.offered))
    n_bytes = _ROOM * len(transitions) * (row_bytes + _ROW_BYTES) + int(transitions.timeouts.sum()) * _EPISODE_BYTES
    with path.open("wb") as file:
        for first in range(0, n_bytes, _CHUNK_BYTES):
            file.write(bytes(min(_CHUNK_BYTES, n_bytes - first)))
    path.unlink()


def _episodes(transitions: Transitions) -> list[Any]:
    """Make one Minari buffer per episode."""
    from minari.data_collector import EpisodeBuffer

    ends, following = np.flatnonzero(transitions.timeouts) + 1, transitions.following()
    logged = {key: transitions.trace[key].to_numpy() for key in _LOGGED}
    return [
        EpisodeBuffer(
            id=i,
            observations=list(transitions.observations[[*range(first, end), following[end - 1]]]),
            actions=list(transitions.actions[first:end]),
            rewards=transitions.rewards[first:end].tolist(),
            terminations=[False] * (end - first),
            truncations=transitions.timeouts[first:end].tolist(),
            infos={
                "propensity": _with_last_twice(transitions.propensity[first:end]),
                "cost": _with_last_twice(transitions.costs[first:end]),
                "candidates": _with_last_twice(transitions.candidates(slice(first, end))),
                **{key: _with_last_twice(values[first:end]) for key, values in logged.items()},
            },
        )
        for i, (first, end) in enumerate(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))
    ]


def _with_last_twice(values: np.ndarray) -> np.ndarray:
    """Repeat the last entry: Minari stores the observations before and after each step."""
    return np.concatenate([values, values[-1:]])


def _box(values: np.ndarray) -> spaces.Box:
    """Smallest box space that holds the vectors."""
    return spaces.Box(values.min(axis=0), values.max(axis=0), dtype=np.float32)


def _episode(transitions: Transitions) -> np.ndarray:
    """Episode index of each view."""
    return np.concatenate([[0], np.cumsum(transitions.timeouts)[:-1]]).astype(np.int64)


@contextmanager
def _minari_root(out: Path) -> Generator[None]:
    """Set Minari's folder inside the context."""
    earlier_root = os.environ.get(_MINARI_ROOT)
    os.environ[_MINARI_ROOT] = str(out.resolve())
    try:
        yield
    finally:
        os.environ.pop(_MINARI_ROOT)
        if earlier_root is not None:
            os.environ[_MINARI_ROOT] = earlier_root
