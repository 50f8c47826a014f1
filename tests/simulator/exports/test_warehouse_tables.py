"""A run as tables of a warehouse: what a platform computes from them is what the report says."""

import duckdb
import pyarrow.parquet as pq
import pytest

from simulator import analyse, load_report
from simulator.cli.app import main
from simulator.errors import ExportError
from simulator.exports.warehouse_tables import write_user_days, write_warehouse_tables
from simulator.user_days import SCHEMA, STRONG_COUNTS

JOINED = """
    select e.user_id, e.variation_name as arm, sum(f.watch_s) as watch_s, sum(f.views) as views, count(*) as days
    from '{0}/exposures.parquet' e join '{0}/facts.parquet' f
    on f.user_id = e.user_id and f.timestamp >= e.timestamp group by all
"""


def test_joined_as_a_platform_joins_them_they_give_the_levels_of_the_report(traced_run, tmp_path):
    write_warehouse_tables(traced_run, tmp_path / "out")
    users = duckdb.execute(JOINED.format(tmp_path / "out")).df()
    report = load_report(traced_run)
    assert len(users) == report.users == 40
    for row in report.metrics[:2]:
        (live,) = analyse(users, [row.metric], "control", ["treatment"])
        assert (live.control, live.treatment) == pytest.approx((row.control, row.treatment))


def test_nothing_that_only_a_simulation_knows_is_in_them_and_days_before_the_test_are(traced_run, tmp_path):
    main(["export", str(traced_run), "--format", "exposures", "--out", str(tmp_path / "out")])
    facts = pq.read_table(tmp_path / "out" / "facts.parquet")
    exposures = pq.read_table(tmp_path / "out" / "exposures.parquet").to_pandas()
    assert not [name for name in facts.column_names if name.startswith(("true_", "strong_"))]
    assert (facts["timestamp"].to_pandas() < exposures["timestamp"].iloc[0]).sum() == 40
    assert set(exposures["experiment_id"]) == {"small"}
    assert exposures["user_id"].is_unique
    assert (exposures["variation_name"].map({"control": 0, "treatment": 1}) == exposures["variation_id"]).all()


def test_user_days_are_in_folders_that_say_timeline_and_day(traced_run, tmp_path):
    write_user_days(traced_run, tmp_path / "out")
    names = [name for name in SCHEMA.names if name not in ("world", *STRONG_COUNTS)]
    written = duckdb.read_parquet(f"{tmp_path}/out/*/*/*.parquet", hive_partitioning=True)
    stored = duckdb.read_parquet(f"{traced_run}/user_days/*.parquet")
    rows = [
        table.project(", ".join([timeline, *names])).order("all").fetchall()
        for table, timeline in ((written, "timeline"), (stored, "world"))
    ]
    assert rows[0] == rows[1]
    assert {row[0] for row in rows[0]} == {"pre", "mixed", "all:control", "all:treatment"}
    assert (tmp_path / "out" / "timeline=pre" / "day=-1").is_dir()


@pytest.mark.parametrize("format_name", ["exposures", "user-days"])
def test_one_arm_is_refused_where_all_are_written(traced_run, tmp_path, format_name, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["export", str(traced_run), "--format", format_name, "--arm", "control", "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert f"--arm: 'control' given with --format {format_name}, which has all arms; leave it out" in (
        capsys.readouterr().err
    )
    with pytest.raises(ExportError, match="is not empty"):
        write_user_days(traced_run, traced_run)
