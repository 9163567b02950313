"""Train the learned policy in the simulator: `python -m rlfa.free_agency.policies.train_learned`.

MaskablePPO begins as an imitation of the default policy, since a policy that plays at random gives up every challenger
within days and never sees what a promotion brings. Its reward is the truth without luck, credited at once, against what
the default policy makes of the same world: worlds differ more than policies do. It trains on some kinds of drift and on
worlds of its own; `benchmarks.policies` measures it on the kinds that it never saw.

Source: masks after Huang & Ontañón, "A Closer Look at Invalid Action Masking in Policy Gradient Algorithms",
arXiv 2006.14171, as sb3-contrib implements them.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import MaskablePPO
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import nn

from rlfa.free_agency.policies import encoding
from rlfa.free_agency.policies.bandit import Bandit
from rlfa.free_agency.policies.learned import WEIGHTS, WIDTH, Learned, Network, write
from rlfa.free_agency.policies.policy import Policy
from rlfa.free_agency.simulated_world import Scenario
from rlfa.free_agency.simulator import DAYS, FreeAgencyEnv

DRIFTS: tuple[Scenario, ...] = ("none", "abrupt", "gradual", "delay")
"""Kinds of drift that it trains on; the others are for the benchmark."""
WORLDS_FROM, CHOICE_FROM = 1_000_000, 500_000
"""Worlds (seeds) to train in from here on, to choose among checkpoints from there on; the benchmark's are below."""
GAMMA = 0.995
REWARD_SCALE = 100.0
TEACHER = Bandit()
ENVS = 8


class AgainstDefault(gymnasium.Wrapper[NDArray[np.float32], np.int64, NDArray[np.float32], np.int64]):
    """A training world at each reset; a day's reward is what the default policy would not have saved on it.

    No luck of single frauds is in it, and the worth of the world itself, in which policies differ least, cancels.
    """

    def __init__(self, env: FreeAgencyEnv, seed: int) -> None:
        super().__init__(env)
        self.game = env
        self._chance = np.random.default_rng([seed, 7])
        self._rival = FreeAgencyEnv(days=env.days)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Into one of the worlds that are for training."""
        drawn = {**(options or {}), **_world(self._chance)}
        self._rival.reset(options=drawn)
        return self.env.reset(seed=seed, options=drawn)

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """The rival lives through the same day in its own way."""
        seen, _, terminated, truncated, info = self.env.step(action)
        theirs = self._rival.play(TEACHER.choose(self._rival.situation, self._rival.allowed))[1]
        return seen, (info["day"].saved - theirs.saved) / REWARD_SCALE, terminated, truncated, info

    def action_masks(self) -> NDArray[np.bool_]:
        """As MaskablePPO asks for them."""
        return self.game.action_masks()


def _world(chance: np.random.Generator) -> dict[str, Any]:
    """One that is for training."""
    drift = DRIFTS[int(chance.integers(len(DRIFTS)))]
    return {"scenario": drift, "world": WORLDS_FROM + int(chance.integers(2**30))}


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a policy saw, could do and did."""

    seen: NDArray[np.float32]
    masks: NDArray[np.bool_]
    actions: NDArray[np.int64]


def watch(policy: Policy, lives: int, seed: int, days: int = DAYS) -> Lesson:
    """Let a policy play some lives in training worlds, and write down what it did."""
    env, chance = FreeAgencyEnv(days=days), np.random.default_rng([seed, 9])
    seen, masks, actions = [], [], []
    for _ in range(lives):
        env.reset(options=_world(chance))
        for _ in range(days - 1):
            move = policy.choose(env.situation, env.allowed)
            seen.append(encoding.encode(env.situation))
            masks.append(env.action_masks())
            actions.append(encoding.action_of(move))
            env.play(move)
    return Lesson(np.array(seen), np.array(masks), np.array(actions))


def imitate(model: MaskablePPO, lesson: Lesson, epochs: int, seed: int) -> None:
    """Fit the policy to what was done."""
    chance = np.random.default_rng([seed, 8])
    optimizer = torch.optim.Adam(model.policy.parameters(), lr=1e-3)
    for _ in range(epochs):
        for rows in np.array_split(chance.permutation(len(lesson.actions)), max(len(lesson.actions) // 512, 1)):
            _, log_p, _ = model.policy.evaluate_actions(
                torch.from_numpy(lesson.seen[rows]), torch.from_numpy(lesson.actions[rows]), lesson.masks[rows]
            )
            loss = -log_p.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def score(policy: Policy, worlds: int, days: int = DAYS) -> float:
    """Money saved in a life without luck, per 1,000 transactions of a day, in the worlds that are for choosing."""
    env = FreeAgencyEnv(days=days, needs_evidence=policy.needs_evidence)
    total = 0.0
    for drift in DRIFTS:
        for world in range(CHOICE_FROM, CHOICE_FROM + worlds):
            env.reset(options={"scenario": drift, "world": world})
            moves = (policy.choose(env.situation, env.allowed) for _ in range(days - 1))
            total += sum(env.play(move)[1].saved for move in moves)
    return total / (worlds * len(DRIFTS))


def exported(model: MaskablePPO, about: dict[str, str]) -> Network:
    """The actor's layers alone, without the critic and without SB3."""
    hidden = [m for m in model.policy.mlp_extractor.policy_net if isinstance(m, nn.Linear)]
    layers = [*hidden, model.policy.action_net]
    tensors = {
        f"{i}.{name}": value.detach().numpy().copy()
        for i, layer in enumerate(layers)
        for name, value in layer.named_parameters()
    }
    return Network(tensors, about)


def model_of(seed: int, *, days: int = DAYS, rollout: int = 512) -> MaskablePPO:
    """An untrained MaskablePPO in its training worlds."""
    torch.manual_seed(seed)
    makers = [partial(_game, seed * 1_000 + i, days) for i in range(ENVS)]
    return MaskablePPO(
        "MlpPolicy",
        DummyVecEnv(makers),
        n_steps=rollout,
        batch_size=min(512, rollout * ENVS),
        n_epochs=6,
        learning_rate=3e-4,
        gamma=GAMMA,
        gae_lambda=0.98,
        clip_range=0.15,
        ent_coef=0.002,
        policy_kwargs={"net_arch": [WIDTH, WIDTH], "activation_fn": nn.Tanh},
        seed=seed,
        device="cpu",
    )


def _game(seed: int, days: int) -> AgainstDefault:
    return AgainstDefault(FreeAgencyEnv(days=days), seed)


def improve(
    steps: int,
    seed: int,
    *,
    every: int = 50_000,
    lives: int = 600,
    worlds: int = 25,
    days: int = DAYS,
    rollout: int = 512,
) -> Iterator[Network]:
    """Imitate the default policy, then improve on it.

    Args:
        steps: days played in all, after the imitation.
        seed: of everything.
        every: days between two checkpoints.
        lives: of the default policy that are imitated.
        worlds: per kind of drift, in which a checkpoint is scored.
        days: of a life.
        rollout: days that each of the parallel games plays between two updates.

    Yields:
        Each checkpoint that earns more than all before it, in the worlds that are for choosing; the same whatever
        `steps` allow after it.
    """
    torch.set_num_threads(1)
    model = model_of(seed, days=days, rollout=rollout)
    imitate(model, watch(TEACHER, lives, seed, days), epochs=3, seed=seed)
    _say(f"the default policy: {score(TEACHER, worlds, days):.1f}")
    best = -math.inf
    for done in range(0, steps + 1, every):
        if done:
            model.learn(every, reset_num_timesteps=False)
        network = exported(model, {"days_played": str(done)})
        found = score(Learned(network), worlds, days)
        _say(f"{done:,} days: {found:.1f}")
        if found > best:
            best = found
            yield network


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write the file that ships."""
    parser = argparse.ArgumentParser(
        prog="python -m rlfa.free_agency.policies.train_learned", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument(
        "--steps", type=int, default=400_000, help="days to play, of the simulator's (default: 400,000)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="default: the file that ships")
    given = list(sys.argv[1:] if arguments is None else arguments)
    args = parser.parse_args(given)
    command = shlex.join(["python", "-m", "rlfa.free_agency.policies.train_learned", *given])
    libraries = ("sb3-contrib", "stable-baselines3", "gymnasium", "torch", "numpy")
    about = {
        "command": command,
        "drifts": ",".join(DRIFTS),
        "versions": ",".join(f"{name} {importlib.metadata.version(name)}" for name in libraries),
    }
    for network in improve(args.steps, args.seed):
        _say(f"{write(Network(network.tensors, {**network.about, **about}), args.out)}  {args.out.name}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # a command's progress


if __name__ == "__main__":
    main()
