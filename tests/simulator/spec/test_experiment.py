"""Experiment specs: what is refused, and in which words."""

import re

import numpy as np
import pytest

from simulator.errors import RunFolderError, SpecError
from simulator.runs.state import read_keys
from simulator.spec.experiment import ExperimentSpec, load_spec, parse_spec, shipped_specs

ARMS = [{"name": "base", "policy": "base"}, {"name": "new", "policy": "random"}]


def refusal(**keys):
    """What is said about a spec with these keys."""
    with pytest.raises(SpecError) as caught:
        parse_spec({"name": "test", "arms": ARMS} | keys, origin="my.toml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("my.toml: ")
    return message.removeprefix("my.toml: ")


def test_a_short_spec_gets_the_defaults():
    spec = parse_spec({"name": "test", "arms": ARMS}, origin="my.toml")
    assert (spec.users, spec.days, spec.control.name) == (20_000, 7, "base")


def test_unknown_key_is_refused_with_the_nearest_name():
    assert refusal(user=5) == "unknown key 'user'; did you mean 'users'?"


def test_unknown_key_of_an_arm_is_refused_with_the_nearest_name():
    arms = [ARMS[0], ARMS[1] | {"polcy": "random"}]
    assert refusal(arms=arms) == "unknown key 'arms.1.polcy'; did you mean 'policy'?"


def test_unknown_key_like_nothing_is_refused_without_a_guess():
    assert refusal(zzzz=1) == "unknown key 'zzzz'"


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("users", 1, "greater than or equal to 2"),
        ("users", "many", "valid integer"),
        ("days", 0, "greater than or equal to 1"),
        ("rounds_per_day", 5, "1, 2, 3, 4, 6 or 8"),
        ("views_scale", 0.0, "greater than 0"),
        ("views_scale", 1.5, "less than or equal to 1"),
        ("questionnaire", "daily", "'easq', 'saqrec' or 'dense'"),
        ("seed", -1, "greater than or equal to 0"),
        ("name", "", "at least 1 character"),
    ],
)
def test_a_value_out_of_range_names_key_value_and_range(key, value, wanted):
    message = refusal(**{key: value})
    assert message.startswith(f"{key}: {value!r} given")
    assert wanted in message


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("users", 500.0, "valid integer"),
        ("users", True, "valid integer"),
        ("users", "500", "valid integer"),
        ("days", 2.5, "valid integer"),
        ("seed", 1.0, "valid integer"),
        ("rounds_per_day", 3.0, "valid integer"),
        ("rounds_per_day", True, "valid integer"),
        ("truth", 1, "valid boolean"),
        ("truth", "no", "valid boolean"),
        ("views_scale", "0.1", "valid number"),
        ("views_scale", float("nan"), "finite number"),
        ("trace", True, "valid number"),
        ("world_values", {"leaving.skips": float("inf")}, "finite number"),
        ("world_values", {"leaving.skips": False}, "valid number"),
        ("guardrails", {"LT7": "0.1"}, "valid number"),
        ("segments", [1], "valid string"),
        ("looks", {"days": [1.0]}, "valid integer"),
        ("looks", {"alpha": float("nan")}, "finite number"),
        ("looks", {"unprotected": 1}, "valid boolean"),
        ("sweep", {"parameter": "leaving.skips", "values": [0.1, "0.2"]}, "valid number"),
        ("sweep", {"parameter": "leaving.skips", "low": 0.0, "high": 1.0, "steps": 3.0}, "valid integer"),
        ("arms", [ARMS[0], ARMS[1] | {"share": float("inf")}], "finite number"),
        ("arms", [ARMS[0], ARMS[1] | {"share": 1e300}], "less than or equal to 1000000000"),
        ("arms", [ARMS[0], ARMS[1] | {"share": True}], "valid number"),
        ("arms", [ARMS[0], ARMS[1] | {"training_seed": 1.0}], "valid integer"),
    ],
)
def test_values_are_taken_for_what_they_are(key, value, wanted):
    message = refusal(**{key: value})
    assert message.startswith(key)
    assert wanted in message


def test_whole_numbers_do_for_others_and_numpy_s_for_python_s():
    spec = parse_spec({"name": "test", "arms": [ARMS[0] | {"share": 3}, ARMS[1]], "trace": 1}, origin="my.toml")
    assert (spec.arms[0].share, spec.trace) == (3.0, 1.0)
    assert type(ExperimentSpec(name="test", arms=spec.arms, users=np.int64(50)).users) is int


def test_a_missing_key_is_named():
    with pytest.raises(SpecError, match=re.escape("my.toml: key 'arms' is missing")):
        parse_spec({"name": "test"}, origin="my.toml")


def test_one_arm_is_no_test():
    assert refusal(arms=ARMS[:1]).startswith("arms: ")


def test_arms_need_names_of_their_own():
    assert refusal(arms=[ARMS[0], ARMS[0]]) == "arms: names ['base', 'base'] given, want all different"


def test_sizes_that_contradict_each_other_are_refused():
    assert refusal(slate_size=9, candidates=8) == "slate_size: 9 given, want at most candidates = 8"
    assert refusal(candidates=100, videos=50) == "candidates: 100 given, want at most videos = 50"


def test_a_spec_cannot_be_changed_after_reading():
    spec = parse_spec({"name": "test", "arms": ARMS}, origin="my.toml")
    with pytest.raises(ValueError, match="frozen"):
        spec.users = 3


def test_a_seed_given_at_the_command_line_wins(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text('name = "t"\nseed = 1\n[[arms]]\nname="a"\npolicy="x"\n[[arms]]\nname="b"\npolicy="x"\n')
    assert (load_spec(str(path)).seed, load_spec(str(path), seed=9).seed) == (1, 9)


def test_broken_toml_is_refused_with_its_line(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text('name = "t"\nusers = = 5\n')
    with pytest.raises(SpecError, match=r"broken\.toml: not a TOML file: .*line 2"):
        load_spec(str(path))


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 100_000], ids=["too long a number", "nested too deep"])
def test_what_cannot_be_read_at_all_is_refused_in_one_line(tmp_path, value):
    path = tmp_path / "spec.toml"
    path.write_text(f"seed = {value}")
    with pytest.raises(SpecError, match=r"spec\.toml: not a TOML file: [^\n]*$"):
        load_spec(str(path))
    with pytest.raises(RunFolderError, match=r"spec\.toml: not a TOML file [^\n]*; run the test anew$"):
        read_keys(tmp_path)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="not a TOML file"):
        load_spec(str(path))


def test_a_missing_file_names_what_is_shipped():
    with pytest.raises(
        SpecError, match=r"nowhere/spec\.toml: no such file, and no shipped spec of that name"
    ) as caught:
        load_spec("nowhere/spec.toml")
    assert "\n" not in str(caught.value)


def test_a_misspelt_shipped_spec_gets_the_nearest_name():
    name = next(iter(shipped_specs()))
    with pytest.raises(SpecError, match=f"did you mean '{name}'"):
        load_spec(f"{name}x")


@pytest.mark.parametrize("name", shipped_specs())
def test_every_shipped_spec_can_be_read(name):
    assert load_spec(name).days >= 1
