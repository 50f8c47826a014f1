"""Assignment of users to buckets by a salted hash of the id: fixed per salt, independent across salts.

The hash is GrowthBook's version 2 (FNV-1a, 32 bit, applied twice; https://docs.growthbook.io/lib/build-your-own,
"Hashing"), so that a live test split by that library can be replayed user by user.
"""

from typing import Final

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt32

_OFFSET: Final = np.uint32(2166136261)
_PRIME: Final = np.uint32(16777619)
BUCKETS: Final = 10_000
"""Number of steps that shares of users are divided into."""


def _fnv1a(text: np.ndarray) -> UInt32[np.ndarray, " users"]:
    """FNV-1a hash of each ASCII byte string, without its padding."""
    characters = np.frombuffer(text.tobytes(), np.uint8).reshape(len(text), text.dtype.itemsize)
    hashed = np.full(len(text), _OFFSET)
    for column in characters.T:
        hashed = np.where(column > 0, (hashed ^ column) * _PRIME, hashed)
    return hashed


def hash_share(user_id: Int64[np.ndarray, " users"], salt: str) -> Float64[np.ndarray, " users"]:
    """Hash each user to a number in [0, 1), in steps of 1/10,000.

    >>> hash_share(np.array([1, 2]), "askew").tolist() == hash_share(np.array([1, 2]), "askew").tolist()
    True
    """
    text = np.char.add(salt.encode("ascii", "xmlcharrefreplace"), user_id.astype(np.bytes_))
    hashed_once = _fnv1a(text).astype(np.bytes_)
    return (_fnv1a(hashed_once) % np.uint32(BUCKETS)) / BUCKETS


def assign(
    user_id: Int64[np.ndarray, " users"], shares: Float64[np.ndarray, " arms"], salt: str
) -> Int32[np.ndarray, " users"]:
    """Assign each user an arm, as an index; `shares` are relative and all positive."""
    edges = np.cumsum(shares / shares.sum())[:-1]
    return np.searchsorted(edges, hash_share(user_id, salt), side="right").astype(np.int32)
