"""Log to evaluate on, from any source."""

from dataclasses import dataclass
from typing import final

from policies.base import Log
from policies.simple.oracle import Value


@final
@dataclass(frozen=True)
class Dataset:
    """Logged views and public tables, and the truth where there is one.

    Attributes:
        name: Shown on the page.
        log: Views sorted by user, then time; `Event.CLICK` marks what is to be found again.
        satisfaction: True satisfaction of users with videos, for whoever judges and never for a policy; None where
            nobody knows.
    """

    name: str
    log: Log
    satisfaction: Value | None = None
