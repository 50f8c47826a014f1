"""One exception per cause that a program would catch; each message is one line."""

from typing import final


@final
class DataError(ValueError):
    """A KuaiRand folder that is missing or damaged; the message names file, line, column and value."""


@final
class FitError(ValueError):
    """Rows too unlike KuaiRand's to fit a world on; the message says why, and which data to give instead."""


@final
class DownloadError(RuntimeError):
    """An archive that could not be fetched or unpacked; the message gives the reason and the next step."""


@final
class WorldError(ValueError):
    """A world folder that is missing or damaged; the message names the file and the expected content."""
