"""An audit: repeat a test with known truth, to measure how often each method of reading it is wrong.

There are two sources. Re-splits divide the users of one run again, thousands of times in seconds: all users' outcomes
under every arm are on disk. Fresh seeds run the whole test again. This is slower, but draws users too, and works for
arms that learn.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from simulator.errors import RunFolderError, SpecError
from simulator.experiment.runner import Progress
from simulator.experiment.setup import MIXED, prepare, world_of
from simulator.reports.audit import RESPLITS, SEEDS, Audit, AuditRow
from simulator.reports.report import AUDIT_BEGUN
from simulator.run import run_to_folder
from simulator.runs.folder import RunFolder
from simulator.runs.lock import locked
from simulator.spec.experiment import ExperimentSpec
from simulator.studies.audit.error_rates import audit_row
from simulator.studies.audit.readings import resplit
from simulator.studies.audit.replications import gather, replicate
from simulator.studies.potential_outcomes import read_outcomes


@final
@dataclass(frozen=True)
class AuditPlan:
    """Settings of an audit.

    Attributes:
        spec: Spec of the test.
        resplits: Number of re-splits of its users.
        replications: Number of runs with a fresh seed.
        keep_policies: Whether the policies and videos of the first fresh seed serve all others.
        run: A finished run of the spec for the re-splits; by default one is made.
    """

    spec: ExperimentSpec
    resplits: int
    replications: int
    keep_policies: bool = False
    run: Path | None = None


def run_audit(plan: AuditPlan, out: Path, workers: int, progress: Progress, resume: bool = False) -> Audit:
    """Audit a test and write `audit.json` into `out`, with the run for re-splits in `run/` and one file per fresh seed.

    `audit-plan.json` is written first.

    Raises:
        SpecError: The spec cannot be audited with these settings; nothing was written.
        RunFolderError: The folder is not empty, in use, damaged or of another audit, or cannot be written to.
    """
    _check(plan)
    folder = RunFolder.reopen(out, plan.spec) if resume else RunFolder.create(out)
    with locked(out):
        folder.begin(plan.spec)
        folder.put(AUDIT_BEGUN, _plan_json(plan))
        rows = [*_resplit_rows(plan, folder, workers, progress), *_seed_rows(plan, folder, workers, progress)]
        audit = Audit(
            name=plan.spec.name,
            seed=plan.spec.seed,
            world=plan.spec.world,
            users=plan.spec.users,
            days=plan.spec.days,
            kept_policies=plan.keep_policies and plan.replications > 0,
            rows=rows,
        )
        folder.put("audit.json", audit.to_json().encode())
    return audit


def write_audit_page(out: Path, html: str) -> None:
    """Write the page next to `audit.json`."""
    RunFolder(out).put("audit.html", html.encode())


def _plan_json(plan: AuditPlan) -> bytes:
    """Encode the numbers of re-splits and runs; this file marks the folder as an audit's before `audit.json` exists."""
    options = {"resplits": plan.resplits, "replications": plan.replications, "keep_policies": plan.keep_policies}
    return (json.dumps(options, indent=1) + "\n").encode()


def _check(plan: AuditPlan) -> None:
    """Check that the plan can be audited."""
    spec = plan.spec
    if spec.sweep is not None:
        raise SpecError(f"{spec.name}: has a sweep; audit one of its values, with that value under world_values")
    if min(plan.resplits, plan.replications) < 0 or plan.resplits + plan.replications == 0:
        raise SpecError(f"--aa {plan.resplits} --replications {plan.replications} given, want one of them above 0")
    if plan.keep_policies and not plan.replications:
        raise SpecError("--keep-policies given without --replications; re-splits keep policies anyhow")
    if not plan.resplits:
        return
    if not spec.truth:
        raise SpecError(
            f"{spec.name}: has `truth = false`, so only one world is on disk; re-splits want `truth = true`"
        )
    if MIXED in prepare(spec, world_of(spec)).timelines:
        raise SpecError(
            f"{spec.name}: has an arm that learns during the test, and what it learns hangs on who is in its bucket, "
            "so users cannot be split anew; use fresh seeds: --replications N"
        )


def _resplit_rows(plan: AuditPlan, folder: RunFolder, workers: int, progress: Progress) -> list[AuditRow]:
    """Rows from re-splits of one run's users."""
    if not plan.resplits:
        return []
    run = plan.run or folder.path / "run"
    if plan.run is None and not (run / "report.json").is_file():
        is_begun = (run / "spec.toml").is_file()
        run_to_folder(plan.spec, run, workers, progress, resume=is_begun)
    progress("re-splits", 0, plan.resplits)
    outcomes = read_outcomes(run, plan.spec)
    readings = resplit(
        outcomes, plan.resplits, _rng(plan.spec), lambda done: progress("re-splits", done, plan.resplits)
    )
    return [audit_row(reading, plan.spec.control.name, RESPLITS) for reading in readings]


def _seed_rows(plan: AuditPlan, folder: RunFolder, workers: int, progress: Progress) -> list[AuditRow]:
    """Rows from runs with fresh seeds."""
    if not plan.replications:
        return []
    for index in range(plan.replications):
        progress("fresh seeds", index, plan.replications)
        replicate(plan.spec, folder, index, plan.keep_policies, workers)
    progress("fresh seeds", plan.replications, plan.replications)
    readings = gather(plan.spec, folder.path, plan.replications, plan.keep_policies)
    return [audit_row(reading, plan.spec.control.name, SEEDS) for reading in readings]


def _rng(spec: ExperimentSpec) -> np.random.Generator:
    """Generator of re-splits, keyed to the spec's seed and to this purpose."""
    return np.random.default_rng([spec.seed, *b"re-splits"])


def audited_run(folder: Path) -> Path:
    """Check that a run folder is finished, and return it.

    Raises:
        RunFolderError: The run is not finished.
    """
    if not (folder / "report.json").is_file():
        raise RunFolderError(f"{folder}: its run is not finished; finish it with `askew run --resume`")
    return folder
