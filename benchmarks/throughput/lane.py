"""Ours: a lane's session as its actor runs it: feature state, lineup, reasons, journal, Kafka transactions."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import torch

from benchmarks.throughput.job import Job, Meter, given, hand_back
from rlfa.config import Service
from rlfa.hosts.scoring import InlineHost
from rlfa.lanes.clients import connect
from rlfa.lanes.intake import intake_of
from rlfa.lanes.session import Session, turns
from rlfa.lineup.plan import read_plan
from rlfa.outcomes.journal import Journal
from rlfa.telemetry import configure_logs

LANE = 0


def main(job: Job) -> None:
    service = msgspec.json.decode(Path(job.service).read_bytes(), type=Service)
    configure_logs("error")
    torch.set_num_threads(service.settings.lanes.threads)
    intake, plan = intake_of(service), read_plan(service.lineup_file)
    host = InlineHost(intake.feature_names, service.settings.hosts.seal_rules)
    host.load(plan.refs)
    session = Session(
        service=service,
        lane=LANE,
        intake=intake,
        host=host,
        journal=Journal(service.journals / f"lane-{LANE}"),
        plan=plan,
        clients=connect(service, LANE),
        wall_ms=lambda: time.time_ns() // 1_000_000,
    )
    session.recover(lambda: None)
    meter = Meter(job)
    turns(
        session,
        stopped=lambda: session.decided >= job.transactions,
        between=lambda _: meter.saw(session.decided),
    )
    hand_back(job, meter.stop(session.decided))
    session.journal.close()
    session.clients.close()


if __name__ == "__main__":
    main(given())
