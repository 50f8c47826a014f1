"""The engine of many machines: each shard of the users is a Ray task.

Between two steps users are stored in the run folder, which every machine has to see; a task reads its shard, simulates
it and writes it again. So no process holds all users, and a task whose worker dies is run again. Policies are sent as
weights, once a step. Feedback goes from task to task; the driver holds file names and weights.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, final

import torch

from policies.base import Feedback
from simulator.errors import EngineError
from simulator.experiment.engine import (
    AnswerWeights,
    PackedPolicy,
    RunContext,
    ServingPolicies,
    Shard,
    StepResult,
    Store,
    cut_shards,
)
from simulator.experiment.local_engine import collect_results
from simulator.experiment.schedule import SimulationStep, TrainingStep
from simulator.experiment.setup import prepare, world_of
from simulator.experiment.shard import LivePolicies, ShardResult, ShardState, learn, play_shard
from simulator.experiment.training import answer_weights, pack_policy, read_logs, train_policy, unpack_policy
from simulator.processor import pinned
from simulator.runs.checkpoint import StoredFile
from simulator.spec.experiment import ExperimentSpec

_RETRIES: Final = 5
"""Times that a task is played again after its worker died."""
_QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_PATIENCE_S: Final = 20
"""Seconds that a cluster has to let somebody join."""
_JOIN: Final = """
import logging, sys, ray
try:
    ray.init(address=sys.argv[1], logging_level=logging.ERROR, log_to_driver=False)
except Exception as error:
    sys.exit("\\n" + (str(error).strip() or type(error).__name__).partition("\\n")[0])
"""


@final
@dataclass(frozen=True)
class WorkerContext:
    """Spec as JSON and storage: a worker rebuilds everything else from them."""

    spec: str
    store: Store


@final
class RayEngine:
    """Simulates shards on the workers of a Ray cluster, or of this machine."""

    def __init__(self, workers: int, address: str | None = None) -> None:
        """Start `workers` processes here, or join the cluster at an address, which has workers of its own.

        Raises:
            EngineError: Ray is not installed or cannot start here, or nobody answers at the address.
        """
        os.environ.update(_QUIET)
        try:
            import ray
        except ImportError:
            raise EngineError("--engine ray: Ray is not installed; pip install 'askew[scale]'") from None
        self._ray: Any = ray
        if address:
            _try_to_join(address, ray.util.get_node_ip_address())
        own: dict[str, Any] = {"address": address} if address else {"num_cpus": workers, "include_dashboard": False}
        own |= {"runtime_env": {"env_vars": pinned() | _ONE_THREAD | _QUIET}}
        on_sigterm = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(**own, logging_level=logging.ERROR, log_to_driver=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(f"--engine ray: cannot start at {address or 'this machine'}: {_reason(error)}") from None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own way of ending does not say what is kept
        self._states: dict[str, tuple[StoredFile | None, ...]] = {}

    def open(self, context: RunContext) -> None:
        """Cut the users into shards; the store has to be durable."""
        self._shards = cut_shards(context.setting.blocks)
        self._n_arms = len(context.setting.policies)
        self._worker = WorkerContext(context.setting.spec.model_dump_json(), context.store)

    def load_users(self, timeline: str, states: tuple[StoredFile, ...]) -> None:
        """Set a timeline's stored user states; workers start from the initial population if there are none."""
        self._states[timeline] = states or tuple(None for _ in self._shards)

    def fork(self, source: str, lines: Sequence[str]) -> None:
        """Start timelines from the stored states of `source`; all share its files, which never change."""
        self._states |= dict.fromkeys(lines, self._states.pop(source))

    def play(self, step: SimulationStep, serving: ServingPolicies) -> StepResult:
        """Simulate one step of a timeline on all workers."""
        serving_ref = self._ray.put(serving)
        tasks = zip(self._shards, self._states[step.timeline], strict=True)
        results = [
            self._task(_play, 2).remote(self._worker, step, serving_ref, shard, stored) for shard, stored in tasks
        ]
        shards: list[ShardResult] = self._wait([done for done, _ in results])
        policies = serving.policies
        if step.learns:
            feedback = [owed for _, owed in results]
            policies = self._wait(self._task(_learn, 1).remote(self._worker, step.timeline, serving_ref, *feedback))
        result = collect_results(shards, policies)
        self._states[step.timeline] = result.states
        return result

    def train(self, step: TrainingStep, logs: tuple[StoredFile, ...]) -> tuple[tuple[PackedPolicy, ...], AnswerWeights]:
        """Train the policies of a step on logs, one task per policy."""
        if step.who == "pre":
            return (self._wait(self._task(_train, 1).remote(self._worker, None, logs)),), ()
        answers = self._task(_answers, 1).remote(self._worker, logs)
        weights = [self._task(_train, 1).remote(self._worker, arm, logs) for arm in range(self._n_arms)]
        return tuple(self._wait(weights)), self._wait(answers)

    def close(self) -> None:
        """Disconnect from Ray."""
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


def _reason(error: Exception) -> str:
    """Why Ray does not start, in a line."""
    first = str(error).strip().partition("\n")[0]
    if "AF_UNIX" not in first:
        return first
    return f"TMPDIR {tempfile.gettempdir()} given, too long a name for Ray's sockets; want a shorter one, such as /tmp"


def _try_to_join(address: str, here: str) -> None:
    """Join a cluster from a process that can be stopped: without an answer, Ray retries for many minutes.

    Args:
        address: Of the cluster.
        here: This machine's, which Ray asks in place of a loopback address.

    Raises:
        EngineError: Nobody answers, or says no.
    """
    remedy = "give the address of a running cluster, or leave out --address to start one here"
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal() and all(_closed(each, int(port)) for each in (host, here)):
        raise EngineError(f"--engine ray: nobody answers at --address {address}; {remedy}")
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter)
            [sys.executable, "-c", _JOIN, address], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"--engine ray: nobody answers at --address {address} within {_PATIENCE_S} s; {remedy}"
        ) from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["Ray"])[-1]
        raise EngineError(f"--engine ray: cannot join at --address {address}: {reason}; {remedy}")


def _closed(host: str, port: int) -> bool:
    """Return whether a port is surely closed; one that does not answer at all may be open."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except ConnectionRefusedError:
        return True
    except (OSError, OverflowError, UnicodeError):
        return False
    return False


@lru_cache(maxsize=1)
def _context(spec: str, store: Store) -> RunContext:
    """A worker's own context, the same as the driver's because it follows from the spec."""
    torch.set_num_threads(1)
    experiment = ExperimentSpec.model_validate_json(spec)
    return RunContext(prepare(experiment, world_of(experiment)), store)


def _play(
    worker: WorkerContext, step: SimulationStep, serving: ServingPolicies, shard: Shard, stored: StoredFile | None
) -> tuple[ShardResult, Feedback | None]:
    """Simulate a step for a shard; feedback is apart, because the driver never fetches it."""
    context = _context(worker.spec, worker.store)
    blocks = context.setting.blocks[shard.first : shard.last]
    users = ShardState.fresh(blocks).copy() if stored is None else ShardState.unpack(blocks, worker.store.get(stored))
    built = context.setting.built(step.timeline)
    policies = tuple(unpack_policy(policy, w) for policy, w in zip(built, serving.policies, strict=True))
    results = play_shard(context, step, LivePolicies(policies, serving.answer_model), shard, users)
    return ShardResult(None, results.states, results.log, results.tables), results.feedback


def _learn(
    worker: WorkerContext, timeline: str, serving: ServingPolicies, *feedback: Feedback | None
) -> tuple[PackedPolicy, ...]:
    """A timeline's policies after a round."""
    context = _context(worker.spec, worker.store)
    built = context.setting.built(timeline)
    policies = tuple(unpack_policy(policy, w) for policy, w in zip(built, serving.policies, strict=True))
    learn(context.setting, timeline, policies, [owed for owed in feedback if owed is not None])
    return tuple(pack_policy(policy) for policy in policies)


def _train(worker: WorkerContext, arm: int | None, logs: tuple[StoredFile, ...]) -> PackedPolicy:
    """The policy of an arm, or of the pre-period, fitted on the logs."""
    context = _context(worker.spec, worker.store)
    return train_policy(context, arm, read_logs(context, logs))


def _answers(worker: WorkerContext, logs: tuple[StoredFile, ...]) -> AnswerWeights:
    """The answering model fitted on the logs."""
    context = _context(worker.spec, worker.store)
    return answer_weights(context, read_logs(context, logs))
