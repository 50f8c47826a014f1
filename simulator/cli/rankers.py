"""Commands that judge rankers one by one, on a fixed log and as a whole, and that list them."""

import json
import sys
from pathlib import Path
from typing import Annotated

from simulator.cli.extras import need
from simulator.cli.options import Days, Json, Most, Switch, Users, Workers, whole, workers_or_all
from simulator.cli.printing import print_table


def offline(
    data: str,
    *,
    policy: tuple[str, ...] = (),
    seeds: Annotated[int, whole(1, 10_000)] = 1,
    out: Path | None = None,
    features: Path | None = None,
    max_users: Most | None = None,
    workers: Workers | None = None,
    json_: Json = False,
) -> None:
    """Rank every user's last click among 99 videos they never met, policy by policy (SAQRec's protocol).

    Args:
        data: A KuaiRand folder, a Parquet list of exposures, a run folder with a full trace, or a world to simulate.
        policy: Policies to ask, by name or `package.module:Class`; repeat the option for several. All shipped ones
            that are trained by default.
        seeds: Seeds 0 to one less: each fits every policy anew and draws other videos.
        out: Folder for offline.json and offline.html, and for every answer, so that none is computed twice;
            ./offline-DATA by default.
        features: KuaiRand folder with the tables of a list of exposures; kuairand-pure-sample beside it by default.
        max_users: Look at so many users only, drawn at random.
        workers: Threads of a simulation; all cores by default.
        json_: Print rows of policy, seed, hr@1, hr@5, hr@10, ndcg@5, ndcg@10, mrr; true@10 too if users are simulated.
    """
    need("dashboard", "rankers")
    from simulator.cli.progress import progress_bars
    from simulator.offline.evaluate import Study, run_offline, trainable
    from simulator.offline.protocol import ProtocolRules
    from simulator.offline.source import LogSource

    study = Study(tuple(policy) or trainable(), seeds, ProtocolRules(max_users=max_users))
    source = LogSource(data, features, max_users, workers_or_all(workers))
    folder = out or Path(f"offline-{Path(data).stem}")
    with progress_bars() as show:
        run_offline(source, study, folder, show)
    print_offline(folder, json_)


def evaluate(
    policy: str,
    *,
    out: Path,
    users: Users = 5000,
    days: Days = 7,
    data: str = "kuairand-pure",
    features: Path | None = None,
    max_users: Most | None = None,
    leaderboard: Switch = False,
    workers: Workers | None = None,
    json_: Json = False,
) -> None:
    """Examine a ranker: does it keep the contract, how does it rank offline, and does it win a test against `base`?

    Every step that is finished is kept in OUT, and not done again.

    Args:
        policy: `package.module:Class`, or a policy's name.
        out: Folder for leaderboard.json and leaderboard.html, and for everything that they rest on; those evaluated
            into one folder are compared with each other.
        users: Users of the test against `base`.
        days: Days of that test.
        data: Where it is asked offline, as in `askew offline`; by default a simulated log.
        features: As in `askew offline`.
        max_users: As in `askew offline`.
        leaderboard: Examine all shipped policies as well; takes long.
        workers: Threads; all cores by default.
        json_: Print leaderboard.json instead of the table.
    """
    need("dashboard", "rankers")
    from simulator.cli.progress import progress_bars
    from simulator.offline.source import LogSource
    from simulator.studies.leaderboard import EvaluationPlan, build_leaderboard

    threads = workers_or_all(workers)
    plan = EvaluationPlan(LogSource(data, features, max_users, threads), users, days)
    with progress_bars() as show:
        build_leaderboard(policy, plan, out, show, all_shipped=leaderboard)
    _print_leaderboard(out, json_)


def policies(*, json_: Json = False) -> None:
    """List the policies that a spec can name.

    Args:
        json_: Print a JSON list.
    """
    from policies.registry import known_policies

    rows = known_policies()
    if json_:
        sys.stdout.write(
            json.dumps([{"policy": name, "about": about} for name, about in rows.items()], indent=1) + "\n"
        )
    else:
        print_table(("policy", "about"), list(rows.items()))


def print_offline(out: Path, as_json: bool) -> None:
    """Write the page of an offline evaluation, and print what it says."""
    from dashboards.html_pages.offline import facts, headings, lead_in_words, line, render_offline
    from simulator.offline.evaluate import PAGE, write_page
    from simulator.reports.offline import load_offline, rows_json

    result = load_offline(out)
    write_page(out, render_offline(result))
    if as_json:
        sys.stdout.write(rows_json(result.rows))
        return
    sys.stdout.write(f"{result.data}: {facts(result)}\n")
    scores = [tuple(cell.replace(" ± ", "\n± ") for cell in line(result, row)) for row in result.policies]
    print_table(headings(result), scores)
    lead_text = "" if result.lead is None else f"{lead_in_words(result.lead)}\n"
    sys.stdout.write(f"{lead_text}{out / PAGE}\n")


def _print_leaderboard(out: Path, as_json: bool) -> None:
    """Write the page of a leaderboard, and the pages of its tests, and print it."""
    from dashboards.html_pages.leaderboard import brief, headings, line, render_leaderboard
    from dashboards.html_pages.report import render_html
    from simulator.reports.leaderboard import load_leaderboard
    from simulator.reports.report import load_report
    from simulator.run import write_html
    from simulator.studies.leaderboard import PAGE, write_page

    result = load_leaderboard(out)
    write_page(out, render_leaderboard(result))
    for entry in result.entries:
        write_html(out / entry.folder, render_html(load_report(out / entry.folder)))
    if as_json:
        sys.stdout.write(result.to_json())
        return
    print_table(brief(headings()), [brief(line(entry)) for entry in result.entries])
    sys.stdout.write(f"{out / PAGE}\n")
