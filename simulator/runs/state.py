"""How a run folder stands, told from its small files alone: lock, checkpoint, spec. Cheap enough for hundreds."""

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
    """How far a run is.

    Attributes:
        stage: `stopped` has no report yet and can be resumed.
        done: Steps done: rounds where a policy learns in the test, else days; of every line.
        steps: All of them; 0 before the first is done.
        part: What is being played: `before the test`, `the test`, `the report`; empty where it is not known.
        holder: Who runs it.
    """

    stage: Stage
    done: int = 0
    steps: int = 0
    part: str = ""
    holder: Holder | None = None


def run_state(run: Path) -> RunState:
    """How a run folder stands.

    Raises:
        RunFolderError: A damaged spec or checkpoint, of a run without a report.
    """
    holder = holder_of(run)
    if holder is None and (run / "report.json").is_file():
        return RunState("finished")
    read_keys(run)
    now = _read_now(run)
    stage: Stage = "running" if holder else "stopped"
    return RunState(stage, now.done, now.steps, _part(now), holder)


def read_keys(run: Path) -> dict[str, Any]:
    """The keys of a run's spec as they stand in its file, not checked.

    Raises:
        RunFolderError: It is gone or no TOML.
    """
    path = run / "spec.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror}); run the test anew") from None
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{path}: not a TOML file ({error}); run the test anew") from None


def _read_now(run: Path) -> Checkpoint:
    """The checkpoint; that of the beginning where there is none yet."""
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


def _part(now: Checkpoint) -> str:
    """What comes after a checkpoint."""
    if now.steps and now.done == now.steps:
        return "the report"
    if not now.lines:
        return ""
    return "before the test" if "pre" in now.lines else "the test"
