"""Numbers and switches at the door: what is taken, and what is refused, by the environments too."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.checked import SEEDS, share, switch, whole

NOT_WHOLE = [1.0, 1.5, float("nan"), float("inf"), True, False, "1", None, [1], np.float64(1), np.bool_(True), 1j]


@given(st.integers(0, SEEDS - 1))
def test_whole_numbers_pass_as_python_s_own(number):
    for each in (number, np.int64(number)):
        assert whole("seed", each, 0, SEEDS - 1) == number
        assert type(whole("seed", each, 0, SEEDS - 1)) is int


@pytest.mark.parametrize("given_", [*NOT_WHOLE, -1, 11, np.int8(-1), 10**30])
def test_all_else_is_refused_by_name(given_):
    with pytest.raises(ValueError, match=r"^users: .* given, want a whole number from 0 to 10$"):
        whole("users", given_, 0, 10)


@pytest.mark.parametrize("given_", [0, 0.0, 1.01, -0.5, float("nan"), float("inf"), True, "0.1", None])
def test_a_share_is_above_0_and_at_most_1(given_):
    with pytest.raises(ValueError, match=r"^views_scale: .* given, want a number above 0 and at most 1$"):
        share("views_scale", given_)


def test_shares_pass():
    assert [share("trace", each) for each in (1, 0.5, np.float32(0.25))] == [1.0, 0.5, 0.25]


@pytest.mark.parametrize("given_", [0, 1, "no", "", None, []])
def test_a_switch_is_on_or_off(given_):
    with pytest.raises(ValueError, match=r"^reveal_truth: .* given, want True or False$"):
        switch("reveal_truth", given_)


ENVIRONMENTS = """
import json, sys
import gymnasium, numpy as np
import simulator.environment.env
from user_models.testing import toy_world

SIZES = {"world": toy_world(), "users": 30, "videos": 300, "candidates": 20, "slate_size": 4}
WRONG = [
    {"users": 500.5}, {"users": True}, {"videos": 300.0}, {"candidates": "20"}, {"slate_size": 2.5},
    {"horizon_days": 1.0}, {"horizon_days": float("nan")}, {"population_seed": 1.5}, {"population_seed": -1},
    {"reveal_truth": "no"}, {"reveal_truth": 1}, {"views_scale": True}, {"views_scale": float("inf")},
    {"reward": None}, {"reward": 3}, {"world": None}, {"world": 3}, {"questionnaire": []}, {"render_mode": 1},
]
def refusal(make, *words, **keys):
    try:
        make(*words, **keys)
    except ValueError as error:
        return str(error)
    return "taken"

said = []
for wrong in WRONG:
    for kind in (simulator.environment.env.FeedEnv, simulator.environment.vector_env.FeedVectorEnv):
        said.append((next(iter(wrong)), refusal(kind, **SIZES | wrong)))
said += [("num_envs", refusal(simulator.environment.vector_env.FeedVectorEnv, n, **SIZES)) for n in (1.5, True, "2", 0)]
NUMPY_S = {"users": np.int64(30), "views_scale": np.float32(0.1), "horizon_days": np.int8(2)}
env = simulator.environment.env.FeedEnv(**SIZES | NUMPY_S)
said += [("seed", refusal(env.reset, seed=seed)) for seed in (1.5, True, "1", -1)]
said += [("options: user_id", refusal(env.reset, options={"user_id": user})) for user in (1.5, True, -1, 30)]
env.reset(seed=np.int64(3), options={"user_id": np.int32(5)})
print(json.dumps(said))
"""


def test_environments_refuse_settings_of_another_type_and_take_numpy_s_numbers():
    """In a process without the tests' own checks of annotations, as a user has it."""
    code = ENVIRONMENTS.replace(
        "import simulator.environment.env\n", "import simulator.environment.env, simulator.environment.vector_env\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert len(said) == 19 * 2 + 4 + 4 + 4
    for name, message in said:
        assert message.startswith(f"{name}: "), (name, message)
        assert " given" in message
        assert "\n" not in message
