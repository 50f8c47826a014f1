"""Packages that only some commands use, and the extra of askew that installs them."""

from importlib.util import find_spec
from typing import Final, Literal, TypeAlias

from simulator.cli.failures import refuse

Extra: TypeAlias = Literal["dashboard", "onnx", "rankers", "rl", "scale"]

EXTRAS: Final[dict[Extra, tuple[str, ...]]] = {
    "dashboard": ("jinja2", "markupsafe", "plotly", "streamlit"),
    "onnx": ("onnxruntime",),
    "rankers": ("torch",),
    "rl": ("minari", "stable_baselines3", "torchrl"),
    "scale": ("ray",),
}
"""Modules of each extra in pyproject.toml that our code imports or its users need beside it."""


def need(*extras: Extra) -> None:
    """End with one line unless all packages of these extras are installed; called before any work is begun."""
    incomplete: list[Extra] = [extra for extra in extras if missing(extra)]
    if incomplete:
        refuse(f"this command uses {_listed(missing(*incomplete))}, not installed here; {install_words(*incomplete)}")


def missing(*extras: Extra) -> tuple[str, ...]:
    """Modules of these extras that are not installed; none of them is imported."""
    return tuple(module for extra in extras for module in EXTRAS[extra] if not _is_there(module))


def absence_fault(error: ModuleNotFoundError) -> str:
    """What to install after a module of an extra was not found; empty if the module is of none."""
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            return f"{module} is not installed; {install_words(extra)}"
    return ""


def install_words(*extras: Extra) -> str:
    """How to install these extras."""
    return f"pip install 'askew[{','.join(sorted(extras))}]'"


def _is_there(module: str) -> bool:
    """Whether a module can be imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _listed(modules: tuple[str, ...]) -> str:
    """Names in a sentence."""
    *first, last = modules
    return f"{', '.join(first)} and {last}" if first else last
