"""Free agency as a game: one slot, one day a step, half a year an episode (a Gymnasium environment).

The player sees what the manager would see on that day: cohorts after their delay, and signals without labels. Its
reward is the day's money, from the truth, against the first lineup left alone, less trainings and swaps. Nothing is
trained in a step: a scouted family is drawn from the world's bank. What the state machine does by itself (release of
the worse and the futile, the guard's alarm) it does here too, with the same rules and the same bets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from rlfa.free_agency.policies import encoding
from rlfa.free_agency.policies.policy import HOLD, Kind, Move, Situation
from rlfa.free_agency.simulated_slot import Prices, SimulatedSlot
from rlfa.free_agency.simulated_world import HISTORY, ROWS, SCENARIOS, Scenario, World

DAYS = 180


@dataclass(frozen=True, slots=True)
class Day:
    """What the truth says of one day, for figures: money per 1,000 transactions."""

    cost: float
    """Fraud not prevented, false alarms, reviews, trainings and swaps."""
    saved: float
    """Money that is to be expected from the incumbent's catches, less trainings and swaps: no luck in it."""
    first: float
    """What the first lineup's catches would be worth."""
    expected: float
    """Share of fraud that the incumbent catches, without luck."""
    swapped: bool
    false_swap: bool
    """Whether the agent that came catches less than the one that went."""


class FreeAgencyEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """One slot's free agency.

    Args:
        scenarios: drawn from at each reset.
        days: of an episode, which ends by `truncated`: life would go on.
        needs_evidence: whether a promotion is allowed only with its e-value; False plays the paper's rule.
        prices: of trainings and swaps.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # Gymnasium's own name and kind

    def __init__(
        self,
        scenarios: Sequence[Scenario] = SCENARIOS,
        *,
        days: int = DAYS,
        needs_evidence: bool = True,
        prices: Prices | None = None,
    ) -> None:
        self.observation_space = gymnasium.spaces.Box(
            -encoding.LIMIT, encoding.LIMIT, (encoding.SIZE,), dtype=np.float32
        )
        self.action_space = gymnasium.spaces.Discrete(len(encoding.ACTIONS))
        self.days = days
        self._scenarios = tuple(scenarios)
        self._needs_evidence = needs_evidence
        self._prices = prices or Prices()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """A new world; `options` may name its `scenario` and its `world` (a seed)."""
        super().reset(seed=seed)
        options = options or {}
        scenario = options.get("scenario") or self._scenarios[int(self.np_random.integers(len(self._scenarios)))]
        world_seed = options.get("world", int(self.np_random.integers(2**31)))
        self.world = World(scenario, int(world_seed), self.days)
        self._slot = SimulatedSlot(self.world, self._prices, needs_evidence=self._needs_evidence)
        self._look()
        return encoding.encode(self.situation), {"scenario": scenario, "world": world_seed}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Play an action; one that isn't allowed is a hold."""
        is_allowed = bool(self.action_masks()[int(action)])
        reward, day = self.play(encoding.move_of(int(action), self.situation) if is_allowed else HOLD)
        over = self._slot.day >= HISTORY + self.days - 1
        return encoding.encode(self.situation), reward, False, over, {"day": day}

    def play(self, move: Move) -> tuple[float, Day]:
        """Play an allowed move and live through the next day.

        Returns:
            The reward, and the day's truth.
        """
        before = self._slot.incumbent.trained
        costs = self._slot.play(move) + self._slot.live()
        swapped = self._slot.incumbent.trained is not before
        self._look()
        today, now = self._slot.day, self._slot.incumbent.trained
        expected = self.world.expected(now, today)
        day = Day(
            cost=1000.0 / ROWS * (costs + self._slot.cost_of(now)),
            saved=1000.0 / ROWS * (self._slot.expected_gain(now) - costs),
            first=1000.0 / ROWS * self._slot.expected_gain(self._slot.frozen),
            expected=expected,
            swapped=swapped,
            false_swap=swapped and expected <= self.world.expected(before, today),
        )
        gained = self._slot.cost_of(self._slot.frozen) - self._slot.cost_of(now)
        return 1000.0 / ROWS * (gained - costs), day

    def action_masks(self) -> NDArray[np.bool_]:
        """bool[actions], as sb3-contrib's MaskablePPO asks for them."""
        return encoding.mask(self.allowed)

    def _look(self) -> None:
        self.situation: Situation = self._slot.situation()
        self.allowed: frozenset[Kind] = self._slot.allowed(self.situation)
