"""The platform of an experiment: its catalogue by day, and the inputs that all users and requests share."""

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
    """Videos on offer by day: each new video replaces the oldest one.

    Attributes:
        order: Video ids by arrival; on each day `n` consecutive ones are on offer.
        n: Videos on offer.
        per_day: Videos that arrive per day.
        first_day: Day on which the first `n` videos are on offer.
    """

    order: Int32[np.ndarray, " videos"]
    n: int
    per_day: float
    first_day: int

    @staticmethod
    def plan(n: int, share_per_day: float, first_day: int, n_days: int, seed: int) -> "CatalogueSchedule":
        """Plan `n_days` days from `first_day`; the first `n` videos have a random order of age."""
        per_day = n * share_per_day
        ids = np.arange(n, dtype=np.int64)
        keys = row_keys(seed_word(seed, "arrivals of videos"), ids, 0, np.zeros(n, np.int32))
        newer = np.arange(n, n + math.floor(per_day * n_days), dtype=np.int32)
        return CatalogueSchedule(np.concatenate([np.argsort(keys).astype(np.int32), newer]), n, per_day, first_day)

    def on(self, day: int) -> Int32[np.ndarray, " n"]:
        """Ids on offer on a day; days outside the plan have those of its first or last day."""
        n_expired = int(np.clip(math.floor(self.per_day * (day - self.first_day)), 0, len(self.order) - self.n))
        return self.order[n_expired : n_expired + self.n]

    def freshness(self, day: int) -> Float32[np.ndarray, " videos"]:
        """Freshness of each video: mean of log(1 + age in days) less its own value; 0 if no videos arrive."""
        newness = np.zeros(len(self.order), np.float32)
        if self.per_day == 0:
            return newness
        days_on_offer = self.n / self.per_day
        arrival_day = self.first_day + (np.arange(len(self.order)) - self.n + 1) / self.per_day
        mean_log_age = ((1 + days_on_offer) * np.log1p(days_on_offer) - days_on_offer) / days_on_offer
        newness[self.order] = mean_log_age - np.log1p(np.clip(day - arrival_day, 0, days_on_offer))
        return newness


@final
@dataclass(frozen=True)
class Platform(Unchanging):
    """Inputs that all users share: kernel parameters, latents of videos, their schedule and the public tables."""

    world: World
    rules: KernelParameters
    videos: Videos
    offers: CatalogueSchedule
    video_table: VideoTable
    user_table: UserTable

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone; cached values are computed again after loading."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def rules_row(self) -> Packed:
        """Kernel parameters, packed."""
        return pack_row(self.rules)

    @cached_property
    def videos_on(self) -> Callable[[int], tuple[Videos, Packed]]:
        """Function from a day to the videos' latents on it, plain and packed; recent days are cached."""
        return lru_cache(maxsize=_DAYS_KEPT)(partial(_aged, self))


@final
@dataclass(frozen=True)
class RolloutSettings:
    """Settings that stay the same over a timeline.

    Attributes:
        platform: World, catalogue and public tables.
        seed: The experiment's seed.
        slate_size: Videos per request.
        n_candidates: Videos on offer per request.
        answer_model: Models of answering and answers, for the weighted and the doubly robust satisfied share.
    """

    platform: Platform
    seed: int
    slate_size: int
    n_candidates: int
    answer_model: AnswerModel


@final
@dataclass(frozen=True)
class DailyCatalogue(Unchanging):
    """Videos on offer on a day, in the day's order.

    Attributes:
        order: Ids, the first ones repeated at the end, so that any window is one slice.
        n_videos: Number of different ids.
        videos: Latents of all videos on this day.
        packed: The latents as kernels read them.
    """

    order: Int32[np.ndarray, " ring"]
    n_videos: int
    videos: Videos
    packed: Packed


@final
@dataclass(frozen=True)
class Size:
    """Size of a simulation.

    Attributes:
        users: Number of users.
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


def draw_platform(
    world: World, size: Size, seed: int, catalogue_seed: int | None = None
) -> tuple[Platform, Population]:
    """Draw the users and videos of an experiment; ids start at 0. `catalogue_seed` draws the videos, if given."""
    share = world.value("videos.new_per_day")
    videos_seed = seed if catalogue_seed is None else catalogue_seed
    offers = CatalogueSchedule.plan(size.videos, share, size.first_day, size.n_days, videos_seed)
    videos = world.draw_videos(len(offers.order), int(seed_word(videos_seed, "videos")))
    users = world.draw_users(np.arange(size.users, dtype=np.int64), int(seed_word(seed, "users")))
    public_tables = public_videos(videos), public_users(world, users)
    return Platform(world, world.rules(size.views_scale), videos.latents, offers, *public_tables), users


def _aged(platform: Platform, day: int) -> tuple[Videos, Packed]:
    """Latents of the videos on a day: newer ones appeal more."""
    added_appeal = np.float32(platform.world.value("videos.ageing")) * platform.offers.freshness(day)
    videos = platform.videos._replace(appeal=platform.videos.appeal + added_appeal)
    return videos, pack(videos)


def day_ring(settings: RolloutSettings, day: int) -> DailyCatalogue:
    """Shuffle the catalogue of a day; each user starts at a different position in this order."""
    platform = settings.platform
    ids = platform.offers.on(day)
    keys = row_keys(seed_word(settings.seed, "catalogue"), ids.astype(np.int64), day, np.zeros(len(ids), np.int32))
    order = ids[np.argsort(keys)]  # keys of different videos differ, so any sort gives this order
    return DailyCatalogue(np.concatenate([order, order[: settings.n_candidates]]), len(ids), *platform.videos_on(day))


def public_videos(videos: Catalogue) -> VideoTable:
    """Public table of videos: length and topic."""
    duration_s = videos.latents.duration_s
    log_duration = np.log(duration_s)
    return VideoTable(
        duration_s, videos.tag, ((log_duration - 4.2) / 1.0)[:, None].astype(np.float32), ("log_duration",)
    )


def public_users(world: World, users: Population) -> UserTable:
    """Public table of users: one indicator per category of each public column."""
    indicators: list[Float32[np.ndarray, "users levels"]] = []
    names: list[str] = []
    for j, column in enumerate(world.columns):
        levels = np.arange(len(column.levels))
        indicators.append((users.profile_code[:, j, None] == levels).astype(np.float32))
        names += [f"{column.name}={level}" for level in column.levels]
    return UserTable(np.concatenate(indicators, axis=1), tuple(names))
