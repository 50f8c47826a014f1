"""Names of runs, arms, policies and features: what they may hold, and which one was meant."""

import difflib
import unicodedata
from collections.abc import Iterable
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


def nearest(name: str, choices: Iterable[str], otherwise: str) -> str:
    """Ask whether the choice that is most like a name was meant; `otherwise` if none is like it.

    >>> nearest("demmo", ["demo", "a_a"], "want demo or a_a"), nearest("x", ["demo"], "want demo")
    ("did you mean 'demo'?", 'want demo')
    """
    near = difflib.get_close_matches(name, list(choices), n=1)
    return f"did you mean {near[0]!r}?" if near else otherwise
