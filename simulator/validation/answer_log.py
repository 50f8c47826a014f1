"""Questionnaires of a small population: the logged answers, and the latent truth."""

from dataclasses import dataclass, fields
from typing import final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt16

from policies.base import Event
from simulator.rollout.catalogue import RolloutSettings, Size
from simulator.rollout.request import respond, satisfied_answer_probability
from simulator.validation.random_requests import Request, random_course, requests
from user_models.world.world import World

_SLATE = 6


@final
@dataclass(frozen=True)
class Asked:
    """Views that brought a questionnaire, by user and time.

    Attributes:
        user: Who was asked.
        watch_s: Seconds watched.
        duration_s: Length of the video.
        events: Bits of `policies.base.Event`.
        answered: Whether an answer came.
        satisfied: Whether it was `satisfied`.
        propensity: True chance of an answer.
        satisfaction: The latent.
        would_say: True chance that an answer, if one came, would be `satisfied`.
        truly: Whether the view truly satisfied.
    """

    user: Int64[np.ndarray, " rows"]
    watch_s: Float32[np.ndarray, " rows"]
    duration_s: Float32[np.ndarray, " rows"]
    events: UInt16[np.ndarray, " rows"]
    answered: Bool[np.ndarray, " rows"]
    satisfied: Bool[np.ndarray, " rows"]
    propensity: Float64[np.ndarray, " rows"]
    satisfaction: Float64[np.ndarray, " rows"]
    would_say: Float64[np.ndarray, " rows"]
    truly: Bool[np.ndarray, " rows"]

    def take(self, rows: Bool[np.ndarray, " rows"] | Int64[np.ndarray, " some"]) -> "Asked":
        """Some of the views."""
        return Asked(*(getattr(self, field.name)[rows] for field in fields(self)))


def ask_everybody(world: World, size: Size, seed: int) -> Asked:
    """Play a crowd under random slates and keep the views that brought a questionnaire."""
    course, blocks = random_course(world, size, _SLATE, seed)
    days = range(size.first_day, size.first_day + size.n_days)
    parts = [_asked(course, request) for block in blocks for request in requests(course, block, days)]
    asked = Asked(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Asked)))
    return asked.take(np.argsort(asked.user, kind="stable"))


def _asked(course: RolloutSettings, request: Request) -> Asked:
    """Simulate the users' responses and keep the asked views."""
    response = respond(course, request.block, request.ring, request.day, request.rows, request.slates)
    row, position = np.nonzero(response.events & np.uint16(Event.ASKED))
    satisfaction = response.satisfaction[row, position].astype(np.float64)
    value = course.stage.world.value
    return Asked(
        user=request.block.user_id[request.rows[row]],
        watch_s=response.watch_s[row, position],
        duration_s=request.ring.videos.duration_s[request.slates[row, position]],
        events=response.events[row, position],
        answered=response.answer[row, position] > 0,
        satisfied=response.answer[row, position] == 3,
        propensity=response.propensity[row, position].astype(np.float64),
        satisfaction=satisfaction,
        would_say=satisfied_answer_probability(course.stage, satisfaction),
        truly=satisfaction > value("satisfaction.satisfied_above"),
    )
