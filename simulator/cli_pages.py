"""What commands print, and the pages that they write: the shell's other half, free to import every room."""

import sys
from pathlib import Path
from typing import Any


def finish(folder: Path, as_json: bool) -> None:
    """Write report.html and print what the run says."""
    from rich.console import Console

    from dashboards.report_html import render_html
    from simulator.report import load_report
    from simulator.run import write_html
    from simulator.scorecard import scorecard

    result = load_report(folder)
    write_html(folder, render_html(result))
    if as_json:
        sys.stdout.write(result.to_json())
    else:
        Console(width=100).print(scorecard(result))
        sys.stdout.write(f"\n{folder / 'report.html'}\n")


def warn_of(world: str) -> None:
    """Say in one line what the validation of a world found wrong with it."""
    from simulator.validate.mark import doubt
    from user_models.store import load_world

    if line := doubt(load_world(world)):
        sys.stderr.write(f"askew: warning: {line}\n")


def keep_pages(out: Path, newest: str) -> None:
    """Write the page of a sweep so far, and that of its newest value."""
    from dashboards.report_html import render_html
    from dashboards.sweep_html import render_sweep
    from simulator.report import load_report
    from simulator.report_sweep import load_sweep
    from simulator.run import write_html
    from simulator.sweep import write_page

    write_html(out / newest, render_html(load_report(out / newest)))
    write_page(out, render_sweep(load_sweep(out)))


def print_sweep(out: Path, as_json: bool) -> None:
    """Print what a sweep says."""
    from rich.console import Console

    from simulator.report_sweep import load_sweep
    from simulator.sweep_table import sweep_table

    result = load_sweep(out)
    if as_json:
        sys.stdout.write(result.to_json())
    else:
        Console(width=100).print(sweep_table(result))
        sys.stdout.write(f"\n{out / 'sweep.html'}\n")


def validate_world(
    world: str,
    data: Path,
    out: Path | None,
    workers: int,
    *,
    heldout: Path | None = None,
    users: int = 20_000,
    seed: int = 1,
    json_: bool = False,
) -> None:
    """Validate a world, write and print what was found, and mark a world of the user's own with the verdict."""
    from dashboards.validation_html import check_line, render_validation
    from simulator.progress import progress_bars
    from simulator.validate.elsewhere import Subject
    from simulator.validate.mark import mark_folder
    from simulator.validate.simulated import Plan
    from simulator.validate.validation import PAGE, write_validation
    from simulator.validate.validation import validate as measure
    from user_models.store import load_world

    subject = Subject(load_world(world), world, data, heldout, seed)
    with progress_bars() as show:
        result = measure(subject, Plan(users, seed, workers), show)
    folder = out or Path(f"validation-{Path(result.world).name}")
    write_validation(folder, result, render_validation(result))
    mark_folder(world, result.faults)
    if json_:
        sys.stdout.write(result.to_json())
        return
    print_table(("check", "measured", "target", "verdict"), [check_line(check) for check in result.checks])
    said = "sound" if result.sound else "refused: " + "; ".join(result.faults)
    sys.stdout.write(f"{result.world}: {said}\n{folder / PAGE}\n")


def print_table(titles: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """One table to the terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*titles)
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    Console().print(table)
