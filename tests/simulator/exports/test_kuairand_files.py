"""A run's trace written as KuaiRand's files, and read again."""

import json

import numpy as np
import pandas as pd
import pytest

from simulator.cli.app import main
from simulator.environment.transitions import read_trace
from simulator.errors import ExportError
from simulator.exports.kuairand_files import write_kuairand
from simulator.spec.experiment import load_spec
from user_models.data.log import open_log
from user_models.fit.rows.log_rows import read_rows


def test_what_is_written_is_read_again(traced_run, tmp_path):
    write_kuairand(traced_run, "treatment", tmp_path / "out")
    data = open_log(tmp_path / "out")
    data.check()
    log, trace = data.log(), read_trace(traced_run, load_spec(str(traced_run / "spec.toml")), "treatment")
    assert data.mapping.name == "kuairand-pure"
    assert len(log) == len(trace)
    for ours, theirs in (("click", "click"), ("like", "like"), ("hate", "hate"), ("profile_visit", "profile_enter")):
        assert log[ours].tolist() == trace[theirs].astype(int).tolist()
    np.testing.assert_allclose(log["watch_s"], trace["watch_s"], atol=6e-4)
    assert log["user"].tolist() == trace["user_id"].tolist()
    assert log["item"].tolist() == trace["video_id"].tolist()
    assert log["hour"].tolist() == trace["hour"].tolist()
    assert (log["is_random"] == 0).all()
    assert set(data.users()["user_active_degree"]) == {"full_active", "middle_active"}
    assert data.counts()["shows"].sum() == len(log)


def test_requests_days_and_hours_keep_their_order(traced_run, tmp_path):
    write_kuairand(traced_run, "control", tmp_path / "out")
    data = open_log(tmp_path / "out")
    log, trace = data.log(), read_trace(traced_run, load_spec(str(traced_run / "spec.toml")), "control")
    assert (log["is_random"] == 1).all()
    local = pd.to_datetime(log["time_ms"], unit="ms") + pd.Timedelta(hours=8)
    assert local.dt.hour.tolist() == log["hour"].tolist()
    assert local.dt.strftime("%Y%m%d").astype(int).tolist() == log["day"].tolist()
    assert (local.dt.day_of_week == trace["day"] % 7).all()
    same = log.groupby(["user", "time_ms"]).ngroup().to_numpy()
    requests = trace.groupby(["user_id", "day", "request"]).ngroup().to_numpy()
    assert len(set(same)) == len(set(requests)) == len(set(zip(same, requests, strict=True)))
    assert len(read_rows(data).rows) == len(log.drop_duplicates())


def test_the_command_writes_what_the_check_reads(traced_run, tmp_path, capsys):
    main(["export", str(traced_run), "--format", "kuairand", "--out", str(tmp_path / "out")])
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "data")
    main(["data", "check", str(tmp_path / "out"), "--json"])
    assert json.loads(capsys.readouterr().out)["days"] == 2


def test_a_folder_that_holds_something_is_refused(traced_run, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.csv").write_text("")
    with pytest.raises(ExportError, match="is not empty; give another --out"):
        write_kuairand(traced_run, None, tmp_path)


def test_more_days_than_the_files_have_names_for_are_refused(traced_run, tmp_path, monkeypatch):
    trace = read_trace(traced_run, load_spec(str(traced_run / "spec.toml")), "control")
    monkeypatch.setattr(
        "simulator.exports.traced_views.read_trace", lambda *words: trace.assign(day=np.arange(len(trace)) % 40)
    )
    with pytest.raises(ExportError, match="40 days given, KuaiRand's files have room for 28; run fewer days"):
        write_kuairand(traced_run, None, tmp_path / "out")
