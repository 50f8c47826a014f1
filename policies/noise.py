"""Keyed noise for policies: random numbers that are a pure function of their key.

SplitMix64's finalizer (Steele, Lea and Flood, OOPSLA 2014, https://doi.org/10.1145/2660193.2660195) mixes
the words of a key one after the other; nothing is drawn from a stream, so batching cannot matter.
"""

import zlib
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float32, UInt64

from policies.kernel import fill_uniform

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def mix(words: UInt64[np.ndarray, "*b"]) -> UInt64[np.ndarray, "*b"]:
    """SplitMix64's step: a bijection of 64-bit words whose output looks random."""
    z = words + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


def purpose_word(purpose: str) -> np.uint64:
    """A 64-bit word for a purpose's name, the same on every machine."""
    data = purpose.encode()
    return np.uint64((zlib.crc32(data) << 32) | zlib.crc32(data[::-1] + b"/"))


@final
@dataclass(frozen=True)
class KeyedNoise:
    """Noise for one batch of requests: row `i` depends on `keys[i]` alone.

    Attributes:
        keys: One word per request, already mixed from (seed, user, day, request).
    """

    keys: UInt64[np.ndarray, " users"]

    def uniform(self, purpose: str, n: int) -> Float32[np.ndarray, "users n"]:
        """Draw `n` uniform numbers per user, keyed by `purpose`."""
        numbers = np.empty((len(self.keys), n), np.float32)
        fill_uniform(self.keys, purpose_word(purpose), numbers)
        return numbers
