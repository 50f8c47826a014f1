"""The command that reads out a live test."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from simulator.cli.extras import need
from simulator.cli.failures import refuse
from simulator.cli.options import Json


def analyse(
    table: Path,
    *,
    arm: str = "arm",
    user: str = "user_id",
    control: str,
    treatment: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    metric: Annotated[tuple[str, ...], Parameter(negative="")],
    guardrail: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    share: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    covariate: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    multiplicity: Literal["holm", "benjamini-hochberg", "none"] = "holm",
    confidence: float = 0.95,
    out: Path | None = None,
    json_: Json = False,
) -> None:
    """Read out a live test from TABLE, a CSV, TSV or Parquet file with one row per assigned user.

    Every assigned user has a row, with 0 where nothing happened. Columns `pre_` and a metric's columns hold the same
    before the test; where they are there, they narrow the intervals.

    Args:
        table: The file.
        arm: Column with each user's arm.
        user: Column with each user's id.
        control: Arm that the others are compared with.
        treatment: Another arm; give it again for more. All others by default.
        metric: Such as `AUT=watch_s/days`, `P2N=likes+follows/hates` or `returns=returns:down`; a column per assigned
            user without `/`. Give it again for more.
        guardrail: A metric that must not get worse, and the relative loss that can be borne: `AUT=0.01`.
        share: Planned share of an arm: `A=0.9`. Equal shares by default; give one for each arm.
        covariate: Another column that was known before the test, such as `pre_views`; give it again for more.
        multiplicity: How p-values of all metrics and treatments are adjusted together.
        confidence: Of all intervals.
        out: HTML file to write.
        json_: Print the rows as JSON instead of a table.
    """
    if out is not None:
        need("dashboard")
    from simulator.analysis.decisions import DecisionRules
    from simulator.analysis.live import LiveTest, live_report, read_table

    if out is not None and not out.absolute().parent.is_dir():
        refuse(f"--out {out} given, but there is no folder {out.parent}; make it first")
    try:
        rules = DecisionRules(multiplicity, _numbers(guardrail, "guardrail"))
        test = LiveTest(arm, user, control, treatment, metric, _numbers(share, "share"), rules, confidence, covariate)
        result = live_report(table.name, read_table(table), test)
    except ValueError as error:
        refuse(str(error))
    from rich.console import Console

    from simulator.cli.tables.live import live_tables

    if out is not None:
        from dashboards.html_pages.live import render_live
        from simulator.whole_file import whole_file

        with whole_file(out) as path:
            path.write_text(render_live(result), encoding="utf-8")
    if json_:
        sys.stdout.write(result.to_json())
        return
    Console().print(live_tables(result))
    if out is not None:
        sys.stdout.write(f"\n{out}\n")


def _numbers(pairs: tuple[str, ...], option: str) -> dict[str, float]:
    """Options written `NAME=NUMBER`.

    Raises:
        ValueError: One that is written otherwise.
    """
    numbers: dict[str, float] = {}
    for pair in pairs:
        name, _, number = pair.rpartition("=")
        try:
            numbers[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise ValueError(f"--{option} {pair!r} given, want a name and a number, such as AUT=0.01")
    return numbers
