"""Identifiers as 64-bit keys and texts of categories as codes: the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import xxhash
from numpy.typing import NDArray

CATEGORY_BITS = 0xFFFFFF  # float32 holds integers of 24 bits exactly
CODES_MAX = 65_536  # of texts, remembered


def entity_key(text: str) -> int:
    """The 64-bit key of an identifier: XXH3 of its UTF-8, the same on every machine; never 0, which means none."""
    return xxhash.xxh3_64_intdigest(text.encode()) or 1


def entity_keys(texts: Sequence[str | None]) -> NDArray[np.uint64]:
    """uint64[n]: the key of each identifier, 0 where there is none."""
    known = [text.encode() for text in texts if text is not None]
    keys = np.fromiter(map(xxhash.xxh3_64_intdigest, known), np.uint64, len(known))
    keys[keys == 0] = 1
    if len(known) == len(texts):
        return keys
    out = np.zeros(len(texts), np.uint64)
    out[[text is not None for text in texts]] = keys
    return out


def category_codes(texts: Sequence[str | None]) -> NDArray[np.float32]:
    """float32[n]: a code of 24 bits for each text, 0 where it is missing."""
    return np.fromiter(map(_category_code, texts), np.float32, len(texts))


@lru_cache(CODES_MAX)
def _category_code(text: str | None) -> float:
    return 0.0 if text is None else float(codes_of(np.array([entity_key(text)], np.uint64))[0])


def codes_of(keys: NDArray[np.uint64]) -> NDArray[np.float32]:
    """float32[n] category codes of uint64[n] `entity_key`s: their low 24 bits, 0 for a key of 0 only."""
    return np.where(keys == 0, 0, np.maximum(keys & np.uint64(CATEGORY_BITS), 1)).astype(np.float32)
