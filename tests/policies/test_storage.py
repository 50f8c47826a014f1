"""A policy's folder: what is written comes back, and damage is named."""

import json

import numpy as np
import pytest

from policies.storage import PolicyFolderError, Stored, read_policy, want_shapes, write_policy
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, make_specimen
from policies.two_tower.base_policy import BasePolicy

STORED = Stored("popular", {"half_life_days": 3.0}, {"counts": np.arange(6.0).reshape(2, 3), "day": np.array([4])})


@pytest.fixture
def folder(tmp_path):
    write_policy(tmp_path / "policy", STORED)
    return tmp_path / "policy"


def test_what_is_written_comes_back(folder):
    found = read_policy(folder, "popular")
    assert found.settings == STORED.settings
    for name, array in STORED.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)


def test_a_taken_folder_is_refused(folder):
    with pytest.raises(PolicyFolderError, match="holds a policy already"):
        write_policy(folder, STORED)


def rewrite(folder, **changes):
    head = json.loads((folder / "policy.json").read_text())
    (folder / "policy.json").write_text(json.dumps(head | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "policy.json").unlink(), "policy.json: cannot be read"),
        (lambda f: (f / "policy.json").write_text("{"), "damaged, not JSON"),
        (lambda f: (f / "policy.json").write_bytes(b"\xff\xfe"), "damaged, not JSON"),
        (lambda f: (f / "policy.json").write_text("9" * 5000), "damaged, not JSON"),
        (lambda f: (f / "policy.json").write_text("[" * 100_000), "damaged, not JSON"),
        (lambda f: (f / "policy.json").write_text("[]"), "want the keys format, policy and settings"),
        (lambda f: rewrite(f, format=99), "format 99 found, want 1"),
        (lambda f: rewrite(f, policy="base"), "holds policy 'base', want 'popular'"),
        (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors: cannot be read"),
        (lambda f: (f / "weights.safetensors").write_bytes(b"not tensors"), "weights.safetensors: damaged"),
        (lambda f: (f / "weights.safetensors").write_bytes(b""), "weights.safetensors: damaged"),
    ],
)
def test_damage_is_named_in_one_line(folder, damage, message):
    damage(folder)
    with pytest.raises(PolicyFolderError) as caught:
        read_policy(folder, "popular")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"counts": (2, 4)}, r"counts of shape \(2, 3\) found, want \(2, 4\)"),
        ({"missing": (1,)}, "missing of shape none found"),
        ({"counts": (6,)}, r"want \(6,\)"),
    ],
)
def test_wrong_shapes_are_named(folder, wanted, message):
    with pytest.raises(PolicyFolderError, match=message):
        want_shapes(folder, STORED.arrays, wanted)


def test_numbers_that_are_not_finite_are_refused(folder):
    with pytest.raises(PolicyFolderError, match="not finite"):
        want_shapes(folder, {"counts": np.array([np.nan])}, {"counts": (-1,)})


@pytest.mark.parametrize(
    "settings", [{"histroy": 3}, {"history": 0}, {"history": "long"}, {"history": [3]}, {"history": 2.5}]
)
def test_settings_of_another_policy_are_refused(tmp_path, settings):
    rng = np.random.default_rng(0)
    policy = BasePolicy(epochs=1)
    policy.fit(draw_log(make_specimen(5, 20, rng), SyntheticLogPlan(2), rng), 0)
    policy.save(tmp_path / "policy")
    rewrite(tmp_path / "policy", settings=settings)
    with pytest.raises(PolicyFolderError, match=r"policy\.json: damaged"):
        BasePolicy.load(tmp_path / "policy")


def test_weights_that_do_not_fit_together_are_refused(tmp_path):
    arrays = {"items": np.zeros((5, 18), np.float32), "feature_mean": np.zeros(2, np.float32)}
    write_policy(tmp_path / "policy", Stored("base", {}, arrays))
    with pytest.raises(PolicyFolderError, match="usual of shape none found"):
        BasePolicy.load(tmp_path / "policy")
