"""Run folders as the dashboard meets them: found, named, read once per version of their report."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import streamlit as st

from simulator.reports.report import Report, load_report


@final
@dataclass(frozen=True)
class Fingerprint:
    """Tells versions of a file apart without reading it."""

    mtime_ns: int
    size: int


def fingerprint(run: Path) -> Fingerprint | None:
    """That of a run's report; None while there is no report."""
    try:
        status = (run / "report.json").stat()
    except OSError:
        return None
    return Fingerprint(status.st_mtime_ns, status.st_size)


def run_label(run: Path, folder: Path) -> str:
    """A run's name within the folder it was found in.

    >>> run_label(Path("runs/july/demo"), Path("runs"))
    'july/demo'
    """
    return run.resolve().name if run == folder else run.relative_to(folder).as_posix()


def read_run(run: Path, version: Fingerprint) -> Report:
    """The report of a run, read again only when its file has changed.

    Raises:
        RunFolderError: A damaged report.
    """
    return _read(str(run), version.mtime_ns, version.size)


@st.cache_resource(max_entries=64, show_spinner=False)
def _read(run: str, mtime_ns: int, size: int) -> Report:  # noqa: ARG001 (part of the cache's key)
    """Reports are frozen, so all viewers may share one."""
    return load_report(Path(run))
