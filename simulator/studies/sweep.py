"""A sweep: one test, run once per value of an assumed parameter, with the same seed and so the same noise.

Each value has its own run folder, named after it. `sweep.json` holds the scorecards of the finished values.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from simulator.errors import RunFolderError, SpecError
from simulator.experiment.runner import Progress, world_of
from simulator.names import nearest
from simulator.reports.report import load_report
from simulator.reports.sweep import Sweep, SweepPoint, SweptParameter
from simulator.run import run_to_folder
from simulator.runs.folder import RunFolder
from simulator.spec.experiment import ExperimentSpec, SweepSpec
from user_models.world.parameters import Parameter, fault
from user_models.world.store import load_world

Bars = Callable[[], AbstractContextManager[Progress]]
"""Opens a display of progress for one value."""
_LONGEST_NAME: Final = 60


def plan_sweep(spec: ExperimentSpec) -> Sweep:
    """Build a spec's sweep, with no value finished yet.

    Raises:
        SpecError: The spec has no `sweep`, the parameter is unknown or not assumed, or a value is invalid.
        WorldError: The world is unknown.
    """
    sweep = _sweep_of(spec)
    parameter = _assumed(load_world(spec.world).parameters, sweep.parameter)
    if wrong := [message for value in sweep.points if (message := fault(sweep.parameter, value))]:
        raise SpecError(f"sweep: {wrong[0]}")
    return Sweep(
        name=spec.name,
        seed=spec.seed,
        days=spec.days,
        world=spec.world,
        parameter=SweptParameter(
            name=sweep.parameter,
            meaning=parameter.meaning,
            source=parameter.source,
            value=world_of(spec.without_sweep()).value(sweep.parameter),
            low=parameter.low,
            high=parameter.high,
        ),
        values=list(sweep.points),
        points=[],
    )


def spec_at(spec: ExperimentSpec, value: float) -> ExperimentSpec:
    """Build the test with the swept parameter set to a value; its name includes the value.

    Raises:
        SpecError: The spec has no `sweep`.
    """
    parameter = _sweep_of(spec).parameter
    setting = f"{parameter} = {value:g}"
    name = f"{spec.name[: _LONGEST_NAME - len(setting) - 2].rstrip()}: {setting}"
    return spec.without_sweep().model_copy(
        update={"name": name, "world_values": {**spec.world_values, parameter: value}}
    )


def run_sweep(spec: ExperimentSpec, out: Path, workers: int, bars: Bars, resume: bool = False) -> Iterator[Sweep]:
    """Run every value into `out`; after each, write `sweep.json` and yield the sweep so far.

    Args:
        spec: Spec with a `sweep`.
        out: Folder to create; with `resume` the folder of an interrupted sweep, whose finished values are kept.
        workers: Threads.
        bars: Opens a display of progress for each value.
        resume: Go on after the last finished day of the last finished value.

    Raises:
        SpecError: The spec cannot be run; nothing was written.
        RunFolderError: The folder is not empty, holds another sweep, or cannot be written to.
    """
    sweep = plan_sweep(spec)
    _check_out(out, sweep, resume)
    for number, value in enumerate(sweep.values, start=1):
        folder = out / folder_name(value)
        label = f"{value:g}, {number} of {len(sweep.values)}"
        with bars() as show:
            _run_value(spec_at(spec, value), folder, workers, _labelled(show, label), resume)
        sweep = sweep.model_copy(update={"points": [*sweep.points, _point(value, folder)]})
        text = sweep.to_json()
        RunFolder(out).write("sweep.json", lambda to, text=text: to.write_text(text, encoding="utf-8"))
        yield sweep


def write_page(out: Path, html: str) -> None:
    """Write the page next to `sweep.json`."""
    RunFolder(out).write("sweep.html", lambda to: to.write_text(html, encoding="utf-8"))


def folder_name(value: float) -> str:
    """Name a value's run folder, with enough digits to be unique.

    >>> folder_name(0.1), folder_name(-2.0), folder_name(0.00001)
    ('0.1', '-2.0', '1e-05')
    """
    return repr(float(value))


def _sweep_of(spec: ExperimentSpec) -> SweepSpec:
    """Sweep of the spec, or an error if it has none."""
    if spec.sweep is None:
        raise SpecError(f"{spec.name}: has no sweep; add a table [sweep] with a parameter and its values")
    return spec.sweep


def _assumed(parameters: dict[str, Parameter], name: str) -> Parameter:
    """Look up an assumed parameter."""
    assumed = [parameter_name for parameter_name, parameter in parameters.items() if parameter.status == "assumed"]
    if name not in parameters:
        hint = nearest(name, assumed, f"assumed parameters: {', '.join(assumed)}")
        raise SpecError(f"sweep: unknown parameter {name!r}; {hint}")
    if name not in assumed:
        status = parameters[name].status
        raise SpecError(f"sweep: {name!r} is {status}, not assumed; assumed parameters: {', '.join(assumed)}")
    return parameters[name]


def _check_out(out: Path, sweep: Sweep, resume: bool) -> None:
    """Refuse a folder that is not empty, or, when resuming, one without values."""
    if resume and not any((out / folder_name(value) / "spec.toml").is_file() for value in sweep.values):
        raise RunFolderError(f"{out}: holds no run of this sweep; leave out --resume to begin one")
    existing = [] if resume else _content(out)
    if existing:
        raise RunFolderError(f"{out}: holds {existing[0]} already; give an empty or new folder as --out, or --resume")


def _content(out: Path) -> list[str]:
    """List the files of a folder; empty if it does not exist."""
    try:
        return sorted(path.name for path in out.iterdir()) if out.exists() else []
    except OSError as error:
        raise RunFolderError(f"{out}: cannot be read: {error.strerror}; give another --out") from None


def _run_value(spec: ExperimentSpec, folder: Path, workers: int, progress: Progress, resume: bool) -> None:
    """Run or resume one value, unless it is finished."""
    is_begun = resume and (folder / "spec.toml").is_file()
    if is_begun:
        RunFolder.reopen(folder, spec)
    if not (is_begun and (folder / "report.json").is_file()):
        run_to_folder(spec, folder, workers, progress, resume=is_begun)


def _labelled(show: Progress, label: str) -> Progress:
    """Add the swept value to the stages of a progress."""
    return lambda stage, done, total: show(f"{label}: {stage}", done, total)


def _point(value: float, folder: Path) -> SweepPoint:
    """Scorecard of a finished value."""
    report = load_report(folder)
    return SweepPoint(value=value, path=folder.name, users=report.users, metrics=report.valid_metrics())
