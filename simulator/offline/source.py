"""Sources for `askew offline DATA`: a file, a folder, or a world's name."""

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
"""Default number of users of a simulated log."""


@final
@dataclass(frozen=True)
class LogSource:
    """Source of the log to evaluate on.

    Attributes:
        data: A KuaiRand folder, a Parquet list of exposures, a run folder, a world's folder, or a bundled world's name.
        features: KuaiRand folder with the tables for a list of exposures.
        max_users: Maximum number of users.
        workers: Threads of a simulation.
    """

    data: str
    features: Path | None = None
    max_users: int | None = None
    workers: int = 1


def read_source(source: LogSource, progress: Progress) -> Dataset:
    """Read or simulate the log.

    Raises:
        OfflineError: The source does not fit the options, or has no usable log.
        DataError: Files of KuaiRand are missing or damaged.
        SpecError: The run folder is damaged.
        WorldError: The world is unknown.
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
