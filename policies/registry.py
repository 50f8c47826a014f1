"""Policies by name: the shipped ones, those of installed packages, and any class by its address.

A plug-in is a class with a `rank` method (see `policies.base.Policy`), named in a spec as `"package.module:Class"`
or registered by its package under the entry-point group `askew.policies`.
"""

import difflib
import importlib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from policies.base import Policy
from policies.base_ranker import BasePolicy
from policies.options import build
from policies.popular import PopularPolicy
from policies.random import RandomPolicy
from policies.satisfaction import SatisfactionPolicy

GROUP: Final = "askew.policies"
"""Entry-point group of policies in other packages."""

POLICIES: Final[dict[str, type[Policy]]] = {
    "random": RandomPolicy,
    "popular": PopularPolicy,
    "base": BasePolicy,
    "satisfaction": SatisfactionPolicy,
}
"""Shipped policies by name. The oracle has none here: who builds it hands it the truth."""


def known_policies() -> dict[str, str]:
    """Names that a spec may use, with a line about each: shipped policies first, then those of installed packages."""
    shipped = {name: (policy.__doc__ or "").partition("\n")[0] for name, policy in POLICIES.items()}
    plugged = {entry.name: f"plug-in {entry.value}" for entry in entry_points(group=GROUP)}
    return shipped | {name: plugged[name] for name in sorted(set(plugged) - set(shipped))}


def find_policy(name: str) -> type[Policy]:
    """The class behind a name.

    Args:
        name: One of `known_policies`, or `"package.module:Class"`.

    Raises:
        ValueError: No such policy, or it cannot be imported.
    """
    if name in POLICIES:
        return POLICIES[name]
    if ":" in name:
        return _import(name, EntryPoint(name, name, GROUP))
    plugged = entry_points(group=GROUP, name=name)
    if plugged:
        return _import(name, next(iter(plugged)))
    if name == "oracle":
        raise ValueError("policy 'oracle' has to be handed the truth; build policies.oracle.OraclePolicy in code")
    known = known_policies()
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"want one of {', '.join(known)} or 'package.module:Class'"
    raise ValueError(f"unknown policy {name!r}; {hint}")


def build_policy(name: str, options: Mapping[str, Any]) -> Policy:
    """A new policy, not yet fitted.

    Args:
        name: One of `known_policies`, or `"package.module:Class"`.
        options: Keyword arguments of its class.

    Raises:
        ValueError: No such policy, an option that it does not take, or a value that it refuses.
    """
    return build(find_policy(name), options, name)


def _import(name: str, entry: EntryPoint) -> type[Policy]:
    """Import a class by its address."""
    module, _, attribute = entry.value.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, ValueError) as error:
        raise ValueError(f"policy {name!r}: module {module!r} cannot be imported: {error}") from error
    except AttributeError:
        raise ValueError(f"policy {name!r}: module {module!r} has no {attribute!r}; check the spelling") from None
    if not isinstance(found, type):
        raise ValueError(f"policy {name!r}: {attribute!r} is a {type(found).__name__}, want a class")
    if not callable(getattr(found, "rank", None)):
        raise ValueError(f"policy {name!r}: class {attribute!r} has no rank(obs, k, noise); add that method")
    return found
