"""From a run's folder to an off-policy evaluation in a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from jaxtyping import Int64

from policies.base import ExploringPolicy, Policy
from simulator.assignment import assign
from simulator.errors import OfflineError, RunFolderError, SpecError
from simulator.experiment.runner import Progress, prepare, world_of
from simulator.names import nearest
from simulator.off_policy.choices import check_fixed
from simulator.off_policy.compare import compare
from simulator.off_policy.log import REWARDS, Logged
from simulator.off_policy.replay import replay, train
from simulator.off_policy.result import OffPolicy
from simulator.reports.trace import trace_fault
from simulator.runs.folder import RunFolder
from simulator.spec.experiment import ArmSpec, ExperimentSpec, load_spec

_KEYS: Final = ["user_id", "day", "request", "position"]
_LOGGED: Final = (*_KEYS, "video_id", "watch_s", "log_propensity")


@final
@dataclass(frozen=True)
class Question:
    """What is asked of a run.

    Attributes:
        policy: The evaluated one: an arm of the run, or a policy by name with its default options.
        arm: Whose log is read; the first that tells its chances if None.
        reward: A name from `simulator.off_policy.log.REWARDS`.
        users: Traced users to look at, at most.
    """

    policy: str
    arm: str | None = None
    reward: str = "click"
    users: int = 2000


def evaluate(run: Path, question: Question, workers: int, progress: Progress) -> OffPolicy:
    """Estimate what a policy is worth from another one's log, and beside it what it is truly worth.

    Raises:
        SpecError: A damaged spec, an unknown arm, policy or reward.
        OfflineError: A policy that tells no chances, or that learns during the test.
        RunFolderError: No trace, a damaged one, or one of another version.
    """
    if question.reward not in REWARDS:
        raise SpecError(f"--reward: {question.reward!r} given, want one of {', '.join(REWARDS)}")
    if not (run / "spec.toml").is_file():
        raise RunFolderError(f"{run}: holds no run; give the folder of a run whose spec had trace above 0")
    spec = load_spec(str(run / "spec.toml"))
    target = _target(spec, question.policy)
    logging = _logging(spec, question)
    setting = prepare(_with(spec, logging, target), world_of(spec))
    for policy, arm in zip(setting.policies, (logging, target), strict=True):
        check_fixed(policy, arm.name)
    if not _tells(setting.policies[0]):
        raise OfflineError(
            f"arm {logging.name!r} (policy {logging.policy!r}) tells no chances of its slates; want an arm with policy "
            "softmax, epsilon or random to have logged"
        )
    trace = _trace(run, spec, logging.name, question.users)
    contestants = train(setting, question.policy, workers, progress)
    log, own = replay(contestants, np.unique(trace["user_id"].to_numpy(np.int64)), workers, progress)
    _check_same(trace, log, run)
    rows, truths = compare(log, own, question.reward)
    return OffPolicy(
        run=spec.name,
        logging=logging.name,
        policy=question.policy,
        reward=question.reward,
        users=len(np.unique(log.shown.user_id)),
        slates=len(log.shown.user_id),
        views=int(log.shown.seen.sum()),
        estimates=rows,
        truths=truths,
    )


def write_result(result: OffPolicy, out: Path) -> Path:
    """Write `off_policy.json` into a folder, made if need be; one that is there is replaced.

    Raises:
        RunFolderError: It cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{out}: cannot be made: {error.strerror}; give another --out") from None
    text = result.to_json()
    RunFolder(out).write(OffPolicy.file, lambda to: to.write_text(text, encoding="utf-8"))
    return out / OffPolicy.file


def _target(spec: ExperimentSpec, policy: str) -> ArmSpec:
    """The evaluated policy: an arm of the run by its name, else a policy by its own."""
    for arm in spec.arms:
        if arm.name == policy:
            return arm
    return ArmSpec.model_construct(name=policy, policy=policy, share=1.0, options={}, training_seed=0)


def _logging(spec: ExperimentSpec, question: Question) -> ArmSpec:
    """The arm whose log is read."""
    names = {arm.name: arm for arm in spec.arms}
    if question.arm is not None and question.arm not in names:
        hint = nearest(question.arm, names, f"want one of {', '.join(names)}")
        raise SpecError(f"--arm: {question.arm!r} given; {hint}")
    if question.arm is not None:
        return names[question.arm]
    built = prepare(spec, world_of(spec)).policies
    telling = [arm for arm, policy in zip(spec.arms, built, strict=True) if _tells(policy)]
    others = [arm for arm in telling if arm.name != question.policy]
    return (others or telling or [spec.control])[0]


def _tells(policy: Policy) -> bool:
    """Whether a policy tells the chances of its slates."""
    return isinstance(policy, ExploringPolicy)


def _with(spec: ExperimentSpec, logging: ArmSpec, target: ArmSpec) -> ExperimentSpec:
    """The same experiment with the logging policy against the evaluated one."""
    arms = (logging.model_copy(update={"name": "logging"}), target.model_copy(update={"name": "policy"}))
    even = tuple(arm.model_copy(update={"share": 1.0}) for arm in arms)
    return spec.model_copy(update={"arms": even, "truth": True, "stop_when": None, "sweep": None})


def _trace(run: Path, spec: ExperimentSpec, arm: str, most: int) -> pd.DataFrame:
    """Logged views of an arm, by user and time."""
    if not (run / "trace").is_dir():
        raise RunFolderError(f"{run}: holds no trace; put `trace = 1.0` into its spec and run it again")
    line = f"all:{arm}" if spec.truth else "mixed"
    try:
        rows = ds.dataset((run / "trace").absolute(), format="parquet")
        missing = [name for name in _LOGGED if name not in rows.schema.names]
        if missing:
            raise RunFolderError(f"{run / 'trace'}: holds no {missing[0]}; run the test again")
        table = rows.to_table(columns=list(_LOGGED), filter=ds.field("world") == line)
    except (OSError, pa.ArrowException) as error:
        first = str(error).partition("\n")[0]
        raise RunFolderError(f"{run / 'trace'}: cannot be read: {first}; run the test again") from None
    if fault := trace_fault(table):
        raise RunFolderError(f"{run / 'trace'}: {fault}; run the test again")
    frame = table.to_pandas()
    if not spec.truth:
        frame = frame[_in_bucket(frame["user_id"].to_numpy(np.int64), spec, arm)]
    chosen = np.unique(frame["user_id"])[:most]
    if len(chosen) < 2:
        raise RunFolderError(
            f"{run / 'trace'}: holds views of {len(chosen)} users of {arm!r}, want two or more; trace a larger share"
        )
    return frame[frame["user_id"].isin(chosen)].sort_values(_KEYS, kind="stable", ignore_index=True)


def _in_bucket(user_id: Int64[np.ndarray, " rows"], spec: ExperimentSpec, arm: str) -> np.ndarray:
    """Whether an arm served each user in the mixed timeline."""
    served_by = assign(user_id, np.array([each.share for each in spec.arms]), spec.salt)
    return served_by == [each.name for each in spec.arms].index(arm)


def _check_same(trace: pd.DataFrame, log: Logged, run: Path) -> None:
    """Refuse a log that is not the one in the trace, view by view.

    Raises:
        RunFolderError: They differ.
    """
    row, position = np.nonzero(log.shown.seen)
    again = {
        "user_id": log.shown.user_id[row],
        "day": log.shown.day[row],
        "request": log.shown.request[row],
        "position": position,
        "video_id": log.shown.slates[row, position],
        "watch_s": log.shown.watch_s[row, position],
        "log_propensity": log.log_propensity[row, position],
    }
    for name, values in again.items():
        kept = trace[name].to_numpy()
        if len(kept) != len(values) or not np.allclose(kept, values, rtol=1e-6, atol=1e-6):
            raise RunFolderError(
                f"{run / 'trace'}: {name} is not what its spec gives now; the run is of another version or world, run "
                "the test again"
            )
