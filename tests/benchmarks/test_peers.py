"""The comparison with other simulators: what it measures, and what it says of one that fails."""

import importlib.util
import sys
from pathlib import Path

from simulator.bench.policy_speeds import PolicySpeed
from user_models.testing import toy_world

_SPEC = importlib.util.spec_from_file_location("peers", Path(__file__).parent / "peers.py")
assert _SPEC is not None
assert _SPEC.loader is not None
peers = sys.modules["peers"] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(peers)

FAST = peers.Peer("fast", ("fast",), "def make():\n    return (lambda: None), 6\n")
BROKEN = peers.Peer("broken", ("broken",), "raise ValueError('of today')\n")


def put_in(cache, peer):
    """An environment that is installed already: this one."""
    home = cache / peer.needs[0]
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(sys.executable)
    (home / "installed").touch()


def test_peers_are_measured_side_by_side_and_the_broken_one_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "_SECONDS", 0.05)
    for peer in (FAST, BROKEN):
        put_in(tmp_path, peer)
    rates = {found.peer.name: found for found in peers.peer_rates(tmp_path, (FAST, BROKEN))}
    assert rates["fast"].impressions_per_s > 1_000
    assert rates["broken"].fault == "cannot be run: ValueError: of today"


def test_a_peer_that_cannot_be_installed_is_a_row_that_says_so(tmp_path, monkeypatch):
    (tmp_path / "fast").write_text("in the way")
    monkeypatch.setattr(peers, "_ENV_SECONDS", 0.2)
    monkeypatch.setattr(peers, "_NUM_ENVS", 32)
    monkeypatch.setattr(peers, "policy_speeds", lambda policies, users, world: [PolicySpeed("random", 5.0, 100, None)])
    monkeypatch.setattr(peers, "load_world", lambda name: toy_world())
    rows = peers.compare(tmp_path, 10, (FAST,))
    assert [row.name for row in rows[:3]] == [
        "random slates: askew, rollout",
        "random slates: askew, environment, slates of 6",
        "random slates: askew, 32 environments at once",
    ]
    assert rows[3].name.startswith("random slates: fast (cannot be installed: ")
    assert rows[3].value == 0
