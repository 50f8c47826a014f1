"""Names of runs, arms, policies and features: their checks, and suggestions for unknown ones."""

import difflib
import unicodedata
from collections.abc import Iterable
from typing import Final

_UNSEEN: Final = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories of control characters, line breaks and surrogates."""


def name_fault(name: str) -> str | None:
    r"""Fault of a name; None if there is none.

    >>> name_fault("exp [beta]"), name_fault(" "), name_fault("a\tb")
    (None, 'want more than blanks', "want no control characters, such as '\\t'")
    """
    if not name.strip():
        return "want more than blanks"
    control_character = next((letter for letter in name if unicodedata.category(letter) in _UNSEEN), None)
    return None if control_character is None else f"want no control characters, such as {control_character!r}"


def nearest(name: str, choices: Iterable[object], otherwise: str) -> str:
    """Suggest the choice that is most similar to a name; `otherwise` if none is similar.

    >>> nearest("demmo", ["demo", "a_a"], "want demo or a_a"), nearest("x", ["demo"], "want demo")
    ("did you mean 'demo'?", 'want demo')
    """
    by_text = {str(choice): choice for choice in choices}
    matches = difflib.get_close_matches(name, by_text, n=1)
    return f"did you mean {by_text[matches[0]]!r}?" if matches else otherwise
