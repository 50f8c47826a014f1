"""One exception per cause that a program would catch; each message is one line."""

from typing import final


@final
class DataError(ValueError):
    """Data that are missing or damaged, or a wrong mapping; the message names file, line, column and value."""


@final
class FitError(ValueError):
    """Rows that no world can be fitted on; the message says why, and which data to give instead."""


@final
class DownloadError(RuntimeError):
    """An archive that could not be fetched or unpacked; the message gives the reason and the next step."""


@final
class WorldError(ValueError):
    """A world folder that is missing or damaged; the message names the file and the expected content."""
