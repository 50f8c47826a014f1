"""Reading of files stored with a checksum: a description in JSON, and numbers that never run as code."""

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from user_models.errors import WorldError

Described = TypeVar("Described", bound=BaseModel)


def read_description(path: Path, kind: type[Described], missing: str) -> Described:
    """Parse and check a JSON file.

    Args:
        path: Of the file.
        kind: What it must hold.
        missing: Said after "missing" where there is no file.

    Raises:
        WorldError: It is not there, cannot be read, or holds something else.
    """
    try:
        keys: Any = json.loads(path.read_text(encoding="utf-8"))
        return kind.model_validate(keys)
    except FileNotFoundError:
        raise WorldError(f"{path}: missing{missing}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise WorldError(f"{path}: {key}: {first['msg']}; fit the world again") from None
    except (OSError, ValueError, RecursionError) as error:  # no JSON, no text, numbers too long, or nested too deep
        raise WorldError(f"{path}: cannot be read ({error}); fit the world again") from None


def read_weights(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, if they are those that were stored.

    Raises:
        WorldError: It cannot be read, or is damaged.
    """
    try:
        weights = path.read_bytes()
    except OSError as error:
        raise WorldError(f"{path}: cannot be read: {error.strerror}; fit the world again") from None
    digest = hashlib.sha256(weights).hexdigest()
    if digest != sha256:
        raise WorldError(
            f"{path}: sha256 {digest[:12]}... found, {sha256[:12]}... wanted: damaged; fit the world again"
        )
    try:
        return load(weights)
    except SafetensorError as error:
        raise WorldError(f"{path}: is not a safetensors file ({error}); fit the world again") from None
