"""The card of a world for readers of reports: which of its numbers are fitted, published or assumed."""

from dataclasses import dataclass
from typing import final

from simulator.errors import RunFolderError
from user_models.errors import WorldError
from user_models.world.store import load_world


@final
@dataclass(frozen=True)
class CardRow:
    """One parameter of a world.

    Attributes:
        name: Dotted.
        value: What the world uses.
        status: `fitted`, `published` or `assumed`.
        meaning: What it does, in words.
        source: Where it comes from, in words.
    """

    name: str
    value: float
    status: str
    meaning: str
    source: str


@final
@dataclass(frozen=True)
class WorldCard:
    """What a world is made of.

    Attributes:
        rows: Parameters, by name.
        tables: Where each table comes from, by name.
        figures: Of the fit, by name.
    """

    name: str
    attribution: str
    rows: tuple[CardRow, ...]
    tables: dict[str, str]
    figures: dict[str, float]


def load_card(name: str) -> WorldCard:
    """The card of a bundled world by name, or of one in a folder.

    Raises:
        RunFolderError: No such world, or a damaged one.
    """
    try:
        world = load_world(name)
    except WorldError as error:
        raise RunFolderError(str(error)) from None
    rows = [CardRow(key, p.value, p.status, p.meaning, p.source) for key, p in sorted(world.parameters.items())]
    return WorldCard(world.name, world.attribution, tuple(rows), dict(world.provenance), dict(world.figures))
