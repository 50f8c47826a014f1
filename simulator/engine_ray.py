"""The engine of many machines: each part of the users is a Ray task.

Between two scenes users lie in the run folder, which every machine has to see; a task reads its part, plays it and
writes it anew. So nothing piles up in any process, and a task whose worker dies is simply played again. Policies
travel as weights, once a scene. Feedback goes from task to task; the driver holds file names and weights.
"""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, final

import torch

from policies.base import Feedback
from simulator.checkpoint import Kept
from simulator.engine import AnswerWeights, Cast, Hall, Part, Played, Store, Weights, cut_parts
from simulator.engine_lessons import answer_weights, pack_policy, read_logs, taught, unpack_policy
from simulator.engine_local import gathered
from simulator.engine_part import PartPlayed, Servers, Standing, learn, play_part
from simulator.engine_steps import Lesson, Scene
from simulator.errors import EngineError
from simulator.setting import prepare, world_of
from simulator.spec import ExperimentSpec

_RETRIES: Final = 5
"""Times that a task is played again after its worker died."""
_QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@final
@dataclass(frozen=True)
class Ticket:
    """From which a worker makes everything else: the spec as JSON, and the run folder."""

    spec: str
    store: Store


@final
class RayEngine:
    """Plays parts on the workers of a Ray cluster, or of this machine."""

    def __init__(self, workers: int, address: str | None = None) -> None:
        """Start `workers` processes here, or join the cluster at an address, which has workers of its own.

        Raises:
            EngineError: Ray is not installed, or nobody answers at the address.
        """
        os.environ.update(_QUIET)
        try:
            import ray
        except ImportError:
            raise EngineError("--engine ray: Ray is not installed; pip install 'askew[scale]'") from None
        self._ray: Any = ray
        own: dict[str, Any] = {"address": address} if address else {"num_cpus": workers, "include_dashboard": False}
        own |= {"runtime_env": {"env_vars": _ONE_THREAD | _QUIET}}
        try:
            ray.init(**own, logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            first = str(error).strip().partition("\n")[0]
            raise EngineError(f"--engine ray: cannot start at {address or 'this machine'}: {first}") from None
        self._standing: dict[str, tuple[Kept | None, ...]] = {}

    def open(self, hall: Hall) -> None:
        """See `Engine.open`; the store has to be durable."""
        self._parts = cut_parts(hall.setting.blocks)
        self._n_arms = len(hall.setting.policies)
        self._ticket = Ticket(hall.setting.spec.model_dump_json(), hall.store)

    def seat(self, line: str, standing: tuple[Kept, ...]) -> None:
        """See `Engine.seat`."""
        self._standing[line] = standing or tuple(None for _ in self._parts)

    def fork(self, source: str, lines: Sequence[str]) -> None:
        """See `Engine.fork`; files are read, never changed, so all may begin with the same ones."""
        self._standing |= dict.fromkeys(lines, self._standing.pop(source))

    def play(self, scene: Scene, cast: Cast) -> Played:
        """See `Engine.play`."""
        sent = self._ray.put(cast)
        tasks = zip(self._parts, self._standing[scene.line], strict=True)
        played = [self._task(_play, 2).remote(self._ticket, scene, sent, part, kept) for part, kept in tasks]
        parts: list[PartPlayed] = self._wait([done for done, _ in played])
        policies = cast.policies
        if scene.learns:
            feedback = [owed for _, owed in played]
            policies = self._wait(self._task(_learn, 1).remote(self._ticket, scene.line, sent, *feedback))
        result = gathered(parts, policies)
        self._standing[scene.line] = result.standing
        return result

    def teach(self, lesson: Lesson, logs: tuple[Kept, ...]) -> tuple[tuple[Weights, ...], AnswerWeights]:
        """See `Engine.teach`."""
        if lesson.who == "pre":
            return (self._wait(self._task(_teach, 1).remote(self._ticket, None, logs)),), ()
        answers = self._task(_answers, 1).remote(self._ticket, logs)
        weights = [self._task(_teach, 1).remote(self._ticket, arm, logs) for arm in range(self._n_arms)]
        return tuple(self._wait(weights)), self._wait(answers)

    def close(self) -> None:
        """See `Engine.close`."""
        self._ray.shutdown()

    def _task(self, function: Callable[..., object], n_results: int) -> Any:  # noqa: ANN401 (Ray makes it)
        """A function as a task that outlives its worker."""
        return self._ray.remote(num_returns=n_results, max_retries=_RETRIES)(function)

    def _wait(self, tasks: object) -> Any:  # noqa: ANN401 (whatever the tasks give)
        """Results of tasks; errors of ours as they were raised there."""
        try:
            return self._ray.get(tasks)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            first = str(error).strip().partition("\n")[0]
            raise EngineError(f"--engine ray: {first}; what was finished is kept: go on with --resume") from None


@lru_cache(maxsize=1)
def _hall(spec: str, store: Store) -> Hall:
    """A worker's own setting, the same as the driver's because it follows from the spec."""
    torch.set_num_threads(1)
    known = ExperimentSpec.model_validate_json(spec)
    return Hall(prepare(known, world_of(known)), store)


def _play(
    ticket: Ticket, scene: Scene, cast: Cast, part: Part, kept: Kept | None
) -> tuple[PartPlayed, Feedback | None]:
    """A part through a scene; feedback apart, because the driver never fetches it."""
    hall = _hall(ticket.spec, ticket.store)
    blocks = hall.setting.blocks[part.first : part.last]
    begun = Standing.fresh(blocks).copy() if kept is None else Standing.unpack(blocks, ticket.store.get(kept))
    built = hall.setting.built(scene.line)
    policies = tuple(unpack_policy(policy, w) for policy, w in zip(built, cast.policies, strict=True))
    played = play_part(hall, scene, Servers(policies, cast.answer_model), part, begun)
    return PartPlayed(None, played.standing, played.log, played.tables), played.feedback


def _learn(ticket: Ticket, line: str, cast: Cast, *feedback: Feedback | None) -> tuple[Weights, ...]:
    """A line's policies after a round."""
    hall = _hall(ticket.spec, ticket.store)
    built = hall.setting.built(line)
    policies = tuple(unpack_policy(policy, w) for policy, w in zip(built, cast.policies, strict=True))
    learn(hall.setting, line, policies, [owed for owed in feedback if owed is not None])
    return tuple(pack_policy(policy) for policy in policies)


def _teach(ticket: Ticket, arm: int | None, logs: tuple[Kept, ...]) -> Weights:
    """The policy of an arm, or of the pre-period, fitted on the logs."""
    hall = _hall(ticket.spec, ticket.store)
    return taught(hall, arm, read_logs(hall, logs))


def _answers(ticket: Ticket, logs: tuple[Kept, ...]) -> AnswerWeights:
    """The answering model fitted on the logs."""
    hall = _hall(ticket.spec, ticket.store)
    return answer_weights(hall, read_logs(hall, logs))
