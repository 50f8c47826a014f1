from .data.log import open_log
from .fit import fit_world
from .world.store import load_world, save_world
from .world.world import World

__all__ = ["World", "fit_world", "load_world", "open_log", "save_world"]
