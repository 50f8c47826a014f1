"""What can be wrong with an offline evaluation."""

from typing import final


@final
class OfflineError(ValueError):
    """An evaluation that cannot be done: says what was given, what was wanted and what to do."""
