"""Sources for `askew offline DATA`: a file, a folder of one kind or another, or a world's name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from simulator.errors import OfflineError
from simulator.experiment.runner import Progress
from simulator.offline.dataset import Dataset
from simulator.offline.kuairand import read_folder, read_list
from simulator.offline.simulated import read_run, simulate
from user_models.world.store import bundled_worlds

SIMULATED_USERS: Final = 3000
"""Users of a world that is simulated for the purpose, unless fewer are wanted."""


@final
@dataclass(frozen=True)
class LogSource:
    """Source of the log to evaluate on.

    Attributes:
        data: A KuaiRand folder, a Parquet list of exposures, a run folder, a world's folder, or a bundled world's name.
        features: KuaiRand folder that a list of exposures is read with.
        max_users: Users wanted, at most.
        workers: Threads of a simulation.
    """

    data: str
    features: Path | None = None
    max_users: int | None = None
    workers: int = 1


def read_source(source: LogSource, progress: Progress) -> Dataset:
    """The log, read or simulated.

    Raises:
        OfflineError: Nothing of the kind there.
        DataError: Missing or damaged files of KuaiRand.
        SpecError: A damaged run folder.
        WorldError: No such world.
    """
    path = Path(source.data)
    if source.features is not None and not path.is_file():
        raise OfflineError(
            f"--features {source.features} given, but {source.data} is no list of exposures; leave it out"
        )
    if path.is_file():
        return read_list(path, source.features)
    if (path / "spec.toml").is_file():
        return read_run(path)
    if source.data in bundled_worlds() or (path / "world.json").is_file() or not path.is_dir():
        return simulate(source.data, source.max_users or SIMULATED_USERS, source.workers, progress)
    return read_folder(path)
