"""Hash bucketing: known vectors, stable, uniform, independent across salts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.assignment import assign, hash_share

USERS = np.arange(20_000, dtype=np.int64)


def fnv1a(text):
    """FNV-1a, 32 bit, one character at a time."""
    value = 2166136261
    for letter in text:
        value = ((value ^ ord(letter)) * 16777619) % 2**32
    return value


def growthbook(seed, value):
    """GrowthBook's hash, version 2, as its documentation writes it."""
    return fnv1a(str(fnv1a(seed + value))) % 10_000 / 10_000


@pytest.mark.parametrize(
    ("seed", "value", "share"),
    [
        ("seed", "a", 0.0505),
        ("seed", "b", 0.2696),
        ("foo", "ab", 0.2575),
        ("foo", "def", 0.2019),
        ("89123klj", "8952klfjas09ujkasdf", 0.124),
        ("90850943850283058242805", "123", 0.7516),
        ("()**(%$##$%#$#", '___)((*":&', 0.0128),
    ],
)
def test_the_reference_gives_the_published_vectors(seed, value, share):
    """From `cases.json` of GrowthBook's SDKs."""
    assert growthbook(seed, value) == share


def test_a_published_vector_with_a_number_for_an_id():
    assert hash_share(np.array([123]), "90850943850283058242805").tolist() == [0.7516]


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=20), st.text(st.characters(codec="ascii", min_codepoint=1)))
def test_shares_are_those_of_the_reference_whatever_the_batch(user_id, salt):
    want = [growthbook(salt, str(one)) for one in user_id]
    assert hash_share(np.array(user_id, np.int64), salt).tolist() == want


def test_shares_are_uniform():
    counts = np.bincount((hash_share(USERS, "askew") * 50).astype(int), minlength=50)
    assert stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize(("one", "other"), [("salt-1", "salt-2"), ("a", "b"), ("exp", "exp2"), ("2026-01", "2026-02")])
def test_salts_split_users_independently(one, other):
    halves = [assign(USERS, np.ones(4), salt) for salt in (one, other)]
    table = np.histogram2d(*halves, bins=4)[0]
    assert stats.chi2_contingency(table).pvalue > 0.001


def test_arms_get_their_shares_and_nothing_is_left_over():
    arm = assign(USERS, np.array([1.0, 2.0, 7.0]), "askew")
    counts = np.bincount(arm, minlength=3)
    assert counts.sum() == len(USERS)
    assert stats.chisquare(counts, len(USERS) * np.array([0.1, 0.2, 0.7])).pvalue > 0.001


def test_only_relative_shares_matter():
    assert np.array_equal(assign(USERS, np.array([1.0, 1.0]), "x"), assign(USERS, np.array([5.0, 5.0]), "x"))


def test_a_wider_first_arm_keeps_its_users():
    narrow, wide = (assign(USERS, np.array([share, 1 - share]), "ramp") for share in (0.1, 0.4))
    assert set(USERS[narrow == 0]) < set(USERS[wide == 0])


def test_a_salt_may_hold_letters_beyond_ascii():
    assert not np.array_equal(hash_share(USERS, "früh"), hash_share(USERS, "froh"))
