"""Thousands of feeds as a vector environment of Stable-Baselines3.

Needs Stable-Baselines3: `pip install 'askew[rl]'`.

Axes: `envs` environments, `f` numbers of a request, `a` numbers of an action.
"""

from typing import Any, Literal, final

import numpy as np
from gymnasium import spaces
from jaxtyping import Float32
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices
from typing_extensions import override

from policies.agents.flat_observation import Numbers, numbers_of
from simulator.environment.vector_env import FeedVectorEnv
from simulator.environment.wrappers import BOUND


@final
class FlatFeeds(VecEnv):
    """Vector environment of flat observations (`Numbers.flat`), with the actions of a single-environment wrapper.

    With `action="weights"` an action is a weight per number of a candidate, as of `CandidateWeights`; with `"video"`,
    for slates of one video, which candidate to show, as of `SingleVideo`. `save_agent` stores an agent that was
    trained here.
    """

    def __init__(self, envs: FeedVectorEnv, action: Literal["weights", "video"] = "weights") -> None:
        """Wrap a vector environment.

        Raises:
            ValueError: `action` is "video", but the environment shows several videos per request.
        """
        if action == "video" and envs.settings.slate_size != 1:
            raise ValueError(f"slate_size: {envs.settings.slate_size} given, want 1 to act by one video")
        self._envs, self._by_weights = envs, action == "weights"
        self._actions = np.zeros(0, np.int64)
        envs.reset(seed=0)
        self._numbers = self._read()
        n_numbers = self._numbers.candidates.shape[2]
        super().__init__(
            envs.num_envs,
            spaces.Box(-BOUND, BOUND, (self._numbers.flat.shape[1],), np.float32),
            spaces.Box(-1, 1, (n_numbers,), np.float32)
            if self._by_weights
            else spaces.Discrete(envs.settings.n_candidates),
        )

    @override
    def reset(self) -> Float32[np.ndarray, "envs f"]:
        """Begin an episode in every environment; `seed` before it names the experiment."""
        self._envs.reset(seed=self._seeds[0])
        self._reset_seeds()
        self._numbers = self._read()
        return self._numbers.flat

    @override
    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    @override
    def step_wait(
        self,
    ) -> tuple[Float32[np.ndarray, "envs f"], Float32[np.ndarray, " envs"], np.ndarray, list[dict[str, Any]]]:
        """Serve every user; an ended episode is replaced at once by the first request of the next one."""
        _, rewards, terminated, truncated, _ = self._envs.step(self._scores())
        is_over = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if is_over.any():
            last_observations = self._read().flat
            for env in np.flatnonzero(is_over).tolist():
                infos[env] = {
                    "terminal_observation": last_observations[env],
                    "TimeLimit.truncated": bool(~terminated[env]),
                }
            self._envs.begin_anew()
        self._numbers = self._read()
        return self._numbers.flat, rewards.astype(np.float32), is_over, infos

    @override
    def close(self) -> None:
        """Close the environments."""
        self._envs.close()

    @override
    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return the attribute for each of some environments."""
        return [getattr(self._envs, attr_name)] * len(list(self._get_indices(indices)))

    @override
    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refuse: the environments share their attributes."""
        raise AttributeError(f"{attr_name!r} cannot be set: the environments share their settings; make new ones")

    @override
    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Refuse: there are no single environments to call."""
        raise AttributeError(f"{method_name!r} cannot be called: there are no single environments")

    @override
    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """Return False for each environment: none is wrapped."""
        return [False] * len(list(self._get_indices(indices)))

    def _scores(self) -> Float32[np.ndarray, "envs n"]:
        """Turn actions into a score per candidate."""
        if self._by_weights:
            weights = np.asarray(self._actions, np.float32)
            return np.einsum("enp,ep->en", self._numbers.candidates, weights).astype(np.float32)
        return np.eye(self._envs.settings.n_candidates, dtype=np.float32)[self._actions.astype(np.int64)]

    def _read(self) -> Numbers:
        """Encode the waiting requests as numbers."""
        rows_and_numbers = [(rows, numbers_of(obs)) for rows, obs in self._envs.requests()]
        order = np.argsort(np.concatenate([rows for rows, _ in rows_and_numbers]))
        about, candidates = (
            np.concatenate([getattr(numbers, name) for _, numbers in rows_and_numbers])[order]
            for name in ("about", "candidates")
        )
        return Numbers(about, candidates)
