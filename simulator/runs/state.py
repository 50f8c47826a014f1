"""State of a run folder, from its small files alone: lock, checkpoint, spec. Fast enough for hundreds of runs."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

from simulator.errors import RunFolderError
from simulator.runs.checkpoint import FOLDER, NOW, Checkpoint, unpack
from simulator.runs.lock import Holder, holder_of

Stage: TypeAlias = Literal["finished", "running", "stopped"]


@final
@dataclass(frozen=True)
class RunState:
    """Progress of a run.

    Attributes:
        stage: `stopped` means that there is no report yet and the run can be resumed.
        done: Finished steps of all timelines: rounds if a policy learns in the test, else days.
        steps: Number of all steps; 0 before the first is done.
        part: Current part: `before the test`, `the test` or `the report`; empty if it is not known.
        holder: Process that runs it.
    """

    stage: Stage
    done: int = 0
    steps: int = 0
    part: str = ""
    holder: Holder | None = None


def run_state(run: Path) -> RunState:
    """Read the state of a run folder.

    Raises:
        RunFolderError: The run has no report, and its spec or checkpoint is damaged.
    """
    holder = holder_of(run)
    if holder is None and (run / "report.json").is_file():
        return RunState("finished")
    read_keys(run)
    checkpoint = _read_checkpoint(run)
    stage: Stage = "running" if holder else "stopped"
    return RunState(stage, checkpoint.done, checkpoint.steps, _next_part(checkpoint), holder)


def read_keys(run: Path) -> dict[str, Any]:
    """Read the keys of a run's spec without checking them.

    Raises:
        RunFolderError: The spec is missing or is not TOML.
    """
    path = run / "spec.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror}); run the test anew") from None
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{path}: not a TOML file ({error}); run the test anew") from None


def _read_checkpoint(run: Path) -> Checkpoint:
    """Read the checkpoint; an empty one if there is none yet."""
    path = run / NOW
    try:
        return unpack(path.read_bytes())
    except FileNotFoundError:
        return Checkpoint()
    except OSError as error:
        fault = error.strerror
    except ValueError as error:
        fault = str(error)
    remedy = f"delete {run / FOLDER}, and resuming starts the run anew"
    raise RunFolderError(f"{path}: damaged checkpoint ({fault}); {remedy}") from None


def _next_part(checkpoint: Checkpoint) -> str:
    """Part of the run that follows a checkpoint."""
    if checkpoint.steps and checkpoint.done == checkpoint.steps:
        return "the report"
    if not checkpoint.lines:
        return ""
    return "before the test" if "pre" in checkpoint.lines else "the test"
