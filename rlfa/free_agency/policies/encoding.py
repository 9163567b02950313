"""A situation as numbers, and moves as numbered actions: what a learned policy reads and answers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rlfa.free_agency.policies.policy import HOLD, Kind, Move, Situation, Trial

ACTIONS = ("hold", "scout own", "scout one more", "promote", "release", "rollback")
_KINDS: tuple[Kind, ...] = ("hold", "scout", "scout", "promote", "release", "rollback")
TRIALS = 2
"""Challengers that are looked at; a third is counted only."""
LIMIT = 5.0
SIZE = 17 + 8 * TRIALS


def encode(situation: Situation) -> NDArray[np.float32]:
    """float32[SIZE], each within ±LIMIT: shares, ratios and logarithms, so that no currency and no size matters."""
    detection, level = situation.detection, situation.level
    known = detection is not None and level is not None
    numbers = [
        float(situation.standing == "ok"),
        float(situation.standing == "under"),
        situation.reward / situation.reward_error / 5.0 if situation.reward_error else 0.0,
        detection if detection is not None else 0.5,
        5.0 * (detection - level) if detection is not None and level is not None else 0.0,
        float(known),
        situation.delay_days / 30.0,
        situation.days_held / 90.0,
        min(situation.days_quiet, 60) / 30.0,
        (situation.training + situation.pooled) / 2.0,
        len(situation.trials) / 2.0,
        float(situation.log_guard is not None),
        (situation.log_guard or 0.0) / 6.0,
        2.0 * situation.own,
        2.0 * situation.other,
        situation.shift,
        float(situation.drifted),
    ]
    for i in range(TRIALS):
        numbers += _trial(situation.trials[i]) if i < len(situation.trials) else _NO_TRIAL
    clipped: NDArray[np.float32] = np.clip(np.array(numbers), -LIMIT, LIMIT).astype(np.float32)
    return clipped


def move_of(action: int, situation: Situation) -> Move:
    """The move that an action stands for; a release means the least promising challenger."""
    match _KINDS[action]:
        case "scout":
            return Move(kind="scout", others=action - 1)
        case "promote":
            return Move(kind="promote", agent=next(t.agent for t in situation.trials if t.ready))
        case "release":
            return Move(kind="release", agent=situation.trials[-1].agent, reason="the learned policy gives it up")
        case "rollback":
            return Move(kind="rollback", reason="the learned policy doesn't wait for the guard's alarm")
        case "hold":
            return HOLD


def action_of(move: Move) -> int:
    """The action that stands for a move, whoever it means; the inverse of `move_of`."""
    return ACTIONS.index(f"scout {'one more' if move.others else 'own'}" if move.kind == "scout" else move.kind)


def mask(allowed: frozenset[Kind]) -> NDArray[np.bool_]:
    """bool[actions], those whose kind is allowed."""
    return np.array([kind in allowed for kind in _KINDS])


def _trial(trial: Trial) -> list[float]:
    frauds = max(trial.frauds, 1)
    return [
        1.0,
        trial.log_up / math.log(trial.bound),
        trial.log_down / 3.0,
        trial.log_futility / 2.3,
        math.log1p(trial.frauds) / 4.0,
        trial.days / 30.0,
        5.0 * (trial.wins - trial.losses) / frauds,
        float(trial.ready),
    ]


_NO_TRIAL = [0.0] * 8
