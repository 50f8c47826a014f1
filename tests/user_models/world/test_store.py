"""Worlds on disk: what is saved is loaded, and damage is refused in one line."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from user_models.errors import WorldError
from user_models.testing import toy_world
from user_models.world.parameters import YOUNG
from user_models.world.store import bundled_worlds, load_world, save_world
from user_models.world.tables import table_names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_world(toy_world(), tmp_path / "toy")
    return tmp_path / "toy"


def rewrite(folder: Path, **tables: np.ndarray) -> None:
    """Replace tables, and the hash as well."""
    weights = folder / "weights.safetensors"
    save_file({**load_file(weights), **tables}, weights)
    content = json.loads((folder / "world.json").read_text())
    content["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    (folder / "world.json").write_text(json.dumps(content))


def refusal(folder: Path) -> str:
    with pytest.raises(WorldError) as refused:
        load_world(str(folder))
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_what_is_saved_is_loaded(folder):
    saved, loaded = toy_world(), load_world(str(folder))
    for name in table_names():
        one, other = getattr(saved.tables, name), getattr(loaded.tables, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert (saved.name, saved.columns, saved.parameters) == (loaded.name, loaded.columns, loaded.parameters)
    assert (saved.provenance, saved.figures) == (loaded.provenance, loaded.figures)


def test_the_card_tells_every_parameter_and_table(folder):
    card = (folder / "card.md").read_text()
    world = toy_world()
    assert all(name in card for name in (*world.parameters, *world.provenance))


def test_a_world_is_not_written_over_another(folder):
    with pytest.raises(WorldError, match="not empty"):
        save_world(toy_world(), folder)


def test_a_flipped_byte_is_found(folder):
    weights = folder / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    assert "sha256" in refusal(folder)


@pytest.mark.parametrize("name", ["world.json", "weights.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert name in refusal(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', "\x00"])
def test_a_broken_description_is_named(folder, text):
    (folder / "world.json").write_text(text)
    assert "world.json" in refusal(folder)


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("slope", lambda x: x[:-1], "slope has shape"),
        ("stage", lambda x: np.full_like(x, np.nan), "stage is not finite"),
        ("tag_share", lambda x: 2 * x, "tag_share"),
        ("hour_share", lambda x: np.linspace(-1, 1 + 2 / 24, 24), "hour_share"),
        ("slope", lambda x: -x, "slope"),
        ("node_log_duration", lambda x: x[::-1].copy(), "node_log_duration"),
        ("profile_code", lambda x: x + 9, "profile_code"),
        ("video_mean", lambda x: x[:-1], "video_mean has shape"),
        ("length_share", lambda x: 0 * x, "length_share has a tag without shares"),
        ("appeal_scale", lambda x: 0 * x, "appeal_scale"),
        ("action_match", lambda x: x[1:], "action_match has shape"),
    ],
)
def test_tables_that_do_not_fit_are_named(folder, table, change, said):
    rewrite(folder, **{table: change(getattr(toy_world().tables, table))})
    assert said in refusal(folder)


def test_a_world_stored_before_there_were_pulls_of_the_match_is_as_it_was(folder):
    weights = folder / "weights.safetensors"
    tables = load_file(weights)
    del tables["action_match"], tables["appeal_scale"]
    save_file(tables, weights)
    rewrite(folder)
    loaded = load_world(str(folder))
    assert not loaded.tables.action_match.any()
    ids = np.arange(20)
    for one, other in zip(toy_world().draw_users(ids, 1).latents, loaded.draw_users(ids, 1).latents, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 100_000], ids=["too long a number", "nested too deep"])
def test_a_description_that_cannot_be_read_at_all_is_refused(folder, text):
    (folder / "world.json").write_text(text)
    assert "world.json: cannot be read" in refusal(folder)


def test_a_missing_parameter_is_named(folder):
    content = json.loads((folder / "world.json").read_text())
    del content["parameters"]["watch.taste"]
    (folder / "world.json").write_text(json.dumps(content))
    assert "watch.taste" in refusal(folder)


def test_a_world_stored_before_there_was_a_strong_form_is_as_it_was(folder):
    path = folder / "world.json"
    content = json.loads(path.read_text())
    for name in YOUNG:
        del content["parameters"][name]
    path.write_text(json.dumps(content))
    assert load_world(str(folder)).parameters == toy_world().parameters
    assert not load_world(str(folder)).asks_strongly


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(WorldError, match="kuairand-pure"):
        load_world("kuairand-puer")


def test_bundled_worlds_load_and_are_small():
    for name, folder in bundled_worlds().items():
        assert load_world(name).name == name
        assert sum(file.stat().st_size for file in folder.iterdir()) < 8e6
        assert "CC BY-SA 4.0" in (folder / "card.md").read_text()
