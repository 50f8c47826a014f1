"""Many environments in one: the vector entry point of `askew/Feed-v0`, all users served by the same compiled calls.

`gymnasium.make_vec("askew/Feed-v0", num_envs=N)` builds it. Environment `i` shows the very events of a single `FeedEnv`
of the same settings after `reset(seed=info["seed"][i], options={"user_id": info["user_id"][i]})`.

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
    them); without a seed it goes on with users who have not been met. `reset(seed=[...])` has every environment do as
    a `FeedEnv` after `reset` with its seed, episode after episode, as in Gymnasium's own vector environments. An
    environment whose episode is over begins its next one in the step after (`AutoresetMode.NEXT_STEP`): that step
    ignores its action and pays 0.

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
            settings: As of `FeedEnv`; `render_mode` must be None.

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
        one = FeedEnv(**settings)
        self.autoreset_mode = AutoresetMode.NEXT_STEP
        self.single_action_space, self.single_observation_space = one.action_space, one.observation_space
        self.action_space = batch_space(one.action_space, num_envs)
        self.observation_space = batch_space(one.observation_space, num_envs)
        self._ground: EnvSettings = one.ground
        self._episodes: Episodes | None = None
        self._queue: NextUp = UserQueue(np.random.default_rng(0), one.ground.n_users, 0)
        self._limit, self._n_steps = max_episode_steps, np.zeros(num_envs, np.int64)
        self._last_answer = np.zeros(num_envs, np.int64)
        self._offered = np.zeros((num_envs, one.ground.n_candidates), np.int32)

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
        users = _chosen_users(options or {}, users, self._ground.n_users)
        self._episodes = Episodes.empty(self._ground.course(0), self._ground.people, self.num_envs, ROUNDS_PER_DAY)
        self._begin(self._episodes, everyone, users, seeds)
        return self._look(self._episodes), self._who(self._episodes)

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
        scores = _checked(actions, (self.num_envs, self._ground.n_candidates))
        served, over = np.flatnonzero(~episodes.over), np.flatnonzero(episodes.over)
        if len(over):
            self._begin(episodes, over, *self._queue.take(over))
        slates = self._slates(scores)
        paid, info, late = np.zeros(self.num_envs), self._who(episodes), np.zeros(self.num_envs, bool)
        if len(served):
            response = show(episodes, served, slates[served])
            paid[served] = self._paid(episodes, served, slates, response)
            advance(episodes, served, self._ground.horizon_days)
            info |= self._told(episodes, served, slates, response)
            late = self._count(episodes, served)
        observed = self._look(episodes)
        return observed, paid, episodes.gone.copy(), (episodes.over & ~episodes.gone) | late, info

    @property
    def ground(self) -> EnvSettings:
        """Settings that all episodes share."""
        return self._ground

    def requests(self) -> Iterator[tuple[Int64[np.ndarray, " rows"], Observation]]:
        """The requests that wait for a slate, as a ranking policy would see them, some environments at a time.

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
        over = np.flatnonzero(episodes.over)
        if len(over):
            self._begin(episodes, over, *self._queue.take(over))
            self._look(episodes)

    def _seed(self, seed: int | Sequence[int | None] | np.ndarray | None) -> None:
        """Set the queue of users and seeds for the coming episodes."""
        n_users = self._ground.n_users
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
        late = np.zeros(self.num_envs, bool)
        self._n_steps[served] += 1
        if self._limit is not None:
            late[served] = self._n_steps[served] >= self._limit
            episodes.over[late] = True
        return late

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
        """The best-scored of the candidates last shown."""
        slates = np.empty((self.num_envs, self._ground.slate_size), np.int32)
        pick(self._offered, scores, slates)
        return slates

    def _paid(
        self, episodes: Episodes, rows: Int64[np.ndarray, " rows"], slates: Slates, response: Response
    ) -> Float64[np.ndarray, " rows"]:
        """Compute the rewards of slates and store the users' latest answers."""
        state, ground = episodes.block.state, self._ground
        log = logged(episodes.block, 0, rows, state.hour[rows], state.request[rows], slates, response)
        row = np.nonzero(response.viewed)[0]
        feedback = replace(log, day=episodes.day[rows][row].astype(np.int16))
        answered = np.flatnonzero(feedback.answer)
        self._last_answer[rows[row[answered]]] = feedback.answer[answered]  # of several, the last one stays
        return ground.pay.of_slates(feedback, truth_of(response, ground.satisfied_above), row, len(rows))

    def _who(self, episodes: Episodes) -> Infos:
        """Build the `info` on users and seeds."""
        everyone = np.ones(self.num_envs, bool)
        who = {"user_id": episodes.block.user_id.copy(), "seed": episodes.seed.copy()}
        return who | {f"_{name}": everyone for name in who}

    def _told(
        self, episodes: Episodes, rows: Int64[np.ndarray, " rows"], slates: Slates, response: Response
    ) -> dict[str, Any]:
        """Build the `info` of a step: the log of the slates, position by position, and the truth if it is revealed."""
        is_served = np.zeros(self.num_envs, bool)
        is_served[rows] = True
        logs = {"slate": slates} | {name: self._spread(rows, getattr(response, name)) for name in _LOGGED}
        info: Infos = logs | {f"_{name}": is_served for name in logs}
        if self._ground.reveal_truth:
            latent = {name: self._spread(rows, getattr(response, name)) for name in _LATENT}
            info["truth"] = latent | {"mood": episodes.block.state.mood.copy()}
            info["_truth"] = is_served
        return info

    def _spread(self, rows: Int64[np.ndarray, " rows"], some: np.ndarray) -> np.ndarray:
        """Rows in their places among all environments, 0 elsewhere."""
        whole = np.zeros((self.num_envs, *some.shape[1:]), some.dtype)
        whole[rows] = some
        return whole

    def _look(self, episodes: Episodes) -> Observed:
        """Build the observations of all environments; the arrays are the caller's own."""
        observations: Observed = create_empty_array(self.single_observation_space, self.num_envs, np.empty)  # pyright: ignore[reportAssignmentType] # of a Dict
        bits = event_bits(self._ground.stage)
        for rows, obs in offers(episodes, np.arange(self.num_envs)):
            encoded = encode_rows(obs, episodes.first_day[rows], self._last_answer[rows], bits)
            for key, values in encoded.items():
                observations[key][rows] = values
        self._offered = observations["candidate_id"].copy()
        return observations


def _chosen_users(options: dict[str, Any], drawn: Int64[np.ndarray, " envs"], n_users: int) -> np.ndarray:
    """Return the users named in the options, else those drawn."""
    unknown = sorted(set(options) - {"user_id"})
    if unknown:
        raise ValueError(f"options: unknown key {unknown[0]!r}; want 'user_id' or nothing")
    users = np.asarray(options.get("user_id", drawn))
    if users.shape != drawn.shape or not np.issubdtype(users.dtype, np.integer):
        raise ValueError(
            f"options: user_id {users.tolist()} given, want {len(drawn)} whole numbers, one per environment"
        )
    if ((users < 0) | (users >= n_users)).any():
        raise ValueError(f"options: user_id {users.tolist()} given, want whole numbers from 0 to {n_users - 1}")
    return users.astype(np.int64)


def _checked_seeds(seeds: Sequence[int | None] | np.ndarray, n_envs: int) -> list[int | None]:
    """A seed per environment, or None."""
    given: list[Any] = list(seeds)
    if len(given) != n_envs:
        raise ValueError(f"seed: {len(given)} seeds given, want {n_envs}, one per environment")
    return [None if each is None else whole(f"seed[{i}]", each, 0, SEEDS - 1) for i, each in enumerate(given)]


def _checked(actions: Float32[np.ndarray, "envs n"], shape: tuple[int, int]) -> Float32[np.ndarray, "envs n"]:
    """Scores, one row per environment."""
    scores = np.ascontiguousarray(actions, np.float32)
    if scores.shape != shape:
        raise ValueError(f"actions: scores of shape {scores.shape} given, want {shape}: one per environment, candidate")
    if not np.isfinite(scores).all():
        raise ValueError(f"actions: score {scores[~np.isfinite(scores)][0]} given, want finite numbers")
    return scores
