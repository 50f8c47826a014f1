"""Policies by name: the shipped ones, those of installed packages, and any class by its address.

A plug-in is a class with a `rank` method (see `policies.base.Policy`), named in a spec as `"package.module:Class"`
or registered by its package under the entry-point group `askew.policies`.
"""

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, final

import numpy as np
from jaxtyping import Float64, Int

from policies.base import Policy, ToldPropensity
from policies.options import build

GROUP: Final = "askew.policies"
"""Entry-point group of policies in other packages."""


@final
@dataclass(frozen=True)
class Shipped:
    """Shipped policy; its module is imported on first use, so that listing names does not import torch.

    Attributes:
        address: `"module:Class"`.
        line: One line about it: the first of its docstring, unless options set it apart.
        draws: Whether chance decides what it shows; if not, there is one slate that it can show.
        options: Options of the class that this name stands for.
        wraps: Whether it serves another policy's ranking in its own way, and is no ranker of its own.
    """

    address: str
    line: str
    draws: bool = False
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    wraps: bool = False


POLICIES: Final[dict[str, Shipped]] = {
    "random": Shipped(
        "policies.simple.random:RandomPolicy", "Any `k` candidates, each as likely as any other.", draws=True
    ),
    "popular": Shipped(
        "policies.simple.popular:PopularPolicy",
        "Rank by recent clicks and watch seconds per view, both shrunk towards the mean of all videos.",
    ),
    "base": Shipped(
        "policies.two_tower.base_policy:BasePolicy",
        "Rank by predicted clicks and watch time, from a user's features and latest views.",
    ),
    "satisfaction": Shipped(
        "policies.two_tower.satisfaction_policy:SatisfactionPolicy",
        "Rank by predicted clicks, watch time and satisfaction, the last weighted against who answers.",
    ),
    "saqrec": Shipped(
        "policies.saqrec.policy:SaqrecPolicy",
        "Rank by SAQRec: clicks as seen through satisfied, dissatisfied and graded interests.",
    ),
    "emer": Shipped(
        "policies.easq.policy:EmerPolicy",
        "Rank by EMER: pairs of behaviour within a request, learned on round by round; no questionnaires.",
    ),
    "emer_s": Shipped(
        "policies.easq.policy:EmerSPolicy",
        "Rank by EMER_S: EMER with pairs of answers in its one loss, which EASQ is compared with.",
    ),
    "easq": Shipped(
        "policies.easq.policy:EasqPolicy",
        "Rank by EASQ: behaviour, aligned with questionnaires round by round.",
    ),
    "stamp": Shipped(
        "policies.sequential.stamp:StampPolicy", "Rank by STAMP: attention over clicks, with the last click kept apart."
    ),
    "caser": Shipped(
        "policies.sequential.caser:CaserPolicy",
        "Rank by Caser: convolutions over the last clicks, beside the user's own vector.",
    ),
    "hgn": Shipped(
        "policies.sequential.hgn:HgnPolicy",
        "Rank by HGN: gates on the last clicks, and products of videos with videos.",
    ),
    "narm": Shipped(
        "policies.sequential.narm:NarmPolicy", "Rank by NARM: a recurrent net over clicks with attention to its states."
    ),
    "gru4rec": Shipped("policies.sequential.gru4rec:Gru4RecPolicy", "Rank by GRU4Rec: a recurrent net over clicks."),
    "sasrec": Shipped("policies.sequential.sasrec:SasRecPolicy", "Rank by SASRec: self-attention over clicks."),
    "fmlprec": Shipped("policies.sequential.fmlprec:FmlpRecPolicy", "Rank by FMLP-Rec: learnable filters over clicks."),
    "dipn": Shipped(
        "policies.sequential.dipn:DipnPolicy",
        "Rank by DIPN: a recurrent net per behaviour, with attention between behaviours.",
    ),
    "dmt": Shipped(
        "policies.sequential.dmt:DmtPolicy",
        "Rank by DMT: a transformer per behaviour that the candidate queries, learned from all that was shown.",
    ),
    "dfn": Shipped(
        "policies.sequential.dfn:DfnPolicy",
        "Rank by DFN: clicked, unclicked and disliked views, read with the candidate among them.",
    ),
    "feedrec": Shipped(
        "policies.sequential.feedrec:FeedRecPolicy",
        "Rank by FeedRec: a transformer over all feedback and one per kind, positive and negative kept apart.",
    ),
    "gru4rec_m": Shipped(
        "policies.sequential.gru4rec:Gru4RecPolicy",
        "Rank by GRU4Rec_M: a recurrent net over clicked, satisfied and dissatisfied views by time.",
        options={"merged": True},
    ),
    "sasrec_m": Shipped(
        "policies.sequential.sasrec:SasRecPolicy",
        "Rank by SASRec_M: self-attention over clicked, satisfied and dissatisfied views by time.",
        options={"merged": True},
    ),
    "fmlprec_m": Shipped(
        "policies.sequential.fmlprec:FmlpRecPolicy",
        "Rank by FMLP-Rec_M: learnable filters over clicked, satisfied and dissatisfied views by time.",
        options={"merged": True},
    ),
    "agent": Shipped(
        "policies.agents.agent_policy:AgentPolicy",
        "Rank by what a trained network says of each request, read as a flat vector of numbers.",
    ),
    "onnx": Shipped(
        "policies.external.onnx_policy:OnnxPolicy", "Rank by the scores of an ONNX graph, trained anywhere."
    ),
    "http": Shipped(
        "policies.external.http_policy:HttpPolicy",
        "Rank by the scores that a server gives over HTTP; answers can be stored, and a run played again without it.",
    ),
    "inf": Shipped(
        "policies.inf.policy:InfPolicy",
        "Rank by expected watch time, against predicted skips and hates (implicit negative feedback).",
    ),
    "linucb": Shipped(
        "policies.bandits.linucb:LinUcbPolicy",
        "Rank by the upper end of what linear regression expects of clicks (LinUCB); learns after every round.",
    ),
    "thompson": Shipped(
        "policies.bandits.thompson:ThompsonPolicy",
        "Rank by linear regression with parameters drawn from what is known (Thompson sampling); learns by the round.",
        draws=True,
    ),
    "softmax": Shipped(
        "policies.exploration.softmax:SoftmaxPolicy",
        "Draw slates by a softmax of another ranker's scores (Plackett-Luce), with known chances.",
        draws=True,
        wraps=True,
    ),
    "epsilon": Shipped(
        "policies.exploration.epsilon:EpsilonPolicy",
        "Rank by another ranker's scores, with a random candidate at each place by a small chance, which is known.",
        draws=True,
        wraps=True,
    ),
}
"""Shipped policies by name. The oracle has none here: who builds it hands it the truth."""


def known_policies() -> dict[str, str]:
    """Names that a spec may use, with a line about each: shipped policies first, then those of installed packages."""
    shipped = {name: policy.line for name, policy in POLICIES.items()}
    plugged = {entry.name: f"plug-in {entry.value}" for entry in entry_points(group=GROUP)}
    return shipped | {name: plugged[name] for name in sorted(set(plugged) - set(shipped))}


def find_policy(name: str) -> type[Policy]:
    """Return the class registered under a name; `build_policy` adds the name's own options.

    Args:
        name: One of `known_policies`, or `"package.module:Class"`.

    Raises:
        ValueError: No such policy, or it cannot be imported.
    """
    if name in POLICIES:
        return _import(name, EntryPoint(name, POLICIES[name].address, GROUP))
    if ":" in name:
        return _import(name, EntryPoint(name, name, GROUP))
    plugged = entry_points(group=GROUP, name=name)
    if plugged:
        return _import(name, next(iter(plugged)))
    if name == "oracle":
        raise ValueError(
            "policy 'oracle' has to be handed the truth; build policies.simple.oracle.OraclePolicy in code"
        )
    names = known_policies()
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"want one of {', '.join(names)} or 'package.module:Class'"
    raise ValueError(f"unknown policy {name!r}; {hint}")


def build_policy(name: str, options: Mapping[str, Any]) -> Policy:
    """A new policy, not yet fitted.

    Args:
        name: One of `known_policies`, or `"package.module:Class"`.
        options: Keyword arguments of its class, without those that the name stands for.

    Raises:
        ValueError: No such policy, an option that it does not take, or a value that it refuses.
    """
    own = POLICIES[name].options if name in POLICIES else {}
    for option in own.keys() & options.keys():
        raise ValueError(f"policy {name!r} with {option} given, but it stands for {option}={own[option]}; leave it out")
    return build(find_policy(name), {**options, **own}, name)


def propensity(name: str, n: int, position: Int[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
    """Return the chances with which a policy showed videos, each given those above it; NaN if the policy has none.

    1 for a shipped policy that leaves nothing to chance, and for the oracle.

    Args:
        name: Of the policy.
        n: Candidates per request.
        position: Places in their slates, from 0.

    Raises:
        ValueError: It tells something else than one chance per place, see `policies.base.ToldPropensity`.
    """
    if name == "oracle" or (name in POLICIES and not POLICIES[name].draws):
        return np.ones(len(position))
    try:
        policy = find_policy(name)
    except ValueError:
        return np.full(len(position), np.nan)
    if not issubclass(policy, ToldPropensity):
        return np.full(len(position), np.nan)
    problem = f"policy {name!r}: propensity(n={n}, position) given, want {len(position)} numbers above 0 and up to 1"
    try:
        chances = np.asarray(policy.propensity(n, position), np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{problem}; it fails: {' '.join(str(error).split())}") from error
    if chances.shape != position.shape or not ((chances > 0) & (chances <= 1)).all():
        raise ValueError(f"{problem}; it gives {chances.size}, such as {chances.ravel()[:3].tolist()}")
    return chances


def _import(name: str, entry: EntryPoint) -> type[Policy]:
    """Import a class by its address."""
    module, _, attribute = entry.value.partition(":")
    try:
        policy_class = getattr(importlib.import_module(module), attribute)
    except (ImportError, ValueError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            raise ValueError(
                f"policy {name!r} uses torch, not installed here; pip install 'askew[rankers]', or name another policy"
            ) from None
        raise ValueError(f"policy {name!r}: module {module!r} cannot be imported: {error}") from error
    except AttributeError:
        raise ValueError(f"policy {name!r}: module {module!r} has no {attribute!r}; check the spelling") from None
    if not isinstance(policy_class, type):
        raise ValueError(f"policy {name!r}: {attribute!r} is a {type(policy_class).__name__}, want a class")
    if not callable(getattr(policy_class, "rank", None)):
        raise ValueError(f"policy {name!r}: class {attribute!r} has no rank(obs, k, noise); add that method")
    return policy_class
