"""Noise for policies: uniform, keyed, the same however rows are batched."""

import numpy as np
from scipy import stats

from policies.noise import KeyedNoise, mix, purpose_word

KEYS = mix(np.arange(2000, dtype=np.uint64))


def test_is_uniform():
    draws = KeyedNoise(KEYS).uniform("explore", 20)
    assert draws.min() >= 0
    assert draws.max() < 1
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 0.01


def test_rows_do_not_depend_on_their_batch():
    whole = KeyedNoise(KEYS).uniform("explore", 5)
    np.testing.assert_array_equal(KeyedNoise(KEYS[700:703]).uniform("explore", 5), whole[700:703])


def test_purposes_rows_and_columns_are_independent():
    noise = KeyedNoise(KEYS)
    a, b = noise.uniform("explore", 3), noise.uniform("shuffle", 3)
    limit = 4 / len(KEYS) ** 0.5
    assert abs(np.corrcoef(a[:, 0], b[:, 0])[0, 1]) < limit
    assert abs(np.corrcoef(a[:, 0], a[:, 1])[0, 1]) < limit
    assert abs(np.corrcoef(a[:-1, 0], a[1:, 0])[0, 1]) < limit


def test_wider_draws_begin_alike():
    noise = KeyedNoise(KEYS[:5])
    np.testing.assert_array_equal(noise.uniform("x", 9)[:, :4], noise.uniform("x", 4))


def test_purposes_have_words_of_their_own():
    assert len({purpose_word(name) for name in ("a", "b", "ab", "ba", "")}) == 5


def test_compiled_numbers_are_those_of_the_definition():
    rows = mix(KEYS ^ purpose_word("explore"))
    words = mix(rows[:, None] + np.arange(7, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    np.testing.assert_array_equal(KeyedNoise(KEYS).uniform("explore", 7), (words >> np.uint64(40)) / np.float32(2**24))
