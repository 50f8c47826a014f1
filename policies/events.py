"""Event bits and questionnaire answers that a platform logs of one view.

Apart from `policies.base`, which has these names too, because `policies.kernel` needs them and is needed there.
"""

from enum import IntEnum, IntFlag


class Event(IntFlag):
    """Events that a platform logs of one view, one bit each."""

    CLICK = 1
    LONG_VIEW = 2
    COMPLETE = 4
    SKIP = 8
    LIKE = 16
    FOLLOW = 32
    COMMENT = 64
    FORWARD = 128
    HATE = 256
    PROFILE_ENTER = 512
    ASKED = 1024
    ANSWERED = 2048
    SATISFIED = 4096
    DISSATISFIED = 8192
    ASKED_STRONGLY = 16384


def events_logged(*, asks_strongly: bool) -> tuple[Event, ...]:
    """Kinds of event that a platform logs; that a questionnaire had the strong form only where some do.

    >>> len(events_logged(asks_strongly=False)), len(events_logged(asks_strongly=True))
    (14, 15)
    """
    return tuple(event for event in Event if asks_strongly or event is not Event.ASKED_STRONGLY)


class Answer(IntEnum):
    """Answer to the questionnaire about one view."""

    NONE = 0
    DISSATISFIED = 1
    UNCERTAIN = 2
    SATISFIED = 3
