"""An agent's footprint, measured once when it is stored, and kept on its data card from then on.

Time is that of one thread on the processor, not that on the wall: a machine with much else to do would make every agent
that is stored on it look slow for life.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import torch

from agents.data_card import DataCard
from agents.weights import WEIGHTS
from rlfa.hosts.scoring import HostError, Scorer
from rlfa.rewards.inefficiency import Footprint

ROWS = 512  # as in a busy lane's batch
RUNS = 3


def measure(agent: Scorer, features: int, folder: Path, clock: Callable[[], float]) -> Footprint:
    """Score made-up rows a few times in one thread; the fastest counts, since all else on the machine only slows it.

    Args:
        agent: of the folder.
        features: that it takes.
        folder: with its weights.
        clock: of the time on the processor of the thread that scores, seconds.

    Raises:
        HostError: it gives no score.
    """
    x = np.random.default_rng(0).normal(size=(ROWS, features)).astype(np.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if not np.isfinite(agent.logits(x)).any():  # the first call allocates
            raise HostError(f"agent {folder.name}: found no score for {ROWS} rows, allowed: one for each")
        seconds = min(_timed(agent, x, clock) for _ in range(RUNS))
    finally:
        torch.set_num_threads(threads)
    return Footprint(latency_us=seconds / ROWS * 1e6, weights_bytes=(folder / WEIGHTS).stat().st_size)


def on_card(card: DataCard, footprint: Footprint, *, learns: bool = False) -> DataCard:
    """The card with what was found here, whatever its maker wrote there."""
    return msgspec.structs.replace(
        card, latency_us=footprint.latency_us, weights_bytes=footprint.weights_bytes, learns=learns
    )


def of_card(text: str) -> Footprint | None:
    """What a stored card says; None of a card from before it was measured."""
    card = msgspec.json.decode(text, type=DataCard)
    if card.latency_us is None or card.weights_bytes is None:
        return None
    return Footprint(latency_us=card.latency_us, weights_bytes=card.weights_bytes)


def _timed(agent: Scorer, x: np.ndarray, clock: Callable[[], float]) -> float:
    began = clock()
    agent.logits(x)
    return clock() - began
