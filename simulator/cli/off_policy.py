"""Command that evaluates a policy from another policy's log."""

import sys
from pathlib import Path
from typing import Literal

from simulator.cli.options import Json, Users, Workers, workers_or_all
from simulator.cli.printing import print_table


def ope(
    run: Path,
    *,
    policy: str,
    reward: Literal["click", "long_view", "watch_s", "like"] = "click",
    arm: str | None = None,
    users: Users = 2000,
    out: Path | None = None,
    workers: Workers | None = None,
    json_: Json = False,
) -> None:
    """Estimate a policy's value from another policy's log, beside its true value.

    The run is played again from its seed for the users looked at, so that the evaluated policy meets what was logged.

    Args:
        run: A run folder whose spec had `trace` above 0 and an arm with policy `softmax`, `epsilon` or `random`.
        policy: The evaluated one: an arm of the run, or a policy's name. It must draw nothing or tell its chances.
        reward: What a view is worth.
        arm: Whose log is read; the first other arm that tells its chances by default.
        users: Traced users to look at, at most.
        out: Folder for off_policy.json; ./ope-RUN-POLICY by default.
        workers: Threads; all cores by default. Results do not depend on it.
        json_: Print off_policy.json instead of the tables.
    """
    from simulator.cli.progress import progress_bars
    from simulator.off_policy.evaluate import Question, evaluate, write_result

    folder = out or Path(f"ope-{run.name}-{policy.replace(':', '.').replace('/', '.')}")
    with progress_bars() as show:
        result = evaluate(run, Question(policy, arm, reward, users), workers_or_all(workers), show)
    path = write_result(result, folder)
    if json_:
        sys.stdout.write(result.to_json())
        return
    from simulator.cli.tables.off_policy import estimate_rows, truth_rows

    sys.stdout.write(
        f"{result.reward} of {result.policy!r} from the log of {result.logging!r}: {result.users:,} users, "
        f"{result.slates:,} slates, {result.views:,} views\n\n"
    )
    print_table(("per", "true value of", "value", "± se"), truth_rows(result))
    sys.stdout.write("\n")
    titles = ("per", "estimator", "estimate", "± se", "95% interval", "effective", "less truth", "± se")
    print_table(titles, estimate_rows(result))
    sys.stdout.write(f"\n{path}\n")
