"""Users and videos of an experiment: fixed blocks of consecutive users, their latents and their changing state.

Sums of floats depend on batch shapes, so users live in blocks of consecutive ids, as many as their number asks for
and whatever the number of shards or workers; a block is played from start to end by one thread.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache, partial
from typing import Any, Final, final

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt16

from policies.base import History, Unchanging, UserTable, VideoTable
from simulator.noise import row_keys, seed_word
from simulator.rollout.loop_kernel import recall, remember
from user_models.dynamics.kernel import KernelParameters, Response, Users, UserState, Videos
from user_models.dynamics.packed import Packed, pack, pack_row
from user_models.world.world import Catalogue, Population, World

_SMALL: Final = 2048
_LARGE: Final = 16_384
_SIDE_BY_SIDE: Final = 8
_DAYS_KEPT: Final = 8
HISTORY: Final = 50
"""Views that a platform remembers per user."""


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
        found = np.zeros(len(self.order), np.float32)
        if self.per_day == 0:
            return found
        stays = self.n / self.per_day
        born = self.first_day + (np.arange(len(self.order)) - self.n + 1) / self.per_day
        usual = ((1 + stays) * np.log1p(stays) - stays) / stays
        found[self.order] = usual - np.log1p(np.clip(day - born, 0, stays))
        return found


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
class HistoryBuffer:
    """Rings of each user's last views; `n_seen` counts all views ever made."""

    video_id: Int32[np.ndarray, "users h"]
    watch_s: Float32[np.ndarray, "users h"]
    events: UInt16[np.ndarray, "users h"]
    clock_h: Int32[np.ndarray, "users h"]
    n_seen: Int64[np.ndarray, " users"]

    @staticmethod
    def empty(n_users: int) -> "HistoryBuffer":
        """Nobody has seen anything."""
        shape = (n_users, HISTORY)
        return HistoryBuffer(
            np.zeros(shape, np.int32),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.uint16),
            np.zeros(shape, np.int32),
            np.zeros(n_users, np.int64),
        )

    def add(
        self,
        rows: Int64[np.ndarray, " rows"],
        slates: Int32[np.ndarray, "rows k"],
        response: Response,
        clock_h: Int32[np.ndarray, " rows"],
    ) -> None:
        """Write the views of one request per row into the rings."""
        remember(
            rows, slates, response.viewed, response.watch_s, response.events, clock_h,
            self.video_id, self.watch_s, self.events, self.clock_h, self.n_seen,
        )  # fmt: skip

    def read(self, rows: Int64[np.ndarray, " rows"], clock_h: Int32[np.ndarray, " rows"]) -> History:
        """The histories of some users, oldest view first, right-aligned."""
        shape = (len(rows), HISTORY)
        history = History(
            np.zeros(shape, np.int32),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.uint16),
            np.zeros(shape, np.int32),
            np.zeros(shape, bool),
        )
        recall(
            rows, clock_h, self.video_id, self.watch_s, self.events, self.clock_h, self.n_seen,
            history.video_id, history.watch_s, history.events, history.hours_ago, history.mask,
        )  # fmt: skip
        return history


@final
@dataclass(frozen=True)
class Block:
    """Consecutive users: who they are, and where they stand now (`state` and `past` change in place).

    `packed` is `users` as kernels read it.
    """

    user_id: Int64[np.ndarray, " users"]
    users: Users
    packed: Packed
    state: UserState
    past: HistoryBuffer

    def copy(self) -> "Block":
        """The same users at the same moment, free to take another course."""
        state = UserState(*(array.copy() for array in self.state))
        past = HistoryBuffer(**{name: array.copy() for name, array in vars(self.past).items()})
        return replace(self, state=state, past=past)

    @staticmethod
    def fresh(user_id: Int64[np.ndarray, " users"], users: Users, n_rounds: int, rules: KernelParameters) -> "Block":
        """Users rested and with empty histories."""
        return Block(
            user_id, users, pack(users), fresh_state(users, n_rounds, rules), HistoryBuffer.empty(len(user_id))
        )


def fresh_state(users: Users, n_rounds: int, rules: KernelParameters) -> UserState:
    """Everybody rested, in their usual mood, active the day before."""
    n = len(users.appeal)
    f32, i16 = np.float32, np.int16
    return UserState(
        patience=np.zeros(n, f32),
        sessions_left=np.zeros((n, n_rounds), i16),
        session=np.zeros(n, i16),
        request=np.zeros(n, i16),
        views=np.zeros(n, np.int32),
        hour=np.zeros(n, np.int8),
        clicked=np.full(n, 0.5, f32),
        skips=np.zeros(n, i16),
        pleasure=np.zeros(n, f32),
        mood=np.full(n, rules.mood_usual, f32),
        days_away=np.zeros(n, i16),
        prompts=np.zeros(n, f32),
        last_asked=np.full(n, -1000, i16),
        asked=np.zeros(n, i16),
        leaning=np.zeros_like(users.taste),
        seen=np.zeros_like(users.taste),
        wary=np.zeros(n, f32),
    )


def empty_response(n_rows: int, k: int) -> Response:
    """Room for what happens to `n_rows` slates of `k` videos."""
    shape = (n_rows, k)
    return Response(
        viewed=np.empty(shape, bool),
        watch_s=np.empty(shape, np.float32),
        events=np.empty(shape, np.uint16),
        answer=np.empty(shape, np.int8),
        satisfaction=np.empty(shape, np.float32),
        appeal=np.empty(shape, np.float32),
        propensity=np.empty(shape, np.float32),
    )


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


def block_size(n_users: int) -> int:
    """Users of a block: large ones are served with fewer calls, but all cores shall have some, and caches an end.

    >>> [block_size(n) for n in (1_000, 10_000, 20_000, 100_000, 1_000_000)]
    [2048, 2048, 2500, 12500, 15625]
    """
    if n_users <= _SIDE_BY_SIDE * _SMALL:
        return _SMALL
    n_blocks = _SIDE_BY_SIDE * math.ceil(n_users / (_SIDE_BY_SIDE * _LARGE))
    return math.ceil(n_users / n_blocks)


def make_blocks(people: Population, n_rounds: int, rules: KernelParameters, size: int | None = None) -> list[Block]:
    """Cut a population into blocks of consecutive users; `size` is that of `block_size` where it is not given."""
    n = len(people.latents.appeal)
    size = size or block_size(n)
    blocks: list[Block] = []
    for first in range(0, n, size):
        users = Users(*(array[first : first + size] for array in people.latents))
        ids = np.arange(first, min(first + size, n), dtype=np.int64)
        blocks.append(Block.fresh(ids, users, n_rounds, rules))
    return blocks


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
