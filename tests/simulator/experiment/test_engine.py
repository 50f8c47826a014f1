"""Engines: the same files, byte for byte, from every engine and any number of workers, through deaths of workers."""

import importlib.util
import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from simulator.cli.engines import choose_engine
from simulator.errors import EngineError
from simulator.experiment.engine import FEWEST_SHARDS, SHARD_USERS, cut_shards
from simulator.experiment.runner import prepare, run_experiment, world_of
from simulator.experiment.schedule import SimulationStep, TrainingStep, plan_steps
from simulator.experiment.shard import ShardState
from simulator.rollout.catalogue import Size, draw_platform
from simulator.rollout.population import make_blocks
from simulator.run import run_with
from simulator.spec.experiment import parse_spec
from user_models.testing import toy_world

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed; pip install 'askew[scale]'"
)


def spec_of(world, **changes):
    keys = {
        "name": "engines",
        "seed": 3,
        "world": world,
        "users": 5_000,
        "videos": 400,
        "days": 1,
        "pre_days": 1,
        "launch_days": 1,
        "views_scale": 0.02,
        "candidates": 20,
        "trace": 0.02,
        "pre_policy": "popular",
        "arms": [{"name": "control", "policy": "random"}, {"name": "treatment", "policy": "popular"}],
    }
    return parse_spec(keys | changes, "test")


def silent(stage, done, total):
    pass


def files_of(folder: Path) -> dict[str, str]:
    """Every file and a checksum: what differs is told in a line."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def files_by(spec, folder, name, workers):
    run_with(choose_engine(name, workers, None), spec, folder, silent)
    return files_of(folder)


@pytest.fixture(scope="module")
def usual(world, tmp_path_factory):
    """Every file of the run by two local threads."""
    return files_by(spec_of(world), tmp_path_factory.mktemp("usual") / "run", "local", 2)


@pytest.mark.parametrize("workers", [1, 5])
def test_every_file_is_the_same_with_any_number_of_threads(world, usual, tmp_path, workers):
    assert files_by(spec_of(world), tmp_path / "run", "local", workers) == usual


def test_the_users_of_this_run_are_in_several_parts(usual):
    assert len([name for name in usual if name.startswith("user_days/world0-0000-")]) > 1


@pytest.mark.parametrize(("parts", "size"), [(1, 10**9), (2, 10**4), (7, 1)])
def test_the_report_does_not_depend_on_how_users_are_cut_into_parts(world, usual, tmp_path, monkeypatch, parts, size):
    monkeypatch.setattr("simulator.experiment.engine.FEWEST_SHARDS", parts)
    monkeypatch.setattr("simulator.experiment.engine.SHARD_USERS", size)
    assert files_by(spec_of(world), tmp_path / "run", "local", 2)["report.json"] == usual["report.json"]


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_ray_leaves_the_same_files(world, usual, tmp_path, workers):
    assert files_by(spec_of(world), tmp_path / "run", "ray", workers) == usual


FATAL = """
import os, signal
from pathlib import Path
from policies.base import top_k

class Fatal:
    def __init__(self, marker: str) -> None:
        self._marker = Path(marker)

    def rank(self, obs, k, noise):
        if not self._marker.exists():
            self._marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return top_k(obs, noise.uniform("fatal", obs.candidates.shape[1]), k)
"""
"""A policy whose process dies the first time that it ranks, and leaves a mark."""


@needs_ray
@pytest.mark.slow
def test_a_ray_worker_that_is_killed_is_made_good(world, tmp_path, monkeypatch):
    (tmp_path / "fatal_policy.py").write_text(FATAL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)  # of the workers
    marker = tmp_path / "killed"
    arms = [{"name": n, "policy": "fatal_policy:Fatal", "options": {"marker": str(marker)}} for n in ("one", "two")]
    spec = spec_of(world, arms=arms)

    def files(name):
        run_with(choose_engine(name, 2, None), spec, tmp_path / name, silent)
        return files_of(tmp_path / name)

    marker.touch()
    alive = files("local")
    marker.unlink()
    assert files("ray") == alive
    assert marker.exists()


def test_without_ray_the_engine_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(EngineError, match=r"Ray is not installed; pip install 'askew\[scale\]'"):
        choose_engine("ray", 1, None)()


def test_an_address_without_ray_is_refused():
    with pytest.raises(EngineError, match="--address auto given with --engine local, want --engine ray"):
        choose_engine("local", 1, "auto")


def test_parts_are_whole_blocks_in_order_and_about_even():
    platform, people = draw_platform(toy_world(), Size(2_300, 50, 0.1), 0)
    blocks = make_blocks(people, 3, platform.rules, 100)
    parts = cut_shards(blocks)
    assert len(parts) == FEWEST_SHARDS < len(blocks)
    assert [part.first for part in parts[1:]] == [part.last for part in parts[:-1]]
    assert (parts[0].first, parts[-1].last) == (0, len(blocks))
    sizes = [part.last - part.first for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) * 100 < SHARD_USERS


def test_users_stand_after_unpacking_as_they_stood_before():
    platform, people = draw_platform(toy_world(), Size(250, 50, 0.1), 0)
    blocks = make_blocks(people, 3, platform.rules, 100)
    there = ShardState.fresh([block.copy() for block in blocks])
    rng = np.random.default_rng(1)
    for block in there.blocks:
        for array in (*block.state, *vars(block.past).values()):
            array[...] = rng.integers(0, 100, array.shape)
    there.totals[2].sums[3] = 0.5
    back = ShardState.unpack(blocks, there.pack())
    assert back.pack() == there.pack()
    assert back.totals[2].sums[3, 0] == 0.5
    assert not blocks[0].past.n_seen.any()


def test_users_of_another_shape_are_refused():
    platform, people = draw_platform(toy_world(), Size(250, 50, 0.1), 0)
    data = ShardState.fresh(make_blocks(people, 3, platform.rules, 100)).pack()
    with pytest.raises(ValueError, match=r"state\.sessions_left is int16\(100, 3\), want int16\(100, 4\)"):
        ShardState.unpack(make_blocks(people, 4, platform.rules, 100), data)


def test_a_learning_line_is_played_round_by_round_and_others_day_by_day(world):
    setting = prepare(spec_of(world), world_of(spec_of(world)))
    steps = plan_steps(setting)
    scenes = [step for step in steps if isinstance(step, SimulationStep)]
    assert [step.who for step in steps if isinstance(step, TrainingStep)] == ["pre", "arms"]
    by_line = {line: [scene.rounds for scene in scenes if scene.timeline == line] for line in setting.timelines}
    assert by_line == {"all:control": [(0, 1, 2)], "all:treatment": [(0,), (1,), (2,)], "mixed": [(0,), (1,), (2,)]}
    assert scenes[0].launch
    assert not scenes[0].learns


def test_training_sees_the_first_users_only_even_where_the_pre_period_learns(world, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "simulator.experiment.local_engine.train_policy", lambda context, arm, log: seen.append(log) or ()
    )
    spec = spec_of(world, training_users=70, pre_policy="random", arms=[{"name": n, "policy": "random"} for n in "ab"])

    class Nowhere:
        def write_parquet(self, name, table):
            pass

    run_experiment(prepare(spec, world_of(spec)), Nowhere(), 1, silent)
    assert len(seen) == 3
    assert max(log.user_id.max() for log in seen) < 70
    assert all((np.diff(log.user_id) >= 0).all() for log in seen)
