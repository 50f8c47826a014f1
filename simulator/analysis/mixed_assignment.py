"""Users in more than one arm: whoever met both says nothing about either."""

from typing import Final, Literal

from simulator.reports.sections import MixedAssignment

MOST_MIXED: Final = 0.01
"""Share of users in more than one arm from which on a test fails; below it is a warning."""


def mixed_assignment(mixed: int, users: int) -> MixedAssignment:
    """The verdict on users in more than one arm: none pass, fewer than 1% are a warning.

    >>> [mixed_assignment(n, 1000).verdict for n in (0, 9, 10)]
    ['pass', 'warn', 'fail']
    """
    share = mixed / users if users else 0.0
    return MixedAssignment(users=mixed, share=share, verdict=_verdict(share))


def mixed_warnings(found: MixedAssignment) -> list[str]:
    """One line if anybody was in two arms."""
    if found.verdict == "pass":
        return []
    remedy = "do not read the scorecard" if found.verdict == "fail" else "each is counted in one of them"
    return [f"{found.users} users ({found.share:.2%}) have rows under more than one arm; {remedy}"]


def _verdict(share: float) -> Literal["pass", "warn", "fail"]:
    """What a share of users in two arms means."""
    if share == 0:
        return "pass"
    return "warn" if share < MOST_MIXED else "fail"
