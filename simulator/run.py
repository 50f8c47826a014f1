"""A run from spec to report, on disk."""

from pathlib import Path
from tempfile import TemporaryDirectory

from simulator.errors import RunFolderError, SpecError
from simulator.experiment import Progress, prepare, run_experiment, world_of
from simulator.report import Report, load_report
from simulator.run_folder import RunFolder
from simulator.spec import ExperimentSpec
from simulator.summarise import summarise


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
    """Run an experiment into a new folder, or the rest of it into that of an earlier try; report included.

    Raises:
        SpecError: The spec cannot be run; nothing was written.
        RunFolderError: The folder is taken, or cannot be written to.
    """
    if spec.sweep is not None:
        raise SpecError(f"{spec.name}: has a sweep; run it with `askew run`, or with simulator.sweep.run_sweep")
    setting = prepare(spec, world_of(spec))
    folder = (RunFolder.reopen if resume else RunFolder.create)(out, spec)
    run_experiment(setting, folder, workers, progress)
    progress("the report", 0, 1)
    write_report(out)


def write_report(path: Path) -> None:
    """Compute report.json from a run folder's user-days.

    Raises:
        RunFolderError: No run there, or a damaged one.
    """
    text = summarise(path).to_json()
    RunFolder(path).write("report.json", lambda to: to.write_text(text, encoding="utf-8"))


def write_html(path: Path, html: str) -> None:
    """Keep the page beside the report."""
    if not path.is_dir():
        raise RunFolderError(f"{path}: no such folder")
    RunFolder(path).write("report.html", lambda to: to.write_text(html, encoding="utf-8"))
