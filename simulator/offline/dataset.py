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
        name: Name on the page.
        log: Views sorted by user, then time; `Event.CLICK` marks the videos that may be held out.
        satisfaction: True satisfaction of users with videos, for evaluation and never for a policy; None if it is not
            known.
    """

    name: str
    log: Log
    satisfaction: Value | None = None
