"""Verdict of a validation, stored in the world, and the warning that runs print for a refused world.

The verdict is part of the world's provenance, so it is stored with the world and printed on its card.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from user_models.world.store import bundled_worlds, load_world, rewrite_world
from user_models.world.world import World

_KEY: Final = "validated"
_SOUND: Final = "sound"


def with_verdict(world: World, faults: Sequence[str]) -> World:
    """Add the verdict of the gate to a world.

    >>> from user_models.testing import toy_world
    >>> with_verdict(toy_world(), ["hate under base: 3 times the real figure"]).provenance["validated"]
    'refused: hate under base: 3 times the real figure'
    """
    verdict = f"refused: {'; '.join(faults)}" if faults else _SOUND
    return replace(world, provenance={**world.provenance, _KEY: verdict})


def mark_folder(source: str, faults: Sequence[str]) -> None:
    """Write the verdict into the folder of a user's own world, card included; bundled worlds are not changed.

    Raises:
        WorldError: The folder cannot be written.
    """
    if source not in bundled_worlds():
        rewrite_world(with_verdict(load_world(source), faults), Path(source))


def warning(world: World) -> str | None:
    """Return a one-line warning about a refused world; None for a sound or unvalidated one."""
    verdict = world.provenance.get(_KEY, _SOUND)
    return None if verdict == _SOUND else f"world {world.name!r} failed its validation; {verdict}"
