"""The platform of an experiment: its catalogue, day by day, and what all users and requests share."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache, partial
from typing import Any, Final, final

import numpy as np
from jaxtyping import Float32, Int32

from policies.base import Unchanging, UserTable, VideoTable
from simulator.noise import row_keys, seed_word
from simulator.rollout.answer_model import AnswerModel
from user_models.dynamics.packed import Packed, pack, pack_row
from user_models.dynamics.state import KernelParameters, Videos
from user_models.world.world import Catalogue, Population, World

_DAYS_KEPT: Final = 8


@final
@dataclass(frozen=True)
class CatalogueSchedule:
    """Which videos are on offer on which day: one comes, the oldest goes.

    Attributes:
        order: Video ids by arrival; on each day `n` consecutive ones are on offer.
        n: Videos on offer.
        per_day: How many arrive in a day.
        first_day: The day on which the first `n` are on offer.
    """

    order: Int32[np.ndarray, " videos"]
    n: int
    per_day: float
    first_day: int

    @staticmethod
    def plan(n: int, share_per_day: float, first_day: int, n_days: int, seed: int) -> "CatalogueSchedule":
        """Room for `n_days` days from `first_day`; of the first `n` videos, a random one is the oldest."""
        per_day = n * share_per_day
        ids = np.arange(n, dtype=np.int64)
        keys = row_keys(seed_word(seed, "arrivals of videos"), ids, 0, np.zeros(n, np.int32))
        newer = np.arange(n, n + math.floor(per_day * n_days), dtype=np.int32)
        return CatalogueSchedule(np.concatenate([np.argsort(keys).astype(np.int32), newer]), n, per_day, first_day)

    def on(self, day: int) -> Int32[np.ndarray, " n"]:
        """Ids on offer on a day; before the first day as on it, and past the room that was made as at its end."""
        gone = int(np.clip(math.floor(self.per_day * (day - self.first_day)), 0, len(self.order) - self.n))
        return self.order[gone : gone + self.n]

    def freshness(self, day: int) -> Float32[np.ndarray, " videos"]:
        """How much newer each video is than usual: mean of log(1 + age in days) less its own; 0 where none arrive."""
        newness = np.zeros(len(self.order), np.float32)
        if self.per_day == 0:
            return newness
        stays = self.n / self.per_day
        born = self.first_day + (np.arange(len(self.order)) - self.n + 1) / self.per_day
        usual = ((1 + stays) * np.log1p(stays) - stays) / stays
        newness[self.order] = usual - np.log1p(np.clip(day - born, 0, stays))
        return newness


@final
@dataclass(frozen=True)
class Platform(Unchanging):
    """What all users share: the world's rules, the catalogue, what of it is on offer, and its public face."""

    world: World
    rules: KernelParameters
    videos: Videos
    offers: CatalogueSchedule
    video_table: VideoTable
    user_table: UserTable

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: what was derived from them is derived anew where a stored stage is read."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def rules_row(self) -> Packed:
        """The rules, packed."""
        return pack_row(self.rules)

    @cached_property
    def videos_on(self) -> Callable[[int], tuple[Videos, Packed]]:
        """The videos as they are on a day, plain and packed; the days asked for last are kept."""
        return lru_cache(maxsize=_DAYS_KEPT)(partial(_aged, self))


@final
@dataclass(frozen=True)
class RolloutSettings:
    """What stays the same over a course of events.

    Attributes:
        stage: World, catalogue and their public faces.
        seed: The experiment's seed.
        slate_size: Videos per request.
        n_candidates: Videos on offer per request.
        answer_model: Estimates who answers and what they say, for the satisfied share by other ways than counting.
    """

    stage: Platform
    seed: int
    slate_size: int
    n_candidates: int
    answer_model: AnswerModel


@final
@dataclass(frozen=True)
class DailyCatalogue(Unchanging):
    """What is on offer on a day, in the day's order.

    Attributes:
        order: Ids, the first ones repeated at the end, so that any window is one slice.
        n_videos: Different ids in it.
        videos: Latents of all videos as they are on this day.
        packed: The same as kernels read it.
    """

    order: Int32[np.ndarray, " ring"]
    n_videos: int
    videos: Videos
    packed: Packed


@final
@dataclass(frozen=True)
class Size:
    """How much is simulated.

    Attributes:
        users: Users in all.
        videos: Videos on offer on any day.
        views_scale: Share of real activity, in (0, 1].
        first_day: The first day that is played.
        n_days: Days that may be played.
    """

    users: int
    videos: int
    views_scale: float
    first_day: int = 0
    n_days: int = 7


def make_stage(world: World, size: Size, seed: int, catalogue_seed: int | None = None) -> tuple[Platform, Population]:
    """Draw the users and videos of an experiment; ids run from 0. `catalogue_seed` draws the videos, if given."""
    share = world.value("videos.new_per_day")
    videos_seed = seed if catalogue_seed is None else catalogue_seed
    offers = CatalogueSchedule.plan(size.videos, share, size.first_day, size.n_days, videos_seed)
    videos = world.draw_videos(len(offers.order), int(seed_word(videos_seed, "videos")))
    people = world.draw_users(np.arange(size.users, dtype=np.int64), int(seed_word(seed, "users")))
    public = public_videos(videos), public_users(world, people)
    return Platform(world, world.rules(size.views_scale), videos.latents, offers, *public), people


def _aged(stage: Platform, day: int) -> tuple[Videos, Packed]:
    """The videos of a day: newer ones appeal more."""
    fresh = np.float32(stage.world.value("videos.ageing")) * stage.offers.freshness(day)
    now = stage.videos._replace(appeal=stage.videos.appeal + fresh)
    return now, pack(now)


def day_ring(course: RolloutSettings, day: int) -> DailyCatalogue:
    """The order in which the catalogue is offered on a day; each user enters it at a place of their own."""
    stage = course.stage
    ids = stage.offers.on(day)
    keys = row_keys(seed_word(course.seed, "catalogue"), ids.astype(np.int64), day, np.zeros(len(ids), np.int32))
    order = ids[np.argsort(keys)]  # keys of different videos differ, so any sort gives this order
    return DailyCatalogue(np.concatenate([order, order[: course.n_candidates]]), len(ids), *stage.videos_on(day))


def public_videos(videos: Catalogue) -> VideoTable:
    """What a platform knows of its videos: length and topic."""
    duration_s = videos.latents.duration_s
    log_duration = np.log(duration_s)
    return VideoTable(
        duration_s, videos.tag, ((log_duration - 4.2) / 1.0)[:, None].astype(np.float32), ("log_duration",)
    )


def public_users(world: World, people: Population) -> UserTable:
    """What a platform knows of its users: the public columns, one indicator per category."""
    parts: list[Float32[np.ndarray, "users levels"]] = []
    names: list[str] = []
    for j, column in enumerate(world.columns):
        levels = np.arange(len(column.levels))
        parts.append((people.profile_code[:, j, None] == levels).astype(np.float32))
        names += [f"{column.name}={level}" for level in column.levels]
    return UserTable(np.concatenate(parts, axis=1), tuple(names))
