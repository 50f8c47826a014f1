"""Commands that run a test, read its report anew, and show it."""

import os
import sys
from pathlib import Path
from typing import Annotated

from simulator.cli.extras import install_words, missing, need
from simulator.cli.failures import refuse
from simulator.cli.options import EngineName, Json, Seed, Switch, Workers, whole, workers_or_all
from simulator.cli.printing import warn_of


def run(
    spec: str,
    *,
    out: Path,
    engine: EngineName = "local",
    address: str | None = None,
    workers: Workers | None = None,
    resume: Switch = False,
    seed: Seed | None = None,
    json_: Json = False,
) -> None:
    """Simulate the test described in SPEC, print its scorecard and write its report to OUT.

    Args:
        spec: A TOML file, or the name of a shipped spec such as `demo`. A table [sweep] in it runs the test once per
            value of an assumed parameter.
        out: Folder to create; holds the spec as run, user-days, report.json and report.html. Of a sweep: one such
            folder per value, sweep.json and sweep.html.
        engine: `local`: threads of this process. `ray`: processes of a Ray cluster; every machine has to see OUT.
        address: Of a running Ray cluster, such as `auto`; by default one is started on this machine.
        workers: Threads or processes; all cores by default, a running cluster has its own. Results do not depend on it.
        resume: Go on in OUT after the last round or day that an interrupted run finished.
        seed: Replaces the seed of the spec.
        json_: Print report.json instead of the scorecard.
    """
    from simulator.spec.experiment import load_spec

    experiment = load_spec(spec, seed=seed)
    if experiment.sweep is not None and engine != "local":
        refuse(f"--engine {engine} given, but a sweep runs with --engine local; run each value as a test of its own")
    from simulator.cli.engines import choose_engine
    from simulator.cli.progress import progress_bars
    from simulator.run import run_with

    warn_of(experiment.world)
    threads = workers_or_all(workers)
    start = choose_engine(engine, threads, address)
    if experiment.sweep is None:
        with progress_bars(experiment) as show:
            run_with(start, experiment, out, show, resume)
        print_report(out, json_)
        return
    from simulator.studies.sweep import plan_sweep, run_sweep

    sys.stderr.writelines(f"askew: {note}\n" for note in plan_sweep(experiment).notes)
    drawn = _can_draw("sweep.html")
    for sweep in run_sweep(experiment, out, threads, progress_bars, resume):
        if drawn:
            _write_sweep_pages(out, sweep.points[-1].path)
    _print_sweep(out, json_, "sweep.html" if drawn else "sweep.json")


def report(folder: Path, *, json_: Json = False) -> None:
    """Compute the report of a run folder anew from its user-days.

    Args:
        folder: What `askew run --out` wrote.
        json_: Print report.json instead of the scorecard.
    """
    from simulator.run import write_report

    write_report(folder)
    print_report(folder, json_)


def dashboard(runs: Path = Path("runs"), *, port: Annotated[int, whole(1, 65535)] | None = None) -> None:
    """Open the dashboard on the runs in a folder, at the loopback address.

    Args:
        runs: A run folder, or a folder of run folders.
        port: Port to listen on; 8501 by default.
    """
    need("dashboard")
    from dashboards.serve import command

    serve = command(runs, port)
    sys.stdout.flush()
    os.execv(serve[0], serve)  # noqa: S606 (our own interpreter and app; signals reach it as there is no other process)


def print_report(folder: Path, as_json: bool) -> None:
    """Write report.html, where what draws it is installed, and print what the run says."""
    from rich.console import Console

    from simulator.cli.tables.scorecard import scorecard
    from simulator.reports.report import load_report

    result = load_report(folder)
    drawn = _can_draw("report.html")
    if drawn:
        from dashboards.html_pages.report import render_html
        from simulator.run import write_html

        write_html(folder, render_html(result))
    if as_json:
        sys.stdout.write(result.to_json())
    else:
        Console().print(scorecard(result))
        sys.stdout.write(f"\n{folder / ('report.html' if drawn else 'report.json')}\n")


def _can_draw(page: str) -> bool:
    """Whether pages can be drawn; if not, says so, for a run is worth having without."""
    absent = missing("dashboard")
    if absent:
        sys.stderr.write(f"askew: {page} is left out: {absent[0]} is not installed; {install_words('dashboard')}\n")
    return not absent


def _write_sweep_pages(out: Path, newest: str) -> None:
    """Write the page of a sweep so far, and that of its newest value."""
    from dashboards.html_pages.report import render_html
    from dashboards.html_pages.sweep import render_sweep
    from simulator.reports.report import load_report
    from simulator.reports.sweep import load_sweep
    from simulator.run import write_html
    from simulator.studies.sweep import write_page

    write_html(out / newest, render_html(load_report(out / newest)))
    write_page(out, render_sweep(load_sweep(out)))


def _print_sweep(out: Path, as_json: bool, file: str) -> None:
    """Print what a sweep says, and which file says more."""
    from rich.console import Console

    from simulator.cli.tables.sweep import sweep_table
    from simulator.reports.sweep import load_sweep

    result = load_sweep(out)
    if as_json:
        sys.stdout.write(result.to_json())
    else:
        Console().print(sweep_table(result))
        sys.stdout.write(f"\n{out / file}\n")
