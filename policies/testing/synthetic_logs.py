"""Small synthetic logs and requests with given tastes, for testing rankers without a world.

User `u` meets video `v` with appeal `user_u + video_v + taste_u . topic_v`; the watch time is `7 exp(.9 (appeal + e))`
seconds for logistic `e`, cut at three video lengths, so that a click (over 7 s) has chance sigma(appeal).
"""

from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from jaxtyping import Float32, Int, Int8, Int32, UInt16

from policies.base import Answer, Event, Feedback, FixedHistory, Log, Observation, UserTable, VideoTable
from policies.histories import history_after

N_TASTES: Final = 8
N_TAGS: Final = 12
SLATE: Final = 6
"""Views per request of a specimen's log."""


@final
@dataclass(frozen=True)
class Specimen:
    """Users and videos with given tastes.

    Attributes:
        users: Public features: weak hints of taste and of activity.
        videos: Public features; topics lean towards their tag's.
        user_appeal: How readily each user clicks anything.
        video_appeal: How readily each video is clicked.
        taste: Normal, variance 1 each.
        topic: Normal, scaled so that the match with a taste has variance 1.
        quality: What satisfies beside the match.
    """

    users: UserTable
    videos: VideoTable
    user_appeal: Float32[np.ndarray, " people"]
    video_appeal: Float32[np.ndarray, " videos"]
    taste: Float32[np.ndarray, "people d"]
    topic: Float32[np.ndarray, "videos d"]
    quality: Float32[np.ndarray, " videos"]

    def appeal(
        self, user_id: Int[np.ndarray, " users"], candidates: Int[np.ndarray, "users n"]
    ) -> Float32[np.ndarray, "users n"]:
        """True logit of a click."""
        match = np.einsum("ud,und->un", self.taste[user_id], self.topic[candidates])
        return self.user_appeal[user_id, None] + self.video_appeal[candidates] + match

    def pleasure(
        self, user_id: Int[np.ndarray, " users"], candidates: Int[np.ndarray, "users n"]
    ) -> Float32[np.ndarray, "users n"]:
        """True expected satisfaction: half the match, and the video's quality."""
        match = np.einsum("ud,und->un", self.taste[user_id], self.topic[candidates])
        return 0.5 * match + self.quality[candidates]


def make_specimen(n_users: int, n_videos: int, rng: np.random.Generator) -> Specimen:
    """Draw users and videos."""
    f32 = np.float32
    tag = rng.integers(0, N_TAGS, n_videos).astype(np.int32)
    lean = rng.normal(size=(N_TAGS, N_TASTES)) * 0.5
    topic = (lean[tag] + rng.normal(size=(n_videos, N_TASTES)) * 0.75**0.5) / N_TASTES**0.5
    taste = rng.normal(size=(n_users, N_TASTES))
    hints = taste[:, :2] * 0.5 + rng.normal(size=(n_users, 2))
    duration_s = np.exp(rng.normal(4.0, 1.0, n_videos)).clip(3, 600)
    features = np.stack([np.log(duration_s), rng.normal(size=n_videos)], axis=1)
    return Specimen(
        users=UserTable(hints.astype(f32), ("hint_0", "hint_1")),
        videos=VideoTable(duration_s.astype(f32), tag, features.astype(f32), ("log_duration", "nothing")),
        user_appeal=rng.normal(-1.0, 0.8, n_users).astype(f32),
        video_appeal=rng.normal(0.0, 0.7, n_videos).astype(f32),
        taste=taste.astype(f32),
        topic=topic.astype(f32),
        quality=rng.normal(0.0, 0.7, n_videos).astype(f32),
    )


@final
@dataclass(frozen=True)
class SyntheticLogPlan:
    """Size and answer rate of a synthetic log.

    Attributes:
        n_requests: Requests per user, two a day, each of `SLATE` random videos.
        answer_share: Chance that a view of 7 s or more is asked about and answered.
    """

    n_requests: int
    answer_share: float = 0.0


def draw_log(specimen: Specimen, plan: SyntheticLogPlan, rng: np.random.Generator) -> Log:
    """Every user looks through random slates; sorted by user, then time."""
    people = len(specimen.user_appeal)
    user_id = np.repeat(np.arange(people, dtype=np.int32), plan.n_requests * SLATE)
    video_id = rng.integers(0, len(specimen.video_appeal), len(user_id)).astype(np.int32)
    appeal = specimen.appeal(user_id, video_id[:, None])[:, 0]
    watch_s = _watch(appeal, specimen.videos.duration_s[video_id], rng)
    answer = _answers(specimen, user_id, video_id, watch_s, plan.answer_share, rng)
    visit = np.tile(np.repeat(np.arange(plan.n_requests), SLATE), people)
    feedback = Feedback(
        user_id=user_id,
        video_id=video_id,
        day=(visit // 2 - plan.n_requests // 2).astype(np.int16),
        hour=np.where(visit % 2, 20, 9).astype(np.int8),
        request=(visit % 2).astype(np.int16),
        position=np.tile(np.arange(SLATE, dtype=np.int8), people * plan.n_requests),
        watch_s=watch_s,
        events=_events(watch_s, specimen.videos.duration_s[video_id], answer),
        answer=answer,
    )
    return Log(feedback, specimen.users, specimen.videos)


def without_events(log: Log, event: Event) -> Log:
    """Return a copy of the log without one event."""
    other_events = log.feedback.events & np.uint16(0xFFFF ^ event.value)
    return replace(log, feedback=replace(log.feedback, events=other_events))


def _watch(
    appeal: Float32[np.ndarray, " rows"], duration_s: Float32[np.ndarray, " rows"], rng: np.random.Generator
) -> Float32[np.ndarray, " rows"]:
    """Seconds watched."""
    luck = rng.logistic(size=len(appeal))
    return np.minimum(7 * np.exp(0.9 * (appeal + luck)), 3 * duration_s).astype(np.float32)


def _answers(
    specimen: Specimen,
    user_id: Int32[np.ndarray, " rows"],
    video_id: Int32[np.ndarray, " rows"],
    watch_s: Float32[np.ndarray, " rows"],
    share: float,
    rng: np.random.Generator,
) -> Int8[np.ndarray, " rows"]:
    """Answers of each view, see `Answer`; the satisfied answer twice as often."""
    satisfaction = specimen.pleasure(user_id, video_id[:, None])[:, 0] + 0.6 * rng.normal(size=len(user_id))
    chance = share * np.where(satisfaction > 0, 1.0, 0.5) * (watch_s >= 7)
    answered = rng.random(len(user_id)) < chance
    return np.where(answered, Answer.UNCERTAIN + (satisfaction > 0.1) - (satisfaction < -0.1), Answer.NONE).astype(
        np.int8
    )


def _events(
    watch_s: Float32[np.ndarray, " rows"], duration_s: Float32[np.ndarray, " rows"], answer: Int8[np.ndarray, " rows"]
) -> UInt16[np.ndarray, " rows"]:
    """Event bits by KuaiRand's definitions, and the questionnaire's."""
    complete = watch_s >= duration_s
    bits = [
        (Event.CLICK, (watch_s > 7) | complete),
        (Event.LONG_VIEW, (watch_s >= 18) | complete),
        (Event.COMPLETE, complete),
        (Event.SKIP, (watch_s < 3) & ~complete),
        (Event.ASKED | Event.ANSWERED, answer != Answer.NONE),
        (Event.SATISFIED, answer == Answer.SATISFIED),
        (Event.DISSATISFIED, answer == Answer.DISSATISFIED),
    ]
    events = np.zeros(len(watch_s), np.uint16)
    for event, happened in bits:
        events |= np.where(happened, np.uint16(event.value), np.uint16(0))
    return events


def draw_requests(
    log: Log, user_id: Int[np.ndarray, " users"], n: int, h: int, rng: np.random.Generator
) -> Observation:
    """A request of each of these users at noon after the log's last day, with `n` random candidates."""
    n_videos = len(log.videos.duration_s)
    candidates = np.stack([rng.permutation(n_videos)[:n] for _ in user_id])
    day = int(log.feedback.day.max(initial=-1)) + 1
    return Observation(
        user_id=user_id.astype(np.int32),
        candidates=candidates.astype(np.int32),
        day=day,
        hour=np.full(len(user_id), 12, np.int8),
        position=np.zeros(len(user_id), np.int32),
        videos=log.videos,
        users=log.users,
        read_history=FixedHistory(history_after(log.feedback, user_id, 24 * day + 12, h)),
    )
