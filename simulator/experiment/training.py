"""Packing, unpacking and training of policies between steps."""

import copy
from pathlib import Path
from tempfile import TemporaryDirectory

from policies.base import Feedback, Log, Policy, TrainablePolicy
from simulator.experiment.engine import AnswerWeights, PackedPolicy, RunContext
from simulator.experiment.shard import unpack_log
from simulator.rollout.answer_model import fit_answer_model
from simulator.rollout.day import canonical
from simulator.runs.checkpoint import StoredFile


def pack_policy(policy: Policy) -> PackedPolicy:
    """Save a policy as (path, bytes) pairs; empty if the policy is not trainable."""
    if not isinstance(policy, TrainablePolicy):
        return ()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "policy"
        policy.save(folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return tuple((path.relative_to(folder).as_posix(), path.read_bytes()) for path in files)


def unpack_policy(built: Policy, weights: PackedPolicy) -> Policy:
    """Load a packed policy; without weights, copy the policy as it was built."""
    if not weights or not isinstance(built, TrainablePolicy):
        return copy.deepcopy(built)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "policy"
        for name, data in weights:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return type(built).load(folder)


def read_logs(context: RunContext, logs: tuple[StoredFile, ...]) -> Feedback:
    """Read the files of a log, which are in order of time, into one log."""
    return canonical([unpack_log(context.store.get(stored)) for stored in logs])


def train_policy(context: RunContext, arm: int | None, log: Feedback) -> PackedPolicy:
    """Train the policy of an arm, or of the pre-period, on a log, and return its weights."""
    setting = context.setting
    policy = copy.deepcopy(setting.pre_policy if arm is None else setting.policies[arm])
    if isinstance(policy, TrainablePolicy):
        platform = setting.rollout.platform
        policy.fit(Log(log, platform.user_table, platform.video_table), setting.training_seed(arm))
    return pack_policy(policy)


def answer_weights(context: RunContext, log: Feedback) -> AnswerWeights:
    """Fit the answer model on a log, and return its coefficients."""
    return fit_answer_model(log, context.setting.rollout.platform.videos.duration_s).packed()
