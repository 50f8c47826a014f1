"""Commands that fit a world, validate it, and get the data for it."""

import json
import sys
from pathlib import Path
from typing import Literal, TypeAlias

from simulator.cli.extras import need
from simulator.cli.options import Json, Seed, Users, Workers, workers_or_all
from simulator.cli.printing import print_table

Archive: TypeAlias = Literal["kuairand-pure", "kuairand-1k", "kuairand-27k"]


def fit(
    data: Path,
    *,
    out: Path,
    name: str | None = None,
    exposures: Path | None = None,
    seed: Seed = 0,
    workers: Workers | None = None,
) -> None:
    """Fit a world on a log: users, videos, watching, acting; match both regimes; then validate it.

    Args:
        data: A mapping file (TOML) that says which columns of your files are which, or a folder of data that askew has
            a mapping for, such as KuaiRand-Pure, -1K or -27K.
        out: Folder to create for the world.
        name: The world's name; that of OUT by default.
        exposures: Parquet file of earlier exposures of the same users and videos, from which more is foreseen of them.
        seed: Seed of the fit.
        workers: Threads of the simulated tests; all cores by default.
    """
    need("dashboard", "rankers")
    from policies.torch_rankers.portable_kernels import use_portable_kernels
    from simulator.calibration.calibrate import FitSettings, fit_and_calibrate
    from simulator.cli.progress import progress_bars

    threads = workers_or_all(workers)
    use_portable_kernels()
    with progress_bars() as show:
        fit_and_calibrate(FitSettings(data, name or out.name, seed, exposures), out, threads, show)
    validate_world(str(out), data, out / "validation", threads)


def regimes(
    world: str = "kuairand-pure",
    *,
    users: Users = 20_000,
    seed: Seed = 1,
    workers: Workers | None = None,
    json_: Json = False,
) -> None:
    """Set a world's users under random slates and under `base` beside the figures that the world is set to.

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
        data: A mapping file or a folder of data, such as the one that the world was fitted on.
        heldout: Another such file or folder, whose rows are predicted; the last days of DATA by default.
        out: Folder for validation.json and validation.html; ./validation-NAME by default, NAME being the world's.
        users: Users to simulate.
        seed: Seed of the simulated tests.
        workers: Threads; all cores by default.
        json_: Print validation.json instead of the table of targets.
    """
    need("dashboard", "rankers")
    validate_world(world, data, out, workers_or_all(workers), heldout=heldout, users=users, seed=seed, json_=json_)


def check(data: Path, *, json_: Json = False) -> None:
    """Read a log as a fit would, and print what is in it, what is missing, and what a fit has to assume.

    Args:
        data: A mapping file (TOML), or a folder of data that askew has a mapping for.
        json_: Print one JSON object instead of the tables.
    """
    from user_models.data.log import open_log
    from user_models.data.summary import FEWEST_DAYS, summarise

    summary = summarise(open_log(data))
    if json_:
        sys.stdout.write(json.dumps(vars(summary), indent=1) + "\n")
        return
    counts = [
        (name, f"{value:,}") for name, value in vars(summary).items() if isinstance(value, int) and "day" not in name
    ]
    days = ("days", f"{summary.days} ({summary.first_day} to {summary.last_day})")
    print_table(("read", ""), [*counts, days, *((name, f"{value:.4g}") for name, value in summary.rates.items())])
    sys.stdout.write(f"missing: {', '.join(summary.missing) or 'nothing'}\n")
    sys.stdout.write("a fit assumes:\n" + "".join(f"- {line}\n" for line in summary.assumed))
    if summary.days < FEWEST_DAYS:
        sys.stdout.write(f"too few days to fit on: {summary.days} given, at least {FEWEST_DAYS} wanted\n")


def download(name: Archive, *, to: Path) -> None:
    """Download a KuaiRand archive from Zenodo and unpack it; an interrupted download is resumed.

    Args:
        name: Which one: 45 MB, 1 GB or 23 GB.
        to: Folder to put it in.
    """
    from user_models.data.download import download as fetch

    sys.stdout.write(f"{fetch(name, to)}\n")


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
    from simulator.validation.sections import ValidationSubject
    from simulator.validation.simulated_views import SimulationPlan
    from simulator.validation.validate import PAGE, write_validation
    from simulator.validation.validate import validate as measure
    from simulator.validation.verdict import mark_folder
    from user_models.world.store import load_world

    subject = ValidationSubject(load_world(world), world, data, heldout, seed)
    with progress_bars() as show:
        result = measure(subject, SimulationPlan(users, seed, workers), show)
    folder = out or Path(f"validation-{Path(result.world).name}")
    write_validation(folder, result, render_validation(result))
    mark_folder(world, result.faults)
    if json_:
        sys.stdout.write(result.to_json())
        return
    print_table(("check", "measured", "target", "verdict"), [check_line(check) for check in result.checks])
    verdict = "sound" if result.sound else "refused: " + "; ".join(result.faults)
    sys.stdout.write(f"{result.world}: {verdict}\n{folder / PAGE}\n")
