"""The form for a new run: its fields come from the spec's model, and what was filled in is checked by that model."""

import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, final, get_args, get_origin

import tomli_w
from pydantic import BaseModel

from simulator.spec.experiment import ArmSpec, parse_spec, spec_faults

Keys: TypeAlias = dict[str, Any]
FIRST: Final = ("name", "seed", "world", "users", "days", "pre_days", "views_scale", "questionnaire")
"""Keys of the spec that the form opens with."""
MORE: Final = ("pre_policy", "launch_days", "rounds_per_day", "training_users", "learning", "multiplicity", "truth")
"""Keys that are asked for on request."""
ARM: Final = ("name", "policy", "share")
MOST_ARMS: Final = 4
_NAMES_POLICY: Final = ("policy", "pre_policy")


@final
@dataclass(frozen=True)
class FormField:
    """A key of a spec as a form asks for it.

    Attributes:
        key: Its name in the spec.
        help: What the model's docstring says of it.
        default: What it starts from; None where the model has no default.
        choices: All values that it can have, where they are few.
    """

    key: str
    help: str
    default: Any
    choices: tuple[Any, ...]


def form_fields(model: type[BaseModel], keys: tuple[str, ...]) -> list[FormField]:
    """The fields for some keys of a model, in order."""
    about = _attributes(inspect.getdoc(model) or "")
    return [_field(model, key, about.get(key, "")) for key in keys]


def arm_fields() -> list[FormField]:
    """The fields of one arm."""
    return form_fields(ArmSpec, ARM)


def first_arms(n: int) -> list[Keys]:
    """Arms to start from: the control and treatments, each to be given a policy."""
    names = ["control", *([f"treatment {i + 1}" for i in range(n - 1)] if n > 2 else ["treatment"])]
    return [
        {"name": name, "policy": "base" if i == 0 else "satisfaction", "share": 1.0} for i, name in enumerate(names)
    ]


def faults_of(keys: Keys, folder: Path) -> list[str]:
    """What keeps a filled-in form from being run into a folder of runs, a line per field; empty if nothing does."""
    faults = spec_faults(keys)
    name = folder_name(str(keys["name"]))
    if not name:
        return [
            *faults,
            f"name: {keys['name']!r} given; want a letter or a digit in it, as the run's folder is named so",
        ]
    try:
        taken = next((path for path in (folder / name, folder / f"{name}.toml") if path.exists()), None)
    except OSError as error:
        return [*faults, f"name: no folder can have it ({error.strerror}); give the run a shorter one"]
    return faults if taken is None else [*faults, f"name: {taken} is there already; give the run another name"]


def spec_text(keys: Keys) -> str:
    """A filled-in form as the TOML file of a spec.

    Raises:
        SpecError: A value that the model refuses.
    """
    return tomli_w.dumps(parse_spec(keys, origin="the form").model_dump(mode="json"))


def folder_name(name: str) -> str:
    """What the folder of a run is called; empty where the name leaves nothing.

    >>> folder_name("Popular v. random, 2nd try"), folder_name("../..")
    ('Popular-v.-random-2nd-try', '')
    """
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-._")


def _field(model: type[BaseModel], key: str, about: str) -> FormField:
    """One field."""
    info = model.model_fields[key]
    choices: tuple[Any, ...] = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
    if key in _NAMES_POLICY:
        from policies.registry import known_policies  # brings compiled kernels, which no other page needs

        choices = tuple(known_policies())
    return FormField(key, about, None if info.is_required() else info.get_default(), choices)


def _attributes(doc: str) -> dict[str, str]:
    r"""The `Attributes:` of a docstring.

    >>> _attributes("Title.\n\nAttributes:\n    users: How many\n        of them.\n    days: Of the test.")
    {'users': 'How many of them.', 'days': 'Of the test.'}
    """
    listed = doc.partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", listed, flags=re.MULTILINE)
    return {key: " ".join(text.split()) for key, text in entries}
