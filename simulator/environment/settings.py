"""Settings that all episodes of an environment share, and the sizes it may have."""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import final

from simulator.checked import IDS, whole
from simulator.environment.rewards import RewardFunction
from simulator.rollout.answer_model import constant_model
from simulator.rollout.catalogue import Platform, RolloutSettings
from user_models.world.parameters import PRESETS
from user_models.world.store import load_world
from user_models.world.world import Population, World


@final
@dataclass(frozen=True)
class EnvSettings:
    """Settings that all episodes of an environment share.

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
    stage: Platform
    people: Population
    pay: RewardFunction
    slate_size: int
    n_candidates: int
    horizon_days: int
    reveal_truth: bool

    def __deepcopy__(self, memo: dict[int, object]) -> "EnvSettings":
        """Copy the settings with a reward function of their own, in case it keeps state."""
        return replace(self, pay=deepcopy(self.pay, memo))

    @property
    def n_users(self) -> int:
        """Size of the population."""
        return len(self.people.latents.appeal)

    @property
    def satisfied_above(self) -> float:
        """Satisfaction from which a view truly satisfied."""
        return self.world.value("satisfaction.satisfied_above")

    def course(self, seed: int) -> RolloutSettings:
        """The course of events of an experiment seed."""
        return RolloutSettings(self.stage, seed, self.slate_size, self.n_candidates, constant_model())


def chosen_world(world: object, questionnaire: object) -> World:
    """The world by name, by folder or as such, with a preset of its questionnaire.

    Raises:
        ValueError: Neither a name nor a world, or no such preset.
        WorldError: No such world, or a damaged one.
    """
    if not isinstance(world, str | World):
        raise ValueError(f"world: a {type(world).__name__} given, want a world, its name or its folder as a string")
    if questionnaire is not None and not (isinstance(questionnaire, str) and questionnaire in PRESETS):
        raise ValueError(f"questionnaire: {questionnaire!r} given, want one of {', '.join(PRESETS)}, or None")
    chosen = load_world(world) if isinstance(world, str) else world
    return chosen if questionnaire is None else chosen.with_values(PRESETS[questionnaire])


def checked_sizes(
    horizon_days: object, slate_size: object, candidates: object, videos: object, users: object
) -> tuple[int, int, int, int, int]:
    """The sizes as Python's own whole numbers.

    Raises:
        ValueError: One that no episode can have, or that is no whole number.
    """
    n_videos = whole("videos", videos, 1, IDS - 1)
    n_candidates = whole("candidates", candidates, 1, n_videos)
    return (
        whole("horizon_days", horizon_days, 1, 365),
        whole("slate_size", slate_size, 1, n_candidates),
        n_candidates,
        n_videos,
        whole("users", users, 1, IDS - 1),
    )
