"""Commands that ask how far a test can be believed, and how large it has to be."""

import json
import sys
from pathlib import Path

from simulator.cli.extras import need
from simulator.cli.options import Json, Seed, Switch, Times, Users, Workers, workers_or_all
from simulator.cli.printing import warn_of


def audit(
    spec: str,
    *,
    out: Path | None = None,
    aa: Times | None = None,
    replications: Times = 0,
    keep_policies: Switch = False,
    resume: Switch = False,
    seed: Seed | None = None,
    workers: Workers | None = None,
    json_: Json = False,
) -> None:
    """Run the test again where the truth is known: how often is each way of reading it wrong?

    Args:
        spec: A TOML file, the name of a shipped spec, or a finished run's folder, whose users are split anew.
        out: Folder to create for audit.json, audit.html and what they rest on; ./audit-NAME by default.
        aa: Times the users of one run are split anew, as A/A and as A/B tests; 1,000 by default, 0 beside
            --replications. Arms must not learn.
        replications: Times the whole test is run with a fresh seed.
        keep_policies: Let the videos and trained policies of the first fresh seed serve all others.
        resume: Go on in OUT after the last replication that an interrupted audit finished.
        seed: Replaces the seed of the spec.
        workers: Threads; all cores by default. Results do not depend on it.
        json_: Print rows of metric, method, replications, false_positive_rate, coverage, power, exaggeration.
    """
    need("dashboard")
    from simulator.cli.progress import progress_bars
    from simulator.spec.experiment import load_spec
    from simulator.studies.audit.study import AuditPlan, audited_run, run_audit

    run = audited_run(Path(spec)) if (Path(spec) / "spec.toml").is_file() else None
    experiment = load_spec(str(run / "spec.toml") if run else spec, seed=seed)
    n_resplits = (0 if replications else 1000) if aa is None else aa
    warn_of(experiment.world)
    plan = AuditPlan(experiment, n_resplits, replications, keep_policies, run)
    folder = out or Path(f"audit-{Path(spec).stem}")
    with progress_bars() as show:
        run_audit(plan, folder, workers_or_all(workers), show, resume)
    _print_audit(folder, json_)


def power(
    spec: str,
    *,
    effect: float = 0.001,
    metric: str = "AUT",
    power: float = 0.8,
    out: Path | None = None,
    pilot: Users = 4000,
    resume: Switch = False,
    workers: Workers | None = None,
    json_: Json = False,
) -> None:
    """Say how many users and days it takes to find an effect, plain, with CUPED and with paired truth.

    Args:
        spec: A TOML file, the name of a shipped spec, or a finished run's folder, whose users then are the pilot.
        effect: Lift to find, such as 0.001 for +0.1%.
        metric: Of which metric.
        power: Chance of finding it, at 5% of false findings.
        out: Folder to create for power.json, power.html and the pilot; ./power-NAME by default.
        pilot: Users to simulate for the variances, at most those of the spec.
        resume: Go on in OUT after the last day that an interrupted pilot finished.
        workers: Threads; all cores by default.
        json_: Print power.json instead of the tables.
    """
    need("dashboard")
    from simulator.cli.progress import progress_bars
    from simulator.errors import SpecError
    from simulator.spec.experiment import load_spec
    from simulator.studies.audit.study import audited_run
    from simulator.studies.power import PowerTarget, plan_from_run, run_power

    run = audited_run(Path(spec)) if (Path(spec) / "spec.toml").is_file() else None
    experiment = load_spec(str(run / "spec.toml") if run else spec)
    warn_of(experiment.world)
    target = PowerTarget(metric, effect, power)
    folder = out or Path(f"power-{Path(spec).stem}")
    if run and resume:
        raise SpecError(f"--resume given, but {run} is a finished run, which needs no pilot; leave it out")
    if run:
        plan_from_run(run, experiment, target, folder)
    else:
        with progress_bars() as show:
            run_power(experiment, target, folder, (pilot, workers_or_all(workers)), show, resume)
    _print_power(folder, json_)


def _print_audit(out: Path, as_json: bool) -> None:
    """Write audit.html and print what the audit found."""
    from rich.console import Console

    from dashboards.html_pages.audit import render_audit
    from simulator.cli.tables.audit import audit_table
    from simulator.reports.audit import load_audit
    from simulator.studies.audit.study import write_audit_page

    result = load_audit(out)
    write_audit_page(out, render_audit(result))
    if as_json:
        sys.stdout.write(json.dumps([row.model_dump(mode="json") for row in result.rows], indent=1) + "\n")
    else:
        Console().print(audit_table(result))
        sys.stdout.write(f"\n{out / 'audit.html'}\n")


def _print_power(out: Path, as_json: bool) -> None:
    """Write power.html and print the plan."""
    from rich.console import Console

    from dashboards.html_pages.power import render_power
    from simulator.cli.tables.power import power_tables
    from simulator.reports.power import load_power
    from simulator.studies.power import write_power_page

    plan = load_power(out)
    write_power_page(out, render_power(plan))
    if as_json:
        sys.stdout.write(plan.to_json())
    else:
        Console().print(power_tables(plan))
        sys.stdout.write(f"\n{out / 'power.html'}\n")
