"""The vector entry point of `askew/Feed-v0`: many environments, served by the same compiled calls.

`gymnasium.make_vec("askew/Feed-v0", num_envs=N)` builds it. Environment `i` shows the same events as a `FeedEnv` of the
same settings after `reset(seed=info["seed"][i], options={"user_id": info["user_id"][i]})`.

Axes: `envs` environments, `rows` some of them, `n` candidates, `k` slate length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias, TypedDict, final

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, create_empty_array
from jaxtyping import Bool, Float32, Float64, Int64
from typing_extensions import Unpack, override

from policies.base import Observation, Slates
from policies.kernel import pick
from simulator.checked import IDS, SEEDS, whole
from simulator.environment.env import FeedEnv, truth_of
from simulator.environment.episode import ROUNDS_PER_DAY
from simulator.environment.rewards import Reward
from simulator.environment.settings import EnvSettings
from simulator.environment.spaces import encode_rows, event_bits
from simulator.environment.vector_episodes import Episodes, advance, arrive, offers, show
from simulator.environment.vector_queue import NextUp, OwnDraws, UserQueue
from simulator.rollout.request import logged
from user_models.dynamics.state import Response
from user_models.world.world import World

Observed: TypeAlias = dict[str, np.ndarray]
Infos: TypeAlias = dict[str, Any]
Flags: TypeAlias = Bool[np.ndarray, " envs"]
_LOGGED: Final = ("viewed", "watch_s", "events", "answer")
_LATENT: Final = ("satisfaction", "appeal")


class Settings(TypedDict, total=False):
    """Keyword arguments of `FeedEnv`, which documents them."""

    world: str | World
    horizon_days: int
    reward: str | Reward
    slate_size: int
    candidates: int
    views_scale: float
    questionnaire: str | None
    users: int
    videos: int
    population_seed: int
    reveal_truth: bool
    render_mode: str | None


@final
class FeedVectorEnv(VectorEnv[Observed, Float32[np.ndarray, "envs n"], np.ndarray]):
    """`num_envs` feeds side by side; observation, action, reward and `info` are those of `FeedEnv`, one row each.

    `reset(seed=s)` plays the experiment seed `s` with users drawn by it (`options={"user_id": [...]}` chooses
    them); without a seed it goes on with users who have not been served yet. After `reset(seed=[...])` each environment
    does the same as a `FeedEnv` after `reset` with its seed, as in Gymnasium's own vector environments. An
    environment whose episode is over begins its next one in the step after (`AutoresetMode.NEXT_STEP`): that step
    ignores its action and has reward 0.

    In `info`, `user_id` and `seed` are of all environments; the keys of a step are of those whose `_slate` is true.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 # as Gymnasium declares it

    def __init__(
        self, num_envs: int = 1, *, max_episode_steps: int | None = None, **settings: Unpack[Settings]
    ) -> None:
        """Draw users and videos; nothing is played yet.

        Args:
            num_envs: Environments, at least 1.
            max_episode_steps: Slates after which an episode is truncated; None for no limit.
            settings: Arguments of `FeedEnv`; `render_mode` must be None.

        Raises:
            ValueError: A value out of range or an unknown name.
        """
        self.num_envs = num_envs = whole("num_envs", num_envs, 1, IDS - 1)
        if max_episode_steps is not None:
            max_episode_steps = whole("max_episode_steps", max_episode_steps, 1, IDS - 1)
        if settings.get("render_mode") is not None:
            raise ValueError(
                f"render_mode: {settings.get('render_mode')!r} given, but feeds served together show nothing; "
                "want None, or make_vec(..., vectorization_mode='sync')"
            )
        single_env = FeedEnv(**settings)
        self.autoreset_mode = AutoresetMode.NEXT_STEP
        self.single_action_space, self.single_observation_space = single_env.action_space, single_env.observation_space
        self.action_space = batch_space(single_env.action_space, num_envs)
        self.observation_space = batch_space(single_env.observation_space, num_envs)
        self._settings: EnvSettings = single_env.settings
        self._episodes: Episodes | None = None
        self._queue: NextUp = UserQueue(np.random.default_rng(0), single_env.settings.n_users, 0)
        self._limit, self._n_steps = max_episode_steps, np.zeros(num_envs, np.int64)
        self._last_answer = np.zeros(num_envs, np.int64)
        self._offered = np.zeros((num_envs, single_env.settings.n_candidates), np.int32)

    @override
    def reset(
        self, *, seed: int | Sequence[int | None] | np.ndarray | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observed, Infos]:
        """Begin an episode in every environment.

        Args:
            seed: The experiment seed of all; or one for each, None where it is drawn; or None to go on.
            options: `user_id` holds a user per environment; without it users are drawn.

        Raises:
            ValueError: An unknown option, a user or seed out of range, or a user who never comes.
        """
        self._seed(seed)
        everyone = np.arange(self.num_envs)
        users, seeds = self._queue.take(everyone)
        users = _chosen_users(options or {}, users, self._settings.n_users)
        self._episodes = Episodes.empty(
            self._settings.rollout_settings(0), self._settings.population, self.num_envs, ROUNDS_PER_DAY
        )
        self._begin(self._episodes, everyone, users, seeds)
        return self._look(self._episodes), self._user_info(self._episodes)

    @override
    def step(
        self, actions: Float32[np.ndarray, "envs n"]
    ) -> tuple[Observed, Float64[np.ndarray, " envs"], Flags, Flags, Infos]:
        """Show the best-scored candidates of each environment and simulate its user's response.

        Raises:
            ResetNeeded: No episode was begun.
            ValueError: Not one finite score per candidate.
        """
        episodes = self._standing()
        scores = _checked(actions, (self.num_envs, self._settings.n_candidates))
        served, begun = np.flatnonzero(~episodes.over), np.flatnonzero(episodes.over)
        if len(begun):
            self._begin(episodes, begun, *self._queue.take(begun))
        slates = self._slates(scores)
        rewards, info, is_truncated = np.zeros(self.num_envs), self._user_info(episodes), np.zeros(self.num_envs, bool)
        if len(served):
            response = show(episodes, served, slates[served])
            rewards[served] = self._paid(episodes, served, slates, response)
            advance(episodes, served, self._settings.horizon_days)
            info |= self._step_info(episodes, served, slates, response)
            is_truncated = self._count(episodes, served)
        observations = self._look(episodes)
        return observations, rewards, episodes.gone.copy(), (episodes.over & ~episodes.gone) | is_truncated, info

    @property
    def settings(self) -> EnvSettings:
        """Settings that all episodes share."""
        return self._settings

    def requests(self) -> Iterator[tuple[Int64[np.ndarray, " rows"], Observation]]:
        """Yield the requests that wait for a slate, as a ranking policy would see them, in batches of environments.

        Raises:
            ResetNeeded: No episode was begun.
        """
        return offers(self._standing(), np.arange(self.num_envs))

    def begin_anew(self) -> None:
        """Begin the next episode of every environment whose episode is over, without waiting for the next step.

        Raises:
            ResetNeeded: No episode was begun.
        """
        episodes = self._standing()
        ended = np.flatnonzero(episodes.over)
        if len(ended):
            self._begin(episodes, ended, *self._queue.take(ended))
            self._look(episodes)

    def _seed(self, seed: int | Sequence[int | None] | np.ndarray | None) -> None:
        """Set the queue of users and seeds for the coming episodes."""
        n_users = self._settings.n_users
        if isinstance(seed, Sequence | np.ndarray):
            self._queue = OwnDraws.begin(_checked_seeds(seed, self.num_envs), n_users, self._queue)
            return
        seed = None if seed is None else whole("seed", seed, 0, SEEDS - 1)
        super().reset(seed=seed)
        if seed is not None or self._episodes is None:
            drawn = int(self.np_random.integers(SEEDS))
            self._queue = UserQueue(self.np_random, n_users, drawn if seed is None else seed)

    def _count(self, episodes: Episodes, served: Int64[np.ndarray, " rows"]) -> Flags:
        """Count one more slate and end the episodes at their limit; return which ended."""
        is_truncated = np.zeros(self.num_envs, bool)
        self._n_steps[served] += 1
        if self._limit is not None:
            is_truncated[served] = self._n_steps[served] >= self._limit
            episodes.over[is_truncated] = True
        return is_truncated

    def _standing(self) -> Episodes:
        """Return the current episodes.

        Raises:
            ResetNeeded: No episode was begun.
        """
        if self._episodes is None:
            raise ResetNeeded("no user is served yet: call reset first")
        return self._episodes

    def _begin(
        self,
        episodes: Episodes,
        rows: Int64[np.ndarray, " rows"],
        users: Int64[np.ndarray, " rows"],
        seeds: Int64[np.ndarray, " rows"],
    ) -> None:
        """Begin episodes."""
        arrive(episodes, rows, users, seeds)
        self._last_answer[rows] = self._n_steps[rows] = 0

    def _slates(self, scores: Float32[np.ndarray, "envs n"]) -> Slates:
        """Build slates of the best-scored candidates of the last observations."""
        slates = np.empty((self.num_envs, self._settings.slate_size), np.int32)
        pick(self._offered, scores, slates)
        return slates

    def _paid(
        self, episodes: Episodes, rows: Int64[np.ndarray, " rows"], slates: Slates, response: Response
    ) -> Float64[np.ndarray, " rows"]:
        """Compute the rewards of slates and store the users' latest answers."""
        state, settings = episodes.block.state, self._settings
        log = logged(episodes.block, 0, rows, state.hour[rows], state.request[rows], slates, response)
        slate_of_view = np.nonzero(response.viewed)[0]
        feedback = replace(log, day=episodes.day[rows][slate_of_view].astype(np.int16))
        answered = np.flatnonzero(feedback.answer)
        self._last_answer[rows[slate_of_view[answered]]] = feedback.answer[answered]  # of several, the last one stays
        return settings.reward.of_slates(
            feedback, truth_of(response, settings.satisfied_above), slate_of_view, len(rows)
        )

    def _user_info(self, episodes: Episodes) -> Infos:
        """Build the `info` on users and seeds."""
        all_true = np.ones(self.num_envs, bool)
        infos = {"user_id": episodes.block.user_id.copy(), "seed": episodes.seed.copy()}
        return infos | {f"_{name}": all_true for name in infos}

    def _step_info(
        self, episodes: Episodes, rows: Int64[np.ndarray, " rows"], slates: Slates, response: Response
    ) -> dict[str, Any]:
        """Build the `info` of a step: the log of the slates, position by position, and the truth if it is revealed."""
        is_served = np.zeros(self.num_envs, bool)
        is_served[rows] = True
        logs = {"slate": slates} | {name: self._spread(rows, getattr(response, name)) for name in _LOGGED}
        info: Infos = logs | {f"_{name}": is_served for name in logs}
        if self._settings.reveal_truth:
            latents = {name: self._spread(rows, getattr(response, name)) for name in _LATENT}
            info["truth"] = latents | {"mood": episodes.block.state.mood.copy()}
            info["_truth"] = is_served
        return info

    def _spread(self, rows: Int64[np.ndarray, " rows"], values: np.ndarray) -> np.ndarray:
        """Spread rows over all environments, 0 elsewhere."""
        spread = np.zeros((self.num_envs, *values.shape[1:]), values.dtype)
        spread[rows] = values
        return spread

    def _look(self, episodes: Episodes) -> Observed:
        """Build the observations of all environments; the arrays are the caller's own."""
        observations: Observed = create_empty_array(self.single_observation_space, self.num_envs, np.empty)  # pyright: ignore[reportAssignmentType] # of a Dict
        bits = event_bits(self._settings.platform)
        for rows, obs in offers(episodes, np.arange(self.num_envs)):
            encoded = encode_rows(obs, episodes.first_day[rows], self._last_answer[rows], bits)
            for key, values in encoded.items():
                observations[key][rows] = values
        self._offered = observations["candidate_id"].copy()
        return observations


def _chosen_users(options: dict[str, Any], drawn_users: Int64[np.ndarray, " envs"], n_users: int) -> np.ndarray:
    """Return the users named in the options, else those drawn."""
    unknown = sorted(set(options) - {"user_id"})
    if unknown:
        raise ValueError(f"options: unknown key {unknown[0]!r}; want 'user_id' or nothing")
    users = np.asarray(options.get("user_id", drawn_users))
    if users.shape != drawn_users.shape or not np.issubdtype(users.dtype, np.integer):
        raise ValueError(
            f"options: user_id {users.tolist()} given, want {len(drawn_users)} whole numbers, one per environment"
        )
    if ((users < 0) | (users >= n_users)).any():
        raise ValueError(f"options: user_id {users.tolist()} given, want whole numbers from 0 to {n_users - 1}")
    return users.astype(np.int64)


def _checked_seeds(seeds: Sequence[int | None] | np.ndarray, n_envs: int) -> list[int | None]:
    """Check the seeds: one per environment, or None."""
    seed_list: list[Any] = list(seeds)
    if len(seed_list) != n_envs:
        raise ValueError(f"seed: {len(seed_list)} seeds given, want {n_envs}, one per environment")
    return [None if seed is None else whole(f"seed[{i}]", seed, 0, SEEDS - 1) for i, seed in enumerate(seed_list)]


def _checked(actions: Float32[np.ndarray, "envs n"], shape: tuple[int, int]) -> Float32[np.ndarray, "envs n"]:
    """Check the scores, one row per environment."""
    scores = np.ascontiguousarray(actions, np.float32)
    if scores.shape != shape:
        raise ValueError(f"actions: scores of shape {scores.shape} given, want {shape}: one per environment, candidate")
    if not np.isfinite(scores).all():
        raise ValueError(f"actions: score {scores[~np.isfinite(scores)][0]} given, want finite numbers")
    return scores
