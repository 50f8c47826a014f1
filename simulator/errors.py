"""One exception per cause that a program would catch; each message is one line."""

from typing import final


@final
class SpecError(ValueError):
    """An experiment spec that cannot be run: says which key, what it holds and what it may hold."""


@final
class RunFolderError(ValueError):
    """A run folder that is missing, damaged, in use or not empty: says which file and what to do."""


@final
class EngineError(RuntimeError):
    """An engine that cannot start or go on: says what is missing and what to do."""


@final
class OfflineError(ValueError):
    """An evaluation that cannot be done: says what was given, what was wanted and what to do."""


@final
class ExportError(ValueError):
    """A dataset that cannot be written; says where and why."""


@final
class NotMeasuredError(ValueError):
    """A section of the validation that could not be measured; the message is its reason."""
