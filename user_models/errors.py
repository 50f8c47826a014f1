"""One exception per cause that a program would catch; each message is one line."""

from typing import final


@final
class DataError(ValueError):
    """A KuaiRand folder that is missing or damaged: says which file, line, column and value."""


@final
class FitError(ValueError):
    """Rows so unlike KuaiRand's that no world can be fitted on them: says why, and what to give instead."""


@final
class DownloadError(RuntimeError):
    """An archive that could not be fetched or unpacked: says why, what is kept and what to do."""


@final
class WorldError(ValueError):
    """A world folder that is missing or damaged: says which file and what was wanted in it."""
