"""What commands of several groups print: tables, and warnings of a world."""

import sys
from typing import Any


def warn_of(world: str) -> None:
    """Say in one line what the validation of a world found wrong with it."""
    from simulator.validation.verdict import warning
    from user_models.world.store import load_world

    if line := warning(load_world(world)):
        sys.stderr.write(f"askew: warning: {line}\n")


def print_table(titles: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """One table to the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for title in titles:
        table.add_column(Text(title))
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    Console().print(table)
