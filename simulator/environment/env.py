"""`askew/Feed-v0`: one simulated user, served slate by slate by an agent that learns.

The user is a block of one user of `simulator.rollout`. So an episode shows the same events as a rollout of that user
under the same seed and slates.
"""

from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from jaxtyping import Float32
from typing_extensions import override

from policies.base import Feedback, FixedHistory, Observation, Slates, top_k
from simulator.checked import SEEDS, share, switch, whole
from simulator.environment.episode import (
    LONGEST_WAIT,
    ROUNDS_PER_DAY,
    RequestTime,
    first_request,
    gone_for_good,
    lone_block,
    next_request,
    only_row,
)
from simulator.environment.phone_render import Picture, ScreenView, picture
from simulator.environment.rewards import Reward, Truth, pick_reward
from simulator.environment.settings import EnvSettings, checked_sizes, chosen_world
from simulator.environment.spaces import action_space, encode, event_bits, observation_space
from simulator.environment.text_render import screen
from simulator.rollout.catalogue import DailyCatalogue, RolloutSettings, Size, day_ring, draw_platform
from simulator.rollout.population import Block
from simulator.rollout.request import logged, observe, respond
from user_models.dynamics.state import Response
from user_models.world.world import World

Observed: TypeAlias = dict[str, Any]
Info: TypeAlias = dict[str, Any]


@final
@dataclass(frozen=True)
class Episode:
    """State of an episode: the request that waits for a slate, and the slate before it.

    Attributes:
        settings: World, seed and sizes.
        block: The user, alone.
        first_day: Day on which the episode began.
        now: When the waiting request is made; None once the episode is over.
        ring: The day's order of the catalogue.
        offer: The waiting request; after the end, the request that the horizon's last day would bring.
        last_answer: Latest answer to a questionnaire, 0 for none yet.
        gone: Whether the episode is over and the user has left for good.
        slates: The slate before, or None.
        feedback: The log of that slate, or None.
    """

    settings: RolloutSettings
    block: Block
    first_day: int
    now: RequestTime | None
    ring: DailyCatalogue
    offer: Observation
    last_answer: int = 0
    gone: bool = False
    slates: Slates | None = None
    feedback: Feedback | None = None


@final
class FeedEnv(gymnasium.Env[Observed, Float32[np.ndarray, " n"]]):
    """One user's feed, for some days from their first request.

    Observation: see `simulator.environment.spaces.observation_space`. Action: a score per candidate; the `slate_size`
    best are shown, best first, the earlier candidate first among equals. Reward: see `simulator.environment.rewards`.
    An episode begins at the user's first request (with an empty history) and covers `horizon_days` days from there.

    The slate after which the horizon has no further request ends it. It is then truncated: the user stays, and the
    last observation, the request of the horizon's last day, still has a value. It is terminated,
    with nothing more to come, only if the user has left for good: stays away for the next `LONGEST_WAIT` days.

    `reset(seed=s)` plays the experiment seed `s`: the same user, seed and scores give the same events, alone or
    in a rollout; without a seed the next one is drawn. `reset(options={"user_id": n})` chooses the user.

    `info` holds `user_id`, the experiment `seed` and, after a step, per place of the slate: `slate`, `viewed`, and what
    was logged where it was viewed: `watch_s`, `events` (bits of `policies.base.Event`), `answer`. Only if
    `reveal_truth`, `truth` holds the user's `mood` and, per place, `satisfaction` and `appeal`.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 1}  # noqa: RUF012 # as Gymnasium declares it

    def __init__(
        self,
        world: str | World = "kuairand-pure",
        horizon_days: int = 1,
        reward: str | Reward = "watch_s",
        slate_size: int = 6,
        candidates: int = 100,
        views_scale: float = 0.1,
        questionnaire: str | None = "dense",
        users: int = 20_000,
        videos: int = 7_583,
        population_seed: int = 0,
        reveal_truth: bool = False,
        render_mode: str | None = None,
    ) -> None:
        """Draw users and videos; nothing is played yet.

        Args:
            world: A bundled world's name, a folder, or a world.
            horizon_days: Days that an episode covers.
            reward: A name from `simulator.environment.rewards.REWARDS`, or a function of the slate's `Feedback`.
            slate_size: Videos shown per request.
            candidates: Videos to score per request.
            views_scale: Share of real activity that is simulated; 1 is about 380 views a day.
            questionnaire: Name in `user_models.world.parameters.PRESETS`: how often users are asked and answer. None
                keeps the world's own.
            users: Size of the population that `user_id` chooses from.
            videos: Videos on offer on any day.
            population_seed: Seed of the population and the catalogue; the experiment seed chooses users from it.
            reveal_truth: Put latents under `info["truth"]`, and let the reward `satisfied` read them.
            render_mode: `ansi`, `rgb_array` or None.

        Raises:
            ValueError: A value out of range or an unknown name.
        """
        sizes = checked_sizes(horizon_days, slate_size, candidates, videos, users)
        horizon_days, slate_size, candidates, videos, users = sizes
        reveal_truth = switch("reveal_truth", reveal_truth)
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode: {render_mode!r} given, want 'ansi', 'rgb_array' or None")
        self.render_mode = render_mode
        reward_function = pick_reward(reward, reveal_truth)
        size = Size(users, videos, share("views_scale", views_scale), n_days=LONGEST_WAIT + horizon_days)
        population_seed = whole("population_seed", population_seed, 0, SEEDS - 1)
        chosen = chosen_world(world, questionnaire)
        platform_and_users = draw_platform(chosen, size, population_seed)
        self.settings = EnvSettings(
            chosen, *platform_and_users, reward_function, slate_size, candidates, horizon_days, reveal_truth
        )
        self._episode: Episode | None = None
        self.action_space = action_space(candidates)
        self.observation_space = observation_space(self.settings.platform, candidates, horizon_days)

    @override
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observed, Info]:
        """Begin an episode at the first request of a user.

        Args:
            seed: The experiment seed to play; None draws the next one.
            options: `user_id` chooses the user; without it one is drawn.

        Raises:
            ValueError: An unknown option, a user or seed out of range, or a user who never comes.
        """
        seed = None if seed is None else whole("seed", seed, 0, SEEDS - 1)
        super().reset(seed=seed)
        n_users = self.settings.n_users
        drawn_seed, drawn_user = draw_episode(self.np_random, n_users)
        user_id = _chosen_user(options or {}, n_users, drawn_user)
        self._episode = episode = self._arrive(drawn_seed if seed is None else seed, user_id)
        info: Info = {"user_id": user_id, "seed": episode.settings.seed}
        if self.settings.reveal_truth:
            info["truth"] = {"mood": float(episode.block.state.mood[0])}
        return encode(episode.offer, episode.first_day, 0, event_bits(self.settings.platform)), info

    @override
    def step(self, action: Float32[np.ndarray, " n"]) -> tuple[Observed, float, bool, bool, Info]:
        """Show the best-scored candidates and simulate the user's response.

        Raises:
            ResetNeeded: The episode is over, or none was begun.
            ValueError: Not one finite score per candidate.
        """
        episode = self._episode
        if episode is None or episode.now is None:
            raise ResetNeeded("step called while no user is served: call reset first")
        slates = top_k(episode.offer, _checked_scores(action, self.settings.n_candidates), self.settings.slate_size)
        response = respond(episode.settings, episode.block, episode.ring, episode.now.day, only_row(), slates)
        feedback = _log(episode.block, episode.now.day, slates, response)
        reward = self.settings.reward.of_slate(feedback, truth_of(response, self.settings.satisfied_above))
        self._episode = next_episode = self._move_on(episode, episode.now, slates, feedback)
        observation = encode(
            next_episode.offer, next_episode.first_day, next_episode.last_answer, event_bits(self.settings.platform)
        )
        is_over = next_episode.now is None
        return (
            observation,
            reward,
            next_episode.gone,
            is_over and not next_episode.gone,
            self._info(next_episode, slates, response),
        )

    @property
    def offer(self) -> Observation:
        """The request that waits for a slate, as a ranking policy would see it; later steps leave it as it is.

        Raises:
            ResetNeeded: No episode was begun.
        """
        request = self._standing().offer
        return replace(request, read_history=FixedHistory(request.history))

    @property
    def example_observation(self) -> Observation:
        """A request from before any episode, for its shapes and names."""
        settings, block = (
            self.settings.rollout_settings(0),
            lone_block(self.settings.population, 0, ROUNDS_PER_DAY, self.settings.platform.rules),
        )
        return observe(settings, block, day_ring(settings, 0), 0, only_row())

    @override
    def render(self) -> str | Picture | None:  # pyright: ignore[reportIncompatibleMethodOverride] # narrower than RenderFrame
        """Render the last slate as text in mode `ansi`, the phone after the last view in mode `rgb_array`."""
        episode = self._episode
        if self.render_mode is None or episode is None:
            return None
        if self.render_mode == "ansi":
            return screen(episode.offer, episode.slates, episode.feedback)
        return self.pictures()[-1]

    def pictures(self) -> list[Picture]:
        """Draw the phone after each view of the last slate; before the first slate, one picture of a loading feed.

        Raises:
            ResetNeeded: No episode was begun.
        """
        episode = self._standing()
        mood = float(episode.block.state.mood[0]) if self.settings.reveal_truth else None
        rows = [None] if episode.feedback is None else range(len(episode.feedback))
        return [picture(ScreenView(episode.offer, episode.feedback, row, mood)) for row in rows]

    def _standing(self) -> Episode:
        """Return the current episode, or raise."""
        if self._episode is None:
            raise ResetNeeded("no user is served yet: call reset first")
        return self._episode

    def _arrive(self, seed: int, user_id: int) -> Episode:
        """Wait for a user's first request."""
        settings = self.settings.rollout_settings(seed)
        block = lone_block(self.settings.population, user_id, ROUNDS_PER_DAY, self.settings.platform.rules)
        now = first_request(settings, block)
        if now is None:
            raise ValueError(
                f"user_id: user {user_id} does not come within {LONGEST_WAIT} days of seed {seed}; "
                "give another user or seed"
            )
        ring = day_ring(settings, now.day)
        return Episode(settings, block, now.day, now, ring, observe(settings, block, ring, now.day, only_row()))

    def _move_on(self, episode: Episode, now: RequestTime, slates: Slates, feedback: Feedback) -> Episode:
        """After a slate, wait for the next request."""
        settings, block, row = episode.settings, episode.block, only_row()
        block.state.request[row] += 1
        last_day = episode.first_day + self.settings.horizon_days - 1
        next_time = next_request(settings, block, now, last_day)
        day = last_day if next_time is None else next_time.day
        ring = episode.ring if day == now.day else day_ring(settings, day)
        answers = feedback.answer[feedback.answer > 0]
        return replace(
            episode,
            now=next_time,
            ring=ring,
            offer=observe(settings, block, ring, day, row),
            gone=next_time is None and self._has_left(settings, block, last_day),
            last_answer=int(answers[-1]) if len(answers) else episode.last_answer,
            slates=slates,
            feedback=feedback,
        )

    def _has_left(self, settings: RolloutSettings, block: Block, last_day: int) -> bool:
        """Return whether the user, after the last day, has left for good."""
        seed, day = np.array([settings.seed], np.int64), np.array([last_day], np.int32)
        return bool(gone_for_good(settings.platform, seed, block, only_row(), day)[0])

    def _info(self, episode: Episode, slates: Slates, response: Response) -> Info:
        """Build the `info` of a step: the log of a slate, position by position, and the truth if it is revealed."""
        block = episode.block
        info: Info = {
            "user_id": int(block.user_id[0]),
            "seed": episode.settings.seed,
            "slate": slates[0].copy(),
            "viewed": response.viewed[0],
            "watch_s": response.watch_s[0],
            "events": response.events[0],
            "answer": response.answer[0],
        }
        if self.settings.reveal_truth:
            info["truth"] = {
                "mood": float(block.state.mood[0]),
                "satisfaction": response.satisfaction[0],
                "appeal": response.appeal[0],
            }
        return info


def draw_episode(rng: np.random.Generator, n_users: int) -> tuple[int, int]:
    """Draw an experiment seed and a user."""
    return int(rng.integers(SEEDS)), int(rng.integers(n_users))


def _chosen_user(options: dict[str, Any], n_users: int, drawn_user: int) -> int:
    """Return the user named in the options, else the one drawn."""
    unknown = sorted(set(options) - {"user_id"})
    if unknown:
        raise ValueError(f"options: unknown key {unknown[0]!r}; want 'user_id' or nothing")
    return whole("options: user_id", options.get("user_id", drawn_user), 0, n_users - 1)


def _checked_scores(action: Float32[np.ndarray, " n"], n: int) -> Float32[np.ndarray, "1 n"]:
    """Check the scores and return them as one row."""
    scores = np.asarray(action, np.float32)
    if scores.shape != (n,):
        raise ValueError(f"action: scores of shape {scores.shape} given, want one per candidate: ({n},)")
    if not np.isfinite(scores).all():
        raise ValueError(f"action: score {scores[~np.isfinite(scores)][0]} given, want finite numbers")
    return scores[None]


def _log(block: Block, day: int, slates: Slates, response: Response) -> Feedback:
    """Log the views of a slate as a platform would."""
    row = only_row()
    return logged(block, day, row, block.state.hour[row], block.state.request[row], slates, response)


def truth_of(response: Response, satisfied_above: float) -> Truth:
    """Latents of the views that took place, row by row."""
    satisfaction = response.satisfaction[response.viewed]
    return Truth(satisfaction, response.appeal[response.viewed], satisfaction > satisfied_above)
