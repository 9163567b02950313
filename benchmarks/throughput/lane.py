"""Ours: a lane's session as its actor runs it: feature state, lineup, reasons, journal, Kafka transactions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch

from benchmarks.throughput.job import Job, Meter, given, hand_back
from rlfa.config import Service
from rlfa.hosts.scoring import Features, InlineHost, Logits
from rlfa.hosts.sealed import SealRules
from rlfa.lanes.clients import connect
from rlfa.lanes.intake import intake_of
from rlfa.lanes.session import Session, turns
from rlfa.lineup.plan import read_plan
from rlfa.lineup.slots import AgentId
from rlfa.outcomes.journal import Journal
from rlfa.telemetry import configure_logs

LANE = 0


class TimedHost(InlineHost):
    """An inline host that knows what each of its agents took, in seconds."""

    def __init__(self, feature_names: tuple[str, ...], seal: SealRules) -> None:
        super().__init__(feature_names, seal)
        self.took: Counter[AgentId] = Counter()

    def score(self, agents: Sequence[AgentId], features: Features) -> Logits:
        """One agent after another."""
        columns = []
        for agent in agents:
            began = time.perf_counter()
            columns.append(super().score([agent], features))
            self.took[agent] += time.perf_counter() - began
        return np.hstack(columns)


def main(job: Job) -> None:
    service = msgspec.json.decode(Path(job.service).read_bytes(), type=Service)
    configure_logs("error")
    torch.set_num_threads(service.settings.lanes.threads)
    intake, plan = intake_of(service), read_plan(service.lineup_file)
    kind = TimedHost if job.by_stage else InlineHost
    host = kind(intake.feature_names, service.settings.hosts.seal_rules)
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
    meter, before = Meter(job), dict[str, float]()

    def between(_records: int) -> None:
        meter.saw(session.decided)
        if meter.running and not before:
            before.update(stages(session, host))

    turns(session, stopped=lambda: session.decided >= job.transactions, between=between)
    measured = meter.stop(session.decided)
    took = {stage: seconds - before[stage] for stage, seconds in stages(session, host).items()}
    hand_back(job, msgspec.structs.replace(measured, stages=took, alerts=alerts(session)))
    session.journal.close()
    session.clients.close()


def stages(session: Session, host: InlineHost) -> dict[str, float]:
    """Seconds by stage since the lane began; the agents' are parts of the scoring."""
    by_stage = {stage: counts.sum for stage, counts in session.meter.counts().stages.items()}
    if isinstance(host, TimedHost):
        for agent in session.plan.lineup.agents:
            by_stage[f"score: {agent}"] = host.took[agent]
    return by_stage


def alerts(session: Session) -> int:
    """Decisions other than to approve, the warm-up's included."""
    return sum(count for action, count in session.meter.counts().decisions.items() if action != "approve")


if __name__ == "__main__":
    main(given())
