"""What is measured where declined payments have no labels: with exploration and weights, and without.

A: three real agents on simulated streams whose whole truth is known; two of them decide, and what they decline is never
labelled, but for 1 % that passes. B: how often a challenger that isn't better is promoted then. C: how long one that is
better waits. Drawn from `--seed`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import t as student

from benchmarks.evidence.selective import (
    METHODS,
    NULLS,
    false_promotions,
    frauds_until_promoted,
    promoted_by_the_service,
)
from benchmarks.evidence.shares import Share
from benchmarks.harness import Report, Section, arguments
from benchmarks.selective_data import (
    DAYS,
    EVERYTHING,
    PER_DAY,
    World,
    as_genuine,
    covered_truth,
    figures,
    seen_days,
    unweighted,
    world,
)
from rlfa.lineup.exploration import ExplorationRules

CAPPED = ExplorationRules(share=0.01)  # the default caps: nothing above 200 passes
WAYS = ("declined taken for genuine", "seen only", "weighted by 1/propensity")
FIGURES = ("reward per 1,000", "recall")
FEW = 5  # draws for what hardly depends on them
REFERENCE = {1.0: 124, 0.5: 186, 0.2: 434, 0.1: 810, 0.05: 1619}  # its §3.8, 60 → 70 %: median frauds


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean over streams with Student's interval at 95 %."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        mean = float(np.mean(values))
        half = float(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
        return cls(mean, mean - half, mean + half)

    def __str__(self) -> str:
        return f"{self.value:+.1%} ({self.low:+.1%} to {self.high:+.1%})"


def main() -> None:
    parser = arguments("selective_labels", __doc__ or "")
    parser.add_argument("--streams", type=int, default=12, help="simulated streams of part A")
    parser.add_argument("--probations", type=int, default=4_000, help="simulated probations per case of parts B and C")
    args = parser.parse_args()
    torch.set_num_threads(1)
    report = Report("selective_labels", args, ())
    bias(report, args.streams, args.seed)
    error(report, args.probations, args.seed)
    service(report, max(args.probations // 10, 1), args.seed)
    power(report, max(args.probations // 8, 1), args.seed)
    report.finish()


def bias(report: Report, streams: int, seed: int) -> None:
    """Part A."""
    worlds = [world(seed * 1000 + k) for k in range(streams)]
    notes = report.notes
    notes["A: streams"] = f"{streams} of {DAYS} days, {PER_DAY:,} transactions a day, 100 draws of exploration on each"
    declined = np.concatenate([a == 2 for w in worlds for a in w.actions])
    fraud = np.concatenate([c.fraud for w in worlds for c in w.cohorts])
    notes["A: declined"] = (
        f"{declined.mean():.2%} of the transactions, {fraud[declined].mean():.0%} of them fraud; "
        f"{fraud[declined].sum() / fraud.sum():.0%} of all frauds"
    )
    columns = ("agent", "figure", "truth", *WAYS, "one window's error, 5 % to 95 %")
    title = "A. Bias of each agent's figures at 1 % exploration: mean (95 % interval over streams)"
    part = report.section(title, columns)
    for name, found in _measured(part, worlds, EVERYTHING).items():
        report.claim(f"A: largest bias of an agent's {name}, weighted", max(abs(m.value) for m in found), "<= 0.05")
        far = max(max(abs(m.low), abs(m.high)) for m in found)
        report.claim(f"A: farthest end of its intervals, {name}", far, "<= 0.05")
    capped = report.section("A2. With the default caps: the same figures of payments up to 200", columns)
    _measured(capped, worlds, CAPPED)
    amount = np.concatenate([c.amount for w in worlds for c in w.cohorts])
    notes["A2: left out"] = (
        f"payments above {CAPPED.amount_max:g}: {(amount > CAPPED.amount_max).mean():.1%} of all, "
        f"{amount[amount > CAPPED.amount_max].sum() / amount.sum():.0%} of the amount, "
        f"{amount[fraud & (amount > CAPPED.amount_max)].sum() / amount[fraud].sum():.0%} of the fraud"
    )


def _measured(part: Section, worlds: Sequence[World], rules: ExplorationRules) -> dict[str, list[Mean]]:
    """A row per figure and agent; the weighted bias of each agent, by figure."""
    agents = list(worlds[0].stopped)
    found = [_window(told, rules) for told in worlds]
    means: dict[str, list[Mean]] = {}
    for f, name in enumerate(FIGURES):
        means[name] = []
        for agent in agents:
            truth = float(np.mean([truths[agent][f] for truths, _ in found]))
            errors = {
                w: [measured[agent, w][:, f] / truth - truths[agent][f] / truth for truths, measured in found]
                for w in WAYS
            }
            bias = {w: Mean.of([float(np.nanmean(e)) for e in errors[w]]) for w in WAYS}
            low, high = np.nanquantile(np.concatenate(errors[WAYS[-1]]), [0.05, 0.95])
            part.row(
                agent=agent,
                figure=name,
                truth=truth,
                **{w: str(m) for w, m in bias.items()},
                **{"one window's error, 5 % to 95 %": f"{low:+.0%} to {high:+.0%}"},
            )
            means[name].append(bias[WAYS[-1]])
    return means


def _window(told: World, rules: ExplorationRules) -> tuple[dict, dict]:
    """Truth per agent [figures], and what is measured per agent and way [draws, figures], of one stream."""
    whole = covered_truth(told, rules)
    truth = {agent: figures(whole, stopped) for agent, stopped in told.stopped.items()}
    measured = defaultdict(list)
    for k in range(round(1 / rules.share)):
        seen = seen_days(told, rules, k)
        ways = dict(zip(WAYS, (as_genuine(seen, told), unweighted(seen), seen), strict=True))
        for agent, stopped in told.stopped.items():
            for way, days in ways.items():
                if way == WAYS[-1] or k < FEW:
                    measured[agent, way].append(figures(days, stopped))
    return truth, {key: np.array(values) for key, values in measured.items()}


def error(report: Report, probations: int, seed: int) -> None:
    """Part B in the vectorised form."""
    part = report.section(
        "B. Falsely promoted at 5 % in 100 cohorts: share (95 % interval)", ("null", "passes", *METHODS)
    )
    highest = 0.0
    for k, null in enumerate(NULLS):
        for j, chance in enumerate((0.01, 0.05, 0.2)):
            shares = false_promotions(null, chance, probations, np.random.default_rng([seed, 2, k, j]))
            part.row(null=null.name, passes=f"{chance:.0%}", **{m: str(s) for m, s in shares.items()})
            highest = max(highest, shares["weighted"].high)
    report.claim("B: upper end of the weighted test's false promotions", highest, "<= 0.05")


def service(report: Report, lives: int, seed: int) -> None:
    """Part B through the service's code."""
    columns = ("the lineup declines what", "passes", "each card takes turns", "every decline of a card may speak")
    part = report.section("B2. The service's own code, equal agents, five rows a card, 60 days", columns)
    names = {"incumbent": "the incumbent stops", "challenger": "the challenger stops", "neither": "neither decides"}
    highest = 0.0
    for k, (lineup, name) in enumerate(names.items()):
        shares = []
        for takes_turns, n in ((True, lives), (False, max(lives // 8, 1))):
            rng = np.random.default_rng([seed, 3, k])
            hits = sum(promoted_by_the_service(rng, 60, lineup, 0.1, takes_turns=takes_turns) for _ in range(n))
            shares.append(Share(hits, n))
        highest = max(highest, shares[0].value)
        part.row(**dict(zip(columns, (name, "10%", *map(str, shares)), strict=True)))
    report.claim("B2: most false promotions of the service's own code", highest, "<= 0.05")


def power(report: Report, probations: int, seed: int) -> None:
    """Part C."""
    columns = ("declines seen", "median cards", "90 % by", "reference's median", "never")
    part = report.section("C. Recall 60 → 70 %: compromised cards until promotion", columns)
    ratios = []
    for k, chance in enumerate((*REFERENCE, 0.01)):
        found = frauds_until_promoted(chance, 0.15, 0.05, probations, np.random.default_rng([seed, 4, k]))
        median, late = np.quantile(found, [0.5, 0.9], method="higher")
        known = REFERENCE.get(chance)
        ratios += [median / known] if known else []
        part.row(
            **{
                "declines seen": f"{chance:.0%}",
                "median cards": float(median),
                "90 % by": float(late),
                "reference's median": known or "",
                "never": float(np.isinf(found).mean()),
            }
        )
    report.claim("C: largest ratio of a median to the reference's", max(ratios), "<= 1.15")
    report.notes["C: reviews"] = (
        "a share of 100 % is what a review of every disagreement gives: it needs no exploration"
    )


if __name__ == "__main__":
    main()
