"""The command line: the outermost shell. Commands translate; rooms are imported when a command needs them."""

import gc
import json
import os
import sys
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from cyclopts import App, CycloptsError

from simulator.cli.episodes import export, render
from simulator.cli.failures import Interruption, Stopped, os_fault, refuse, word_fault
from simulator.cli.options import Json, Most, Seed, Switch, Users, Workers, whole, workers_or_all
from simulator.cli.pages import finish, keep_pages, print_sweep, print_table, validate_world, warn_of
from simulator.cli.rankers import evaluate, offline
from simulator.cli.studies import audit, power

app: Final = App(
    name="askew",
    help="A wind tunnel for recommender A/B tests.",
    version_flags=["--version"],
    version=lambda: version("askew"),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
data: Final = App(name="data", help="Get KuaiRand.")
app.command(data)
app.command(offline)
app.command(evaluate)

_OURS: Final = ("simulator.", "user_models.", "policies.", "dashboards.")
EngineName: TypeAlias = Literal["local", "ray"]
Archive: TypeAlias = Literal["kuairand-pure", "kuairand-1k", "kuairand-27k"]


def main(words: list[str] | None = None) -> None:
    """Run a command; wrong input ends in one line on stderr and exit code 2, never in a traceback.

    Args:
        words: The command and its arguments; those of the process by default, which then ends on Ctrl-C and SIGTERM.
    """
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # split sums round otherwise
    gc.set_threshold(100_000)  # imports make objects that stay; looking for garbage among them takes a second
    given = sys.argv[1:] if words is None else words
    interruption = Interruption(given)
    if words is None:
        interruption.watch()
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal may lack letters
    try:
        _call(given)
    except KeyboardInterrupt as stop:
        interruption.say()
        sys.exit(stop.code if isinstance(stop, Stopped) else 130)


def _call(words: list[str]) -> None:
    """Run a command, or refuse it in one line."""
    if fault := word_fault(words):
        refuse(fault)
    try:
        app(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        refuse(str(error))
    except MemoryError as error:
        refuse(f"not enough memory ({error or 'no more said'}); take fewer users or days, what was finished is kept")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # who read our output has read enough
        sys.exit(1)
    except OSError as error:
        refuse(os_fault(error))
    except Exception as error:
        if not type(error).__module__.startswith(_OURS):
            raise
        refuse(str(error))


@app.command
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
    from simulator.cli.progress import progress_bars
    from simulator.cli.run import choose_engine
    from simulator.run import run_with

    warn_of(experiment.world)
    threads = workers_or_all(workers)
    start = choose_engine(engine, threads, address)
    if experiment.sweep is None:
        with progress_bars() as show:
            run_with(start, experiment, out, show, resume)
        finish(out, json_)
        return
    from simulator.studies.sweep import plan_sweep, run_sweep

    sys.stderr.writelines(f"askew: {note}\n" for note in plan_sweep(experiment).notes)
    for sweep in run_sweep(experiment, out, threads, progress_bars, resume):
        keep_pages(out, sweep.points[-1].path)
    print_sweep(out, json_)


app.command(audit)
app.command(power)


@app.command
def report(folder: Path, *, json_: Json = False) -> None:
    """Compute the report of a run folder anew from its user-days.

    Args:
        folder: What `askew run --out` wrote.
        json_: Print report.json instead of the scorecard.
    """
    from simulator.run import write_report

    write_report(folder)
    finish(folder, json_)


@app.command
def dashboard(runs: Path = Path("runs"), *, port: Annotated[int, whole(1, 65535)] | None = None) -> None:
    """Open the dashboard on the runs in a folder, at the loopback address.

    Args:
        runs: A run folder, or a folder of run folders.
        port: Port to listen on; 8501 by default.
    """
    from dashboards.serve import command

    serve = command(runs, port)
    sys.stdout.flush()
    os.execv(serve[0], serve)  # noqa: S606 (our own interpreter and app; signals reach it as there is no other process)


@app.command
def fit(
    data: Path,
    *,
    out: Path,
    name: str | None = None,
    exposures: Path | None = None,
    seed: Seed = 0,
    workers: Workers | None = None,
) -> None:
    """Fit a world on a KuaiRand folder: users, videos, watching, acting; match both regimes; then validate it.

    Args:
        data: A folder in the official layout of KuaiRand-Pure, -1K or -27K.
        out: Folder to create for the world.
        name: The world's name; that of OUT by default.
        exposures: Parquet file of earlier exposures of the same users and videos, from which more is foreseen of them.
        seed: Seed of the fit.
        workers: Threads of the simulated tests; all cores by default.
    """
    from simulator.calibration.calibrate import Order, fit_and_calibrate
    from simulator.cli.progress import progress_bars

    threads = workers_or_all(workers)
    with progress_bars() as show:
        fit_and_calibrate(Order(data, name or out.name, seed, exposures), out, threads, show)
    validate_world(str(out), data, out / "validation", threads)


@app.command
def regimes(
    world: str = "kuairand-pure",
    *,
    users: Users = 20_000,
    seed: Seed = 1,
    workers: Workers | None = None,
    json_: Json = False,
) -> None:
    """Set a world's users under random slates and under `base` beside KuaiRand's random and standard logs.

    Args:
        world: A bundled world's name or a folder.
        users: Users to simulate.
        seed: Seed of the simulated test.
        workers: Threads; all cores by default.
        json_: Print rows of regime, figure, simulated, real, ratio.
    """
    from simulator.cli.progress import progress_bars
    from simulator.validation.policy_rates import measure_regimes, regime_spec
    from user_models.world.store import load_world

    with progress_bars() as show:
        rows = measure_regimes(load_world(world), regime_spec(users, seed), workers_or_all(workers), show).rows
    if json_:
        sys.stdout.write(json.dumps([vars(row) | {"ratio": row.ratio} for row in rows], indent=1) + "\n")
    else:
        cells = [(r.regime, r.figure, f"{r.simulated:.4g}", f"{r.real:.4g}", f"{r.ratio:.2f}") for r in rows]
        print_table(("regime", "per view", "simulated", "real", "ratio"), cells)


@app.command
def validate(
    world: str,
    data: Path,
    *,
    heldout: Path | None = None,
    out: Path | None = None,
    users: Users = 45_000,
    seed: Seed = 1,
    workers: Workers | None = None,
    json_: Json = False,
) -> None:
    """Prove or refuse a world: its users beside real rows and published figures; writes figures and a page to OUT.

    Args:
        world: A bundled world's name or a folder.
        data: A folder in the official layout of KuaiRand, such as the one that the world was fitted on.
        heldout: Another such folder, whose rows are predicted; the last days of DATA by default.
        out: Folder for validation.json and validation.html; ./validation-NAME by default, NAME being the world's.
        users: Users to simulate.
        seed: Seed of the simulated tests.
        workers: Threads; all cores by default.
        json_: Print validation.json instead of the table of targets.
    """
    validate_world(world, data, out, workers_or_all(workers), heldout=heldout, users=users, seed=seed, json_=json_)


@data.command
def download(name: Archive, *, to: Path) -> None:
    """Download a KuaiRand archive from Zenodo and unpack it; an interrupted download is resumed.

    Args:
        name: Which one: 45 MB, 1 GB or 23 GB.
        to: Folder to put it in.
    """
    from user_models.data.download import download as fetch

    sys.stdout.write(f"{fetch(name, to)}\n")


@app.command
def policies(*, json_: Json = False) -> None:
    """List the policies that a spec can name.

    Args:
        json_: Print a JSON list.
    """
    from policies.registry import known_policies

    rows = known_policies()
    if json_:
        sys.stdout.write(
            json.dumps([{"policy": name, "about": about} for name, about in rows.items()], indent=1) + "\n"
        )
    else:
        print_table(("policy", "about"), list(rows.items()))


app.command(render)
app.command(export)


@app.command
def bench(
    *,
    policy: tuple[str, ...] = (),
    users: Most = 100_000,
    world: str = "kuairand-pure",
    grow: Switch = False,
    peers: Switch = False,
    json_: Json = False,
) -> None:
    """Measure speed and memory on this machine.

    Args:
        policy: Policies to time; repeat the option for several. By default random, popular, base and saqrec.
        users: Users in the rollout.
        world: A bundled world's name or a folder.
        grow: Measure instead how whole runs grow with users, days, arms and workers; takes many minutes.
        peers: Measure instead random slates here and in other simulators, each installed apart at its first use.
        json_: Print rows of name, value, unit, machine.
    """
    from rich.console import Console

    from simulator.bench.bench import bench_json, bench_table, run_bench, run_growth, run_peers

    if peers:
        rows = run_peers(Path.home() / ".cache" / "askew" / "peers", users)
    else:
        rows = run_growth() if grow else run_bench(policy, users, world)
    if json_:
        sys.stdout.write(bench_json(rows) + "\n")
    else:
        Console().print(bench_table(rows))
