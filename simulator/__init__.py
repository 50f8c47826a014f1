"""What happens and what it means: rollout, experiment, environments, statistics, report.

`simulator.analyse` reads out anybody's test from a frame with one row per user; see
`simulator.analysis.analyse.analyse`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.analysis.analyse import analyse as analyse


def __getattr__(name: str) -> object:
    """Fetch `analyse` when it is asked for, so that importing the package stays quick."""
    if name == "analyse":
        from simulator.analysis.analyse import analyse

        return analyse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
