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
        world: World, with the settings of its questionnaire.
        platform: The catalogue.
        population: Users that episodes are drawn from.
        reward: Reward of slates.
        slate_size: Videos shown per request.
        n_candidates: Videos to score per request.
        horizon_days: Days that an episode covers.
        reveal_truth: Whether latents are in `info`.
    """

    world: World
    platform: Platform
    population: Population
    reward: RewardFunction
    slate_size: int
    n_candidates: int
    horizon_days: int
    reveal_truth: bool

    def __deepcopy__(self, memo: dict[int, object]) -> "EnvSettings":
        """Copy the settings with a reward function of their own, in case it keeps state."""
        return replace(self, reward=deepcopy(self.reward, memo))

    @property
    def n_users(self) -> int:
        """Size of the population."""
        return len(self.population.latents.appeal)

    @property
    def satisfied_above(self) -> float:
        """Satisfaction from which a view truly satisfied."""
        return self.world.value("satisfaction.satisfied_above")

    def rollout_settings(self, seed: int) -> RolloutSettings:
        """The course of events of an experiment seed."""
        return RolloutSettings(self.platform, seed, self.slate_size, self.n_candidates, constant_model())


def chosen_world(world: object, questionnaire: object) -> World:
    """Load a world by name or folder, or take a given one, and apply a preset of its questionnaire.

    Raises:
        ValueError: `world` is neither a name nor a world, or the preset is unknown.
        WorldError: The world is unknown or damaged.
    """
    if not isinstance(world, str | World):
        raise ValueError(f"world: a {type(world).__name__} given, want a world, its name or its folder as a string")
    if questionnaire is not None and not (isinstance(questionnaire, str) and questionnaire in PRESETS):
        raise ValueError(f"questionnaire: {questionnaire!r} given, want one of {', '.join(PRESETS)}, or None")
    loaded = load_world(world) if isinstance(world, str) else world
    return loaded if questionnaire is None else loaded.with_values(PRESETS[questionnaire])


def checked_sizes(
    horizon_days: object, slate_size: object, candidates: object, videos: object, users: object
) -> tuple[int, int, int, int, int]:
    """Check the sizes and return them as Python ints.

    Raises:
        ValueError: A size is out of range or not a whole number.
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
