"""Policies by name: what is found, and what is said where nothing is."""

import re
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

from policies import registry
from policies.registry import POLICIES, build_policy, find_policy, known_policies, propensity
from policies.simple.random import RandomPolicy
from policies.two_tower.base_policy import BasePolicy


def test_shipped_policies_have_names_and_a_line_each():
    known = known_policies()
    assert list(known)[:4] == ["random", "popular", "base", "satisfaction"]
    assert all(known.values())


@pytest.mark.parametrize("name", [name for name, policy in POLICIES.items() if not policy.options])
def test_the_line_about_a_shipped_policy_is_that_of_its_class(name):
    assert find_policy(name).__doc__.partition("\n")[0] == POLICIES[name].line


def test_names_and_lines_come_without_torch():
    code = "import sys, policies.registry as r; r.known_policies(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_class_is_found_by_its_address():
    assert find_policy("policies.two_tower.base_policy:BasePolicy") is BasePolicy


def test_an_installed_package_brings_its_own(monkeypatch):
    plugs = EntryPoints([EntryPoint("mine", "policies.simple.random:RandomPolicy", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", plugs.select)
    assert "mine" in known_policies()
    assert find_policy("mine") is RandomPolicy


def test_a_name_may_stand_for_options_of_another_policys_class():
    policy = build_policy("gru4rec_m", {"size": 8})
    assert type(policy) is find_policy("gru4rec")
    assert (policy.merged, policy.size, build_policy("gru4rec", {}).merged) == (True, 8, False)


def test_options_reach_the_policy():
    assert build_policy("base", {"history": 7})._recipe.history == 7


def test_chances_are_told_by_who_knows_them():
    places = np.array([0, 1, 1, 3])
    assert np.allclose(propensity("random", 4, places), [1 / 4, 1 / 3, 1 / 3, 1])
    assert (
        propensity("policies.simple.random:RandomPolicy", 4, places).tolist()
        == propensity("random", 4, places).tolist()
    )
    for name in ("popular", "base", "linucb", "oracle"):
        assert propensity(name, 4, places).tolist() == [1] * 4
    for name in ("thompson", "policies.bandits.thompson:ThompsonPolicy", "gone.from.here:Policy"):
        assert np.isnan(propensity(name, 4, places)).all()


@pytest.mark.parametrize("told", [[0.5], [], [0.5, 0.0], [0.5, 2.0], [0.5, float("nan")], ["much", "more"], None])
def test_chances_that_cannot_be_are_refused(monkeypatch, told):
    monkeypatch.setattr(RandomPolicy, "propensity", staticmethod(lambda n, position: told))
    with pytest.raises(
        ValueError, match=r"propensity\(n=4, position\) given, want 2 numbers above 0 and up to 1"
    ) as refusal:
        propensity("random", 4, np.array([0, 1]))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("populr", {}, "unknown policy 'populr'; did you mean 'popular'?"),
        ("zzz", {}, "unknown policy 'zzz'; want one of random, popular, base, satisfaction, saqrec, "),
        ("oracle", {}, "policy 'oracle' has to be handed the truth"),
        ("base", {"histroy": 3}, "policy 'base' has no option 'histroy'; did you mean 'history'?"),
        ("random", {"epsilon": 1}, "policy 'random' has no option 'epsilon'; it takes none"),
        ("base", {"history": 0}, "policy 'base': history=0 given, want at least 1"),
        ("base", {"history": 2.5}, "policy 'base': history=2.5 given, want a whole number below 2,147,483,648"),
        ("sasrec", {"size": [8]}, "policy 'sasrec': size=[8] given, want a whole number"),
        ("sasrec", {"size": True}, "policy 'sasrec': size=True given, want a whole number"),
        ("sasrec", {"size": 10**30}, "want a whole number below 2,147,483,648"),
        ("sasrec", {"negatives": 3}, "negatives=3 given, want one of 'popular', 'uniform', 'unclicked'"),
        ("popular", {"half_life_days": "7"}, "half_life_days='7' given, want a number"),
        ("popular", {"half_life_days": float("nan")}, "half_life_days=nan given, want a number"),
        ("saqrec", {"mlse": 1}, "mlse=1 given, want true or false"),
        ("sasrec_m", {"merged": False}, "policy 'sasrec_m' with merged given, but it stands for merged=True; leave it"),
        ("sasrec", {"typed": False}, "typed=False and answers='both' given without merged, which they belong to"),
        ("agent", {"folder": 3}, "folder=3 given, want text"),
        ("policies.simple.oracle:OraclePolicy", {}, "needs option 'value', which is not given"),
        ("no.such.module:Class", {}, "module 'no.such.module' cannot be imported"),
        ("policies.simple.random:Nothing", {}, "module 'policies.simple.random' has no 'Nothing'"),
        ("policies.base:top_k", {}, "'top_k' is a function, want a class"),
        ("policies.base:Feedback", {}, "class 'Feedback' has no rank"),
        (":Class", {}, "cannot be imported"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(name, options, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        build_policy(name, options)
    assert "\n" not in str(caught.value)


def test_policies_are_built_anew():
    first, second = build_policy("random", {}), build_policy("random", {})
    assert first is not second
    assert isinstance(first, RandomPolicy)
