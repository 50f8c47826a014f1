"""A policy's folder: `policy.json` (kind and settings) and `weights.safetensors`. Nothing in it can run code."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from policies.options import build

T = TypeVar("T")

FORMAT: Final = 1
_SETTINGS: Final = "policy.json"
_WEIGHTS: Final = "weights.safetensors"


@final
class PolicyFolderError(ValueError):
    """A policy folder that is missing, damaged or of another policy; the message names the file and the remedy."""


@final
@dataclass(frozen=True)
class Stored:
    """Contents of a policy folder.

    Attributes:
        kind: Which policy wrote it.
        settings: Its constructor's keyword arguments; JSON values.
        arrays: Its weights by name.
    """

    kind: str
    settings: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


def write_policy(folder: Path, stored: Stored) -> None:
    """Write a policy into a folder, made if need be.

    Raises:
        PolicyFolderError: The folder holds a policy already.
    """
    if (folder / _SETTINGS).exists():
        raise PolicyFolderError(f"{folder} holds a policy already; name a new folder or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in stored.arrays.items()}, folder / _WEIGHTS)
    head = {"format": FORMAT, "policy": stored.kind, "settings": dict(stored.settings)}
    (folder / _SETTINGS).write_text(json.dumps(head, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_policy(folder: Path, *kinds: str) -> Stored:
    """Read a policy's folder.

    Args:
        folder: What `write_policy` wrote.
        kinds: Of policy that it may hold; one or more.

    Raises:
        PolicyFolderError: A file is missing or damaged, or holds another kind of policy.
    """
    head = _read_head(folder / _SETTINGS)
    if head["policy"] not in kinds:
        want = " or ".join(map(repr, kinds))
        raise PolicyFolderError(f"{folder} holds policy {head['policy']!r}, want {want}; load it with its own class")
    return Stored(head["policy"], head["settings"], _read_weights(folder / _WEIGHTS))


def rebuild(make: Callable[..., T], folder: Path, stored: Stored) -> T:
    """The policy that was stored, without its weights.

    Raises:
        PolicyFolderError: Its settings are not those of such a policy.
    """
    try:
        return build(make, stored.settings, stored.kind)
    except ValueError as error:
        raise PolicyFolderError(f"{folder / _SETTINGS}: damaged: {error}; save the policy anew") from error


def want_shapes(folder: Path, arrays: Mapping[str, np.ndarray], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Check that weights have these names and shapes; -1 is any length.

    Raises:
        PolicyFolderError: One is missing, of another shape, or not finite.
    """
    for name, shape in wanted.items():
        array = arrays.get(name)
        given = "none" if array is None else str(array.shape)
        fits = array is not None and array.ndim == len(shape)
        if array is None or not fits or any(want not in (-1, n) for n, want in zip(array.shape, shape, strict=True)):
            raise PolicyFolderError(
                f"{folder / _WEIGHTS}: {name} of shape {given} found, want {shape} (-1: any); save it anew"
            )
        if not np.isfinite(array).all():
            raise PolicyFolderError(f"{folder / _WEIGHTS}: {name} holds numbers that are not finite; save it anew")


def _read_head(path: Path) -> dict[str, Any]:
    """The JSON part, checked for its three keys."""
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyFolderError(f"{path}: cannot be read: {error.strerror}; want a folder that save wrote") from None
    except (ValueError, RecursionError) as error:
        raise PolicyFolderError(f"{path}: damaged, not JSON: {error}; save the policy anew") from None
    if not isinstance(head, dict) or set(head) != {"format", "policy", "settings"}:
        raise PolicyFolderError(f"{path}: damaged, want the keys format, policy and settings; save the policy anew")
    if head["format"] != FORMAT or not isinstance(head["settings"], dict):
        raise PolicyFolderError(f"{path}: format {head['format']!r} found, want {FORMAT}; save the policy anew")
    return head


def _read_weights(path: Path) -> dict[str, np.ndarray]:
    """The arrays."""
    try:
        return load_file(path)
    except OSError as error:
        raise PolicyFolderError(f"{path}: cannot be read: {error.strerror or error}; save the policy anew") from None
    except (SafetensorError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise PolicyFolderError(f"{path}: damaged: {reason}; save the policy anew") from None
