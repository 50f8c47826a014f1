"""What a name may hold, of a run, an arm, a policy or a feature, so that it can be shown anywhere."""

import unicodedata
from typing import Final

_UNSEEN: Final = {"Cc", "Cs", "Zl", "Zp"}
"""Categories of characters that steer a terminal, break a line, or stand for nothing."""


def name_fault(name: str) -> str | None:
    r"""What is wrong with a name; None if nothing is.

    >>> name_fault("exp [beta]"), name_fault(" "), name_fault("a\tb")
    (None, 'want more than blanks', "want no control characters, such as '\\t'")
    """
    if not name.strip():
        return "want more than blanks"
    odd = next((letter for letter in name if unicodedata.category(letter) in _UNSEEN), None)
    return None if odd is None else f"want no control characters, such as {odd!r}"
