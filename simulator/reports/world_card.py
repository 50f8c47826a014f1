"""Card of a world: its parameters, and which of them are fitted, published or assumed."""

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
        name: Dotted name.
        value: Value in the world.
        status: `fitted`, `published` or `assumed`.
        meaning: Meaning in words.
        source: Source in words.
    """

    name: str
    value: float
    status: str
    meaning: str
    source: str


@final
@dataclass(frozen=True)
class WorldCard:
    """Parameters and tables of a world, with their sources.

    Attributes:
        rows: Parameters, by name.
        tables: Source of each table, by name.
        figures: Figures of the fit, by name.
    """

    name: str
    attribution: str
    rows: tuple[CardRow, ...]
    tables: dict[str, str]
    figures: dict[str, float]


def load_card(name: str) -> WorldCard:
    """Load the card of a bundled world by name, or of a world in a folder.

    Raises:
        RunFolderError: The world is unknown or damaged.
    """
    try:
        world = load_world(name)
    except WorldError as error:
        raise RunFolderError(str(error)) from None
    rows = [CardRow(key, p.value, p.status, p.meaning, p.source) for key, p in sorted(world.parameters.items())]
    return WorldCard(world.name, world.attribution, tuple(rows), dict(world.provenance), dict(world.figures))
