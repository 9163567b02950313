"""Numbers to names as Arrow arrays, without a Python object per row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.synthetic.chance import mixed

TOKEN_LETTERS = 12
_GENERATION_BITS = 20


def numbered(prefix: str, number: NDArray[np.int64], digits: int) -> pa.Array:
    """string[n]: a prefix and the number with leading zeros; the number must fit in the digits."""
    head = np.frombuffer(prefix.encode(), np.uint8)
    text = np.empty((len(number), len(head) + digits), np.uint8)
    text[:, : len(head)] = head
    rest = number.astype(np.uint64 if digits > 9 else np.uint32)
    for column in range(text.shape[1] - 1, len(head) - 1, -1):
        rest, digit = np.divmod(rest, rest.dtype.type(10))
        text[:, column] = digit + ord("0")
    return fixed_width(text)


def fixed_width(text: NDArray[np.uint8]) -> pa.Array:
    """string[n] from uint8[n, width] of ASCII."""
    n, width = text.shape
    offsets = np.arange(n + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text)))


def card_tokens(card: NDArray[np.integer], generation: NDArray[np.int64]) -> NDArray[np.uint8]:
    """uint8[n, 12]: letters only, so that no token can be taken for a card number."""
    number = (card.astype(np.uint64) << np.uint64(_GENERATION_BITS)) | generation.astype(np.uint64)
    rest = mixed(number)
    text = np.empty((len(card), TOKEN_LETTERS), np.uint8)
    for column in range(TOKEN_LETTERS):
        rest, letter = np.divmod(rest, np.uint64(26))
        text[:, column] = letter + ord("a")
    return text
