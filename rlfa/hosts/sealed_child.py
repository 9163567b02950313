"""The sealed process: loads one agent, seals itself, and from then on only reads features and writes numbers."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from agents.errors import AgentsError
from agents.weights import load_scorer
from rlfa.errors import RlfaError
from rlfa.hosts.memory_limit import WORDS, explain, limit_memory
from rlfa.hosts.seal import seal

REQUEST, ANSWER = struct.Struct("<BII"), struct.Struct("<BI")  # kind, rows, columns; status, bytes that follow
SCORE, CONTRIBUTIONS = 0, 1
DONE, FAILED = 0, 1
Array = NDArray[np.float32]


class Scorer(Protocol):
    """What is sealed."""

    def logits(self, x: Array) -> Array:
        """float32[n] of float32[n, d]."""

    def contributions(self, x: Array) -> Array:
        """float32[n, d] of float32[n, d]."""


def serve(scorer: Scorer, requests: int, answers: int, memory_max_mib: int = 0) -> None:
    """Answer until the other side closes; then this process ends, whoever killed its parent.

    An agent that fails says why, and ends too: nobody knows what state it is in.
    """
    try:
        _answer_all(scorer, requests, answers)
    except Exception as error:  # noqa: BLE001  # whatever a stranger's graph makes of its library
        answer(answers, FAILED, explain(error, memory_max_mib).encode())


def _answer_all(scorer: Scorer, requests: int, answers: int) -> None:
    while len(head := _read(requests, REQUEST.size)) == REQUEST.size:
        kind, n, d = REQUEST.unpack(head)
        x = np.frombuffer(bytearray(_read(requests, 4 * n * d)), np.float32).reshape(n, d)
        result = scorer.logits(x) if kind == SCORE else scorer.contributions(x)
        answer(answers, DONE, np.ascontiguousarray(result, np.float32).tobytes())


def answer(pipe: int, status: int, payload: bytes) -> None:
    """One answer, whole."""
    data = memoryview(ANSWER.pack(status, len(payload)) + payload)
    while data:
        data = data[os.write(pipe, data) :]


def main(folder: str, checksum: str, sealed: str, memory_max_mib: str) -> None:
    """Bound the memory, load, score once so that every library has opened its files, seal, say so, serve."""
    torch.set_num_threads(1)
    most = int(memory_max_mib)
    limit_memory(most)
    try:
        agent = load_scorer(Path(folder), checksum)
        blank = np.full((2, len(agent.feature_names)), np.nan, np.float32)
        agent.logits(blank)
        agent.contributions(blank)
        if sealed == "sealed":
            seal()
    except (AgentsError, RlfaError) as error:
        answer(1, FAILED, (explain(error, most) if WORDS.search(str(error)) else str(error)).encode())
        return
    except MemoryError as error:
        answer(1, FAILED, explain(error, most).encode())
        return
    answer(1, DONE, b"")
    serve(agent, 0, 1, most)


def _read(pipe: int, size: int) -> bytes:
    """So many bytes; fewer only where the other side has closed."""
    parts = bytearray()
    while len(parts) < size:
        part = os.read(pipe, size - len(parts))
        if not part:
            return b""
        parts += part
    return bytes(parts)


if __name__ == "__main__":
    main(*sys.argv[1:])
