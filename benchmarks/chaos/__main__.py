"""Exactly once under faults: kills at any moment, connections that break, commits without an answer.

Each trial lets a simulated stream go on, strikes once, and waits until every transaction is decided. Then a
`read_committed` reader must have one decision for each, and every lane's state must be that of a run without faults, to
the bit. The faults come in turn, their moments from the seed; the stream, the service and its state go on from trial to
trial. Kills come from outside, at a commit by way of a proxy that reads Kafka's frames.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from random import Random
from statistics import median

from rich.console import Console

from benchmarks.chaos.faults import FAULTS
from benchmarks.chaos.stage import stage
from benchmarks.chaos.trial import Outcome, trial
from benchmarks.harness import Report, arguments
from benchmarks.serving.brokers import broker_arguments, broker_of
from rlfa.telemetry import configure_logs

COLUMNS = ("fault", "trials", "transactions", "lost", "doubled", "different", "other scores", "p50 s", "max s")


def main() -> None:
    parser = arguments("chaos", __doc__ or "")
    broker_arguments(parser)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--lanes", type=int, default=2, help="of the service at first")
    parser.add_argument("--rate", type=float, default=200.0, help="transactions a second")
    parser.add_argument("--fault", help="only faults whose name contains this")
    args = parser.parse_args()
    configure_logs("error")
    faults = [f for f in FAULTS if args.broker == "kafka" or not f.needs_kafka]
    chosen = [f for f in faults if not args.fault or args.fault in f.name]
    console, rng = Console(stderr=True), Random(args.seed)
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="rlfa-chaos-") as work:
        (folder := Path(work) / "service").mkdir()
        with (
            broker_of(args, Path(work)) as broker,
            stage(folder, broker, lanes=args.lanes, seed=args.seed, rate=args.rate) as scene,
        ):
            for i in range(args.trials):
                outcomes.append(trial(scene, chosen[i % len(chosen)], rng))
                console.print(f"{i + 1}/{args.trials} {outcomes[-1]}")
            skipped = scene.reader.skipped
    _report(args, outcomes, [f.name for f in FAULTS if f not in faults], skipped)


def _report(args: object, outcomes: list[Outcome], left_out: list[str], skipped: int) -> None:
    report = Report("chaos", args, COLUMNS)
    by_fault = defaultdict(list)
    for outcome in outcomes:
        by_fault[outcome.fault].append(outcome)
    for name, found in [*by_fault.items(), ("all", outcomes)]:
        waits = [o.first_decision_s for o in found]
        report.row(
            fault=name,
            trials=len(found),
            transactions=sum(o.transactions for o in found),
            lost=sum(o.lost for o in found),
            doubled=sum(o.doubled for o in found),
            different=sum(o.different for o in found),
            **{
                "other scores": sum(o.other_scores for o in found),
                "p50 s": median(waits),
                "max s": max(waits),
            },
        )
    report.notes["records that a reader had gone past and a new one saw"] = skipped
    report.notes["left out"] = ", ".join(left_out)
    report.notes["p50 s, max s"] = "from the fault to the first decision after it, of the partition that waits longest"
    for name in ("lost", "doubled", "different", "other_scores"):
        report.claim(name.replace("_", " "), sum(getattr(o, name) for o in outcomes), "== 0")
    report.finish()


if __name__ == "__main__":
    main()
