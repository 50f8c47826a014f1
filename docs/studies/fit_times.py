"""How long each ranker learns: `OMP_NUM_THREADS=1 python docs/studies/fit_times.py [POLICY...]`.

All policies that can be trained, or those that are named, learn one after the other from what the demonstration's
`training_users` did in the seven days before its test. Told are the seconds that pass, and those of the processor:
what one core of an otherwise idle machine takes.
"""

import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from policies.base import Log, TrainablePolicy
from policies.registry import POLICIES, build_policy
from simulator.run import run_to_folder
from simulator.spec.experiment import load_spec


class LogFoundError(Exception):
    """Ends the run whose log was wanted."""


class LogKeeper:
    """A policy that keeps the log it was to learn from, and ends the run."""

    log: Log

    def fit(self, log: Log, seed: int) -> None:
        LogKeeper.log = log
        raise LogFoundError

    def rank(self, obs, k, noise):
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> "LogKeeper":
        raise NotImplementedError


def demonstration_log() -> Log:
    sys.modules["fit_times"] = sys.modules[__name__]
    spec = load_spec("demo")
    keeper = spec.arms[1].model_copy(update={"policy": "fit_times:LogKeeper"})
    keeping = spec.model_copy(update={"arms": (spec.arms[0], keeper)})
    with TemporaryDirectory() as folder, suppress(LogFoundError):
        run_to_folder(keeping, Path(folder) / "run", 2, lambda *_: None)
    return LogKeeper.log


def main(names: list[str]) -> None:
    log = demonstration_log()
    sys.stdout.write(f"{len(log.feedback):,} views\n")
    for name in names or list(POLICIES):
        policy = build_policy(name, {})
        if isinstance(policy, TrainablePolicy):
            begun, busy = perf_counter(), process_time()
            policy.fit(log, 0)
            passed, busy = perf_counter() - begun, process_time() - busy
            sys.stdout.write(f"{name}: {passed:.0f} s, of the processor {busy:.0f} s\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
