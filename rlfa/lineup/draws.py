"""Draws that a replay repeats: a number for each transaction, from its id and a name of what is drawn for."""

from __future__ import annotations

import numpy as np
import xxhash
from numpy.typing import NDArray


def uniform(tx_hash: NDArray[np.uint64], key: str) -> NDArray[np.float64]:
    """Numbers in [0, 1), even and independent from key to key.

    Args:
        tx_hash: uint64[n], hashed ids.
        key: what the draw is for; another key is another draw.

    Returns:
        float64[n]; the same ids and key always give the same numbers.

    Source: the finaliser of splitmix64, Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
    """
    x = tx_hash ^ np.uint64(xxhash.xxh3_64_intdigest(key.encode()))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return np.asarray((x >> np.uint64(11)).astype(np.float64) * 2.0**-53)
