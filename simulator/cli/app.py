"""The command line: the outermost shell. Commands translate; rooms are imported when a command needs them."""

import gc
import os
import sys
from importlib.metadata import version
from io import TextIOWrapper
from typing import Final

from cyclopts import App, CycloptsError

from simulator.cli import bench, environment, live, off_policy, rankers, run, studies, worlds
from simulator.cli.extras import absence_fault
from simulator.cli.failures import Interruption, Stopped, os_fault, refuse, word_fault

app: Final = App(
    name="askew",
    help="A wind tunnel for recommender A/B tests.",
    version_flags=["--version"],
    version=lambda: version("askew"),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
data: Final = App(name="data", help="Get KuaiRand, and check a log of your own.")
_OURS: Final = ("simulator.", "user_models.", "policies.", "dashboards.")
data.command(worlds.download)
data.command(worlds.check)
for _command in (
    data,
    rankers.offline,
    rankers.evaluate,
    off_policy.ope,
    run.run,
    studies.audit,
    studies.power,
    run.report,
    live.analyse,
    run.dashboard,
    worlds.fit,
    worlds.regimes,
    worlds.validate,
    rankers.policies,
    environment.render,
    environment.export,
    bench.bench,
):
    app.command(_command)


def main(words: list[str] | None = None) -> None:
    """Run a command; wrong input ends in one line on stderr and exit code 2, never in a traceback.

    Args:
        words: The command and its arguments; those of the process by default, which then ends on Ctrl-C and SIGTERM.
    """
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # split sums round otherwise
    gc.set_threshold(100_000)  # imports make objects that stay; looking for garbage among them takes a second
    arguments = sys.argv[1:] if words is None else words
    interruption = Interruption(arguments)
    if words is None:
        interruption.watch()
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal may lack letters
    try:
        _call(arguments)
    except KeyboardInterrupt as stop:
        interruption.say()
        sys.exit(stop.code if isinstance(stop, Stopped) else 130)


def _call(words: list[str]) -> None:
    """Run a command, or refuse it in one line."""
    if fault := word_fault(words):
        refuse(fault)
    try:
        app(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        refuse(str(error))
    except MemoryError as error:
        refuse(f"not enough memory ({error or 'no more said'}); take fewer users or days, what was finished is kept")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # who read our output has read enough
        sys.exit(1)
    except OSError as error:
        refuse(os_fault(error))
    except ModuleNotFoundError as error:
        if fault := absence_fault(error):
            refuse(fault)
        raise
    except Exception as error:
        if not type(error).__module__.startswith(_OURS):
            raise
        refuse(str(error))
