"""The same arithmetic on every processor: the libraries are limited to AVX2 and FMA, which x86-64 has had since 2013.

NumPy, OpenBLAS, torch, MKL, oneDNN, Arrow and numba each choose instructions for the processor. These change the order
of sums, fused multiplication and the last digits of exp, log, sqrt and tanh. Training and simulated users turn other
last digits into other slates and other days. Each library reads environment variables at its first use that fix the
choice. They are set when this package is imported, unless they are set already.

MKL obeys AVX2 on Intel only. For processors of other makers Intel documents one branch, COMPATIBLE, whose matrix
products are slow: `policies.torch_rankers.portable_kernels` uses OpenBLAS for them instead.
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
"""Variables that limit each library to AVX2 and FMA; numba caches compiled code by these names."""
SWITCH: Final = "ASKEW_PORTABLE"
"""Variable that turns the limits off if it is 0."""
_READ_AT_IMPORT: Final = ("numpy", "numba", "torch", "pyarrow")
_X86_64_V3: Final = {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"}
_CPUINFO: Final = Path("/proc/cpuinfo")


def pinnable(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether this is Linux on an x86-64 processor with AVX2 and FMA, and pins are not switched off.

    Args:
        cpuinfo: File in which Linux lists the features of the processor.
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
    """Set the variables that are not set, if the processor has AVX2 and FMA."""
    global _late  # noqa: PLW0603 - said once, when numbers are made
    if not pinnable() or all(name in os.environ for name in PINS):
        return
    _late = tuple(name for name in _READ_AT_IMPORT if name in sys.modules)
    for name, value in PINS.items():
        os.environ.setdefault(name, value)


def pinned() -> dict[str, str]:
    """Current values of the variables, for processes on other machines."""
    return {name: os.environ[name] for name in PINS if name in os.environ} if pinnable() else {}


def warn_if_late() -> None:
    """Warn once if a library was imported before the variables were set."""
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
