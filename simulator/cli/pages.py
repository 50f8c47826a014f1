"""What commands print, and the pages that they write: the shell's other half, free to import every room."""

import sys
from pathlib import Path
from typing import Any


def finish(folder: Path, as_json: bool) -> None:
    """Write report.html and print what the run says."""
    from rich.console import Console

    from dashboards.html_pages.report import render_html
    from simulator.cli.tables.scorecard import scorecard
    from simulator.reports.report import load_report
    from simulator.run import write_html

    result = load_report(folder)
    write_html(folder, render_html(result))
    if as_json:
        sys.stdout.write(result.to_json())
    else:
        Console(width=100).print(scorecard(result))
        sys.stdout.write(f"\n{folder / 'report.html'}\n")


def warn_of(world: str) -> None:
    """Say in one line what the validation of a world found wrong with it."""
    from simulator.validation.verdict import warning
    from user_models.world.store import load_world

    if line := warning(load_world(world)):
        sys.stderr.write(f"askew: warning: {line}\n")


def keep_pages(out: Path, newest: str) -> None:
    """Write the page of a sweep so far, and that of its newest value."""
    from dashboards.html_pages.report import render_html
    from dashboards.html_pages.sweep import render_sweep
    from simulator.reports.report import load_report
    from simulator.reports.sweep import load_sweep
    from simulator.run import write_html
    from simulator.studies.sweep import write_page

    write_html(out / newest, render_html(load_report(out / newest)))
    write_page(out, render_sweep(load_sweep(out)))


def print_sweep(out: Path, as_json: bool) -> None:
    """Print what a sweep says."""
    from rich.console import Console

    from simulator.cli.tables.sweep import sweep_table
    from simulator.reports.sweep import load_sweep

    result = load_sweep(out)
    if as_json:
        sys.stdout.write(result.to_json())
    else:
        Console(width=100).print(sweep_table(result))
        sys.stdout.write(f"\n{out / 'sweep.html'}\n")


def finish_audit(out: Path, as_json: bool) -> None:
    """Write audit.html and print what the audit found."""
    import json

    from rich.console import Console

    from dashboards.html_pages.audit import render_audit
    from simulator.cli.tables.audit import audit_table
    from simulator.reports.audit import load_audit
    from simulator.studies.audit.audit import write_audit_page

    result = load_audit(out)
    write_audit_page(out, render_audit(result))
    if as_json:
        sys.stdout.write(json.dumps([row.model_dump(mode="json") for row in result.rows], indent=1) + "\n")
    else:
        Console(width=110).print(audit_table(result))
        sys.stdout.write(f"\n{out / 'audit.html'}\n")


def finish_power(out: Path, as_json: bool) -> None:
    """Write power.html and print the plan."""
    from rich.console import Console

    from dashboards.html_pages.power import render_power
    from simulator.cli.tables.power import power_tables
    from simulator.reports.power import load_power
    from simulator.studies.power import write_power_page

    plan = load_power(out)
    write_power_page(out, render_power(plan))
    if as_json:
        sys.stdout.write(plan.to_json())
    else:
        Console(width=100).print(power_tables(plan))
        sys.stdout.write(f"\n{out / 'power.html'}\n")


def validate_world(
    world: str,
    data: Path,
    out: Path | None,
    workers: int,
    *,
    heldout: Path | None = None,
    users: int = 45_000,
    seed: int = 1,
    json_: bool = False,
) -> None:
    """Validate a world, write and print what was found, and mark a world of the user's own with the verdict."""
    from dashboards.html_pages.validation import check_line, render_validation
    from simulator.cli.progress import progress_bars
    from simulator.validation.sections import Subject
    from simulator.validation.simulated_views import SimulationPlan
    from simulator.validation.validate import PAGE, write_validation
    from simulator.validation.validate import validate as measure
    from simulator.validation.verdict import mark_folder
    from user_models.world.store import load_world

    subject = Subject(load_world(world), world, data, heldout, seed)
    with progress_bars() as show:
        result = measure(subject, SimulationPlan(users, seed, workers), show)
    folder = out or Path(f"validation-{Path(result.world).name}")
    write_validation(folder, result, render_validation(result))
    mark_folder(world, result.faults)
    if json_:
        sys.stdout.write(result.to_json())
        return
    print_table(("check", "measured", "target", "verdict"), [check_line(check) for check in result.checks])
    said = "sound" if result.sound else "refused: " + "; ".join(result.faults)
    sys.stdout.write(f"{result.world}: {said}\n{folder / PAGE}\n")


def print_offline(out: Path, as_json: bool) -> None:
    """Write the page of an offline evaluation, and print what it says."""
    from dashboards.html_pages.offline import facts, headings, lead_in_words, line, render_offline
    from simulator.offline.evaluate import PAGE, write_page
    from simulator.reports.offline import load_offline, rows_json

    result = load_offline(out)
    write_page(out, render_offline(result))
    if as_json:
        sys.stdout.write(rows_json(result.rows))
        return
    sys.stdout.write(f"{result.data}: {facts(result)}\n")
    scores = [tuple(cell.replace(" ± ", "\n± ") for cell in line(result, row)) for row in result.policies]
    print_table(headings(result), scores)
    said = "" if result.lead is None else f"{lead_in_words(result.lead)}\n"
    sys.stdout.write(f"{said}{out / PAGE}\n")


def print_leaderboard(out: Path, as_json: bool) -> None:
    """Write the page of a leaderboard, and the pages of its tests, and print it."""
    from dashboards.html_pages.leaderboard import brief, headings, line, render_leaderboard
    from dashboards.html_pages.report import render_html
    from simulator.reports.leaderboard import load_leaderboard
    from simulator.reports.report import load_report
    from simulator.run import write_html
    from simulator.studies.leaderboard import PAGE, write_page

    result = load_leaderboard(out)
    write_page(out, render_leaderboard(result))
    for entry in result.entries:
        write_html(out / entry.folder, render_html(load_report(out / entry.folder)))
    if as_json:
        sys.stdout.write(result.to_json())
        return
    print_table(brief(headings()), [brief(line(entry)) for entry in result.entries])
    sys.stdout.write(f"{out / PAGE}\n")


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


def film_to(
    out: Path,
    served: tuple[str, str | None],
    episode: tuple[int, int | None, int],
    world: str,
    days: int,
    truth: bool,
) -> None:
    """Film an episode and write it; `served` is a policy and an agent's folder, `episode` seed, user and views."""
    from simulator.environment.env import FeedEnv
    from simulator.environment.film import record_episode, untrained
    from simulator.environment.phone_render import check_gif, write_gif

    check_gif(out)
    policy = untrained(*served)
    env = FeedEnv(world, horizon_days=days, render_mode="rgb_array", reveal_truth=truth)
    write_gif(record_episode(env, policy, *episode), out, ms=700)
    sys.stdout.write(f"{out}\n")
