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
    """Refuse a name that cannot be shown everywhere."""
    if fault := name_fault(name):
        raise ValueError(fault)
    return name


Name = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_fit)]


def _no_float(value: object) -> object:
    """Keep 2.0 and true, which equal whole numbers, from being taken for them where some are listed."""
    if isinstance(value, bool | float):
        raise ValueError("input should be a valid integer")
    return value


@final
class ArmSpec(BaseModel):
    """One bucket of users and the policy they meet.

    Attributes:
        name: Unique within the experiment.
        policy: A shipped policy's name or `package.module:Class`.
        share: Part of the users, relative to the other arms' shares.
        options: Keyword arguments of the policy.
        training_seed: Arms of one policy that differ in nothing but this tell what chance in its training does.
    """

    model_config = STRICT

    name: Name
    policy: Name
    share: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    options: dict[str, Any] = Field(default_factory=dict)
    training_seed: Annotated[int, Field(ge=0)] = 0

    def same_policy(self, other: "ArmSpec") -> bool:
        """Whether both arms serve the same."""
        of = (self.policy, self.options, self.training_seed)
        return of == (other.policy, other.options, other.training_seed)


@final
class SweepSpec(BaseModel):
    """An assumed parameter and the values to try: as a list, or evenly spaced from `low` to `high`.

    Attributes:
        parameter: A scalar of the world that is assumed, such as `returning.satisfaction`.
        values: Two or more, all different; not together with a range.
        low: Lower end of a range.
        high: Its upper end.
        steps: Values in the range, both ends included.
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
        """Refuse a sweep without two values, or with values told twice."""
        ends = [key for key in ("low", "high", "steps") if getattr(self, key) is not None]
        if bool(self.values) == bool(ends) or len(ends) in (1, 2):
            raise ValueError("want either values, or low, high and steps")
        if len(ends) == 3 and not self.points[0] < self.points[-1]:
            raise ValueError("want low below high")
        if len(set(self.points)) < max(2, len(self.points)):
            raise ValueError("want two values or more, all different")
        return self


@final
class ExperimentSpec(BaseModel):
    """A multi-day test: who, what, for how long. The first arm is the control.

    Attributes:
        name: Shown on the report.
        seed: The one seed; every use of it is named.
        world: A bundled world's name or a folder.
        users: Users assigned, all of whom count.
        videos: Videos on offer on any day; the world says how many new ones replace old ones.
        days: Days of the test.
        pre_days: Days before it, in which everybody meets `pre_policy`; they give CUPED its covariates.
        launch_days: Days of random slates before those, from which `pre_policy` learns.
        rounds_per_day: Policies learn at the end of each round; divides 24.
        slate_size: Videos per request.
        candidates: Videos to choose from per request.
        views_scale: Share of real activity that is simulated (1 is about 380 views a day).
        questionnaire: Preset of how often users are asked and answer.
        pre_policy: Production-like policy of the pre-period.
        salt: Names the assignment; another salt splits the users independently.
        truth: Run every user under every arm, for the true effect.
        trace: Share of users whose every impression is kept.
        training_users: Policies train on the logs of the first users, this many at most.
        segments: Public features of users within whose levels effects are told; by default activity and tenure.
        learning: What an arm's policy learns from in the test: `diverted`, its own bucket's feedback; `pooled`, that
            of all buckets, as where every arm trains on one log.
        popularity: With `pooled`, policies that only count what is popular, such as `popular`, count over all buckets
            even where learning is diverted; `per_arm` by default.
        world_values: World parameters set by hand, such as `leaving.satisfaction`.
        sweep: Run the test once per value of an assumed parameter.
        arms: Two or more.
        multiplicity: How the p-values of the main metrics are adjusted for how many there are, over all treatments.
        guardrails: Metrics that must not get worse, each with the relative loss that can be borne: `LT7 = 0.01`.
        looks: When the test is looked at, and by what method.
        stop_when: End the test early, after the first look at which this holds.
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
        """Take NumPy's whole numbers from Python callers."""
        if not isinstance(keys, dict):
            return keys
        return {key: int(value) if isinstance(value, np.integer) else value for key, value in keys.items()}

    @model_validator(mode="after")
    def _consistent(self) -> "ExperimentSpec":
        """Refuse specs whose keys contradict each other."""
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
        """Leave out an absent sweep, as TOML knows no null, and keys that are younger than the first run folders."""
        young = {"learning": "diverted", "popularity": "per_arm"}
        return {key: value for key, value in dump(self).items() if value is not None and young.get(key) != value}

    @property
    def control(self) -> ArmSpec:
        """The arm that the others are compared with."""
        return self.arms[0]


def shipped_specs() -> dict[str, Path]:
    """Specs that come with askew, by the name they are called."""
    folder = Path(str(files("simulator") / "specs"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_spec(spec: str, seed: int | None = None) -> ExperimentSpec:
    """Read a spec by path or by the name of a shipped one.

    Args:
        spec: Path of a TOML file, or a name from `shipped_specs`.
        seed: Replaces the spec's seed.

    Raises:
        SpecError: No such file, broken TOML, an unknown key or a value out of range.
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
        SpecError: An unknown key or a value out of range; names the key, the value and what was wanted.
    """
    try:
        return ExperimentSpec.model_validate(keys)
    except ValidationError as error:
        raise SpecError(f"{origin}: {_line(error.errors(include_url=False)[0])}") from None


def spec_faults(keys: dict[str, Any]) -> list[str]:
    """What is wrong with the keys of a spec, a line for each key; empty if nothing is."""
    try:
        ExperimentSpec.model_validate(keys)
    except ValidationError as error:
        return [_line(fault) for fault in error.errors(include_url=False)]
    return []


def _find(spec: str) -> Path:
    """A shipped spec by name, else a path."""
    shipped = shipped_specs()
    if spec in shipped:
        return shipped[spec]
    path = Path(spec)
    if path.is_file():
        return path
    hint = nearest(spec, shipped, f"shipped specs: {', '.join(shipped)}")
    raise SpecError(f"{spec}: no such file, and no shipped spec of that name; {hint}")


def _line(fault: Mapping[str, Any]) -> str:
    """A fault that validation found, with its key, value and remedy."""
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
