"""Offline evaluation of several policies, and their comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, final

import numpy as np
from jaxtyping import Float64

from policies.base import TrainablePolicy
from policies.registry import POLICIES, find_policy
from simulator.errors import OfflineError
from simulator.experiment.runner import Progress
from simulator.offline.metrics import by_user, paired_p, standard_error
from simulator.offline.protocol import ProtocolRules, Task, make_task
from simulator.offline.ranking import RankingResult, rank_held_out
from simulator.offline.source import LogSource, read_source
from simulator.offline.store import Protocol, ResultStore
from simulator.reports.offline import FILE, MAIN, METRICS, TRUE, TRUTH, Lead, Offline, PolicyRow, SeedRow
from simulator.runs.folder import RunFolder
from simulator.runs.lock import locked

PAGE: Final = "offline.html"
_Results: TypeAlias = Mapping[str, Sequence[RankingResult]]


@final
@dataclass(frozen=True)
class Study:
    """Policies to compare, seeds, and the protocol's numbers.

    Attributes:
        policies: Names of the policies, all different.
        seeds: Number of seeds, from 0 on.
        rules: The protocol's numbers.
    """

    policies: tuple[str, ...]
    seeds: int = 1
    rules: ProtocolRules = field(default_factory=ProtocolRules)

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise OfflineError(f"--seeds {self.seeds} given, want at least 1")
        if len(set(self.policies)) < max(1, len(self.policies)):
            raise OfflineError(f"policies {', '.join(self.policies) or 'none'} given, want one or more, all different")


def trainable() -> tuple[str, ...]:
    """Shipped rankers that learn from a log."""
    rankers = [name for name, shipped in POLICIES.items() if not shipped.wraps]
    return tuple(name for name in rankers if issubclass(find_policy(name), TrainablePolicy))


def run_offline(source: LogSource, study: Study, out: Path, progress: Progress) -> Offline:
    """Read the data, evaluate every policy without a stored result, store each result, and compare them all.

    Raises:
        OfflineError: Data, policies or options do not fit, or the folder has another protocol.
        RunFolderError: The folder cannot be written to, is in use, or is damaged.
        DataError: Files of KuaiRand are missing or damaged.
        SpecError: The run folder is damaged.
        WorldError: The world is unknown.
    """
    _check_names(study.policies)
    progress("the log", 0, 1)
    task = make_task(read_source(source, progress), study.rules)
    protocol = Protocol.of(task)
    answers = ResultStore.open(out, protocol)
    with locked(out):
        results = _results_of_policies(task, study, answers, progress)
        result = compare(protocol, results)
        RunFolder(out).put(FILE, result.to_json().encode())
    return result


def write_page(out: Path, html: str) -> None:
    """Write the page next to the figures."""
    RunFolder(out).put(PAGE, html.encode())


def compare(protocol: Protocol, results: _Results) -> Offline:
    """Compute every policy's scores, best first, and compare the best with the second best."""
    rows = [_row(name, seed, answer) for name, answers in results.items() for seed, answer in enumerate(answers)]
    policies = [_summary(name, [row for row in rows if row.policy == name]) for name in results]
    policies.sort(key=lambda row: -(row.mean[MAIN] or 0))
    return Offline(
        **protocol.model_dump(include={"data", "users", "videos", "views", "negatives", "core"}),
        rows=rows,
        policies=policies,
        lead=_lead([row for row in policies if row.policy != TRUTH], results),
    )


def _check_names(names: Sequence[str]) -> None:
    """Refuse unknown policies before anything is read."""
    for name in names:
        try:
            find_policy(name)
        except ValueError as error:
            raise OfflineError(str(error)) from error


def _results_of_policies(
    task: Task, study: Study, answers: ResultStore, progress: Progress
) -> dict[str, list[RankingResult]]:
    """Read or compute every policy's results, and those of the truth if it is known."""
    names = study.policies if task.satisfaction is None else (*study.policies, TRUTH)
    results: dict[str, list[RankingResult]] = {name: [] for name in names}
    runs = [(name, seed) for seed in range(study.seeds) for name in names]
    for number, (name, seed) in enumerate(runs):
        progress("policies", number, len(runs))
        answer = answers.read(name, seed)
        if answer is None:
            answer = rank_held_out(task, name, seed)
            answers.write(name, seed, answer)
        results[name].append(answer)
    progress("policies", len(runs), len(runs))
    return results


def _row(name: str, seed: int, answer: RankingResult) -> SeedRow:
    """Scores of one policy with one seed."""
    scores: dict[str, float | None] = {metric: float(by_user(answer.rank, metric).mean()) for metric in METRICS}
    if answer.true_gain is not None:
        scores[TRUE] = answer.true_gain
    return SeedRow(policy=name, seed=seed, scores=scores)


def _summary(name: str, rows: Sequence[SeedRow]) -> PolicyRow:
    """Mean scores over seeds."""
    values = {metric: np.array([row.scores[metric] for row in rows], float) for metric in rows[0].scores}
    return PolicyRow(
        policy=name,
        seeds=len(rows),
        mean={metric: float(value.mean()) for metric, value in values.items()},
        standard_error={metric: standard_error(value) for metric, value in values.items()},
    )


def _lead(policies: Sequence[PolicyRow], results: _Results) -> Lead | None:
    """Compare the first two policies by user."""
    if len(policies) < 2:
        return None
    best, second = (_by_user(results[row.policy]) for row in policies[:2])
    return Lead(
        best=policies[0].policy,
        second=policies[1].policy,
        difference=float((best - second).mean()),
        p_value=paired_p(best, second),
        users=len(best),
    )


def _by_user(answers: Sequence[RankingResult]) -> Float64[np.ndarray, " users"]:
    """Main metric of each user, averaged over seeds."""
    return np.mean([by_user(answer.rank, MAIN) for answer in answers], axis=0)
