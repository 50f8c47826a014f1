"""Commands that show one user's days: as a film of their phone, and as a dataset of their views."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from simulator.cli.options import Days, Most, Seed, Switch, whole


def render(
    out: Path = Path("episode.gif"),
    *,
    policy: str = "random",
    agent: Path | None = None,
    world: str = "kuairand-pure",
    seed: Seed = 0,
    user: Annotated[int, whole(0, 19_999)] | None = None,
    days: Days = 1,
    views: Most = 40,
    truth: Switch = False,
) -> None:
    """Film one user's feed, view by view, as a GIF of their phone.

    Args:
        out: File to write, which ends in .gif.
        policy: Who serves: `random`, or a plug-in that needs no training.
        agent: Folder of an agent that serves instead, see `simulator.environment.agents`.
        world: A bundled world's name or a folder.
        seed: Seed of the episode.
        user: Whose feed; drawn by the seed if not given.
        days: Days that the episode covers.
        views: Views that are filmed, at most.
        truth: Show the user's mood, which no platform sees.
    """
    from simulator.environment.env import FeedEnv
    from simulator.environment.film import record_episode, untrained
    from simulator.environment.phone_render import check_gif, write_gif

    check_gif(out)
    serving_policy = untrained(*(("agent", str(agent)) if agent else (policy, None)))
    env = FeedEnv(world, horizon_days=days, render_mode="rgb_array", reveal_truth=truth)
    write_gif(record_episode(env, serving_policy, seed, user, views), out, ms=700)
    sys.stdout.write(f"{out}\n")


def export(
    run: Path,
    *,
    out: Path,
    format_: Annotated[Literal["minari", "d4rl-npz", "parquet", "kuairand"], Parameter(name="--format")] = "parquet",
    arm: str | None = None,
    reward: str = "watch_s",
) -> None:
    """Turn a run's trace into a dataset for offline reinforcement learning, or into a log in KuaiRand's own files.

    Args:
        run: A run folder whose spec had `trace` above 0.
        out: Folder to write to.
        format_: `parquet`, `d4rl-npz` (a NumPy archive with D4RL's keys) or `minari`, with logging propensities; or
            `kuairand`, which `askew fit` and `askew data check` read.
        arm: Whose views; the control's by default.
        reward: Of each view: watch_s, long_view, satisfied or p2n; a log in KuaiRand's files has none.
    """
    from simulator.environment.export import export as write
    from simulator.environment.kuairand_files import write_kuairand
    from simulator.environment.transitions import read_transitions

    if format_ == "kuairand":
        sys.stdout.write(f"{write_kuairand(run, arm, out)}\n")
        return
    sys.stdout.write(f"{write(read_transitions(run, arm, reward), format_, out)}\n")
