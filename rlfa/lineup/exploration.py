"""Exploration: which would-be declines pass after all, and with what propensity, so that their truth can be known.

A declined payment never shows what it was. Where a known share of the declines is let through, rewards and tests can
weigh what they see by 1/propensity. The chance depends on the amount alone, never on a score: what is measured is then
the same part of the stream for every agent. By score, the surest catches of the incumbent would leave it first, and
every challenger would look better than it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from rlfa.lineup.actions import ACTIONS

_DECLINE = ACTIONS.index("decline")


class ExplorationRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which would-be declines are let through, so that agents can be judged where payments are declined.

    Raises:
        ValueError: a share between 0 and `share_min`, which would never let anything through.
    """

    share: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    """Share of would-be declines that pass. 0 is off, the default: it lets suspected fraud through, and only who bears
    the loss may decide that. Up to 0.05 is usual; 0.01 is enough for rewards, tests want more."""
    share_min: Annotated[float, Meta(gt=0, le=0.5)] = 0.01
    """Smallest share worth having: where `loss_max` allows less, nothing passes. It scales the bets of the tests (their
    p_min), so a smaller one makes them slower."""
    loss_max: Annotated[float, Meta(gt=0, le=1e9)] = 5.0
    """Most that one would-be decline may cost on average by this, were all of them fraud, in the stream's currency: the
    share falls to `loss_max` over the preventable loss."""
    amount_max: Annotated[float, Meta(gt=0, le=1e12)] = 200.0
    """No payment above it is ever let through, in the stream's currency. Nothing is learnt there: such payments leave
    rewards and tests, also where they were approved."""
    action: Literal["approve", "review"] = "approve"
    """What is done with a would-be decline that passes."""
    seed: Annotated[int, Meta(ge=0, le=2**62)] = 0
    """Key of the draw. Choose your own and keep it: who knows it and can choose transaction ids can foresee the draw,
    and `rlfa explain` repeats the draw with it."""
    declined_labels: Literal["none", "all"] = "none"
    """Whether declined payments get labels: `none`, as where a payment that is stopped never shows what it was; `all`
    for a replay or a simulation, where the truth is known whatever was decided."""

    def __post_init__(self) -> None:
        if 0 < self.share < self.share_min:
            raise ValueError(f"Expected `0, or at least share_min ({self.share_min:g})`")

    @property
    def is_blind(self) -> bool:
        """Nobody can be judged: what is declined is never seen, and nothing passes to stand for it."""
        return not self.share and self.declined_labels == "none"

    @property
    def propensity_min(self) -> float:
        """The least chance with which a truth that counts came to be known; tests scale their bets by it."""
        return self.share_min if self.share and self.declined_labels == "none" else 1.0


@dataclass(frozen=True, slots=True)
class Explored:
    """Actions after exploration.

    Attributes:
        action: int8[n], what is done.
        propensity: float64[n], the probability with which this action was taken.
        explored: bool[n], would have been declined and passed.
        covered: bool[n], a decline of this payment would have had a chance to pass, whatever was decided.
    """

    action: NDArray[np.int8]
    propensity: NDArray[np.float64]
    explored: NDArray[np.bool_]
    covered: NDArray[np.bool_]


def explore(
    action: NDArray[np.int8],
    amount: NDArray[np.float64],
    tx_hash: NDArray[np.uint64],
    rules: ExplorationRules,
    prevented_share: float,
) -> Explored:
    """Let a share of the would-be declines pass; the same ids always give the same answer.

    Args:
        action: int8[n], index into `ACTIONS`, as it would be without exploration.
        amount: float64[n], in the stream's currency.
        tx_hash: uint64[n], hashed ids.
        rules: of the user.
        prevented_share: of a fraud's amount (rho), from the costs.
    """
    chance = chances(amount, rules, prevented_share)
    declined = np.flatnonzero((action == _DECLINE) & (chance > 0))
    passes = draws(tx_hash[declined], rules.seed) < chance[declined]
    explored = np.zeros(len(action), np.bool_)
    explored[declined] = passes
    propensity = np.ones(len(action))
    propensity[declined] = np.where(passes, chance[declined], 1.0 - chance[declined])
    then = np.where(explored, np.int8(ACTIONS.index(rules.action)), action)
    return Explored(then, propensity, explored, chance > 0)


def chances(amount: NDArray[np.float64], rules: ExplorationRules, prevented_share: float) -> NDArray[np.float64]:
    """The chance of a would-be decline to pass: `min(share, loss_max/(rho·amount))`, 0 above `amount_max`.

    Args:
        amount: float64[n]; one that isn't a number has no chance.
        rules: of the user.
        prevented_share: rho.

    Returns:
        float64[n], 0 or at least `share_min`.
    """
    loss = prevented_share * np.clip(amount, 0.0, rules.amount_max)
    within = rules.share * loss <= rules.loss_max
    wanted = np.where(within, rules.share, rules.loss_max / np.maximum(loss, rules.loss_max))
    return np.where((amount <= rules.amount_max) & (wanted >= rules.share_min), wanted, 0.0)


def drawn_again(tx_hash: int, propensity: float, *, explored: bool, seed: int) -> bool | None:
    """The draw of a past decision once more: whether it passes; None where nothing was drawn.

    Args:
        tx_hash: of the transaction.
        propensity: as recorded: the chance where it passed, else that of the decline.
        explored: whether it passed.
        seed: the key.
    """
    chance = propensity if explored else 1.0 - propensity
    if not chance:
        return None
    return bool(draws(np.array([tx_hash], np.uint64), seed)[0] < chance)


def draws(tx_hash: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """Even numbers in [0, 1) from a keyed hash (BLAKE2b) of the ids, which nobody without the key can foresee.

    Args:
        tx_hash: uint64[n].
        seed: the key.

    Returns:
        float64[n], multiples of 2^-53.
    """
    key = seed.to_bytes(8, "little")
    hashed = (hashlib.blake2b(h.to_bytes(8, "little"), digest_size=8, key=key).digest() for h in tx_hash.tolist())
    whole = np.frombuffer(b"".join(hashed), "<u8")
    return np.asarray((whole >> np.uint64(11)).astype(np.float64) * 2.0**-53)
