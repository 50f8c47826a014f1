"""Plans: components of variance recovered, users that give the power asked for, and bad wishes refused."""

import io
import json
from contextlib import redirect_stdout

import numpy as np
import pytest
import tomli_w
from scipy import stats

from simulator.cli.app import main
from simulator.errors import RunFolderError, SpecError
from simulator.metrics import METRICS, scorecard_metrics
from simulator.reports.power import load_power
from simulator.run import write_report
from simulator.spec.experiment import load_spec, parse_spec
from simulator.studies.clock import Clock
from simulator.studies.potential_outcomes import read_outcomes
from simulator.studies.power import PowerTarget, plan_power, run_power
from simulator.studies.power import TestSizes as Sizes
from simulator.studies.variance_components import Components, adjusted, components, influence

R = 3.29


@pytest.fixture(scope="module")
def spec(run_folder):
    return load_spec(str(run_folder / "spec.toml"))


@pytest.fixture(scope="module")
def lives(run_folder, spec):
    return read_outcomes(run_folder, spec)


@pytest.fixture(scope="module")
def plan(spec, lives):
    return plan_power(
        spec, PowerTarget(effect=0.05), lives, {"training": 10.0, "the test": 4.0, "before the test": 4.0}
    )


@pytest.mark.parametrize("effect", [0.1, 0.3])
@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.8, 0.2)])
def test_the_users_asked_for_give_the_power_asked_for(effect, shares):
    """4,000 tests of normal users of the size that the formula names, by the distributions of mean and variance."""
    wanted = PowerTarget(effect=effect, power=0.8)
    users = Sizes(wanted, *shares, 1.0).users(0.64)
    n = [round(users * share) for share in shares]
    rng = np.random.default_rng(6)
    control, treatment = (
        (rng.normal(at, 0.8 / size**0.5, 4000), 0.8 * (rng.chisquare(size - 1, 4000) / (size - 1)) ** 0.5, size)
        for at, size in zip((0.0, effect), n, strict=True)
    )
    significant = stats.ttest_ind_from_stats(*treatment, *control, equal_var=False).pvalue < 0.05
    assert significant.mean() == pytest.approx(0.8, abs=R * np.sqrt(0.8 * 0.2 / 4000) + 0.01)


def test_a_variance_knows_its_own_error():
    """Over 400 samples of 2,000 heavy-tailed users with three days each: within 3.29 of 1 in sqrt(800), and a bias."""
    rng = np.random.default_rng(3)
    parts = [components(rng.gamma(2.0, 1.0, (2_000, 1)) + rng.normal(size=(2_000, 3))) for _ in range(400)]
    spread = np.std([each.measured[-1] for each in parts]) / np.mean([each.measured[-1] for each in parts])
    assert np.mean([each.relative_error for each in parts]) == pytest.approx(spread, rel=R / np.sqrt(800) + 0.02)


def test_users_have_an_interval_and_every_length_before_the_test_its_row(plan, lives, spec):
    for row in plan.needs:
        assert row.users_low < row.users < row.users_high
    assert [row.days for row in plan.before] == list(lives.before)
    last = plan.before[-1]
    assert last.days == spec.pre_days
    whole = next(row for row in plan.needs if row.method == "cuped" and row.days == spec.days)
    assert last.users == whole.users
    assert 0 < last.variance_left < 1


def test_the_smallest_effect_of_so_many_users_takes_so_many_users():
    for effect in (0.001, 0.05):
        sizes = Sizes(PowerTarget(effect=effect), 0.7, 0.3, 0.9)
        assert sizes.effect(2.5, sizes.users(2.5)) == pytest.approx(effect, rel=1e-3)


def test_users_in_other_arms_do_not_help():
    wanted = PowerTarget()
    assert Sizes(wanted, 0.5, 0.5, 0.5).users(1.0) == pytest.approx(2 * Sizes(wanted, 0.5, 0.5, 1.0).users(1.0), abs=1)


def test_components_of_a_made_up_panel_are_recovered():
    rng = np.random.default_rng(2)
    daily = rng.normal(0, 0.7, (20_000, 1)) + rng.normal(0, 1.5, (20_000, 5))
    found = components(daily)
    n = len(daily)
    assert found.within == pytest.approx(2.25, abs=R * 2.25 * np.sqrt(2 / (4 * n)))
    assert found.between == pytest.approx(0.49, abs=R * np.sqrt(2 / n) * (0.49 + 2.25 / 5))
    assert found.measured == pytest.approx([found.fitted(day) for day in range(1, 6)], rel=R * np.sqrt(2 / n) * 1.5)


def test_days_do_not_help_where_users_never_change():
    daily = np.random.default_rng(2).normal(size=(500, 1)).repeat(4, axis=1)
    found = components(daily)
    assert found.within == 0
    assert found.after(56) == pytest.approx(found.after(1))


def test_one_day_cannot_tell_users_from_days():
    daily = np.random.default_rng(2).normal(size=(500, 1))
    found = components(daily)
    assert (found.between, found.within) == (daily.var(ddof=1), 0.0)


def test_variance_is_measured_as_far_as_the_pilot_went_and_then_fitted():
    parts = Components(1.0, 3.0, np.array([5.0, 2.6]))
    assert (parts.after(1), parts.after(2), parts.after(3)) == (5.0, 2.6, 2.0)


@pytest.mark.parametrize("key", ["AUT", "AVT", "P2N", "LT7", "click_rate"])
def test_the_variance_is_that_of_the_delta_method(lives, key):
    metric = {m.key: m for m in scorecard_metrics(3)}[key]
    life = lives.truth["base"]
    ratio = metric.ratio(life.users)
    cov = np.cov(ratio.numerator, ratio.denominator)
    want = (cov[0, 0] - 2 * ratio.value * cov[0, 1] + ratio.value**2 * cov[1, 1]) / ratio.numerator.mean() ** 2
    assert components(influence(metric, life)).measured[-1] == pytest.approx(want, rel=1e-9)


def test_cuped_leaves_one_minus_the_squared_correlation(lives):
    metric, life = METRICS["AUT"], lives.truth["base"]
    daily = influence(metric, life)
    rho = np.corrcoef(daily.mean(axis=1), metric.ratio(life.users, "pre_").numerator)[0, 1]
    left = components(adjusted(daily, metric, life)).measured[-1] / components(daily).measured[-1]
    assert left == pytest.approx(1 - rho**2, rel=1e-9)


def test_nothing_is_told_of_a_metric_that_is_0(lives):
    metric, life = METRICS["P2N"], lives.truth["base"]
    still = type(life)(life.users, tuple(look.assign(likes=0, follows=0) for look in life.looks))
    assert influence(metric, still) is None


def test_a_plan_says_where_the_spec_stands(plan, spec):
    here = {(row.metric, row.method): row for row in plan.here}
    assert (here["AUT", "plain"].users, here["AUT", "plain"].days) == (spec.users, spec.days)
    at = [r for r in plan.grid if (r.users, r.days, r.method) == (spec.users, spec.days, "plain")]
    assert at[0].relative_effect == here["AUT", "plain"].relative_effect
    assert here["AUT", "cuped"].relative_effect < here["AUT", "plain"].relative_effect


def test_more_days_and_cuped_need_fewer_users(plan):
    users = {(row.method, row.days): row.users for row in plan.needs}
    assert users["plain", 56] < users["plain", 7] < users["plain", 1]
    assert users["cuped", 7] < users["plain", 7]


def test_paired_truth_is_three_standard_errors_at_its_users(spec, lives):
    plan = plan_power(spec, PowerTarget("P2N", 0.05), lives, {"the test": 1.0})
    paired = plan.paired
    error = paired.standard_error * np.sqrt(len(lives.bucket) / paired.users)
    assert plan.effect / error == pytest.approx(3, rel=0.01)
    assert 0.1 < paired.relative_effect < 0.6  # a quarter of the hates are spared


def test_seconds_are_training_and_what_grows_with_users(plan, lives):
    assert plan.paired.seconds == pytest.approx(10 + 8 * plan.paired.users / len(lives.bucket))


def test_without_a_timed_pilot_there_are_no_seconds(spec, lives):
    paired = plan_power(spec, PowerTarget(), lives, None).paired
    assert paired.seconds is None
    assert "timed" in paired.reasons["seconds"]


def test_arms_that_are_the_same_have_nothing_of_their_own_to_resolve(sample_run, tmp_path):
    same = sample_run.SamplePlan(users=80, policies=("base", "base"))
    folder = sample_run.write_sample_run(tmp_path, same)
    spec = load_spec(str(folder / "spec.toml"))
    paired = plan_power(spec, PowerTarget(), read_outcomes(folder, spec), {"the test": 1.0}).paired
    assert paired.resolved_users is None
    assert paired.reasons["resolved_users"] == "the pilot's true effect is 0"


def test_the_clock_adds_up_a_stage(monkeypatch):
    times = iter([0.0, 1.0, 4.0, 4.5])
    monkeypatch.setattr("simulator.studies.clock.time.perf_counter", lambda: next(times))
    clock, shown = Clock(), []
    show = clock.watch(lambda *said: shown.append(said))
    show("play", 0, 2)
    show("train", 0, 1)
    show("play", 1, 2)
    clock.start_stage("")
    assert clock.seconds == {"play": 1.5, "train": 3.0}
    assert shown == [("play", 0, 2), ("train", 0, 1), ("play", 1, 2)]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (PowerTarget(metric="AUTT"), "'AUTT' given, want one of AUT, AVT"),
        (PowerTarget(effect=0.0), "a lift that is not 0"),
        (PowerTarget(effect=float("nan")), "a lift that is not 0"),
        (PowerTarget(power=1.0), "between 0.05 and 1"),
        (PowerTarget(power=0.01), "between 0.05 and 1"),
    ],
)
def test_senseless_wishes_are_refused(spec, lives, wanted, said):
    with pytest.raises(SpecError, match=said):
        plan_power(spec, wanted, lives, None)


@pytest.fixture(scope="module")
def finished_run(sample_run, tmp_path_factory):
    """A run with its report; do not write into it."""
    folder = sample_run.write_sample_run(tmp_path_factory.mktemp("finished") / "run", sample_run.SamplePlan(users=200))
    write_report(folder)
    return folder


def test_the_command_plans_from_a_run_folder(finished_run, tmp_path, capsys):
    out = tmp_path / "power"
    main(["power", str(finished_run), "--out", str(out), "--effect", "0.02", "--metric", "AVT", "--json"])
    assert json.loads(capsys.readouterr().out) == load_power(out).model_dump(mode="json")
    assert (out / "power.html").is_file()


@pytest.fixture(scope="module")
def small(world):
    """A spec that is quickly run."""
    arms = [{"name": "control", "policy": "random"}, {"name": "treatment", "policy": "popular"}]
    keys = {"name": "p", "world": world, "users": 500, "videos": 200, "days": 1, "pre_days": 1, "launch_days": 1}
    keys |= {"views_scale": 0.05, "candidates": 20, "pre_policy": "popular", "rounds_per_day": 1, "arms": arms}
    return parse_spec(keys, "test")


@pytest.fixture(scope="module")
def small_file(small, tmp_path_factory):
    """That spec in a file."""
    path = tmp_path_factory.mktemp("specs") / "p.toml"
    path.write_text(tomli_w.dumps(small.model_dump(mode="json")))
    return path


def pilot_words(small_file, out):
    """A command that plans from a pilot of 100 users."""
    return ["power", str(small_file), "--pilot", "100", "--workers", "1", "--out", str(out)]


@pytest.fixture(scope="module")
def piloted(small_file, tmp_path_factory):
    """A plan from a pilot, and what the command printed; do not write into it."""
    out, printed = tmp_path_factory.mktemp("pilots") / "power", io.StringIO()
    with redirect_stdout(printed):
        main(pilot_words(small_file, out))
    return load_power(out), printed.getvalue()


def test_an_interrupted_pilot_is_resumed_to_the_same_plan(small, small_file, piloted, tmp_path, capsys):
    def interrupt(stage, _done, _total):
        if stage == "the test":
            raise KeyboardInterrupt

    words = pilot_words(small_file, tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        run_power(small, PowerTarget(), tmp_path / "parts", (100, 1), interrupt)
    with pytest.raises(SystemExit):
        main(words)
    assert "holds pilot already; give an empty or new folder as --out, or --resume" in capsys.readouterr().err
    main([*words, "--resume"])
    whole, parts = piloted[0], load_power(tmp_path / "parts")
    assert parts.paired.seconds is None  # of the first part nobody knows how long it took
    assert whole.model_copy(update={"paired": parts.paired}) == parts


def test_there_is_nothing_to_resume_without_a_pilot(small_file, finished_run, tmp_path, capsys):
    for words, said in [
        ([str(small_file), "--resume"], "pilot: holds no run to resume; leave out --resume to begin one"),
        ([str(finished_run), "--resume"], f"--resume given, but {finished_run} is a finished run"),
    ]:
        with pytest.raises(SystemExit) as stop:
            main(["power", *words, "--out", str(tmp_path / "power")])
        assert stop.value.code == 2
        assert said in capsys.readouterr().err


def test_a_folder_that_is_taken_is_not_offered_a_resume_that_does_nothing(finished_run, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(SystemExit):
        main(["power", str(finished_run), "--out", str(tmp_path)])
    assert capsys.readouterr().err.endswith("already; give an empty or new folder as --out\n")


def test_a_pilot_needs_two_users(small, tmp_path):
    with pytest.raises(SpecError, match="--pilot 1 given, want 2 users or more"):
        run_power(small, PowerTarget(), tmp_path / "power", (1, 1), lambda *_: None)
    assert not (tmp_path / "power").exists()


def test_the_command_runs_a_pilot(piloted):
    plan, printed = piloted
    assert (plan.users, plan.pilot_users) == (500, 100)
    assert plan.paired.seconds > 0
    assert "is three standard errors at" in printed
    assert "days take" in printed


def test_a_wrong_option_ends_in_one_line(run_folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["power", "demo", "--out", str(tmp_path / "power"), "--effect", "0"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("askew: --effect 0 given")
    assert not (tmp_path / "power").exists()


def test_a_damaged_plan_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r"holds no power\.json"):
        load_power(tmp_path)
    for text, said in (("{}", "Field required"), ("\xff", r"power\.json")):
        (tmp_path / "power.json").write_text(text, encoding="latin-1")
        with pytest.raises(RunFolderError, match=said):
            load_power(tmp_path)
