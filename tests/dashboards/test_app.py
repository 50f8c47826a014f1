"""The Streamlit app, run by Streamlit's own test harness."""

import json
import os
import socket
import sys
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from dashboards import serve
from dashboards.figures import panels
from dashboards.figures.narrow import narrow_form
from dashboards.run_control import launch, run_list
from dashboards.run_control.found_runs import fingerprint, read_run, run_label
from dashboards.tables import scorecard
from dashboards.text import formatting
from dashboards.text.decision import decide
from dashboards.text.verdict import brief
from simulator.reports.report import AUDIT_BEGUN, RunFolderError
from simulator.runs.checkpoint import NOW, Checkpoint, TimelineCheckpoint, pack
from simulator.runs.lock import LOCK, process_start
from simulator.spec.experiment import parse_spec


@pytest.fixture
def open_app(monkeypatch):
    """Starts the app on a folder, at the address of a page, and runs it once."""

    def start(folder: Path, page: str = "result") -> AppTest:
        monkeypatch.setattr(sys, "argv", ["app.py", str(folder)])
        app = AppTest.from_file(str(serve.APP), default_timeout=60)
        app._page_hash = calc_hash(page)  # what a browser sends that opens the page's address
        return run(app)

    return start


def run(changed) -> AppTest:
    """Runs the app, or the app of a changed element."""
    app = changed.run()
    assert not app.exception
    return app


def open_pages(folder: Path, *names: str) -> AppTest:
    """Pages one below the other, on the run in a folder."""

    def show(folder: str, *names: str) -> None:
        import importlib
        from pathlib import Path

        from simulator.reports.report import load_report

        for name in names:
            importlib.import_module(f"dashboards.screens.{name}").show(Path(folder), load_report(Path(folder)))

    return run(AppTest.from_function(show, default_timeout=60, args=(str(folder), *names)))


def at_part(app: AppTest, part: str) -> AppTest:
    """The result page with another tab open."""
    app.session_state["part"] = part
    return run(app)


def figures_of(app: AppTest) -> dict[str, list]:
    """The data of the figures on screen, by the key of their panel."""
    charts = [chart.proto for chart in app.get("plotly_chart")]
    return {chart.id.split("-", 2)[2]: json.loads(chart.spec)["data"] for chart in charts}


def data_of(panel: panels.Panel) -> list:
    return json.loads(panel.figure.to_json())["data"]


def words(elements) -> str:
    """Texts as the viewer reads them."""
    return " ".join(element.value for element in elements).replace("\\", "")


def test_the_result_shows_the_reports_numbers(open_app, runs, report):
    app = open_app(runs)
    assert words(app.title) == "demo"
    cards = " ".join(element.proto.body for element in app.get("html"))
    assert all(decision.word in cards and decision.others in cards for decision in decide(report))
    assert all(line.lift in cards and line.interval in cards for line in scorecard.score_lines(report))
    assert app.dataframe[0].value.to_numpy().tolist() == [
        [getattr(line, field) for field in line.__dataclass_fields__] for line in scorecard.score_lines(report)
    ]
    assert figures_of(app)["scorecard"] == data_of(panels.scorecard_forest(report))


def test_the_result_spreads_watch_time_over_users(open_app, runs, report):
    assert "holds no user_days" in words(at_part(open_app(runs), "Distribution").info)
    arms = [arm.name for arm in report.arms]
    watched = {arm: [0.0, 2.0, 2.0, 8.0] for arm in arms}
    keys = [(f"all:{arm}", arm, s) for arm, seconds in watched.items() for s in seconds]
    worlds, buckets, seconds = zip(*keys, strict=True)
    rows = {"user_id": range(len(keys)), "world": worlds, "bucket": buckets, "day": [0] * len(keys), "watch_s": seconds}
    (runs / "demo" / "user_days").mkdir()
    pq.write_table(pa.table({k: list(v) for k, v in rows.items()}), runs / "demo" / "user_days" / "a.parquet")
    app = at_part(open_app(runs), "Distribution")
    (table,) = [each.value for each in app.dataframe if "Watched nothing" in each.value.columns]
    assert table["Arm"].tolist() == arms
    assert table["Watched nothing"].tolist() == ["25.00%"] * len(arms)
    assert table["Mean, s/day"].tolist() == ["3"] * len(arms)
    outlines = figures_of(app)["spread"]
    assert [line["name"] for line in outlines] == [f"{arm}: 25.00% watched nothing" for arm in arms]
    assert max(outlines[0]["y"]) == 0.5
    assert outlines[0]["x"][1] == 2


def test_curves_follow_the_metrics_chosen(open_app, runs, report):
    app = at_part(open_app(runs), "Over time")
    app = run(app.multiselect(key="metrics").set_value(["LT7"]))
    shown = figures_of(app)
    assert shown["daily-lift"] == data_of(panels.daily_lift(report, ["LT7"]))
    assert shown["daily-levels"] == data_of(panels.daily_levels(report, ["LT7"]))
    run(app.multiselect(key="metrics").set_value([]))


def test_figures_in_a_narrow_window_have_a_panel_per_row(open_app, runs, report):
    app = open_app(runs, "segments")
    app.session_state["window"] = {"narrow": True}
    (chart,) = run(app).get("plotly_chart")
    wide = panels.segment_forest(report, tuple(formatting.headline_keys(report))).figure
    narrow = json.loads(narrow_form(wide).to_json())["layout"]
    assert json.loads(chart.proto.spec)["layout"]["height"] == narrow["height"] != wide.layout.height


@pytest.mark.slow
def test_every_page_shows_every_kind_of_report(any_report, add_run, tmp_path):
    add_run(tmp_path / "run", any_report)
    app = open_pages(tmp_path / "run", "result", "questionnaire", "segments", "health")
    assert set(figures_of(app)) >= {"scorecard", "funnel", "buckets", "pre-period"}
    assert set(figures_of(at_part(app, "Over time"))) >= {"looks", "daily-lift", "daily-levels"}
    assert set(figures_of(at_part(app, "P2N"))) >= {"sides"}
    assert set(figures_of(at_part(app, "Distribution"))) >= {"distribution"}


def test_the_questionnaire_page_shows_the_funnel(runs, report):
    shown = figures_of(open_pages(runs / "demo", "questionnaire"))
    assert shown["funnel"] == data_of(panels.questionnaire_funnel(report))
    assert shown["satisfied"] == data_of(panels.satisfied_shares(report))


def test_health_sounds_the_alarm(runs, report, add_run):
    assert "0.4398" in words(open_pages(runs / "demo", "health").success)
    health = report.health.model_copy(update={"srm_p_value": 1e-9})
    add_run(runs / "off", report.model_copy(update={"health": health}))
    assert "Sample ratio mismatch" in words(open_pages(runs / "off", "health").error)
    assert "Do not trust" in open_pages(runs / "off", "result").get("html")[0].proto.body


def test_another_run_can_be_chosen(open_app, runs, samples, add_run):
    add_run(runs / "other", samples.sample_report(("bolder",), name="the other"))
    app = open_app(runs)
    assert app.selectbox[0].options == ["demo", "other"]
    run(app.selectbox[0].select_index(1))
    assert words(app.title) == "the other"


def test_an_address_names_a_run(runs, samples, add_run, monkeypatch):
    add_run(runs / "other", samples.sample_report(("bolder",), name="the other"))
    monkeypatch.setattr(sys, "argv", ["app.py", str(runs)])
    app = AppTest.from_file(str(serve.APP), default_timeout=60)
    app._page_hash = calc_hash("result")
    app.query_params["run"] = "other"
    assert words(run(app).title) == "the other"


@pytest.mark.parametrize("page", ["result", "runs", "users"])
def test_an_address_of_a_missing_run_says_so_and_shows_no_other(runs, report, monkeypatch, page):
    monkeypatch.setattr(sys, "argv", ["app.py", str(runs)])
    app = AppTest.from_file(str(serve.APP), default_timeout=60)
    app._page_hash = calc_hash(page)
    app.query_params["run"] = "[/gone]"
    app = run(app)
    assert words(app.error) == f"[/gone]: no run of that name in {runs}; choose another one."
    assert report.name not in words(app.title)
    app = run(app.selectbox[0].set_value("demo"))
    assert not app.error
    assert app.query_params["run"] == "demo"


def test_a_run_that_is_removed_while_it_is_shown_is_missed(open_app, runs, samples, add_run):
    add_run(runs / "other", samples.sample_report(("bolder",), name="the other"))
    app = run(open_app(runs).selectbox[0].set_value("other"))
    assert words(app.title) == "the other"
    (runs / "other" / "spec.toml").unlink()
    app = run(app)
    assert "other: no run of that name" in words(app.error)
    assert not app.title


def test_an_empty_folder_says_how_to_make_a_run(open_app, tmp_path):
    app = open_app(tmp_path)
    assert f"{tmp_path} holds no run yet" in words(app.info)
    assert "askew run demo" in words(app.code)
    assert not app.title


def test_a_folder_that_is_not_there_is_named(open_app, tmp_path):
    assert "is no folder" in words(open_app(tmp_path / "gone").info)


def test_an_unfinished_run_says_so(open_app, tmp_path, add_run):
    add_run(tmp_path / "half", None)
    app = open_app(tmp_path)
    assert words(app.title) == "half"
    assert any("can be resumed" in bar.proto.text for bar in app.progress)
    assert "askew report" in words(app.caption)


@pytest.fixture
def half(runs) -> Path:
    """A run that ended after its third of nine steps."""
    (runs / "half" / "checkpoints").mkdir(parents=True)
    (runs / "half" / "spec.toml").write_text('name = "half"\n')
    (runs / "half" / NOW).write_bytes(pack(Checkpoint(done=3, steps=9, lines={"world0": TimelineCheckpoint()})))
    return runs / "half"


def hold(run: Path, host: str, started: str) -> None:
    """Say that a process has a run's lock."""
    lock = {"process": os.getpid(), "host": host, "started": started}
    (run / LOCK).write_text(json.dumps(lock))


def open_half(open_app, runs: Path) -> AppTest:
    app = open_app(runs)
    return run(app.selectbox[0].set_value("half"))


def states_of(app: AppTest) -> list[str]:
    return [bar.proto.text.replace("\\", "") for bar in app.progress]


def labels_of(app: AppTest) -> set[str]:
    return {button.label for button in app.button}


def test_a_stopped_run_says_how_far_it_came_and_can_be_resumed(open_app, runs, half):
    app = open_half(open_app, runs)
    assert states_of(app) == ["half: stopped after step 3 of 9; can be resumed"]
    assert [bar.proto.value for bar in app.progress] == [33]
    assert "Resume" in labels_of(app)
    assert "Stop" not in labels_of(app)


def test_a_running_run_says_who_runs_it_and_is_stopped_only_by_its_starter(open_app, runs, half):
    hold(half, socket.gethostname(), process_start(os.getpid()))
    app = open_half(open_app, runs)
    assert states_of(app) == [f"half: running step 4 of 9, the test (process {os.getpid()} on {socket.gethostname()})"]
    assert "Resume" not in labels_of(app)
    app = run(app.button(key="stop-half").click())
    assert "only a run that was started from the dashboard can be stopped" in words(app.error)


@pytest.mark.parametrize("started", ["1", "no time"])
def test_a_lock_whose_process_is_gone_is_no_running_run(open_app, runs, half, started):
    hold(half, socket.gethostname(), started)
    assert states_of(open_half(open_app, runs)) == ["half: stopped after step 3 of 9; can be resumed"]


def test_a_run_on_another_machine_is_taken_at_its_word(open_app, runs, half):
    hold(half, "elsewhere", "")
    (state,) = states_of(open_half(open_app, runs))
    assert state.endswith(f"(process {os.getpid()} on elsewhere)")
    assert "running step 4 of 9" in state


def test_a_damaged_checkpoint_says_what_to_delete(open_app, runs, half):
    (half / NOW).write_bytes(b"{}\n00000000")
    app = open_half(open_app, runs)
    assert "damaged checkpoint (changed); delete" in words(app.error)
    assert not {"Stop", "Resume"} & labels_of(app)
    assert words(app.title) == "half"


def test_a_run_that_ends_is_shown_by_its_report(open_app, runs, half, report):
    app = open_half(open_app, runs)
    (half / "report.json").write_text(report.to_json())
    app = run(app)
    assert not app.progress
    assert words(app.title) == report.name


@pytest.mark.parametrize("damage", ["{", '{"format": 1}', "\x00", "[]"])
def test_a_damaged_report_is_named_and_others_still_open(open_app, runs, damage):
    (runs / "broken").mkdir()
    (runs / "broken" / "spec.toml").touch()
    (runs / "broken" / "report.json").write_text(damage)
    app = open_app(runs)
    assert app.selectbox[0].value == "broken"
    assert words(app.title) == "broken"
    assert str(runs / "broken" / "report.json") in words(app.error)
    run(app.selectbox[0].select_index(1))
    assert words(app.title) == "demo"


def tick(app: AppTest, *rows: int) -> AppTest:
    """Ticks lines of the list of runs."""
    (key,) = [table.key for table in app.dataframe if table.key and table.key.startswith("list-")]
    app.session_state[key] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    return run(app)


def test_the_list_tells_how_runs_stand(open_app, runs, report, add_run):
    add_run(runs / "half", None)
    (runs / "broken").mkdir()
    (runs / "broken" / "spec.toml").touch()
    (runs / "broken" / "report.json").write_text("{")
    shown = open_app(runs, "runs").dataframe[0].value.set_index("Run")
    assert shown.loc["demo", "Outcome"] == brief(report)
    assert shown.loc["half", "Outcome"] == "stopped before the first step was done; can be resumed"
    assert "not a JSON file" in shown.loc["broken", "Outcome"]
    curve = [row.relative_effect for row in run_list.effect_rows(report)]
    assert list(shown.loc["demo", "Effect, %"]) == [100 * value for value in curve]


def test_an_audit_is_not_in_the_list(open_app, runs, add_run):
    for name, file in (("audit", "audit.json"), ("begun", AUDIT_BEGUN)):
        add_run(runs / name, None)
        (runs / name / file).write_text("{}")
    add_run(runs / "begun" / "run", None)
    assert sorted(open_app(runs, "runs").dataframe[0].value["Run"]) == ["begun/run", "demo"]


def test_the_list_is_searched(open_app, runs, add_run):
    add_run(runs / "half", None)
    app = run(open_app(runs, "runs").text_input(key="search").set_value("STOPPED"))
    assert list(app.dataframe[0].value["Run"]) == ["half"]
    app = run(app.text_input(key="search").set_value("nowhere"))
    assert "None of 2 runs matches" in words(app.info)


def test_a_ticked_run_is_opened(open_app, runs, samples, add_run):
    add_run(runs / "other", samples.sample_report(("bolder",), name="the other"))
    app = open_app(runs, "runs")
    place = list(app.dataframe[0].value["Run"]).index("other")
    app = run(tick(app, place).button(key="open").click())
    assert words(app.title) == "the other"
    assert app.selectbox[0].value == "other"


def test_ticked_runs_are_compared(open_app, runs, wide_report, add_run):
    add_run(runs / "wide", wide_report)
    add_run(runs / "half", None)
    app = tick(open_app(runs, "runs"), 0, 1, 2)
    assert "half has no report to compare" in words(app.warning)
    shown = app.dataframe[1].value
    row = next(row for row in wide_report.metrics if (row.arm, row.metric) == ("bolder", "AUT"))
    cells = shown[shown[("", "Metric")] == row.label]["wide: bolder"].iloc[0]
    assert list(cells) == [
        formatting.lift(row.relative_effect),
        formatting.interval(row.ci_low, row.ci_high),
        formatting.lift(row.true_relative_effect),
    ]


def test_the_form_names_every_fault(open_app, runs):
    app = open_app(runs, "new-run")
    app.text_input(key="spec-name").set_value("demo")
    app.number_input(key="spec-users").set_value(1)
    app.number_input(key="spec-days").set_value(0)
    app = run(next(button for button in app.button if button.label == "Start").click())
    assert [error.value.replace("\\", "").partition(":")[0] for error in app.error] == ["users", "days", "name"]


@pytest.mark.parametrize("name", ["x" * 300, "é" * 300, "[/x] " * 60])
def test_a_name_that_is_too_long_is_a_fault_of_the_form(open_app, runs, name):
    app = open_app(runs, "new-run")
    app.text_input(key="spec-name").set_value(name)
    app = run(next(button for button in app.button if button.label == "Start").click())
    assert {error.value.replace("\\", "").partition(":")[0] for error in app.error} == {"name"}


def test_the_form_asks_for_as_many_arms_as_wanted(open_app, runs):
    app = run(open_app(runs, "new-run").segmented_control(key="n-arms").set_value(4))
    assert [field.value for field in app.text_input if (field.key or "").startswith("arm-4")] == [
        "control",
        *(f"treatment {i}" for i in (1, 2, 3)),
    ]


def test_the_form_starts_a_run(open_app, runs, monkeypatch):
    started = []
    monkeypatch.setattr(launch, "start", lambda run, spec: started.append((run, spec)))
    app = open_app(runs, "new-run")
    app.text_input(key="spec-name").set_value("a b")
    app = run(next(button for button in app.button if button.label == "Start").click())
    ((place, spec),) = started
    assert place == runs / "a-b"
    assert parse_spec(tomllib.loads(spec), "test").users == 2000
    assert words(app.title) == "Runs"


def test_names_are_shown_as_they_are(open_app, tmp_path, samples, add_run):
    name = "# <b>*bold*</b> $x$ [a](b)"
    add_run(tmp_path / "run", samples.sample_report((name,), name=name))
    app = open_app(tmp_path)
    assert app.title[0].value == r"\# \<b\>\*bold\*\<\/b\> \$x\$ \[a\]\(b\)"
    assert name not in " ".join(element.value for element in [*app.info, *app.caption])


def test_a_report_is_read_again_when_it_has_changed(runs, samples):
    path = runs / "demo" / "report.json"
    before = fingerprint(runs / "demo")
    assert before is not None
    assert read_run(runs / "demo", before) is read_run(runs / "demo", before)
    path.write_text(samples.sample_report(name="renamed").to_json())
    os.utime(path, ns=(before.mtime_ns + 1, before.mtime_ns + 1))
    after = fingerprint(runs / "demo")
    assert after is not None
    assert read_run(runs / "demo", after).name == "renamed"


def test_damage_is_not_remembered(runs, report):
    path = runs / "demo" / "report.json"
    path.write_text("{")
    broken = fingerprint(runs / "demo")
    assert broken is not None
    with pytest.raises(RunFolderError):
        read_run(runs / "demo", broken)
    path.write_text(report.to_json())
    assert read_run(runs / "demo", broken) == report


def test_a_run_is_named_within_its_folder(tmp_path):
    assert run_label(tmp_path / "july" / "demo", tmp_path) == "july/demo"
    assert run_label(tmp_path, tmp_path) == tmp_path.name
