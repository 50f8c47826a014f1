"""Worlds on disk: `world.json`, `weights.safetensors` and `card.md`, checked before a number of them is used."""

import difflib
import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_weights
from safetensors.numpy import save as save_weights

from user_models.card import card
from user_models.errors import WorldError
from user_models.kernel import N_ACTIONS
from user_models.ladder import N_RUNGS, N_STRETCHES
from user_models.parameters import DEFAULTS, Parameter
from user_models.world import USER_LATENTS, VIDEO_LATENTS, PublicColumn, Tables, World, table_names

FORMAT: Final = 1


class _WorldFile(BaseModel):
    """`world.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    name: str
    attribution: str
    weights_sha256: str
    columns: dict[str, tuple[str, ...]]
    parameters: dict[str, Parameter]
    provenance: dict[str, str]
    figures: dict[str, float]


def save_world(world: World, folder: Path) -> None:
    """Write a world into a new or empty folder.

    Raises:
        WorldError: The folder holds something already, or cannot be written.
    """
    weights = save_weights({name: np.ascontiguousarray(getattr(world.tables, name)) for name in table_names()})
    content = _WorldFile(
        format=FORMAT,
        name=world.name,
        attribution=world.attribution,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        columns={column.name: column.levels for column in world.columns},
        parameters=world.parameters,
        provenance=world.provenance,
        figures=world.figures,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise WorldError(f"{folder}: is not empty; give a new folder for the world")
        (folder / "weights.safetensors").write_bytes(weights)
        (folder / "card.md").write_text(card(world), encoding="utf-8")
        (folder / "world.json").write_text(content.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise WorldError(f"{folder}: cannot be written: {error.strerror}; make room or give another folder") from None


def bundled_worlds() -> dict[str, Path]:
    """Worlds that come with askew, by name."""
    folder = Path(str(files("user_models") / "worlds"))
    return {path.parent.name: path.parent for path in sorted(folder.glob("*/world.json"))}


def load_world(name: str) -> World:
    """A bundled world by name, or one from a folder.

    Raises:
        WorldError: No such world, or a damaged one.
    """
    bundled = bundled_worlds()
    folder = bundled.get(name, Path(name))
    if not folder.is_dir():
        near = difflib.get_close_matches(name, bundled, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"bundled worlds: {', '.join(bundled)}"
        raise WorldError(f"{name}: no such world; {hint}")
    content = _read_json(folder / "world.json")
    tables = _tables(folder / "weights.safetensors", content)
    world = World(
        name=content.name,
        tables=tables,
        columns=tuple(PublicColumn(column, levels) for column, levels in content.columns.items()),
        parameters=content.parameters,
        provenance=content.provenance,
        attribution=content.attribution,
        figures=content.figures,
    )
    _check(world, folder)
    return world


def _read_json(path: Path) -> _WorldFile:
    """Parse and check `world.json`."""
    try:
        keys: Any = json.loads(path.read_text(encoding="utf-8"))
        return _WorldFile.model_validate(keys)
    except FileNotFoundError:
        raise WorldError(f"{path}: missing; give a folder that `askew fit --out` wrote") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise WorldError(f"{path}: cannot be read ({error}); fit the world again") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise WorldError(f"{path}: {key}: {first['msg']}; fit the world again") from None


def _tables(path: Path, content: _WorldFile) -> Tables:
    """Read the weights and check that they are those the world was saved with."""
    try:
        weights = path.read_bytes()
        found = hashlib.sha256(weights).hexdigest()
        if found != content.weights_sha256:
            raise WorldError(
                f"{path}: sha256 {found[:12]}... found, {content.weights_sha256[:12]}... wanted: damaged; fit again"
            )
        arrays = load_weights(weights)
        return Tables(**{name: arrays[name] for name in table_names()})
    except OSError as error:
        raise WorldError(f"{path}: cannot be read: {error.strerror}") from None
    except (SafetensorError, KeyError) as error:
        raise WorldError(f"{path}: lacks {error}; fit the world again") from None


def _check(world: World, folder: Path) -> None:
    """Refuse a world whose parts do not fit together."""
    tables = world.tables
    profiles = len(tables.profile_share)
    tags, latents = tables.video_mean.shape
    d = latents - len(VIDEO_LATENTS)
    nodes = len(tables.node_log_duration)
    wanted = {
        "stage": (nodes, N_RUNGS),
        "slope": (N_STRETCHES,),
        "hour_effect": (24,),
        "hour_share": (24,),
        "action_base": (N_ACTIONS,),
        "action_stage": (N_ACTIONS, N_RUNGS + 1),
        "action_satisfaction": (N_ACTIONS,),
        "profile_code": (profiles, len(world.columns)),
        "profile_share": (profiles,),
        "user_mean": (profiles, len(USER_LATENTS) + d),
        "user_root": (len(USER_LATENTS) + d,) * 2,
        "tag_share": (tags,),
        "video_root": (latents, latents),
    }
    faults = [
        f"{name} has shape {getattr(tables, name).shape}, want {shape}"
        for name, shape in wanted.items()
        if getattr(tables, name).shape != shape
    ]
    faults += [f"{name} is not finite" for name in table_names() if not np.isfinite(getattr(tables, name)).all()]
    shares = ("hour_share", "profile_share", "tag_share")
    faults += [f"{name} does not sum to 1" for name in shares if not np.isclose(getattr(tables, name).sum(), 1)]
    missing = sorted(set(DEFAULTS) ^ set(world.parameters))
    faults += [f"parameter {missing[0]!r} is missing or unknown"] if missing else []
    if faults:
        raise WorldError(f"{folder}: {faults[0]}; fit the world again")
