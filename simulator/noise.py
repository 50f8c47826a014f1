"""Seed words and row keys: the seed of an experiment becomes one word per purpose, user, day and lap."""

from functools import lru_cache

import numpy as np
from jaxtyping import Int32, Int64, UInt64

from policies.noise import mix, purpose_word
from user_models.dynamics.kernel import hash_keys


@lru_cache(maxsize=1024)
def seed_word(seed: int, purpose: str) -> np.uint64:
    """Word of one named use of a seed, such as `arrivals` or `response`."""
    return np.uint64(mix(np.array([seed], np.uint64) ^ purpose_word(purpose))[0])


def row_keys(
    word: np.uint64, user_id: Int64[np.ndarray, " rows"], day: int, lap: Int32[np.ndarray, " rows"]
) -> UInt64[np.ndarray, " rows"]:
    """Mix one key per row from (word, user, day, lap); it does not depend on the batch."""
    keys = np.empty(len(user_id), np.uint64)
    hash_keys(word, user_id, day, lap, keys)
    return keys
