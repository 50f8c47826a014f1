"""How a command ends that does not finish: one line on stderr and an exit code, whatever it was."""

import os
import signal
import sys
from collections.abc import Sequence
from threading import Timer
from types import FrameType
from typing import Final, NoReturn, final

GRACE_S: Final = 3.0
"""Seconds after a signal in which work lets go of files and folders; threads may be at theirs for minutes."""
_RESUME: Final = "what was finished is kept; go on with --resume"
_AGAIN: Final = "what was finished is kept; the same command goes on from there"
_KEPT: Final = {
    "run": _RESUME,
    "audit": _RESUME,
    "power": _RESUME,
    "offline": _AGAIN,
    "evaluate": _AGAIN,
    "data": _AGAIN,
}


@final
class Stopped(KeyboardInterrupt):
    """A signal asked the command to end.

    Attributes:
        code: What the shell is told.
    """

    def __init__(self, number: int) -> None:
        """Of the signal's number."""
        self.code = 128 + number


def refuse(message: str, code: int = 2) -> NoReturn:
    """End with one line, however many the message has."""
    _say(message)
    sys.exit(code)


def word_fault(words: Sequence[str]) -> str:
    """What is wrong with arguments before any of them is understood; empty if nothing is."""
    for word in words:
        if "\0" in word or not _is_text(word):
            return f"argument {word!r} given, want text in UTF-8 without NUL bytes"
        if not word or (word.startswith("--") and word.endswith("=")):
            return f"argument {word!r} given, want a value that is not empty; leave an option out for its default"
    return ""


def os_fault(error: OSError) -> str:
    """An error of the operating system in words: which file, and what is wrong with it."""
    reason = error.strerror or str(error) or type(error).__name__
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return f"{' to '.join(names)}: {reason}" if names else reason


@final
class Interruption:
    """Ctrl-C or SIGTERM: what is said of it, once, and how soon it ends the process."""

    def __init__(self, words: Sequence[str]) -> None:
        """Of a command, given as its words."""
        self._line = f"interrupted; {_KEPT.get(words[0] if words else '', 'begin anew')}"
        self._said = False

    def say(self) -> None:
        """What is kept, and how to go on."""
        if not self._said:
            self._said = True
            _say(self._line)

    def watch(self) -> None:
        """Have both signals raise `Stopped` in the main thread; for a process that is all ours.

        What is not done with letting go after `GRACE_S` ends then, and at a second signal at once.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._stop)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        """Begin to end."""
        for watched_signal in (signal.SIGINT, signal.SIGTERM):
            signal.signal(watched_signal, lambda _number, _frame: self._end(number))
        timer = Timer(GRACE_S, self._end, (number,))
        timer.daemon = True
        timer.start()
        raise Stopped(number)

    def _end(self, number: int) -> None:
        """End, whatever the threads are at."""
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h\n")  # the cursor, which progress bars hide
        self.say()
        os._exit(128 + number)


def _say(message: str) -> None:
    """Write one line on stderr, whatever characters the paths and names in it have."""
    line = " ".join(message.split())
    sys.stderr.write(f"askew: {''.join(c if c.isprintable() else ascii(c)[1:-1] for c in line)}\n")
    sys.stderr.flush()


def _is_text(word: str) -> bool:
    """Whether a word is text: bytes that are none reach Python as lone surrogates."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
