"""Worlds on disk: `world.json`, `weights.safetensors` and `card.md`, checked before a number of them is used."""

import difflib
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from safetensors.numpy import save as save_weights

from user_models.errors import WorldError
from user_models.targets import KUAIRAND, Targets
from user_models.world.card import card
from user_models.world.checked_files import read_description, read_weights
from user_models.world.parameters import DEFAULTS, YOUNG, Parameter, faults
from user_models.world.table_checks import table_faults
from user_models.world.tables import PublicColumn, Tables, table_names
from user_models.world.world import World

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
    targets: Targets | None = None
    assumptions: tuple[str, ...] = ()


def save_world(world: World, folder: Path) -> None:
    """Write a world into a new or empty folder.

    Raises:
        WorldError: The folder holds something already, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise WorldError(f"{folder}: is not empty; give a new folder for the world")
    except OSError as error:
        raise WorldError(f"{folder}: cannot be written: {error.strerror}; make room or give another folder") from None
    rewrite_world(world, folder)


def rewrite_world(world: World, folder: Path) -> None:
    """Write a world over one that is there.

    Raises:
        WorldError: The folder cannot be written.
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
        targets=None if world.targets == KUAIRAND else world.targets,
        assumptions=world.assumptions,
    )
    silent = {name for name in ("targets", "assumptions") if not getattr(content, name)}
    try:
        (folder / "weights.safetensors").write_bytes(weights)
        (folder / "card.md").write_text(card(world), encoding="utf-8")
        (folder / "world.json").write_text(content.model_dump_json(indent=1, exclude=silent) + "\n", encoding="utf-8")
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
    about = folder / "world.json"
    content = _complete(read_description(about, _WorldFile, "; give a folder that `askew fit --out` wrote"), about)
    columns = tuple(PublicColumn(column, levels) for column, levels in content.columns.items())
    return World(
        name=content.name,
        tables=_tables(folder / "weights.safetensors", content.weights_sha256, columns),
        columns=columns,
        parameters=content.parameters,
        provenance=content.provenance,
        attribution=content.attribution,
        figures=content.figures,
        targets=content.targets or KUAIRAND,
        assumptions=content.assumptions,
    )


def _complete(content: _WorldFile, path: Path) -> _WorldFile:
    """The description with the parameters that older worlds lack, if it has all others, with values that can be."""
    parameters = content.parameters | {name: DEFAULTS[name] for name in YOUNG if name not in content.parameters}
    odd = sorted(set(DEFAULTS) ^ set(parameters))
    if odd:
        raise WorldError(f"{path}: parameter {odd[0]!r} is missing or unknown; fit the world again")
    if wrong := faults({name: parameter.value for name, parameter in content.parameters.items()}):
        raise WorldError(f"{path}: parameter {wrong[0]}; fit the world again")
    return content.model_copy(update={"parameters": parameters})


def _filled(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tables with those that older worlds lack, as they change nothing."""
    n_actions, n_profiles = (arrays[name].size if name in arrays else 0 for name in ("action_base", "profile_share"))
    neutral = {"action_match": np.zeros(n_actions, np.float32), "appeal_scale": np.ones(n_profiles, np.float32)}
    return neutral | arrays


def _tables(path: Path, sha256: str, columns: tuple[PublicColumn, ...]) -> Tables:
    """Read the weights; check that they are those the world was saved with, and that they fit together."""
    arrays = _filled(read_weights(path, sha256))
    faults = table_faults(arrays, columns)
    if faults:
        raise WorldError(f"{path}: {faults[0]}; fit the world again")
    return Tables(**{name: arrays[name] for name in table_names()})
