"""What all episodes of an environment share, and which sizes it may have."""

from dataclasses import dataclass
from typing import final

from simulator.crowd import Stage
from simulator.propensity import constant_model
from simulator.rewards import Pay
from simulator.rollout import Course
from user_models.parameters import PRESETS
from user_models.world import Population, World


@final
@dataclass(frozen=True)
class Ground:
    """What all episodes of an environment share.

    Attributes:
        world: With its questionnaire.
        stage: The catalogue.
        people: Whom episodes may be about.
        pay: What slates are worth.
        slate_size: Videos shown per request.
        n_candidates: Videos to score per request.
        horizon_days: Days that an episode covers.
        reveal_truth: Whether latents are shown.
    """

    world: World
    stage: Stage
    people: Population
    pay: Pay
    slate_size: int
    n_candidates: int
    horizon_days: int
    reveal_truth: bool

    @property
    def n_users(self) -> int:
        """Size of the population."""
        return len(self.people.latents.appeal)

    @property
    def satisfied_above(self) -> float:
        """Satisfaction from which a view truly satisfied."""
        return self.world.value("satisfaction.satisfied_above")

    def course(self, seed: int) -> Course:
        """The course of events of an experiment seed."""
        return Course(self.stage, seed, self.slate_size, self.n_candidates, constant_model())


def with_questionnaire(world: World, questionnaire: str | None) -> World:
    """The world with a preset of its questionnaire."""
    if questionnaire is None:
        return world
    if questionnaire not in PRESETS:
        raise ValueError(f"questionnaire: {questionnaire!r} given, want one of {', '.join(PRESETS)}, or None")
    return world.with_values(PRESETS[questionnaire])


def check_sizes(
    horizon_days: int, slate_size: int, candidates: int, videos: int, users: int, views_scale: float
) -> None:
    """Refuse sizes that no episode can have."""
    ranges = (
        ("horizon_days", horizon_days, 1, 365),
        ("videos", videos, 1, 2**31 - 1),
        ("candidates", candidates, 1, videos),
        ("slate_size", slate_size, 1, candidates),
        ("users", users, 1, 2**31 - 1),
    )
    for name, given, low, high in ranges:
        if not low <= given <= high:
            raise ValueError(f"{name}: {given} given, want {low} to {high}")
    if not 0 < views_scale <= 1:
        raise ValueError(f"views_scale: {views_scale} given, want more than 0 and at most 1")
