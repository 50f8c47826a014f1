"""The experiment spec: a TOML file, read into a frozen model that knows every key."""

import tomllib
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, final

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)

from simulator.checked import IDS, SEEDS
from simulator.errors import SpecError
from simulator.names import name_fault, nearest
from simulator.spec.monitoring import STRICT, LooksSpec, StopRule, guardrails_fault, looks_fault


def _fit(name: str) -> str:
    """Check that a name can be displayed."""
    if fault := name_fault(name):
        raise ValueError(fault)
    return name


Name = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_fit)]


def _no_float(value: object) -> object:
    """Refuse 2.0 and true, which equal whole numbers."""
    if isinstance(value, bool | float):
        raise ValueError("input should be a valid integer")
    return value


@final
class ArmSpec(BaseModel):
    """One bucket of users and the policy that serves it.

    Attributes:
        name: Name, unique within the experiment.
        policy: A shipped policy's name or `package.module:Class`.
        share: Share of the users, relative to the other arms' shares.
        options: Keyword arguments of the policy.
        training_seed: Seed of the training; arms that differ in it alone show the variance of training.
    """

    model_config = STRICT

    name: Name
    policy: Name
    share: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    options: dict[str, Any] = Field(default_factory=dict)
    training_seed: Annotated[int, Field(ge=0)] = 0

    def same_policy(self, other: "ArmSpec") -> bool:
        """Whether both arms have the same policy, options and training."""
        policy = (self.policy, self.options, self.training_seed)
        return policy == (other.policy, other.options, other.training_seed)


@final
class SweepSpec(BaseModel):
    """An assumed parameter and the values to try: as a list, or evenly spaced from `low` to `high`.

    Attributes:
        parameter: Name of an assumed scalar of the world, such as `returning.satisfaction`.
        values: Two or more different values; not together with a range.
        low: Lower end of a range.
        high: Upper end of a range.
        steps: Number of values in the range, both ends included.
    """

    model_config = STRICT

    parameter: Name
    values: Annotated[tuple[float, ...], Field(strict=False)] = ()
    low: float | None = None
    high: float | None = None
    steps: Annotated[int, Field(ge=2, le=100)] | None = None

    @property
    def points(self) -> tuple[float, ...]:
        """The values to try, ascending.

        >>> SweepSpec(parameter="leaving.skips", low=0.0, high=0.1, steps=3).points
        (0.0, 0.05, 0.1)
        """
        if self.low is None or self.high is None or self.steps is None:
            return tuple(sorted(self.values))
        step = (self.high - self.low) / (self.steps - 1)
        # twelve digits: 0.1 + 0.2 is 0.3 to whoever reads the folder's name
        return tuple(float(f"{self.low + index * step:.12g}") for index in range(self.steps))

    @model_validator(mode="after")
    def _either(self) -> "SweepSpec":
        """Check that a sweep has two or more different values."""
        range_keys = [key for key in ("low", "high", "steps") if getattr(self, key) is not None]
        if bool(self.values) == bool(range_keys) or len(range_keys) in (1, 2):
            raise ValueError("want either values, or low, high and steps")
        if len(range_keys) == 3 and not self.points[0] < self.points[-1]:
            raise ValueError("want low below high")
        if len(set(self.points)) < max(2, len(self.points)):
            raise ValueError("want two values or more, all different")
        return self


@final
class ExperimentSpec(BaseModel):
    """Settings of a multi-day test. The first arm is the control.

    Attributes:
        name: Name on the report.
        seed: The only seed; every use of it is named.
        world: A bundled world's name or a folder.
        users: Number of assigned users.
        videos: Videos on offer on any day; the world determines how many new ones replace old ones.
        days: Days of the test.
        pre_days: Days before the test, in which `pre_policy` serves all users; they give CUPED its covariates.
        launch_days: Days of random slates before the pre-period, on which `pre_policy` is trained.
        rounds_per_day: Policies learn at the end of each round; divides 24.
        slate_size: Videos per request.
        candidates: Videos to choose from per request.
        views_scale: Share of real activity that is simulated (1 is about 380 views a day).
        questionnaire: Preset of the rates of asking and answering.
        pre_policy: Production-like policy of the pre-period.
        salt: Salt of the assignment; another salt splits the users independently.
        truth: Run every user under every arm, for the true effect.
        trace: Share of users whose impressions are all stored.
        training_users: Maximum number of users whose logs train policies: the first ones.
        segments: Public features of users for effects by segment; by default activity and tenure.
        learning: Feedback that an arm's policy learns from in the test: `diverted`, of its own bucket; `pooled`, of all
            buckets, as if every arm were trained on one log.
        popularity: With `pooled`, policies that count popularity, such as `popular`, count over all buckets even with
            diverted learning; `per_arm` by default.
        world_values: World parameters set by hand, such as `leaving.satisfaction`.
        sweep: Run the test once per value of an assumed parameter.
        arms: Two or more arms.
        multiplicity: Adjustment of the p-values of the main metrics for their number, over all treatments.
        guardrails: Metrics that must not get worse, each with the acceptable relative loss: `LT7 = 0.01`.
        looks: Days and method of interim looks.
        stop_when: Rule that ends the test early, after the first look at which it holds.
    """

    model_config = STRICT

    name: Name
    seed: Annotated[int, Field(ge=0, lt=SEEDS)] = 0
    world: str = "kuairand-pure"
    users: Annotated[int, Field(ge=2, lt=IDS)] = 20_000
    videos: Annotated[int, Field(ge=1, lt=IDS)] = 7_583
    days: Annotated[int, Field(ge=1, le=365)] = 7
    pre_days: Annotated[int, Field(ge=1, le=60)] = 7
    launch_days: Annotated[int, Field(ge=1, le=30)] = 2
    rounds_per_day: Annotated[Literal[1, 2, 3, 4, 6, 8], BeforeValidator(_no_float)] = 3
    slate_size: Annotated[int, Field(ge=1, le=50)] = 6
    candidates: Annotated[int, Field(ge=1, le=1000)] = 100
    views_scale: Annotated[float, Field(gt=0, le=1)] = 0.1
    questionnaire: Literal["easq", "saqrec", "dense"] = "dense"
    pre_policy: Name = "base"
    salt: str = "askew"
    truth: bool = True
    trace: Annotated[float, Field(ge=0, le=1)] = 0.0
    training_users: Annotated[int, Field(ge=1)] = 20_000
    segments: Annotated[tuple[Name, ...], Field(strict=False)] | None = None
    learning: Literal["diverted", "pooled"] = "diverted"
    popularity: Literal["per_arm", "pooled"] = "per_arm"
    world_values: dict[str, float] = Field(default_factory=dict)
    sweep: SweepSpec | None = None
    arms: Annotated[tuple[ArmSpec, ...], Field(min_length=2, strict=False)]
    multiplicity: Literal["holm", "benjamini-hochberg", "none"] = "holm"
    guardrails: dict[str, float] = Field(default_factory=dict)
    looks: LooksSpec = LooksSpec()
    stop_when: StopRule | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_numpy(cls, keys: Any) -> Any:  # noqa: ANN401 (whatever was given)
        """Convert NumPy integers from Python callers."""
        if not isinstance(keys, dict):
            return keys
        return {key: int(value) if isinstance(value, np.integer) else value for key, value in keys.items()}

    @model_validator(mode="after")
    def _consistent(self) -> "ExperimentSpec":
        """Check that the keys do not contradict each other."""
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError(f"arms: names {names} given, want all different")
        if self.slate_size > self.candidates:
            raise ValueError(f"slate_size: {self.slate_size} given, want at most candidates = {self.candidates}")
        if self.candidates > self.videos:
            raise ValueError(f"candidates: {self.candidates} given, want at most videos = {self.videos}")
        if self.sweep is not None and self.sweep.parameter in self.world_values:
            raise ValueError(f"sweep: {self.sweep.parameter!r} is set in world_values too; take it out of one of them")
        treatments = [arm.name for arm in self.arms[1:]]
        fault = guardrails_fault(self.guardrails) or looks_fault(self.looks, self.days, self.stop_when, treatments)
        if fault:
            raise ValueError(fault)
        return self

    @model_serializer(mode="wrap")
    def _without_nothing(self, dump: Callable[["ExperimentSpec"], dict[str, Any]]) -> dict[str, Any]:
        """Leave out null, which TOML lacks, and defaults of keys that older run folders do not have."""
        defaults_of_newer_keys = {"learning": "diverted", "popularity": "per_arm"}
        return {
            key: value
            for key, value in dump(self).items()
            if value is not None and defaults_of_newer_keys.get(key) != value
        }

    def first_days(self, days: int) -> "ExperimentSpec":
        """The test shortened to its first days, such as those before an early stop."""
        return self.model_copy(update={"days": days})

    def without_truth(self) -> "ExperimentSpec":
        """The test without the timelines for the true effect."""
        return self.model_copy(update={"truth": False})

    def without_sweep(self) -> "ExperimentSpec":
        """The test at its own value of the swept parameter."""
        return self.model_copy(update={"sweep": None})

    def with_trace(self, share: float) -> "ExperimentSpec":
        """The test with the impressions of a share of the users stored."""
        return self.model_copy(update={"trace": share})

    @property
    def control(self) -> ArmSpec:
        """Arm that the others are compared with."""
        return self.arms[0]


def shipped_specs() -> dict[str, Path]:
    """Paths of the bundled specs, by name."""
    folder = Path(str(files("simulator") / "specs"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_spec(spec: str, seed: int | None = None) -> ExperimentSpec:
    """Read a spec by path or by the name of a shipped one.

    Args:
        spec: Path of a TOML file, or a name from `shipped_specs`.
        seed: Replaces the spec's seed.

    Raises:
        SpecError: The file is missing or not TOML, a key is unknown or a value out of range.
    """
    path = _find(spec)
    try:
        keys = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # of no TOML, no text, numbers too long, or nested too deep
        raise SpecError(f"{path}: not a TOML file: {error}") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_spec(keys if seed is None else {**keys, "seed": seed}, origin=str(path))


def parse_spec(keys: dict[str, Any], origin: str) -> ExperimentSpec:
    """Check the keys of a spec; `origin` names it in messages.

    Raises:
        SpecError: A key is unknown or a value out of range; the message names the key, the value and what is allowed.
    """
    try:
        return ExperimentSpec.model_validate(keys)
    except ValidationError as error:
        raise SpecError(f"{origin}: {_line(error.errors(include_url=False)[0])}") from None


def spec_faults(keys: dict[str, Any]) -> list[str]:
    """Faults of the keys of a spec, one line per key; empty if there are none."""
    try:
        ExperimentSpec.model_validate(keys)
    except ValidationError as error:
        return [_line(fault) for fault in error.errors(include_url=False)]
    return []


def _find(spec: str) -> Path:
    """Find a bundled spec by name, else a path."""
    shipped = shipped_specs()
    if spec in shipped:
        return shipped[spec]
    path = Path(spec)
    if path.is_file():
        return path
    hint = nearest(spec, shipped, f"shipped specs: {', '.join(shipped)}")
    raise SpecError(f"{spec}: no such file, and no shipped spec of that name; {hint}")


def _line(fault: Mapping[str, Any]) -> str:
    """Describe a fault of the validation in one line, with its key and value."""
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        tables = {"arms": ArmSpec, "sweep": SweepSpec, "looks": LooksSpec, "stop_when": StopRule}
        model = tables.get(str(fault["loc"][0]), ExperimentSpec)
        hint = nearest(str(fault["loc"][-1]), model.model_fields, "")
        return f"unknown key {key!r}" + (f"; {hint}" if hint else "")
    if fault["type"] == "missing":
        return f"key {key!r} is missing"
    message = fault["msg"].removeprefix("Value error, ")
    return message if not key else f"{key}: {fault['input']!r} given; {message[0].lower()}{message[1:]}"
