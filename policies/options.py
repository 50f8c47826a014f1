"""Building a policy from options by name, with one clear line where they do not fit."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

T = TypeVar("T")
_LARGEST: Final = 2**31


def build(make: Callable[..., T], options: Mapping[str, Any], name: str) -> T:
    """Call `make` with options.

    Args:
        make: A policy's class.
        options: Keyword arguments.
        name: What the policy is called in messages.

    Raises:
        ValueError: An option that it does not take, one that is missing, or a value that it refuses.
    """
    parameters = _keywords(make)
    unknown = sorted(set(options) - set(parameters))
    if unknown:
        near = difflib.get_close_matches(unknown[0], parameters, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it takes {', '.join(parameters) or 'none'}"
        raise ValueError(f"policy {name!r} has no option {unknown[0]!r}{hint}")
    for key, value in options.items():
        if fault := _type_fault(value, parameters[key].annotation):
            raise ValueError(f"policy {name!r}: {key}={value!r} given, want {fault}")
    missing = [
        key for key, parameter in parameters.items() if parameter.default is parameter.empty and key not in options
    ]
    if missing:
        raise ValueError(f"policy {name!r} needs option {missing[0]!r}, which is not given")
    try:
        return make(**options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"policy {name!r}: {' '.join(str(error).split())}") from error


def _type_fault(value: object, kind: object) -> str:
    """Describe the value an option wants if `value` is not of its type; types not handled here pass."""
    if kind is bool:
        return "" if isinstance(value, bool) else "true or false"
    if kind is int:
        fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST
        return "" if fits else f"a whole number below {_LARGEST:,}"
    if kind is float:
        return "" if isinstance(value, int | float) and not isinstance(value, bool) and value == value else "a number"
    if get_origin(kind) is Literal:
        return "" if value in get_args(kind) else f"one of {', '.join(map(repr, get_args(kind)))}"
    return "" if kind is not str or isinstance(value, str) else "text"


def _keywords(make: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """Parameters that can be given by name."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {key: p for key, p in inspect.signature(make).parameters.items() if p.kind in by_name}
