"""What can go wrong in a validation."""

from typing import final


@final
class NotMeasuredError(ValueError):
    """A section of the validation that could not be measured; the message is its reason."""
