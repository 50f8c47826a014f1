"""A small run that the exports read."""

import pytest

from simulator.cli.engines import choose_engine
from simulator.run import run_with
from simulator.spec.experiment import parse_spec
from user_models.testing import toy_world
from user_models.world.store import save_world


@pytest.fixture(scope="session")
def traced_run(tmp_path_factory):
    """Two days of 40 users, everybody traced."""
    folder = tmp_path_factory.mktemp("traced")
    save_world(toy_world(), folder / "world")
    spec = {
        "name": "small", "world": str(folder / "world"), "users": 40, "videos": 60, "candidates": 12, "slate_size": 3,
        "days": 2, "pre_days": 1, "launch_days": 1, "trace": 1.0,
        "arms": [{"name": "control", "policy": "random"}, {"name": "treatment", "policy": "popular"}],
    }  # fmt: skip
    run_with(choose_engine("local", 1, None), parse_spec(spec, "test"), folder / "run", lambda *_: None)
    return folder / "run"
