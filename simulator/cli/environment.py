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


Format = Literal["parquet", "d4rl-npz", "minari", "kuairand", "recbole", "lenskit", "exposures", "user-days"]


def export(
    run: Path,
    *,
    out: Path,
    format_: Annotated[Format, Parameter(name="--format")] = "parquet",
    arm: str | None = None,
    reward: str = "watch_s",
) -> None:
    """Write a run for other tools: for offline reinforcement learning, recommenders, experiment platforms, SQL.

    Args:
        run: A run folder; its spec had `trace` above 0, but for `exposures` and `user-days`.
        out: Folder to write to.
        format_: `parquet`, `d4rl-npz` (a NumPy archive with D4RL's keys) or `minari`: transitions with logging
            propensities; `kuairand`: a log that `askew fit` and `askew data check` read; `recbole`: RecBole's atomic
            files; `lenskit`: a LensKit data set; `exposures`: the tables of exposures and facts that GrowthBook, Eppo
            and Statsig read; `user-days`: a data set in folders timeline=NAME/day=N.
        arm: Whose views; the control's by default. `exposures` and `user-days` have all arms.
        reward: Of each transition: watch_s, long_view, satisfied or p2n.
    """
    sys.stdout.write(f"{_write(run, out, format_, arm, reward)}\n")


def _write(run: Path, out: Path, format_: Format, arm: str | None, reward: str) -> Path:
    """Write a run in a format, and return what was written."""
    if format_ in ("exposures", "user-days"):
        from simulator.errors import ExportError
        from simulator.exports.warehouse_tables import write_user_days, write_warehouse_tables

        if arm is not None:
            raise ExportError(f"--arm: {arm!r} given with --format {format_}, which has all arms; leave it out")
        return write_user_days(run, out) if format_ == "user-days" else write_warehouse_tables(run, out)
    if format_ in ("kuairand", "recbole", "lenskit"):
        from simulator.exports.kuairand_files import write_kuairand
        from simulator.exports.lenskit_dataset import write_lenskit
        from simulator.exports.recbole_files import write_recbole

        writers = {"kuairand": write_kuairand, "recbole": write_recbole, "lenskit": write_lenskit}
        return writers[format_](run, arm, out)
    from simulator.environment.export import export as write_transitions
    from simulator.environment.transitions import read_transitions

    return write_transitions(read_transitions(run, arm, reward), format_, out)
