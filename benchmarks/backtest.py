"""The past in minutes: a backtest beside a replay of the same input, and four tables from a file to a report.

Speed: the handbook's days through the embedded broker, Ray and a lane, then the same rows, settings and first lineup
through the engine of `rlfa backtest`; both until the last closed day is judged and no training is under way.
Tables: `rlfa spec infer` and `rlfa backtest` as a user runs them, each in a process of its own, with nothing else said
than the file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.compute as pc
from msgspec.structs import replace
from rich.console import Console

from benchmarks.harness import Report, Section, arguments, need_data
from benchmarks.replay import START, WARM_UP_DAYS, _configured, _stream, _wait_until_judged
from benchmarks.wide_table import write_wide_table
from rlfa import backtest
from rlfa.backtest.engine import Progress
from rlfa.cli.topics import create_topics
from rlfa.cli.train import learn
from rlfa.cluster import cluster, start_service
from rlfa.config import Service
from rlfa.lineup.slots import DAY_MS, Day
from rlfa.telemetry import configure_logs
from streams.durations import parse_duration
from streams.history import History
from streams.kafka.embedded import EmbeddedBroker
from streams.recordings import Recording, read_recording
from streams.tables import history_of

TABLES = {
    "UCSD-FICO": "ucsd_fico/transactions.parquet",
    "synccfd": "synccfd/transactions.parquet",
    "S-FFSD": "s_ffsd/transactions.parquet",
    "KDD": "drift/kddcup_10_percent.parquet",
}
WIDE = "600,000 x 400"
OURS, RIVAL = "RLFA", "LightGBM, every day"
SIDE = ("AP", "cost per 1,000")
COLUMNS = ("table", "rows played", *(f"{s} {m}" for s in ("ours", "LightGBM") for m in SIDE), "swaps", "seconds", "MiB")


def main() -> None:
    parser = arguments("backtest", __doc__ or "")
    parser.add_argument("--days", type=int, default=60, help="days of the handbook that are played")
    parser.add_argument("--warm-up", type=int, default=WARM_UP_DAYS, help="days before them, for the first lineup")
    parser.add_argument("--only", nargs="*", default=["speed", *TABLES], help="speed, tables by name, or wide")
    parser.add_argument("--threads", type=int, default=1, help="of trainings and of LightGBM, for the tables")
    args = parser.parse_args()
    configure_logs("error")
    report = Report("backtest", args, ())
    if "speed" in args.only:
        speed(report, args.warm_up, args.days)
    tables = Section("tables, from inferred specs alone", COLUMNS)
    for name, file in TABLES.items():
        if name in args.only:
            folder, table = file.split("/")
            played(tables, name, report.uses(need_data(args, folder) / table), args.threads)
    for cells in tables.rows:
        gain = float(str(cells["ours AP"])) - float(str(cells["LightGBM AP"]))
        report.claim(f"{cells['table']}: AP less that of LightGBM", gain, "> 0")
    if "wide" in args.only:
        wide(report, tables, args.threads)
    report.sections += [tables] if tables.rows else []
    report.finish()


def speed(report: Report, warm_up: int, days: int) -> None:
    """The same days twice: through the broker, and as columns."""
    recording = read_recording(need_data(report.args, "handbook"), parse_duration("7d"))
    section = report.section("the handbook's days, twice", ("how", "transactions", "seconds", "a second", "epochs"))
    with tempfile.TemporaryDirectory() as live, tempfile.TemporaryDirectory() as past:
        replayed, first_lineup = replay(section, Path(live), recording, warm_up, days)
        rows_per_s, ours = columns(section, Path(past), recording, warm_up, days)
    report.claim("backtest over replay, transactions a second", rows_per_s / replayed, ">= 5")
    report.claim("agents of the first lineup that differ", len(first_lineup ^ ours), "== 0")


def replay(section: Section, work: Path, recording: Recording, warm_up: int, days: int) -> tuple[float, set[str]]:
    """As `benchmarks.replay` does it; transactions a second, and the first lineup."""
    with EmbeddedBroker() as broker:
        service = _configured(work, broker.bootstrap_servers)
        create_topics(service)
        plan = learn(service, recording.between(START, warm_up).chunks(), Console(stderr=True))
        with cluster(service.state):
            running = start_service(service)
            begin = time.perf_counter()
            published, deciding = _stream(service, running, recording, days, warm_up)
            _wait_until_judged(service, running, days, warm_up)
            seconds = time.perf_counter() - begin
            status = running.manager_status()
            running.stop()
    row(section, "replay: until the last decision", published, deciding, status.epoch if status else 0)
    row(section, "replay: until all is judged and trained", published, seconds, status.epoch if status else 0)
    return published / seconds, set(plan.lineup.incumbents)


def columns(section: Section, work: Path, recording: Recording, warm_up: int, days: int) -> tuple[float, set[str]]:
    """Through the engine; transactions a second, and the first lineup."""
    service = _configured(work, "localhost:1")
    history = history_of_recording(service, recording.between(START, warm_up + days))
    first = Day(int(history.event_time[0]) // DAY_MS + warm_up)
    began: list[float] = []

    def told(progress: Progress) -> None:
        if progress.stage != "playing":
            began[:] = [time.perf_counter()]

    found = backtest.run(service, history, first, progress=told)
    seconds = time.perf_counter() - began[0]
    row(section, "backtest: all of it, one process", len(found.rows), seconds, int(found.epoch[-1]))
    slots = found.entries[0].event.slots  # type: ignore[union-attr]  # a ledger begins with the first epoch
    return len(found.rows) / seconds, {slot.incumbent for slot in slots}


def history_of_recording(service: Service, recording: Recording) -> History:
    """The recording's rows, a fraud known when its label says so."""
    table = recording.transactions
    is_fraud = pc.is_in(table.column(0), recording.labels["tx_id"].combine_chunks())
    spec = replace(service.spec, table=replace(service.spec.table, label="is_fraud"))
    return history_of(table.append_column("is_fraud", is_fraud), spec)


def row(section: Section, how: str, transactions: int, seconds: float, epochs: int) -> None:
    cells = {"how": how, "transactions": transactions, "seconds": seconds, "a second": transactions / seconds}
    section.row(**cells, epochs=epochs)


def played(section: Section, name: str, table: Path, threads: int) -> float:
    """Both commands on one table; seconds of both together."""
    with tempfile.TemporaryDirectory() as work:
        spec, out = Path(work) / "stream.toml", Path(work) / "out"
        begin = time.perf_counter()
        _command("spec", "infer", str(table), "--out", str(spec))
        answer, mib = _measured(
            "backtest",
            "--spec",
            str(spec),
            "--data",
            str(table),
            "--out",
            str(out),
            "--threads",
            str(threads),
            "--json",
        )
        seconds = time.perf_counter() - begin
        assert (out / "report.html").stat().st_size > 0
    found = json.loads(answer)
    methods = found["methods"]
    sides = {
        f"{side} {label}": methods[method][key]
        for side, method in (("ours", OURS), ("LightGBM", RIVAL))
        for label, key in zip(SIDE, ("average_precision", "cost_per_1000"), strict=True)
    }
    cells = {"table": name, "rows played": methods[OURS]["rows"], **sides, "swaps": found["swaps"]}
    section.row(**cells, seconds=seconds, MiB=mib)
    return seconds


def wide(report: Report, section: Section, threads: int) -> None:
    """The widest table that is promised."""
    with tempfile.TemporaryDirectory() as work:
        seconds = played(section, WIDE, write_wide_table(Path(work) / "wide.parquet", seed=report.args.seed), threads)
    report.claim("minutes of the wide table", seconds / 60, "< 30")
    report.claim("GiB of the wide table", float(str(section.rows[-1]["MiB"])) / 1024, "< 8")


def _measured(*arguments: str) -> tuple[str, float]:
    """A command's answer and its peak of memory in MiB, in a process of its own beneath one that waits for it."""
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-m', 'rlfa', *sys.argv[1:]], stdout=subprocess.PIPE, check=True)\n"
        "sys.stdout.write(done.stdout.decode() + '\\n')\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    *answer, mib = done.stdout.strip().splitlines()
    return "\n".join(answer), float(mib)


def _command(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "rlfa", *arguments], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
