"""Every option of every command with odd values: a quick run, or one line and exit code 2."""

import shutil
from importlib import import_module

import pytest
import tomli_w

from simulator.cli import app as cli
from simulator.cli.options import workers_or_all

ODD = ("-1", "0", "1e18", "nan", "", "1.9", "true", "-inf", "日本 🎬", "٣", "[/x]", "a\0b", "x" * 300, "\udcff")
USUAL = {
    "run": {"spec": "test.toml", "out": "out"},
    "audit": {"spec": "test.toml", "out": "out", "aa": "2"},
    "power": {"spec": "test.toml", "out": "out", "pilot": "40"},
    "report": {"folder": "run"},
    "analyse": {"table": "users.csv", "control": "a", "metric": "orders=orders"},
    "dashboard": {"runs": "."},
    "fit": {"data": "data", "out": "out"},
    "regimes": {"world": "world", "users": "40"},
    "validate": {"world": "world", "data": "data"},
    "data download": {"name": "kuairand-pure", "to": "out"},
    "data check": {"data": "data"},
    "ope": {"run": "run", "policy": "popular"},
    "policies": {},
    "render": {"out": "out.gif", "world": "world", "views": "1"},
    "export": {"run": "run", "out": "out"},
    "bench": {"users": "2", "world": "world"},
    "offline": {"data": "world"},
    "evaluate": {"policy": "random", "out": "out"},
}
"""What a short call of each command looks like."""
KEYS = {
    "name": "small", "users": 40, "videos": 60, "candidates": 12, "slate_size": 3, "days": 2, "pre_days": 1,
    "launch_days": 1, "pre_policy": "random",
    "arms": [{"name": "control", "policy": "random"}, {"name": "other", "policy": "random"}],
}  # fmt: skip


class ReachedError(Exception):
    """The work of a command begins: its arguments have passed."""


def options():
    """Every option and positional argument of every command, as the command line itself knows them."""

    def below(app, words):
        for name in app:
            if name.startswith("-"):
                continue
            command = app[name]
            if command.default_command is None:
                yield from below(command, [*words, name])
            else:
                for argument in command.assemble_argument_collection():
                    yield " ".join([*words, name]), argument.name.removeprefix("--")

    return list(below(cli.app, []))


def reached(*_, **__):
    raise ReachedError


@pytest.fixture(scope="module")
def sound(world, run_folder, tmp_path_factory):
    """A spec, a world and a finished run of it; do not write into it."""
    folder = tmp_path_factory.mktemp("sound")
    shutil.copytree(world, folder / "world")
    (folder / "test.toml").write_text(tomli_w.dumps(KEYS | {"world": str(folder / "world")}))
    (folder / "users.csv").write_text(
        "user_id,arm,orders\n" + "".join(f"{i},{'ab'[i % 2]},{i % 3}\n" for i in range(40))
    )
    (folder / "data").mkdir()
    shutil.copytree(run_folder, folder / "run")
    return folder


@pytest.fixture
def stopped_at_work(monkeypatch):
    """Commands go as far as they read and check."""
    monkeypatch.setattr("os.execv", reached)
    monkeypatch.setattr("simulator.studies.audit.study._resplit_rows", reached)
    monkeypatch.setattr("simulator.studies.audit.study._seed_rows", reached)
    monkeypatch.setattr("simulator.bench.policy_speeds._random_log", reached)
    monkeypatch.setattr("simulator.bench.bench.run_trials", reached)
    monkeypatch.setattr("simulator.calibration.calibrate.fit_and_calibrate", reached)
    monkeypatch.setattr("simulator.experiment.ray_engine.RayEngine", reached)
    monkeypatch.setattr("simulator.studies.leaderboard.check", lambda *_: None)
    monkeypatch.setattr("simulator.studies.leaderboard.run_to_folder", reached)
    monkeypatch.setattr("simulator.offline.evaluate.read_source", reached)
    monkeypatch.setattr("simulator.studies.power.run_to_folder", reached)
    monkeypatch.setattr("simulator.validation.policy_rates.run_experiment", reached)
    monkeypatch.setattr(import_module("simulator.run"), "play", reached)
    monkeypatch.setattr("simulator.analysis.summarise._report", reached)
    monkeypatch.setattr("simulator.environment.transitions.read_trace", reached)
    monkeypatch.setattr("simulator.off_policy.evaluate._target", reached)
    monkeypatch.setattr("user_models.data.log.open_log", reached)
    monkeypatch.setattr("simulator.validation.validate.validate", reached)
    monkeypatch.setattr("user_models.data.download._make_room", reached)


def outcome(words, capsys):
    """How a command ends: its exit code, 0 if its work has begun, and the lines of its own on stderr."""
    capsys.readouterr()
    code = 0
    try:
        cli.main(words)
    except SystemExit as end:
        code = end.code
    except ReachedError:
        pass
    except Exception as error:
        raise AssertionError(f"askew {words}: a traceback") from error
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    return code, [line for line in lines if not line.startswith("askew: warning: ")]


def test_every_command_is_driven():
    assert {command for command, _ in options()} == set(USUAL)


@pytest.mark.usefixtures("stopped_at_work")
@pytest.mark.parametrize("command", USUAL)
def test_a_usual_call_gets_to_work(command, sound, tmp_path, monkeypatch, capsys):
    shutil.copytree(sound, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    words = [*command.split(), *(f"--{name}={value}" for name, value in USUAL[command].items())]
    assert outcome(words, capsys)[0] == 0


@pytest.mark.usefixtures("stopped_at_work")
@pytest.mark.parametrize(("command", "option"), options())
def test_odd_values_of_an_option_are_run_or_refused_in_one_line(command, option, sound, tmp_path, monkeypatch, capsys):
    for place, value in enumerate(ODD):
        here = tmp_path / str(place)
        shutil.copytree(sound, here)
        monkeypatch.chdir(here)
        given = USUAL[command] | {option: value}
        words = [*command.split(), *(f"--{name}={each}" for name, each in given.items())]
        code, lines = outcome(words, capsys)
        assert code in (0, 2), (words, code)
        if code == 2:
            assert len([line for line in lines if line.startswith("askew: ")]) == 1, (words, lines)
            assert lines[-1].startswith("askew: "), (words, lines)


WHOLE = [(command, name) for command, name in options() if name in {
    "workers", "users", "days", "seed", "seeds", "views", "user", "pilot", "max-users", "aa", "replications", "port"
} and (command, name) != ("analyse", "user")]  # fmt: skip
"""Options that take whole numbers; `analyse --user` names a column."""


@pytest.mark.usefixtures("stopped_at_work")
@pytest.mark.parametrize(("command", "option"), WHOLE)
@pytest.mark.parametrize("value", ["1.9", "3.0", "-3", "1e3", "nan", "true", "٣", "9" * 50, "9" * 5000])
def test_whole_numbers_are_written_as_such_and_within_their_range(command, option, value, capsys):
    given = USUAL[command] | {option: value}
    words = [*command.split(), *(f"--{name}={each}" for name, each in given.items())]
    code, lines = outcome(words, capsys)
    assert code == 2
    assert f"Invalid value for --{option}: {value!r} given, want a whole number from " in lines[-1]


def test_no_worker_is_not_all_of_them():
    assert workers_or_all(3) == 3
    assert workers_or_all(None) >= 1
    assert ("run", "workers") in WHOLE
