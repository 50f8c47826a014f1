"""The command that measures speed."""

import sys

from simulator.cli.extras import need
from simulator.cli.options import Json, Switch, Users


def bench(
    *,
    policy: tuple[str, ...] = (),
    users: Users = 100_000,
    world: str = "kuairand-pure",
    grow: Switch = False,
    json_: Json = False,
) -> None:
    """Measure speed and memory on this machine.

    Args:
        policy: Policies to time; repeat the option for several. By default eight that differ in cost.
        users: Users in the rollout.
        world: A bundled world's name or a folder.
        grow: Measure instead how whole runs grow with users, days, arms and workers; takes many minutes.
        json_: Print rows of name, value, unit, machine.
    """
    need("rankers")
    from rich.console import Console

    from simulator.bench.bench import bench_json, bench_table, run_bench, run_growth

    rows = run_growth() if grow else run_bench(policy, users, world)
    if json_:
        sys.stdout.write(bench_json(rows) + "\n")
    else:
        Console().print(bench_table(rows))
