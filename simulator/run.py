"""A run from spec to report, on disk."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from simulator.analysis.stopping import FILE as STOP_FILE
from simulator.analysis.stopping import stop_after
from simulator.analysis.summarise import summarise
from simulator.errors import RunFolderError, SpecError
from simulator.experiment.engine import Engine
from simulator.experiment.local_engine import LocalEngine
from simulator.experiment.runner import Progress, play, prepare, world_of
from simulator.processor import warn_if_late
from simulator.reports.report import Report, load_report
from simulator.runs.folder import RunFolder
from simulator.runs.lock import locked
from simulator.runs.user_profiles import FILE, profile_table
from simulator.spec.experiment import ExperimentSpec


def run(spec: ExperimentSpec, workers: int = 1) -> Report:
    """Run an experiment and return its report; nothing stays on disk.

    Raises:
        SpecError: The spec cannot be run.
    """
    with TemporaryDirectory() as folder:
        run_to_folder(spec, Path(folder), workers, _silent)
        return load_report(Path(folder))


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Show no progress."""


def run_to_folder(spec: ExperimentSpec, out: Path, workers: int, progress: Progress, resume: bool = False) -> None:
    """Run an experiment into a new folder, or resume an interrupted run there, and write its report.

    Raises:
        SpecError: The spec cannot be run; nothing was written.
        RunFolderError: The folder is not empty, or cannot be written to.
    """
    run_with(lambda: LocalEngine(workers), spec, out, progress, resume)


def run_with(
    start: Callable[[], Engine], spec: ExperimentSpec, out: Path, progress: Progress, resume: bool = False
) -> None:
    """Run an experiment into a folder on the engine that `start` makes; see `run_to_folder`.

    Raises:
        SpecError: The spec cannot be run; nothing was written.
        RunFolderError: The folder is not empty, in use or damaged, or cannot be written to.
        EngineError: The engine cannot start or go on.
    """
    if spec.sweep is not None:
        raise SpecError(f"{spec.name}: has a sweep; run it with `askew run`, or with simulator.studies.sweep.run_sweep")
    warn_if_late()
    setting = prepare(spec, world_of(spec))
    folder = RunFolder.reopen(out, spec) if resume else RunFolder.create(out)
    with locked(out):
        if not resume:
            RunFolder.create(out)  # whoever had the lock before may have begun a run of their own
        engine = start()
        folder.begin(spec)
        if not (out / FILE).is_file():
            folder.put_table(FILE, profile_table(setting.rollout.platform.user_table))
        play(setting, folder, engine, progress, partial(_stops, spec, folder))
        progress("the report", 0, 1)
        write_report(out)


def _stops(spec: ExperimentSpec, folder: RunFolder, days: int) -> bool:
    """Whether the test ends early after `days` days; if so, write the note of it."""
    stop = stop_after(spec, folder.path, days)
    if stop is None:
        return False
    folder.put(STOP_FILE, (stop.model_dump_json(indent=1) + "\n").encode())
    return True


def write_report(path: Path) -> None:
    """Compute report.json from a run folder's user-days.

    Raises:
        RunFolderError: The run is missing or damaged.
    """
    text = summarise(path).to_json()
    RunFolder(path).write("report.json", lambda to: to.write_text(text, encoding="utf-8"))


def write_html(path: Path, html: str) -> None:
    """Write the page next to the report."""
    if not path.is_dir():
        raise RunFolderError(f"{path}: no such folder")
    RunFolder(path).write("report.html", lambda to: to.write_text(html, encoding="utf-8"))
