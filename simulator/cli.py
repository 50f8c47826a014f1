"""The command line: the outermost shell. Commands translate; rooms are imported when a command needs them."""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from cyclopts import App, CycloptsError, Parameter

from simulator.cli_audit import audit, power
from simulator.cli_pages import finish, keep_pages, print_sweep, print_table, validate_world, warn_of
from simulator.cli_rankers import evaluate, offline

app: Final = App(
    name="askew",
    help="A wind tunnel for recommender A/B tests.",
    version_flags=["--version"],
    result_action="return_value",
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
        words: The command and its arguments; those of the process by default.
    """
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # split sums round otherwise
    gc.set_threshold(100_000)  # imports make objects that stay; looking for garbage among them takes a second
    try:
        app(sys.argv[1:] if words is None else words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _refuse(" ".join(str(error).split()))
    except KeyboardInterrupt:
        _refuse("interrupted; what was finished is kept", code=130)
    except MemoryError as error:
        _refuse(f"not enough memory ({error or 'no more said'}); take fewer users or days, what was finished is kept")
    except Exception as error:
        if not type(error).__module__.startswith(_OURS):
            raise
        _refuse(str(error))


def _refuse(message: str, code: int = 2) -> None:
    """End with one line, whatever paths and names are in it."""
    sys.stderr.write(f"askew: {''.join(c if c.isprintable() else ascii(c)[1:-1] for c in message)}\n")
    sys.exit(code)


@app.command
def run(
    spec: str,
    *,
    out: Path,
    engine: EngineName = "local",
    address: str | None = None,
    workers: int | None = None,
    resume: bool = False,
    seed: int | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
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
    from simulator.spec import load_spec

    experiment = load_spec(spec, seed=seed)
    if experiment.sweep is not None and engine != "local":
        _refuse(f"--engine {engine} given, but a sweep runs with --engine local; run each value as a test of its own")
    from simulator.engine_choice import choose_engine
    from simulator.progress import progress_bars
    from simulator.run import run_with

    warn_of(experiment.world)
    threads = workers or os.cpu_count() or 1
    start = choose_engine(engine, threads, address)
    if experiment.sweep is None:
        with progress_bars() as show:
            run_with(start, experiment, out, show, resume)
        finish(out, json_)
        return
    from simulator.sweep import plan_sweep, run_sweep

    sys.stderr.writelines(f"askew: {note}\n" for note in plan_sweep(experiment).notes)
    for sweep in run_sweep(experiment, out, threads, progress_bars, resume):
        keep_pages(out, sweep.points[-1].path)
    print_sweep(out, json_)


app.command(audit)
app.command(power)


@app.command
def report(folder: Path, *, json_: Annotated[bool, Parameter(name="--json", negative="")] = False) -> None:
    """Compute the report of a run folder anew from its user-days.

    Args:
        folder: What `askew run --out` wrote.
        json_: Print report.json instead of the scorecard.
    """
    from simulator.run import write_report

    write_report(folder)
    finish(folder, json_)


@app.command
def dashboard(runs: Path = Path("runs"), *, port: int | None = None) -> None:
    """Open the dashboard on the runs in a folder, at the loopback address.

    Args:
        runs: A run folder, or a folder of run folders.
        port: Port to listen on; 8501 by default.
    """
    import subprocess

    from dashboards.serve import command

    sys.exit(subprocess.run(command(runs, port), check=False).returncode)  # noqa: S603 (our own interpreter and app)


@app.command
def fit(
    data: Path,
    *,
    out: Path,
    name: str | None = None,
    exposures: Path | None = None,
    seed: int = 0,
    workers: int | None = None,
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
    from simulator.calibration import Order, fit_and_calibrate
    from simulator.progress import progress_bars

    threads = workers or os.cpu_count() or 1
    with progress_bars() as show:
        fit_and_calibrate(Order(data, name or out.name, seed, exposures), out, threads, show)
    validate_world(str(out), data, out / "validation", threads)


@app.command
def regimes(
    world: str = "kuairand-pure",
    *,
    users: int = 20_000,
    seed: int = 1,
    workers: int | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Set a world's users under random slates and under `base` beside KuaiRand's random and standard logs.

    Args:
        world: A bundled world's name or a folder.
        users: Users to simulate.
        seed: Seed of the simulated test.
        workers: Threads; all cores by default.
        json_: Print rows of regime, figure, simulated, real, ratio.
    """
    from simulator.progress import progress_bars
    from simulator.regimes import measure_regimes, regime_spec
    from user_models.store import load_world

    with progress_bars() as show:
        rows = measure_regimes(load_world(world), regime_spec(users, seed), workers or os.cpu_count() or 1, show).rows
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
    users: int = 45_000,
    seed: int = 1,
    workers: int | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
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
    validate_world(
        world, data, out, workers or os.cpu_count() or 1, heldout=heldout, users=users, seed=seed, json_=json_
    )


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
def policies(*, json_: Annotated[bool, Parameter(name="--json", negative="")] = False) -> None:
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


@app.command
def render(
    out: Path = Path("episode.gif"),
    *,
    policy: str = "random",
    agent: Path | None = None,
    world: str = "kuairand-pure",
    seed: int = 0,
    user: int | None = None,
    days: int = 1,
    views: int = 40,
    truth: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Film one user's feed, view by view, as a GIF of their phone.

    Args:
        out: File to write.
        policy: Who serves: `random`, or a plug-in that needs no training.
        agent: Folder of an agent that serves instead, see `simulator.agents`.
        world: A bundled world's name or a folder.
        seed: Seed of the episode.
        user: Whose feed; drawn by the seed if not given.
        days: Days that the episode covers.
        views: Views that are filmed, at most.
        truth: Show the user's mood, which no platform sees.
    """
    from simulator.cli_pages import film_to

    film_to(out, ("agent", str(agent)) if agent else (policy, None), (seed, user, views), world, days, truth)


@app.command
def export(
    run: Path,
    *,
    out: Path,
    format_: Annotated[Literal["minari", "d4rl-npz", "parquet"], Parameter(name="--format")] = "parquet",
    arm: str | None = None,
    reward: str = "watch_s",
) -> None:
    """Turn a run's trace into a dataset for offline reinforcement learning, with logging propensities.

    Args:
        run: A run folder whose spec had `trace` above 0.
        out: Folder to write to.
        format_: `parquet`, `d4rl-npz` (a NumPy archive with D4RL's keys) or `minari`.
        arm: Whose views; the control's by default.
        reward: Of each view: watch_s, long_view, satisfied or p2n.
    """
    from simulator.export import export as write
    from simulator.transitions import read_transitions

    sys.stdout.write(f"{write(read_transitions(run, arm, reward), format_, out)}\n")


@app.command
def bench(
    *,
    policy: tuple[str, ...] = (),
    users: int = 100_000,
    world: str = "kuairand-pure",
    grow: Annotated[bool, Parameter(negative="")] = False,
    peers: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
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

    from simulator.bench import bench_json, bench_table, run_bench, run_growth, run_peers

    if peers:
        rows = run_peers(Path.home() / ".cache" / "askew" / "peers", users)
    else:
        rows = run_growth() if grow else run_bench(policy, users, world)
    if json_:
        sys.stdout.write(bench_json(rows) + "\n")
    else:
        Console().print(bench_table(rows))
