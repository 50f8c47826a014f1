"""Values that no scalar of a world can have are refused by name, and all that anybody would try are taken."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import SpecError
from simulator.experiment.setup import world_of
from simulator.spec.experiment import parse_spec
from simulator.studies.sweep import plan_sweep
from user_models.errors import WorldError
from user_models.testing import toy_world
from user_models.world.parameters import DEFAULTS, PRESETS, fault, faults
from user_models.world.store import load_world, save_world

ARMS = [{"name": name, "policy": "random"} for name in ("one", "two")]


@pytest.fixture
def folder(tmp_path):
    save_world(toy_world(), tmp_path / "toy")
    return tmp_path / "toy"


def test_defaults_presets_and_all_that_is_plausible_are_possible():
    assert faults({name: parameter.value for name, parameter in DEFAULTS.items()}) == []
    assert all(faults(preset) == [] for preset in PRESETS.values())
    ends = [(name, end) for name, p in DEFAULTS.items() for end in (p.low, p.high) if end is not None]
    assert [fault(name, end) for name, end in ends if fault(name, end)] == []


@given(st.sampled_from(sorted(DEFAULTS)), st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300]))
def test_what_is_no_number_or_a_huge_one_is_no_value(name, value):
    assert fault(name, value).startswith(f"{name!r} is ")


def test_a_shape_of_nothing_is_refused_in_a_spec_a_sweep_and_a_world(folder):
    keys = {"name": "odd", "world": str(folder), "arms": ARMS}
    wanted = "'leaving.shape' is 0, want 0.2 to 20"
    with pytest.raises(SpecError, match=f"world_values: {wanted}"):
        world_of(parse_spec(keys | {"world_values": {"leaving.shape": 0.0}}, "test"))
    swept = {"parameter": "leaving.shape", "values": [0.0, 0.9]}
    with pytest.raises(SpecError, match=f"sweep: {wanted}"):
        plan_sweep(parse_spec(keys | {"sweep": swept}, "test"))
    about = folder / "world.json"
    said = json.loads(about.read_text())
    said["parameters"]["leaving.shape"]["value"] = 0.0
    about.write_text(json.dumps(said))
    with pytest.raises(WorldError, match=f"parameter {wanted}; fit the world again"):
        load_world(str(folder))
