"""One arithmetic on every processor: the libraries are held to AVX2 and FMA, which x86-64 has had since 2013.

NumPy, OpenBLAS, torch, MKL, oneDNN, Arrow and numba each choose instructions for the processor they find, and with
them the order of sums, fused multiplication and the last digits of exp, log, sqrt and tanh. Training, and users who
react to what they are shown, make other slates and other days out of last digits. Each library reads variables when
it is first used that hold it to one choice; they are set when this package is imported, unless they are set already.

MKL obeys AVX2 on Intel alone. Its one branch that Intel documents for processors of other makers is COMPATIBLE, which
is slow at matrix products: `policies.torch_rankers.matmul` gives those to OpenBLAS instead.
https://www.intel.com/content/www/us/en/docs/onemkl/developer-guide-linux/2024-2/specifying-code-branches.html
"""

import logging
import os
import platform
import sys
from pathlib import Path
from typing import Final

_log = logging.getLogger("askew.processor")

PINS: Final = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "ARROW_USER_SIMD_LEVEL": "AVX2",
    "NUMBA_CPU_NAME": "x86-64-v3",
    "NUMBA_CPU_FEATURES": "",
}
"""What holds each library to AVX2 and FMA; numba keeps compiled code apart by these names."""
SWITCH: Final = "ASKEW_PORTABLE"
"""Set to 0, everything runs with whatever the processor has."""
_READ_AT_IMPORT: Final = ("numpy", "numba", "torch", "pyarrow")
_X86_64_V3: Final = {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"}
_CPUINFO: Final = Path("/proc/cpuinfo")


def pinnable(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether this is Linux on an x86-64 processor with AVX2 and FMA, and pins are not switched off.

    Args:
        cpuinfo: Where Linux says what the processor can do.
    """
    if os.environ.get(SWITCH) == "0" or platform.machine() != "x86_64":
        return False
    try:
        with cpuinfo.open(encoding="utf-8") as lines:
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return False
    return set(flags.split()) >= _X86_64_V3


def pin() -> None:
    """Set the variables that are not set, where the processor can do what they ask for."""
    global _late  # noqa: PLW0603 - said once, when numbers are made
    if not pinnable() or all(name in os.environ for name in PINS):
        return
    _late = tuple(name for name in _READ_AT_IMPORT if name in sys.modules)
    for name, value in PINS.items():
        os.environ.setdefault(name, value)


def pinned() -> dict[str, str]:
    """The variables as they are set, for processes on other machines."""
    return {name: os.environ[name] for name in PINS if name in os.environ} if pinnable() else {}


def warn_if_late() -> None:
    """Say, once, that a library was imported before it could be held to one choice."""
    global _late  # noqa: PLW0603
    if _late:
        _log.warning(
            "askew: %s imported before simulator, so numbers may differ in their last digits on another processor; "
            "import simulator first",
            ", ".join(_late),
        )
    _late = ()


_late: tuple[str, ...] = ()
"""Libraries that were imported before the variables were set."""
