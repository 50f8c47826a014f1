"""Truth lab, users, policies and planner: what each shows where files are absent, damaged or there."""

import importlib.util
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from dashboards.figures import ablations, feed, looks, power
from dashboards.html_pages.report import render_html
from dashboards.tables import sections
from dashboards.text import formatting
from simulator.reports.report import RunFolderError
from simulator.reports.sections import Resplits, TrainingRow
from simulator.reports.trace import ACTS, TraceDay, has_trace, read_feed, traced_days, traced_users, traced_worlds
from simulator.runs.search import find_results

EVIL = "<b>*bold*</b>"


@pytest.fixture(scope="module")
def made():
    """The audit and the plan of the tests of pages."""
    spec = importlib.util.spec_from_file_location(
        "made_for_pages", Path(__file__).parents[1] / "html_pages" / "test_audit.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def open_page(name: str, folder: Path, run: Path | None) -> AppTest:
    """One page on a folder and, if given, a run in it."""

    def show(name: str, folder: str, run: str | None) -> None:
        import importlib
        from pathlib import Path

        from simulator.reports.report import load_report

        chosen = None if run is None else Path(run)
        report = None if chosen is None else load_report(chosen)
        importlib.import_module(f"dashboards.screens.{name}").show(Path(folder), chosen, report)

    arguments = (name, str(folder), None if run is None else str(run))
    app = AppTest.from_function(show, default_timeout=60, args=arguments).run()
    assert not app.exception
    return app


def open_result(run: Path) -> AppTest:
    """The page of a run's result."""

    def show(run: str) -> None:
        from pathlib import Path

        from dashboards.screens import result
        from simulator.reports.report import load_report

        result.show(Path(run), load_report(Path(run)))

    app = AppTest.from_function(show, default_timeout=60, args=(str(run),)).run()
    assert not app.exception
    return app


def words(elements) -> str:
    return " ".join(element.value for element in elements).replace("\\", "")


def keys_of(app: AppTest) -> set[str]:
    return {chart.proto.id.split("-", 2)[2] for chart in app.get("plotly_chart")}


def view(user_id=4, day=1, request=0, position=0, **changes):
    row = {
        "world": "all:control",
        "user_id": user_id,
        "video_id": 7,
        "day": day,
        "hour": 9,
        "request": request,
        "position": position,
        "watch_s": 2.5,
        "answer": 0,
        "asked": False,
        "true_satisfaction": 0.5,
        "true_appeal": -1.0,
    }
    return row | dict.fromkeys(ACTS, False) | changes


@pytest.fixture
def traced(runs) -> Path:
    """The run with a trace of three days of two users."""
    rows = [
        view(request=1, like=True, asked=True, answer=3),
        view(),
        view(position=1, skip=True, asked=True),
        view(day=2),
        view(user_id=5),
        view(world="all:treatment", hate=True),
    ]
    (runs / "demo" / "trace").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), runs / "demo" / "trace" / "part.parquet")
    return runs / "demo"


def test_a_feed_is_one_users_day_in_order(traced):
    views = read_feed(traced, TraceDay("all:control", 4, 1))
    assert [(v.request, v.position, v.acts, v.asked, v.answer) for v in views] == [
        (0, 0, (), False, None),
        (0, 1, ("skip",), True, None),
        (1, 0, ("like",), True, "satisfied"),
    ]
    assert read_feed(traced, TraceDay("all:control", 9, 1)) == []
    assert traced_worlds(traced) == ["all:control", "all:treatment"]
    assert traced_users(traced) == [4, 5]
    assert traced_days(traced, "all:control", 4) == [1, 2]


def test_a_run_without_a_trace_says_how_to_keep_one(runs):
    assert not has_trace(runs / "demo")
    with pytest.raises(RunFolderError, match="keeps no trace; put"):
        traced_users(runs / "demo")


def test_a_damaged_trace_is_named_in_one_line(traced):
    (traced / "trace" / "part.parquet").write_bytes(b"nothing")
    with pytest.raises(RunFolderError, match="cannot be read") as caught:
        traced_users(traced)
    assert "\n" not in str(caught.value)
    assert "cannot be read" in words(open_page("users", traced.parent, traced).error)


def test_the_truth_of_a_feed_stays_behind_its_switch(traced):
    app = open_page("users", traced.parent, traced)
    assert "True satisfaction" not in app.dataframe[0].value.columns
    app = app.toggle(key="feed-truth").set_value(True).run()
    assert app.dataframe[0].value["True satisfaction"].tolist() == ["0.50"] * 3
    views = read_feed(traced, TraceDay("all:control", 4, 1))
    hidden, told = (feed.timeline(views, truth=truth) for truth in (False, True))
    assert {trace.name for trace in told.data} - {trace.name for trace in hidden.data} == {"true satisfaction"}
    assert list(hidden.data[0].y) == [2.5] * 3
    likes = next(trace for trace in hidden.data if trace.name == "like")
    assert list(likes.x) == [3]


def test_the_world_card_tells_fitted_from_assumed(runs, report):
    world = report.model_copy(update={"world": "kuairand-pure"})
    (runs / "demo" / "report.json").write_text(world.to_json())
    app = open_page("users", runs, runs / "demo")
    assert "Assumed: no public data tell" in words(app.subheader)


def test_results_are_found_at_any_depth_newest_first(tmp_path):
    import os

    for place, name in enumerate(("a", "b/c/d")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "audit.json").touch()
        os.utime(tmp_path / name / "audit.json", ns=(place, place))
    assert find_results(tmp_path, "audit.json") == [tmp_path / "b/c/d", tmp_path / "a"]


@pytest.mark.parametrize(
    ("page", "file", "command"),
    [
        ("truth_lab", "audit.json", "askew audit"),
        ("users", "validation.json", "askew validate"),
        ("rankers", "leaderboard.json", "askew evaluate"),
        ("rankers", "offline.json", "askew offline"),
        ("planner", "power.json", "askew power"),
    ],
)
def test_absent_files_name_their_command_and_damaged_ones_say_so(tmp_path, page, file, command):
    assert command in words(open_page(page, tmp_path, None).code)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / file).write_text("{")
    assert f"odd/{file}" in words(open_page(page, tmp_path, None).error)


def test_the_truth_lab_shows_an_audit_with_names_escaped(runs, made):
    (runs / "audit").mkdir()
    (runs / "audit" / "audit.json").write_text(made.audit_of(*made.AUDIT.rows, name=EVIL).to_json())
    app = open_page("truth_lab", runs, runs / "demo")
    assert {"audit-rates", "audit-quantiles", "replay"} <= keys_of(app)
    assert EVIL in words(app.caption)
    assert EVIL not in " ".join(element.value for element in app.caption)
    assert "Wrong on purpose: per view t" in words(app.markdown)


def test_a_policy_against_itself_shows_what_its_parts_are_worth(runs, samples, add_run):
    assert "askew run ablations" in words(open_page("rankers", runs, None).code)
    report = samples.sample_report((EVIL, "no-dpo"), name="parts")
    arms = [arm.model_copy(update={"policy": "easq"}) for arm in report.arms]
    add_run(runs / "parts", report.model_copy(update={"arms": arms}))
    app = open_page("rankers", runs, None)
    assert "parts" in keys_of(app)
    shown = app.dataframe[-1].value
    assert shown["Arm"].tolist() == [EVIL, "no-dpo"]
    wanted = [
        f"{formatting.lift(row.true_relative_effect)} ± {row.true_relative_effect_se:.2%}"
        for row in report.metrics
        if row.metric == "AUT"
    ]
    assert shown["AUT"].tolist() == wanted
    figure = ablations.effects(report)
    assert list(figure.data[0].x) == [row.true_relative_effect for row in report.metrics if row.metric == "AUT"]


def trainings_of(treatment, lifts, metric="AUT"):
    return TrainingRow(
        treatment=treatment,
        baseline="full",
        metric=metric,
        label=metric,
        seeds=list(range(len(lifts))),
        lifts=lifts,
        mean=sum(lifts) / len(lifts),
        standard_error=0.004,
        low=sum(lifts) / len(lifts) - 0.05,
        high=sum(lifts) / len(lifts) + 0.05,
    )


def test_policies_trained_several_times_show_what_their_parts_are_worth_over_trainings(runs, samples, add_run):
    report = samples.sample_report((EVIL, "full-1", "less-1"), name="parts")
    arms = [arm.model_copy(update={"policy": "easq"}) for arm in report.arms]
    trainings = [trainings_of(EVIL, [0.01, 0.03]), trainings_of(EVIL, [-0.1, 0.0], "skip_rate")]
    report = report.model_copy(update={"arms": arms, "trainings": trainings})
    add_run(runs / "parts", report)
    app = open_page("rankers", runs, None)
    shown = app.dataframe[-1].value
    assert shown.to_numpy().tolist() == [[EVIL, "+2.00% ± 0.40%", "\N{MINUS SIGN}5.00% ± 0.40%"]]
    stars = ablations.effects(report).data
    assert [(*star.x, *star.y) for star in stars] == [(0.02, 0), (-0.05, 0)]
    assert [star.error_x.array[0] for star in stars] == pytest.approx([0.05, 0.05])
    told = sections.trainings(report)
    ends = "\N{MINUS SIGN}3.00% to +7.00%"
    assert told.lines[0] == ("AUT", f"{EVIL} against full", "+2.00%", "0.40%", ends, "0: +1.00%, 1: +3.00%")
    assert told.title in words(open_result(runs / "parts").subheader)
    page = render_html(report)
    assert told.title in page
    assert EVIL not in page


def test_what_was_trained_once_says_nothing_of_chance_in_training(runs, report):
    title = sections.trainings(report).title
    assert title not in words(open_result(runs / "demo").subheader)
    assert title not in render_html(report)


def test_an_a_a_test_is_no_ablation(samples, report):
    assert not ablations.is_ablation(samples.a_a_report())
    assert not ablations.is_ablation(report)


def test_a_replay_hides_the_truth_until_the_viewer_stops(runs, report):
    app = open_page("truth_lab", runs, runs / "demo")
    before = len(app.dataframe)
    app = app.button(key="replay-next").click().run()
    app = app.button(key="replay-stop").click().run()
    first = report.looks.rows[0]
    look = looks.looks_of(report, first.metric, first.arm)[1]
    said = app.dataframe[0].value
    assert len(app.dataframe) == before + 1
    assert [tuple(line) for line in said.to_numpy().tolist()] == looks.method_lines(look)


def test_the_replay_draws_what_was_seen(report):
    first = report.looks.rows[0]
    for stopped in (False, True):
        figure = looks.replay(report, first.metric, first.arm, 2, stopped=stopped)
        lift = next(trace for trace in figure.data if trace.name == "lift so far")
        assert list(lift.x) == [1, 2]
        truths = [trace for trace in figure.data if trace.name == "true lift so far" and trace.y[0] is not None]
        assert bool(truths) == stopped


def test_a_single_look_has_bands_that_can_be_seen(report):
    first = report.looks.rows[0]
    figure = looks.replay(report, first.metric, first.arm, 1, stopped=True)
    band = next(trace for trace in figure.data if trace.name == "ci")
    assert min(band.x) < 1 < max(band.x)
    assert {min(band.y), max(band.y)} == {first.ci_low, first.ci_high}
    assert next(trace for trace in figure.data if trace.name == "true lift so far").mode == "markers"


def test_what_a_stop_says_is_read_off_the_intervals(report):
    look = report.looks.rows[0].model_copy(
        update={
            "ci_low": 0.01,
            "ci_high": 0.03,
            "group_low": -0.01,
            "group_high": 0.05,
            "always_low": None,
            "always_high": None,
            "true_relative_effect": 0.0,
        }
    )
    assert [line[3] for line in looks.method_lines(look)] == ["higher", "no clear change", "missing"]
    assert [line[5] for line in looks.method_lines(look)] == ["no", "yes", "missing"]


def test_the_planner_marks_the_run_chosen(runs, report, made):
    (runs / "power").mkdir()
    (runs / "power" / "power.json").write_text(made.plan_of().to_json())
    app = open_page("planner", runs, runs / "demo")
    assert keys_of(app) == {"power"}
    assert "2 days take 12,345 users" in words(app.info)
    drawn = json.loads(app.get("plotly_chart")[0].proto.spec)["data"]
    names = [trace.get("name") for trace in drawn]
    assert f"you are here: {report.users:,} users, {report.days} days" in names
    same = power.smallest_effect(made.plan_of(), power.Here(1000, 2))
    assert "you are here" in [trace.name for trace in same.data]


@pytest.mark.parametrize(
    ("p_value", "passed", "label"), [(0.5, True, "ok"), (0.0013, True, "borderline"), (1e-5, False, "look into it")]
)
def test_a_doubtful_a_a_badge_is_not_called_ok(report, p_value, passed, label):
    row = Resplits(metric="AUT", splits=200, rejected=0.05, ks_p_value=p_value, passed=passed)
    health = report.health.model_copy(update={"resplits": [row]})
    lines = sections.health_checks(report.model_copy(update={"health": health})).lines
    assert next(line[2] for line in lines if line[0] == "A/A re-splits, AUT") == label
