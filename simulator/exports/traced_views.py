"""The traced views of one arm, with the tables of their users and videos and the time of day.

Days keep their day of the week: the first is in the week of 11 April 2022. Requests of a user and hour are spread
evenly over it; the views of one have one timestamp.

Axes: `rows` views, by user, then time.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Int64

from policies.base import VideoTable
from simulator.environment.transitions import read_trace
from simulator.experiment.setup import platform_of, world_of
from simulator.spec.experiment import load_spec
from user_models.world.world import Population, World

EVENTS: Final = ("click", "long_view", "like", "follow", "comment", "forward", "hate", "profile_enter")
"""Columns of a trace that are 1 where the user did so."""
MONDAY: Final = np.datetime64("2022-04-11", "D")
_UTC_HOURS: Final = 8
"""Hours by which local time is ahead of UTC."""
_HOUR_MS: Final = 3_600_000


@final
@dataclass(frozen=True)
class TracedViews:
    """Views of one arm, and whom and what they are of.

    Attributes:
        trace: One row per view, without latents.
        world: The fitted user model.
        users: All simulated users.
        videos: Public features of all videos.
        random: Whether slates were random.
    """

    trace: pd.DataFrame
    world: World
    users: Population
    videos: VideoTable
    random: bool

    @property
    def user_columns(self) -> dict[str, np.ndarray]:
        """Public columns of all users: the label of each user, by column."""
        codes = self.users.profile_code
        return {
            column.name: np.asarray(column.levels, object)[codes[:, at]] for at, column in enumerate(self.world.columns)
        }

    @cached_property
    def date(self) -> np.ndarray:
        """Day of the calendar of each view."""
        day = self.trace["day"].to_numpy(np.int64)
        return calendar_day(day, int(day.min()))

    @cached_property
    def time_ms(self) -> Int64[np.ndarray, " rows"]:
        """Time of each view, ms since 1970 in UTC."""
        hours = self.trace.groupby(["user_id", "day", "hour"], sort=False)["request"]
        nth, n = hours.rank("dense").to_numpy() - 1, hours.transform("nunique").to_numpy()
        hour = self.trace["hour"].to_numpy(np.int64)
        start_ms = self.date.astype("datetime64[ms]").astype(np.int64) + (hour - _UTC_HOURS) * _HOUR_MS
        return start_ms + (nth * _HOUR_MS // n).astype(np.int64)


def calendar_day(day: Int64[np.ndarray, " rows"], first_day: int) -> np.ndarray:
    """Days of the calendar; the first is in the week of 11 April 2022."""
    return MONDAY + (day - 7 * (first_day // 7))


def read_views(folder: Path, arm: str | None) -> TracedViews:
    """Read the traced views of one arm.

    Args:
        folder: A run folder with a trace.
        arm: Whose views; the control's if None.

    Raises:
        RunFolderError: No trace, or a damaged one.
        SpecError: An unknown arm, or a damaged spec.
    """
    spec = load_spec(str(folder / "spec.toml"))
    arm = arm or spec.control.name
    trace = read_trace(folder, spec, arm)
    world = world_of(spec)
    platform, users = platform_of(spec, world)
    policy = next(each.policy for each in spec.arms if each.name == arm)
    return TracedViews(trace, world, users, platform.video_table, random=policy == "random")
