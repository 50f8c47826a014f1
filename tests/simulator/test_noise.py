"""Keyed noise: looks random, and depends on nothing but its key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from policies.noise import KeyedNoise, mix, purpose_word
from simulator.noise import row_keys, seed_word
from user_models.dynamics import kernel

N = 20_000


def keys_of(user_id, seed=0, purpose="response", day=0, lap=0):
    user_id = np.asarray(user_id, np.int64)
    return row_keys(seed_word(seed, purpose), user_id, day, np.full(len(user_id), lap, np.int32))


def shares(keys):
    """Keys as numbers in [0, 1)."""
    return (keys >> np.uint64(11)).astype(np.float64) * 2.0**-53


def test_mix_is_splitmix64():
    """First outputs of the reference generator at seed 0: its state is a multiple of the golden ratio."""
    states = np.arange(3, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert [f"{word:016x}" for word in mix(states)] == ["e220a8397b1dcdaf", "6e789e6aa1b965f4", "06c45d188009454f"]


def test_kernels_mix_as_policies_do():
    words = np.random.default_rng(0).integers(0, 2**64, 100, dtype=np.uint64)
    assert [int(kernel.mix(word)) for word in words] == mix(words).tolist()


@pytest.mark.parametrize(
    "keys",
    [
        keys_of(range(N)),
        np.concatenate([keys_of([7], day=day) for day in range(-30, 365)]),
        np.concatenate([keys_of([7], lap=lap) for lap in range(2000)]),
        np.concatenate([keys_of([7], seed=seed) for seed in range(2000)]),
    ],
    ids=["users", "days", "laps", "seeds"],
)
def test_neighbouring_keys_are_uniform_and_unrelated(keys):
    u = shares(keys)
    assert stats.kstest(u, "uniform").pvalue > 0.001
    r = np.corrcoef(u[:-1], u[1:])[0, 1]
    assert abs(r) < 3.5 / np.sqrt(len(u))


def test_one_bit_of_a_user_id_flips_half_the_bits_of_the_key():
    user_id = np.arange(N, dtype=np.int64)
    for bit in (0, 5, 31, 62):
        flipped = np.bitwise_count(keys_of(user_id) ^ keys_of(user_id ^ (1 << bit)))
        assert abs(flipped.mean() - 32) < 3.5 * 4 / np.sqrt(N)


def test_purposes_and_seeds_do_not_meet():
    words = [seed_word(seed, purpose) for seed in range(50) for purpose in ("arrivals", "response", "policy", "offer")]
    assert len(set(words)) == len(words)
    a, b = shares(keys_of(range(N), purpose="arrivals")), shares(keys_of(range(N), purpose="response"))
    assert abs(np.corrcoef(a, b)[0, 1]) < 3.5 / np.sqrt(N)


def test_purposes_of_one_key_are_independent():
    noise = KeyedNoise(keys_of(range(N)))
    a, b = noise.uniform("explore", 1)[:, 0], noise.uniform("shuffle", 1)[:, 0]
    table, *_ = np.histogram2d(a, b, bins=8, range=[[0, 1], [0, 1]])
    assert stats.chi2_contingency(table).pvalue > 0.001
    assert stats.kstest(a, "uniform").pvalue > 0.001


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=20, unique=True), st.randoms(use_true_random=False))
def test_a_users_key_ignores_the_batch(user_id, rng):
    together = dict(zip(user_id, keys_of(user_id, day=3).tolist(), strict=True))
    shuffled = rng.sample(user_id, len(user_id))
    assert dict(zip(shuffled, keys_of(shuffled, day=3).tolist(), strict=True)) == together
    assert [int(keys_of([one], day=3)[0]) for one in user_id] == list(together.values())


def test_policy_noise_ignores_the_batch_and_the_number_drawn():
    keys = keys_of(range(50))
    whole = KeyedNoise(keys).uniform("shuffle", 9)
    assert np.array_equal(KeyedNoise(keys[20:30]).uniform("shuffle", 9), whole[20:30])
    assert np.array_equal(KeyedNoise(keys).uniform("shuffle", 4), whole[:, :4])
    assert whole.min() >= 0
    assert whole.max() < 1


def test_purpose_words_are_the_same_on_every_machine():
    assert int(purpose_word("123456789")) >> 32 == 0xCBF43926  # CRC-32's published check value


def test_normal_is_the_standard_quantile():
    u = np.concatenate([np.geomspace(1e-12, 0.5, 200), 1 - np.geomspace(1e-12, 0.5, 200)])
    got = np.array([kernel.normal(x) for x in u])
    np.testing.assert_allclose(got, stats.norm.ppf(u), rtol=2e-9, atol=2e-9)


def test_uniform_numbers_by_id_are_uniform():
    out = np.empty(N)
    kernel.fill_uniforms(np.uint64(5), np.arange(N, dtype=np.int64), out)
    assert stats.kstest(out, "uniform").pvalue > 0.001
    assert out.min() > 0
    assert out.max() < 1


@given(st.floats(1e-9, 1 - 1e-9), st.floats(-30, 30))
def test_happens_is_a_plain_comparison_with_the_logistic(u, logit):
    chance = 1 / (1 + np.exp(-logit))
    if abs(u - chance) > 1e-9 * chance:
        assert kernel.bernoulli(u, logit) == (u < chance)
