"""Random slates here and in other simulators, for user after user: `python tests/benchmarks/peers.py`.

Peers are installed from the package index at their first use, each in a Python environment of its own, and run as
programs there; one that cannot be installed or run is reported as such.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from rich.console import Console

from simulator.bench.bench import BenchRow, bench_table, describe_machine, env_rate, vector_rate
from simulator.bench.policy_speeds import policy_speeds
from simulator.environment.env import FeedEnv
from user_models.world.store import load_world

_USERS: Final = 100_000
_NUM_ENVS: Final = 4_096
_ENV_SECONDS: Final = 2.0

_INSTALL_S: Final = 1_200
_RUN_S: Final = 120
_SECONDS: Final = 5.0
_LOOP: Final = """
import json, sys, time
seconds = float(sys.argv[1])
step, shown = make()
step()
n, start = 0, time.perf_counter()
while (spent := time.perf_counter() - start) < seconds:
    step()
    n += shown
print(json.dumps({"impressions": n, "seconds": spent}))
"""
_RECSIM: Final = """
import numpy as np
from recsim.environments import interest_evolution

def make():
    env = interest_evolution.create_environment(
        {"slate_size": 6, "num_candidates": 100, "resample_documents": True, "seed": 0}
    )
    rng = np.random.default_rng(0)
    env.reset()

    def step():
        if env.step(rng.permutation(100)[:6])[2]:
            env.reset()

    return step, 6
"""
_RECSIM_NEEDS: Final = (
    "recsim",
    "tensorflow<2.16",
    "jax<0.4.31",
    "jaxlib<0.4.31",
    "flax<0.9",
    "orbax-checkpoint<0.6",
    "tensorstore<0.1.60",
    "scipy<1.13",
    "numpy<2",
)
"""The last versions that it and the Dopamine that it imports can live with."""
_SARDINE: Final = """
import gymnasium, sardine

def make():
    for name in ("SlateTopK-Bored-v0", "sardine/SlateTopK-Bored-v0"):
        if name in gymnasium.registry:
            env = gymnasium.make(name)
    env.reset(seed=0)
    first = env.action_space.sample()

    def step():
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()

    return step, len(first)
"""
_RECOGYM_NEEDS: Final = ("recogym", "gym<0.26", "numpy<1.24", "scipy<1.11", "setuptools<66")
_RECOGYM: Final = """
import gym, numpy as np
import recogym
from recogym import env_1_args

def make():
    env = gym.make("reco-gym-v1", disable_env_checker=True).unwrapped
    env.init_gym({**env_1_args, "random_seed": 0, "num_products": 100})
    rng = np.random.default_rng(0)
    env.reset()
    env.step(None)

    def step():
        if env.step(int(rng.integers(0, 100)))[2]:
            env.reset()
            env.step(None)

    return step, 1
"""


@final
@dataclass(frozen=True)
class Peer:
    """Another simulator.

    Attributes:
        name: As people call it, with the environment that is run.
        needs: What to install.
        source: Program that defines `make`: it gives a function that serves one random slate, and the slate's length.
    """

    name: str
    needs: tuple[str, ...]
    source: str


PEERS: Final = (
    Peer("RecSim, interest evolution, slates of 6", _RECSIM_NEEDS, _RECSIM),
    Peer("SARDINE, SlateTopK-Bored", ("sardine-rec", "setuptools<81"), _SARDINE),
    Peer(
        "RecoGym, reco-gym-v1, one at a time",
        _RECOGYM_NEEDS,
        _RECOGYM,
    ),
)
"""Those that the package index knows. KuaiSim, EasyRL4Rec and RL4RS have no package there."""


@final
@dataclass(frozen=True)
class PeerRate:
    """What became of a peer: views per second, or why there are none."""

    peer: Peer
    impressions_per_s: float
    fault: str = ""


def peer_rates(cache: Path, peers: tuple[Peer, ...] = PEERS) -> Iterator[PeerRate]:
    """Measure one after the other.

    Args:
        cache: Folder that keeps their environments.
        peers: Whom to measure.
    """
    for peer in peers:
        home = cache / peer.needs[0]
        fault = _install(peer, home)
        yield PeerRate(peer, 0.0, fault) if fault else _measure(peer, home)


def _install(peer: Peer, home: Path) -> str:
    """Make a peer's environment where there is none; says what went wrong, if anything."""
    done = home / "installed"
    if done.is_file():
        return ""
    fault = _try([sys.executable, "-m", "venv", "--clear", str(home)], _INSTALL_S)[1]
    if not fault:
        fault = _try([str(home / "bin" / "pip"), "install", "--quiet", *peer.needs], _INSTALL_S)[1]
    if fault:
        return f"cannot be installed: {fault}"
    done.touch()
    return ""


def _measure(peer: Peer, home: Path) -> PeerRate:
    """Run a peer's loop for some seconds."""
    out, fault = _try([str(home / "bin" / "python"), "-c", peer.source + _LOOP, str(_SECONDS)], _RUN_S)
    if fault:
        return PeerRate(peer, 0.0, f"cannot be run: {fault}")
    found = json.loads(out.splitlines()[-1])
    return PeerRate(peer, found["impressions"] / found["seconds"])


def _try(command: list[str], limit_s: float) -> tuple[str, str]:
    """What a command prints, and its last words if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)  # our own
    except subprocess.TimeoutExpired:
        return "", f"takes longer than {limit_s:.0f} s"
    except OSError as error:
        return "", error.strerror or "cannot be started"
    last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    return done.stdout, last if done.returncode else ""


def compare(cache: Path, users: int = _USERS, peers: tuple[Peer, ...] = PEERS) -> list[BenchRow]:
    """Measure random slates here and in other simulators, one after the other.

    Args:
        cache: Folder that keeps the peers' environments.
        users: Users of the timed day here.
        peers: Whom to measure.
    """
    machine, world = describe_machine(), load_world("kuairand-pure")
    env = FeedEnv(world)
    rates = [
        *(("askew, rollout", speed.views_per_s) for speed in policy_speeds(("random",), users, world)),
        ("askew, environment, slates of 6", 6 * env_rate(env, _ENV_SECONDS)),
        (f"askew, {_NUM_ENVS:,} environments at once", vector_rate(world, _NUM_ENVS, _ENV_SECONDS)),
        *((r.peer.name + (f" ({r.fault})" if r.fault else ""), r.impressions_per_s) for r in peer_rates(cache, peers)),
    ]
    return [BenchRow(f"random slates: {name}", rate, "impressions/s", machine) for name, rate in rates]


if __name__ == "__main__":
    Console().print(bench_table(compare(Path.home() / ".cache" / "askew" / "peers")))
