"""Which engine a run asks for, by name."""

from collections.abc import Callable

from simulator.cli.options import EngineName
from simulator.errors import EngineError
from simulator.experiment.engine import Engine
from simulator.experiment.local_engine import LocalEngine


def choose_engine(name: EngineName, workers: int, address: str | None) -> Callable[[], Engine]:
    """What starts the engine, once the rest of a run is known to be sound.

    Raises:
        EngineError: An address for an engine that has none.
    """
    if name == "local":
        if address is not None:
            raise EngineError(f"--address {address} given with --engine local, want --engine ray")
        return lambda: LocalEngine(workers)
    from simulator.experiment.ray_engine import RayEngine

    return lambda: RayEngine(workers, address)
