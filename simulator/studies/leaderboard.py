"""Leaderboard of rankers: contract checks, offline metrics, and a test against `base`; finished steps are stored."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from policies.registry import POLICIES, build_policy
from policies.testing.conformance import check_policy
from simulator.errors import OfflineError
from simulator.experiment.runner import Progress
from simulator.offline.evaluate import Study, run_offline
from simulator.offline.protocol import ProtocolRules
from simulator.offline.source import LogSource
from simulator.offline.store import label_of
from simulator.reports.leaderboard import FILE, HEADLINE, Effect, Entry, Leaderboard
from simulator.reports.offline import TRUTH, Offline
from simulator.reports.report import load_report
from simulator.run import run_to_folder
from simulator.runs.folder import RunFolder
from simulator.runs.lock import locked
from simulator.spec.experiment import ExperimentSpec, parse_spec

PAGE: Final = "leaderboard.html"
_SEED: Final = 1
_KEPT_CONTRACT: Final = "contract"
_TESTS: Final = "tests"


@final
@dataclass(frozen=True)
class EvaluationPlan:
    """Offline data and A/B test that every ranker is measured on.

    Attributes:
        source: Data of the offline evaluation.
        users: Users of the test against `base`.
        days: Days of that test.
    """

    source: LogSource
    users: int
    days: int

    def test_of(self, policy: str) -> ExperimentSpec:
        """Spec of the test against `base`, the control.

        Raises:
            SpecError: There are too few users or days, or the policy's address is too long.
        """
        arms = [{"name": "control", "policy": "base"}, {"name": "treatment", "policy": policy}]
        name = f"{policy[:40]} against base"
        keys = {"name": name, "seed": _SEED, "users": self.users, "days": self.days, "arms": arms}
        return parse_spec(keys, origin=f"test of {policy}")


def build_leaderboard(
    policy: str, plan: EvaluationPlan, out: Path, progress: Progress, *, all_shipped: bool = False
) -> Leaderboard:
    """Evaluate a ranker, or it and all shipped ones, and write the leaderboard.

    Raises:
        OfflineError: A policy is unknown or breaks its contract, or the data cannot be used.
        RunFolderError: The folder cannot be written to, is in use, damaged, or of other settings.
        SpecError: There are too few users or days.
    """
    names = tuple(dict.fromkeys((policy, *POLICIES))) if all_shipped else (policy,)
    for name in names:
        check(name, out, progress)
    (out / _TESTS).mkdir(parents=True, exist_ok=True)
    with locked(out):
        for name in names:
            _test(name, plan, out, progress)
        policies = tuple(dict.fromkeys((*_tested_policies(out), *names)))
        study = Study(policies, 1, ProtocolRules(max_users=plan.source.max_users))
        offline = run_offline(plan.source, study, out / "offline", progress)
        board = rank_all(offline, plan, {name: _folder(name) for name in policies}, out)
        RunFolder(out).put(FILE, board.to_json().encode())
    return board


def check(policy: str, out: Path, progress: Progress) -> None:
    """Check that a policy keeps the contract, unless it was checked before.

    Raises:
        OfflineError: The policy is unknown or breaks the contract.
        RunFolderError: The folder cannot be written to.
    """
    contract_file = f"{_KEPT_CONTRACT}/{label_of(policy)}.json"
    if (out / contract_file).is_file():
        return
    progress("the contract", 0, 1)
    try:
        check_policy(lambda: build_policy(policy, {}))
    except (AssertionError, ValueError) as error:
        raise OfflineError(f"policy {policy!r}: {' '.join(str(error).split())}") from error
    except Exception as error:
        raise OfflineError(f"policy {policy!r}: fails with {type(error).__name__}: {error}") from error
    _make(out)
    RunFolder(out).put(contract_file, (json.dumps({"policy": policy, "kept": True}) + "\n").encode())


def rank_all(offline: Offline, plan: EvaluationPlan, folders: dict[str, str], out: Path) -> Leaderboard:
    """Rank the policies whose tests are in these folders by true lift of AUT.

    Raises:
        RunFolderError: A report is missing or damaged.
    """
    scores = {row.policy: row.mean for row in offline.policies if row.policy != TRUTH}
    entries = [
        Entry(policy=name, offline=scores[name], effects=_effects(out / folder), folder=folder)
        for name, folder in folders.items()
    ]
    entries.sort(key=lambda entry: -(entry.effects["AUT"].true_lift or 0))
    return Leaderboard(data=offline.data, users=plan.users, days=plan.days, entries=entries)


def write_page(out: Path, html: str) -> None:
    """Write the page next to the leaderboard."""
    RunFolder(out).put(PAGE, html.encode())


def _test(policy: str, plan: EvaluationPlan, out: Path, progress: Progress) -> None:
    """Run the test against `base`, or resume it."""
    folder, spec = out / _folder(policy), plan.test_of(policy)
    is_begun = (folder / "spec.toml").is_file()
    if is_begun:
        RunFolder.reopen(folder, spec)
    if (folder / "report.json").is_file():
        return

    def show(stage: str, done: int, total: int) -> None:
        progress(f"{policy[-12:]}: {stage}", done, total)

    run_to_folder(spec, folder, plan.source.workers, show, is_begun)


def _tested_policies(out: Path) -> list[str]:
    """Policies with a finished test in the folder, by name."""
    reports = sorted((out / _TESTS).glob("*/report.json"))
    return [next(arm.policy for arm in load_report(path.parent).arms if arm.name == "treatment") for path in reports]


def _effects(folder: Path) -> dict[str, Effect]:
    """Headline effects of a test."""
    rows = {row.metric: row for row in load_report(folder).valid_metrics()}
    return {
        name: Effect(
            lift=row.relative_effect, ci_low=row.ci_low, ci_high=row.ci_high, true_lift=row.true_relative_effect
        )
        for name in HEADLINE
        if (row := rows.get(name)) is not None
    }


def _folder(policy: str) -> str:
    return f"{_TESTS}/{label_of(policy)}"


def _make(out: Path) -> None:
    """Make the folder if it does not exist."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OfflineError(f"{out}: cannot be made: {error.strerror}; give another --out") from None
