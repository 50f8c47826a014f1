"""Questionnaires of a small population: the logged answers, and the latent truth."""

from dataclasses import dataclass, fields
from typing import final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt16

from policies.base import Event
from simulator.rollout.catalogue import RolloutSettings, Size
from simulator.rollout.request import respond, satisfied_answer_probability
from simulator.validation.random_requests import Request, random_rollout, requests
from user_models.world.world import World

_SLATE = 6


@final
@dataclass(frozen=True)
class Asked:
    """Views that brought a questionnaire, by user and time.

    Attributes:
        user: User of each view.
        watch_s: Seconds watched.
        duration_s: Length of the video.
        events: Bits of `policies.base.Event`.
        answered: Whether an answer came.
        satisfied: Whether the answer was `satisfied`.
        propensity: True probability of an answer.
        satisfaction: Latent satisfaction.
        would_say: True probability that an answer, if there is one, is `satisfied`.
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
        """Select views."""
        return Asked(*(getattr(self, field.name)[rows] for field in fields(self)))


def simulate_questionnaires(world: World, size: Size, seed: int) -> Asked:
    """Simulate users under random slates and return the views with a questionnaire."""
    settings, blocks = random_rollout(world, size, _SLATE, seed)
    days = range(size.first_day, size.first_day + size.n_days)
    asked_views = [_asked_views(settings, request) for block in blocks for request in requests(settings, block, days)]
    asked = Asked(*(np.concatenate([getattr(views, field.name) for views in asked_views]) for field in fields(Asked)))
    return asked.take(np.argsort(asked.user, kind="stable"))


def _asked_views(settings: RolloutSettings, request: Request) -> Asked:
    """Simulate the users' responses and return the asked views."""
    response = respond(settings, request.block, request.ring, request.day, request.rows, request.slates)
    row, position = np.nonzero(response.events & np.uint16(Event.ASKED))
    satisfaction = response.satisfaction[row, position].astype(np.float64)
    value = settings.platform.world.value
    return Asked(
        user=request.block.user_id[request.rows[row]],
        watch_s=response.watch_s[row, position],
        duration_s=request.ring.videos.duration_s[request.slates[row, position]],
        events=response.events[row, position],
        answered=response.answer[row, position] > 0,
        satisfied=response.answer[row, position] == 3,
        propensity=response.propensity[row, position].astype(np.float64),
        satisfaction=satisfaction,
        would_say=satisfied_answer_probability(settings.platform, satisfaction),
        truly=satisfaction > value("satisfaction.satisfied_above"),
    )
