"""The engine of many machines: each shard of the users is a Ray task.

Between two steps users are stored in the run folder, which every machine must be able to read. A task reads its shard,
simulates it and writes it back. So no process holds all users, and a task whose worker dies is run again. Policies are
sent as weights, once per step. Feedback goes from task to task; the driver holds file names and weights.
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
from importlib.util import find_spec
from typing import Any, Final, final

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
"""Number of times that a task is run again after its worker died."""
_QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_PATIENCE_S: Final = 20
"""Seconds to wait until a cluster accepts this process."""
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
    """Spec as JSON, and storage: a worker rebuilds everything else from them."""

    spec: str
    store: Store


@final
class RayEngine:
    """Simulates shards on the workers of a Ray cluster, or of this machine."""

    def __init__(self, workers: int, address: str | None = None) -> None:
        """Start `workers` processes here, or join the cluster at an address, which has workers of its own.

        Raises:
            EngineError: Ray is not installed or cannot start here, or there is no cluster at the address.
        """
        os.environ.update(_QUIET)
        try:
            import ray
        except ImportError:
            raise EngineError("--engine ray: Ray is not installed; pip install 'askew[scale]'") from None
        self._ray: Any = ray
        if address:
            _try_to_join(address, ray.util.get_node_ip_address())
        init_options: dict[str, Any] = (
            {"address": address} if address else {"num_cpus": workers, "include_dashboard": False}
        )
        init_options |= {"runtime_env": {"env_vars": pinned() | _ONE_THREAD | _QUIET}}
        on_sigterm = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(**init_options, logging_level=logging.ERROR, log_to_driver=False)
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

    def fork(self, source: str, timelines: Sequence[str]) -> None:
        """Start timelines from the stored states of `source`; all share its files, which never change."""
        self._states |= dict.fromkeys(timelines, self._states.pop(source))

    def play(self, step: SimulationStep, serving: ServingPolicies) -> StepResult:
        """Simulate one step of a timeline on all workers."""
        serving_ref = self._ray.put(serving)
        tasks = zip(self._shards, self._states[step.timeline], strict=True)
        results = [
            self._task(_play, 2).remote(self._worker, step, serving_ref, shard, stored) for shard, stored in tasks
        ]
        shards: list[ShardResult] = self._wait([result_ref for result_ref, _ in results])
        policies = serving.policies
        if step.learns:
            feedback = [feedback_ref for _, feedback_ref in results]
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
        """Turn a function into a task that is run again if its worker dies."""
        return self._ray.remote(num_returns=n_results, max_retries=_RETRIES)(function)

    def _wait(self, tasks: object) -> Any:  # noqa: ANN401 (whatever the tasks give)
        """Wait for the results of tasks; errors of the project are raised again here."""
        try:
            return self._ray.get(tasks)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            first = str(error).strip().partition("\n")[0]
            raise EngineError(f"--engine ray: {first}; what was finished is kept: go on with --resume") from None


def _reason(error: Exception) -> str:
    """Reason why Ray does not start, in one line."""
    first = str(error).strip().partition("\n")[0]
    if "AF_UNIX" not in first:
        return first
    return f"TMPDIR {tempfile.gettempdir()} given, too long a name for Ray's sockets; want a shorter one, such as /tmp"


def _try_to_join(address: str, own_address: str) -> None:
    """Join a cluster from a process that can be stopped: without an answer, Ray retries for many minutes.

    Args:
        address: Address of the cluster.
        own_address: Address of this machine, which Ray uses instead of a loopback address.

    Raises:
        EngineError: There is no answer, or the cluster refuses.
    """
    remedy = "give the address of a running cluster, or leave out --address to start one here"
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal() and all(_is_closed(candidate, int(port)) for candidate in (host, own_address)):
        raise EngineError(f"--engine ray: nobody answers at --address {address}; {remedy}")
    try:
        process = subprocess.run(  # noqa: S603 (our own interpreter)
            [sys.executable, "-c", _JOIN, address], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"--engine ray: nobody answers at --address {address} within {_PATIENCE_S} s; {remedy}"
        ) from None
    if process.returncode:
        reason = (process.stderr.strip().splitlines() or ["Ray"])[-1]
        raise EngineError(f"--engine ray: cannot join at --address {address}: {reason}; {remedy}")


def _is_closed(host: str, port: int) -> bool:
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
    """Rebuild the run context in a worker; it depends on the spec alone."""
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
    experiment = ExperimentSpec.model_validate_json(spec)
    return RunContext(prepare(experiment, world_of(experiment)), store)


def _play(
    worker: WorkerContext, step: SimulationStep, serving: ServingPolicies, shard: Shard, stored: StoredFile | None
) -> tuple[ShardResult, Feedback | None]:
    """Simulate a step for a shard; feedback is returned separately, because the driver never reads it."""
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
    """Update a timeline's policies after a round."""
    context = _context(worker.spec, worker.store)
    built = context.setting.built(timeline)
    policies = tuple(unpack_policy(policy, w) for policy, w in zip(built, serving.policies, strict=True))
    learn(context.setting, timeline, policies, [log for log in feedback if log is not None])
    return tuple(pack_policy(policy) for policy in policies)


def _train(worker: WorkerContext, arm: int | None, logs: tuple[StoredFile, ...]) -> PackedPolicy:
    """Train the policy of an arm, or of the pre-period, on the logs."""
    context = _context(worker.spec, worker.store)
    return train_policy(context, arm, read_logs(context, logs))


def _answers(worker: WorkerContext, logs: tuple[StoredFile, ...]) -> AnswerWeights:
    """Fit the answer model on the logs."""
    context = _context(worker.spec, worker.store)
    return answer_weights(context, read_logs(context, logs))
