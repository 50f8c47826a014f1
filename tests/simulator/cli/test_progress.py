"""Progress of a run: percentage and time left, training included."""

import io

import pytest
from rich.console import Console

from simulator.cli import progress
from simulator.cli.progress import TimeLeft, progress_bars, work_of
from simulator.spec.experiment import parse_spec

WORK = {"before the test": 4.0, "training": 3.0, "the test": 10.0}
STEPS = (
    *(("before the test", done, 4) for done in (0, 1)),
    ("training", 0, 2),
    *(("before the test", done, 4) for done in (2, 3)),
    ("training", 1, 2),
    *(("the test", done, 10) for done in range(10)),
    ("the report", 0, 1),
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def played(left: TimeLeft, clock: Clock, steps, training: float = 20.0) -> None:
    """Begin the steps, of which all but the last have ended."""
    for stage, done, total in steps:
        left.begin(stage, done, total)
        clock.now += training if stage == "training" else 2.0
    clock.now -= 2.0


def test_nothing_is_said_before_a_step_has_ended():
    left = TimeLeft(WORK, Clock())
    left.begin("before the test", 0, 4)
    assert (left.seconds(), left.share()) == (None, 0.0)


@pytest.mark.parametrize(
    ("n", "seconds"),
    [(2, 6 + 3 * 8 + 20), (4, 4 + 2 * 20 + 20), (7, 20), (12, 10), (17, 0)],
    ids=["training is not timed yet", "one training is timed", "the test begins", "half of it", "the report"],
)
def test_the_time_left_holds_simulation_and_training(n: int, seconds: float):
    clock = Clock()
    left = TimeLeft(WORK, clock)
    played(left, clock, STEPS[:n])
    assert left.seconds() == pytest.approx(seconds)
    assert 0 <= left.share() <= 1


def test_it_counts_down_while_a_training_lasts():
    clock = Clock()
    left = TimeLeft(WORK, clock)
    played(left, clock, STEPS[:5])
    clock.now += 2
    left.begin(*STEPS[5])
    begin, share = left.seconds(), left.share()
    clock.now += 8
    assert (begin, left.seconds()) == (pytest.approx(60), pytest.approx(52))
    assert left.share() > share
    clock.now += 800
    assert left.seconds() == pytest.approx(20)


def test_a_resumed_run_counts_only_what_it_timed_itself():
    clock = Clock()
    left = TimeLeft(WORK, clock)
    played(left, clock, STEPS[8:12])
    assert left.seconds() == pytest.approx(2 * 5)
    assert left.share() > 0.4


def test_the_work_of_a_run_is_that_of_its_spec():
    arms = [{"name": "a", "policy": "random"}, {"name": "b", "policy": "popular"}]
    keys = {"name": "x", "users": 100, "days": 3, "pre_days": 2, "launch_days": 1, "arms": arms, "seed": 1}
    spec = parse_spec(keys, "test")
    assert work_of(spec) == {"before the test": 3, "training": 3, "the test": 6}


def test_bars_show_percentages_and_time_left(monkeypatch: pytest.MonkeyPatch):
    out = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=out, width=100, force_terminal=True))
    keys = {"name": "x", "users": 100, "days": 5, "pre_days": 2, "launch_days": 2, "seed": 1}
    spec = parse_spec({**keys, "arms": [{"name": n, "policy": "random"} for n in "ab"]}, "test")
    with progress_bars(spec) as show:
        for step in STEPS:
            show(*step)
    last = out.getvalue().rpartition("all of it")[2]
    assert last.count("100%") == 5
    with pytest.raises(ZeroDivisionError), progress_bars(spec) as show:
        [*(show(*step) for step in STEPS[:10]), 1 / 0]
    last = out.getvalue().rpartition("all of it")[2]
    assert "30%" in last
    assert " left" in last
