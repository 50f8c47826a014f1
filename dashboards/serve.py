"""How the dashboard is started: Streamlit in a process of its own, reachable from this machine only."""

import sys
from pathlib import Path
from typing import Final, final

from dashboards.run_control.archive import LARGEST_UPLOAD_MB
from simulator.reports.report import RunFolderError

APP: Final = Path(__file__).with_name("app.py")
_SETTINGS: Final = (
    "--server.address=127.0.0.1",
    "--server.fileWatcherType=none",
    f"--server.maxUploadSize={LARGEST_UPLOAD_MB}",
    "--server.showEmailPrompt=false",
    "--browser.gatherUsageStats=false",
    "--client.toolbarMode=viewer",
)


@final
class PortError(ValueError):
    """A port that cannot be listened on."""


def command(runs: Path, port: int | None) -> list[str]:
    """The command line that serves the dashboard of the runs in a folder.

    Args:
        runs: A run folder, or a folder of run folders.
        port: Port to listen on; None leaves it to Streamlit, which begins at 8501.

    Raises:
        RunFolderError: `runs` is no folder.
        PortError: `port` is out of range.
    """
    if not runs.is_dir():
        raise RunFolderError(f"{runs}: no such folder; give a run folder or a folder of run folders")
    if port is not None and not 1 <= port <= 65535:
        raise PortError(f"port {port} given, want 1 to 65535")
    listen = [] if port is None else [f"--server.port={port}"]
    return [sys.executable, "-m", "dashboards", "run", str(APP), *_SETTINGS, *listen, "--", str(runs.resolve())]
