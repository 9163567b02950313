"""Transactions a second from topic to topic: ours beside a bare loop, Quix Streams with LightGBM, and River.

All read the same records of one broker and write decisions that a `read_committed` reader counts afterwards. The clock
runs from the end of a warm-up to the last commit, in a process that was started for it. The rivals get an easier task,
each to its advantage: a smaller sample, no labels (their shares of fraud stay 0), windows that begin empty, no reasons,
no alert budget, no journal. Quix Streams runs in a Python of its own (`--quix-python`), as it wants an older client.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
from msgspec.structs import replace
from rich.console import Console

from benchmarks.harness import Report, arguments
from benchmarks.serving.brokers import broker_arguments, broker_of
from benchmarks.throughput.job import Job, Measured
from rlfa.cli.topics import create_topics
from rlfa.cli.train import learn
from rlfa.config import Service, load_service
from rlfa.lineup.plan import Plan, write_plan
from rlfa.lineup.slots import Lineup, Shadow
from rlfa.outcomes import log
from rlfa.trainers.training import rows_of
from streams.kafka.audit import audit_decisions
from streams.kafka.producer import Producer
from streams.replay import Topics, in_event_time_order, publish
from streams.synthetic import Simulator, demo_scenario
from streams.synthetic.messages import chunks

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "rlfa" / "cli" / "demo_files" / "stream.toml"
HISTORY_DAYS = 10
STAGES = "where a microsecond of ours goes"
LIMIT_S = 1800.0
LEARNT_ROWS = 5_000  # by the forest, before the clock starts
CONTESTANTS = {"pass-through": "pass_through", "ours": "lane", "Quix Streams": "quix", "kafka-python, River": "river"}
RIVALS = ("Quix Streams", "kafka-python, River")
COLUMNS = ("contestant", "transactions", "a second", "slowest run", "cores", "peak MiB", "ours to it", "decisions")
CONFIG = """
name = "throughput"
stream = "stream.toml"
state = "state"
log_level = "error"
[kafka]
bootstrap_servers = "{servers}"
[slots]
a = "piecewise"
b = "periodic"
c = "logistic"
d = "challenger"
[genomes.piecewise]
experts = 8
epochs_max = 8
genuine_per_fraud = 12
seed = 1
[genomes.periodic]
encoder = "periodic"
experts = 8
epochs_max = 8
genuine_per_fraud = 12
seed = 2
[genomes.logistic]
expert = "logistic"
experts = 8
epochs_max = 8
genuine_per_fraud = 12
seed = 3
[genomes.challenger]
experts = 8
epochs_max = 8
genuine_per_fraud = 12
seed = 4
[free_agency.exploration]
declined_labels = "all"
"""


def main() -> None:
    parser = arguments("throughput", __doc__ or "")
    broker_arguments(parser)
    parser.add_argument("--quix-python", default=os.environ.get("RLFA_QUIX_PYTHON"), help="see requirements-quix.txt")
    parser.add_argument("--per-day", type=int, default=50_000, help="transactions a day of event time")
    parser.add_argument("--days", type=int, default=10, help="days through the broker")
    parser.add_argument("--runs", type=int, default=5, help="of the bare loop and of ours; the rivals run once")
    parser.add_argument("--rival-transactions", type=int, default=20_000, help="sample of each rival")
    parser.add_argument("--only", nargs="*", default=list(CONTESTANTS), choices=CONTESTANTS, help="some contestants")
    args = parser.parse_args()
    report = Report("throughput", args, COLUMNS)
    with tempfile.TemporaryDirectory() as work, broker_of(args, Path(work)) as broker:
        service = trained(Path(work), broker.bootstrap_servers, args)
        published = sent(service, args)
        found = {name: measured(name, service, published, args) for name in CONTESTANTS if name in args.only}
    ours = float(np.median([r.transactions / r.seconds for r in found["ours"][0]])) if "ours" in found else np.nan
    for name, (runs, decisions) in found.items():
        add_row(report, name, runs, decisions, ours)
    if "ours" in found:
        add_stages(report, found["ours"][0][-1])
    report.notes |= {"broker": args.broker, "history days": HISTORY_DAYS, "runs": args.runs}
    if not args.quix_python:
        report.notes["Quix Streams"] = "not measured: no --quix-python"
    add_claims(report, ours, published)
    report.finish()


def trained(work: Path, servers: str, args: argparse.Namespace) -> Service:
    """A service with warm windows, three slots and a challenger on probation in the first of them."""
    (work / "rlfa.toml").write_text(CONFIG.format(servers=servers))
    shutil.copy(SPEC, work / "stream.toml")
    service = load_service(work / "rlfa.toml")
    plan = learn(service, chunks(simulator(args), 0, HISTORY_DAYS), Console(stderr=True))
    *deciding, challenger = plan.lineup.slots
    lineup = Lineup(
        epoch=plan.lineup.epoch,
        slots=tuple(replace(slot, weight=1.0 / len(deciding)) for slot in deciding),
        shadows=(Shadow(slot=deciding[0].id, agent=challenger.incumbent),),
        floors=plan.lineup.floors,
    )
    write_plan(Plan(lineup=lineup, refs=plan.refs), service.lineup_file)
    return service


def simulator(args: argparse.Namespace) -> Simulator:
    """The demo's world, larger."""
    return Simulator(demo_scenario().scaled(args.per_day), args.seed)


def sent(service: Service, args: argparse.Namespace) -> int:
    """Put the stream into its topics before anybody reads; returns how many transactions there are."""
    create_topics(service)
    names = service.settings.topics
    producer = Producer(service.settings.kafka)
    stretches = in_event_time_order(chunks(simulator(args), HISTORY_DAYS, HISTORY_DAYS + args.days))
    topics = Topics(transactions=names.transactions, labels=names.labels)
    published = publish(stretches, producer, topics).transactions
    producer.close()
    return published


def measured(
    name: str, service: Service, published: int, args: argparse.Namespace
) -> tuple[list[Measured], list[tuple[int, int]]]:
    """Each run's figures, and how many decisions on how many transactions its topic holds afterwards."""
    is_rival = name in RIVALS
    if name == "Quix Streams" and not args.quix_python:
        return [], []
    transactions = min(published, args.rival_transactions) if is_rival else published
    runs, decisions = [], []
    for run in range(1 if is_rival else args.runs):
        job = prepared(name, run, service, transactions, by_stage=run == args.runs - 1)
        python = args.quix_python if name == "Quix Streams" else sys.executable
        command = [python, "-m", f"benchmarks.throughput.{CONTESTANTS[name]}", f"{job.folder}/job.json"]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=LIMIT_S)
        result = Path(job.folder) / "measured.json"
        if not result.exists():
            sys.exit(f"{name}: no result\n{done.stderr[-2000:]}")
        runs.append(msgspec.json.decode(result.read_bytes(), type=Measured))
        audit = audit_decisions(service.settings.kafka, job.decisions_topic)
        decisions.append((audit.decisions, audit.transactions))
    return runs, decisions


def prepared(name: str, run: int, service: Service, transactions: int, *, by_stage: bool) -> Job:
    """A job with a group, a topic and a folder of its own; ours with a copy of the trained state."""
    label = f"{CONTESTANTS[name].replace('_', '-')}-{run}"
    folder = Path(service.root) / label
    folder.mkdir()
    topics = replace(service.settings.topics, decisions=f"decisions-{label}", dead_letters=f"dead-{label}")
    own = replace(service, settings=replace(service.settings, name=label, topics=topics, state=f"{label}/state"))
    create_topics(own)
    model, columns = "", ()
    if name == "ours":
        for part in ("snapshots", "agents"):
            shutil.copytree(service.state / part, own.state / part)
        shutil.copy(service.lineup_file, own.lineup_file)
        (folder / "service.json").write_bytes(msgspec.json.encode(own))
    elif name in RIVALS:
        model, columns = learnt(name, service, folder)
    job = Job(
        bootstrap_servers=service.settings.kafka.bootstrap_servers,
        transactions_topic=topics.transactions,
        decisions_topic=topics.decisions,
        group=f"{label}-group",
        transactions=transactions,
        warm_up=transactions // 10,
        batch=service.settings.lanes.batch_max,
        folder=str(folder),
        model=model,
        columns=columns,
        service=str(folder / "service.json"),
        by_stage=by_stage,
    )
    (folder / "job.json").write_bytes(msgspec.json.encode(job))
    return job


def learnt(name: str, service: Service, folder: Path) -> tuple[str, tuple[str, ...]]:
    """What a rival scores with, learnt from the same history: a file, and the columns in their order."""
    data = rows_of(service.outcomes, log.closed_days(service.outcomes))
    if name == "Quix Streams":
        model = lightgbm.train(
            {"objective": "binary", "num_leaves": 31, "verbose": -1, "num_threads": 1, "seed": 0},
            lightgbm.Dataset(data.features, data.fraud.astype(float)),
            num_boost_round=100,
        )
        model.save_model(folder / "model.txt")
        return str(folder / "model.txt"), data.feature_names
    newest = slice(-LEARNT_ROWS, None)
    np.savez(folder / "history.npz", x=np.nan_to_num(data.features[newest]), fraud=data.fraud[newest])
    return str(folder / "history.npz"), data.feature_names


def add_row(report: Report, name: str, runs: list[Measured], decisions: list[tuple[int, int]], ours: float) -> None:
    """A contestant's row: the median of its runs."""
    if not runs:
        return
    rates = [run.transactions / run.seconds for run in runs]
    middle = float(np.median(rates))
    report.row(
        contestant=name,
        transactions=runs[0].transactions,
        **{
            "a second": middle,
            "slowest run": min(rates),
            "cores": float(np.median([run.cpu_seconds / run.seconds for run in runs])),
            "peak MiB": max(run.peak_mib for run in runs),
            "ours to it": ours / middle,
            "decisions": ", ".join(sorted({f"{found} on {of}" for found, of in decisions})),
        },
    )


def add_stages(report: Report, run: Measured) -> None:
    """Where each microsecond of ours goes, in the last run; the agents' rows are parts of `score`."""
    section = report.section(STAGES, ("stage", "microseconds a transaction", "share"))
    whole = sum(seconds for stage, seconds in run.stages.items() if ":" not in stage)
    for stage, seconds in run.stages.items():
        section.row(
            stage=stage,
            **{"microseconds a transaction": seconds / run.transactions * 1e6, "share": seconds / whole},
        )
    report.notes["alerts with reasons in a run"] = run.alerts


def add_claims(report: Report, ours: float, published: int) -> None:
    """What was wanted."""
    by_name = {str(row["contestant"]): row for row in report.rows}
    if "ours" in by_name:
        report.claim("transactions a second", ours, ">= 50000")
        whole = f"{published} on {published}"
        report.claim("runs of ours whose topic holds other than one decision each",
                     float(by_name["ours"]["decisions"] != whole), "== 0")  # fmt: skip
    for name, wanted in (("pass-through", 0.45), ("Quix Streams", 20.0)):
        if name in by_name and "ours" in by_name:
            report.claim(f"ours to {name}", float(str(by_name[name]["ours to it"])), f">= {wanted:g}")


if __name__ == "__main__":
    main()
