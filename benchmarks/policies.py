"""What a policy of free agency is worth, on drift that it never saw: regret, cost, false swaps.

One slot, half a year, one world per seed, the same for all; every agent that two policies train alike is the same
agent. The learned policy was trained on other kinds of drift (or, in the second table, on other worlds of the same
kinds). `hindsight` knows the truth; `retrain` swaps in a fresh agent unseen, as many teams do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Report, arguments
from benchmarks.lives.life import Life, Never, Plan, planned, played
from benchmarks.lives.plans import Hindsight, Retrain
from rlfa.free_agency.policies.bandit import Bandit
from rlfa.free_agency.policies.learned import Learned, shipped
from rlfa.free_agency.policies.threshold import Threshold
from rlfa.free_agency.simulated_world import SCENARIOS, Scenario
from rlfa.free_agency.simulator import DAYS

BEST, DEFAULT, LEARNED = "hindsight", "bandit", "learned"
RESAMPLES = 10_000
Lives = dict[Scenario, dict[str, list[Life]]]
COLUMNS = (
    "drift", "policy", "cost per 1,000", "regret per 1,000", "less cost than bandit", "swaps", "false swaps",
    "false of promoted",
)  # fmt: skip


def main() -> None:
    parser = arguments("policies", __doc__ or "")
    parser.add_argument("--worlds", type=int, default=40, help="held-out worlds per kind of drift")
    args = parser.parse_args()
    report = Report("policies", args, ())
    seen: tuple[Scenario, ...] = tuple(s for s in SCENARIOS if s in shipped().about["drifts"].split(","))
    unseen = tuple(s for s in SCENARIOS if s not in seen)
    worlds = range(args.seed * args.worlds, (args.seed + 1) * args.worlds)
    chance = np.random.default_rng(args.seed)
    found = {drift: lives_in(drift, worlds) for drift in (*unseen, *seen)}
    tabulate(report, "A. Kinds of drift that the learned policy never saw", {d: found[d] for d in unseen}, chance)
    tabulate(report, "B. Kinds that it was trained on, in other worlds", {d: found[d] for d in seen}, chance)
    report.claim("worlds per kind of drift", float(len(worlds)), ">= 20")
    judge(report, found, unseen, chance)
    report.notes["days of a life"] = DAYS
    about = shipped().about
    report.notes["learned"] = f"{about['command']}, {about['days_played']} days played, drifts {about['drifts']}"
    report.notes["what makes `retrain` look good"] = (
        "in the simulator no training ever goes wrong: a new agent is as good as its window, so that swapping unseen "
        "costs nothing but its price; no evidence can pay for itself against that"
    )
    report.finish()


def judge(report: Report, found: Lives, unseen: Sequence[Scenario], chance: np.random.Generator) -> None:
    """The claims: lower ends of paired gains, and how many challengers were promoted falsely."""

    def lowest(name: str, other: str, drifts: Sequence[Scenario]) -> float:
        return min(interval(against(found[d], name, other), chance)[1] for d in drifts)

    everywhere = together(found)
    drifting = [d for d in found if d != "none"]
    report.claim("learned over bandit, the worst unseen drift: lower end", lowest(LEARNED, DEFAULT, unseen), "> 0")
    of_unseen = against(together({d: found[d] for d in unseen}), LEARNED, DEFAULT)
    report.claim("learned over bandit, all unseen drift: lower end", interval(of_unseen, chance)[1], "> 0")
    for name in (DEFAULT, LEARNED):
        own = everywhere[name]
        false = sum(x.false_swaps for x in own) / max(sum(x.trials for x in own), 1)
        report.claim(f"{name}: false swaps per challenger tried", false, "<= 0.05")
        report.claim(f"{name} over never, the worst drift: lower end", lowest(name, "never", drifting), "> 0")
    for other in ("threshold", "retrain, 30 days"):
        gained = interval(against(everywhere, DEFAULT, other), chance)[1]
        report.claim(f"bandit over {other}, all drift: lower end", gained, "> 0")


def tabulate(report: Report, title: str, found: Lives, chance: np.random.Generator) -> None:
    """A row per kind of drift and policy, and for all kinds together."""
    part = report.section(title, COLUMNS)
    for drift, lives in (*found.items(), ("all of these", together(found))):
        for name, own in lives.items():
            swaps, false = (np.array(x, float) for x in zip(*((x.swaps, x.false_swaps) for x in own), strict=True))
            part.row(
                **{
                    "drift": drift,
                    "policy": name,
                    "cost per 1,000": shown(np.array([x.cost for x in own]), chance),
                    "regret per 1,000": shown(against(lives, BEST, name), chance),
                    "less cost than bandit": shown(against(lives, name, DEFAULT), chance) if name != DEFAULT else "",
                    "swaps": float(swaps.mean()),
                    "false swaps": shown(false, chance),
                    "false of promoted": float(false.sum() / swaps.sum()) if swaps.sum() else 0.0,
                }
            )


def lives_in(drift: Scenario, worlds: range) -> dict[str, list[Life]]:
    policies = (Never(), Threshold(), Bandit(), Learned(shipped()))
    plans: dict[str, Plan] = {"retrain, 30 days": Retrain(30), "retrain, 7 days": Retrain(7), BEST: Hindsight()}
    lives = {p.name: [played(p, drift, world) for world in worlds] for p in policies}
    return lives | {name: [planned(plan, drift, world) for world in worlds] for name, plan in plans.items()}


def together(found: Lives) -> dict[str, list[Life]]:
    """All lives of each policy, whatever the drift."""
    names = next(iter(found.values()))
    return {name: [x for lives in found.values() for x in lives[name]] for name in names}


def against(lives: dict[str, list[Life]], name: str, other: str) -> NDArray[np.float64]:
    """float64[worlds], by how much one saves more than the other, without luck."""
    return np.array([a.saved - b.saved for a, b in zip(lives[name], lives[other], strict=True)])


def interval(values: NDArray[np.float64], chance: np.random.Generator) -> tuple[float, float, float]:
    """Mean, and its 95 % interval by bootstrap over worlds."""
    means = values[chance.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def shown(values: NDArray[np.float64], chance: np.random.Generator) -> str:
    mean, low, high = interval(values, chance)
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
