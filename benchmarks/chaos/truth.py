"""What a run without faults comes to: the same records through the same code, once, in one process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.chaos.reader import Said
from rlfa.config import Service
from rlfa.hosts.scoring import InlineHost
from rlfa.lanes.intake import intake_of
from rlfa.lanes.step import Absorbed
from rlfa.lineup.plan import read_plan
from streams.features.snapshot import load_snapshot
from streams.features.windows import FeatureState
from streams.kafka.confluent import ConfluentSource
from streams.kafka.settings import KafkaSettings
from streams.kafka.source import Place, Record

BATCH = 20_000
POLL_S = 0.2
HOUR_MS = 3_600_000
PROBE_HOURS = (1, 25, 5 * 24, 8 * 24, 12 * 24)  # until the longest window and the label delay have passed
SCORE_APART = 1e-3  # probabilities: batches of other sizes round differently


class Truth:
    """Grows with the topics.

    Args:
        kafka: past the proxy.
        service: trained, with empty windows.

    Attributes:
        scores: of each transaction, the probability of each agent.
        dead: every record that a dead letter is due for.
    """

    def __init__(self, kafka: KafkaSettings, service: Service) -> None:
        self.scores: dict[str, dict[str, float]] = {}
        self.dead: set[tuple[str, int, int]] = set()
        self._service, self._intake = service, intake_of(service)
        self._agents = read_plan(service.lineup_file).lineup.agents
        self._host = InlineHost(self._intake.feature_names, service.settings.hosts.seal_rules)
        self._host.load(read_plan(service.lineup_file).refs)
        self._customers: dict[int, set[int]] = defaultdict(set)
        self._topics = (service.settings.topics.labels, service.settings.topics.transactions)
        self._kafka = kafka
        self._ends: dict[Place, int] = {}

    def catch_up(self) -> None:
        """Take in everything that the topics have now; labels first, as they are published."""
        labels, transactions = self._topics
        source = ConfluentSource(self._kafka, "chaos-truth")
        self._note(self._intake.absorb([], self._new(source, labels)))
        self._note(self._intake.absorb(self._new(source, transactions), []))  # at once: in order of event time
        source.close()

    def ends(self) -> Mapping[int, int]:
        """Of each partition of the transactions, the offset behind its last record."""
        return {p: end for (topic, p), end in self._ends.items() if topic == self._topics[1]}

    def other_scores(self, said: Mapping[str, Said]) -> set[str]:
        """Transactions with a probability that this run doesn't have; agents that stayed away have none."""
        return {
            tx
            for tx, one in said.items()
            if any(abs(self.scores[tx][agent] - p) > SCORE_APART for agent, p in one.agents.items())
        }

    def equals(self, lane: int, lanes: int) -> bool:
        """Whether a lane's newest snapshot has come as far as this, and its state is this one to the bit.

        States are equal that give the same features to whatever comes next: every customer of the lane's partitions
        pays once more at several moments, until everything held now has left the last window.
        """
        mine = [p for p in self.ends() if p % lanes == lane]
        state = intake_of(self._service).state
        path = self._service.snapshot(lane)
        if not path.exists():
            return False
        loaded = load_snapshot(path, state)
        came_so_far = all(loaded.offsets.get((self._topics[1], p), -1) == self.ends()[p] for p in mine)
        marks = self._intake.watermarks.by_partition
        if not came_so_far or any(loaded.watermarks.get(p) != marks.get(p) for p in mine):
            return False
        customers = np.array(sorted(set().union(*(self._customers[p] for p in mine))), np.uint64)
        copy = intake_of(self._service).state
        copy.restore(self._intake.state.snapshot())
        now = max(marks.values(), default=0)
        return _probe(state, customers, now).tobytes() == _probe(copy, customers, now).tobytes()

    def _new(self, source: ConfluentSource, topic: str) -> list[Record]:
        """The records of a topic that aren't taken in yet; its producer writes no transactions."""
        begins = {(topic, p): self._ends.get((topic, p), 0) for p in source.partitions(topic)}
        ends = {place: source.retained(place)[1] for place in begins}
        source.assign(begins)
        records: list[Record] = []
        while any(source.positions()[place] < end for place, end in ends.items()):
            records += [r for r in source.consume(BATCH, POLL_S) if r.offset < ends[r.topic, r.partition]]
        self._ends |= ends
        return records

    def _note(self, absorbed: Absorbed) -> None:
        self.dead |= {(d.record.topic, d.record.partition, d.record.offset) for d in absorbed.dead}
        tx = absorbed.transactions
        if not tx.tx_id:
            return
        for partition, customer in zip(tx.partition.tolist(), tx.entities[:, 0].tolist(), strict=True):
            self._customers[partition].add(customer)
        p = expit(self._host.score(self._agents, absorbed.features).astype(np.float64))
        for tx_id, row in zip(tx.tx_id, p.tolist(), strict=True):
            self.scores[tx_id] = dict(zip(self._agents, row, strict=True))


def _probe(state: FeatureState, customers: NDArray[np.uint64], now: int) -> NDArray[np.float64]:
    """Features of a payment of each customer at each of the moments, float64[moments, customers, d]."""
    n = len(customers)
    found = []
    for i, hours in enumerate(PROBE_HOURS):
        ids = np.arange(i * n + 1, (i + 1) * n + 1, dtype=np.uint64)
        update = state.update(ids, np.full(n, now + hours * HOUR_MS), np.ones(n), customers[:, None])
        found.append(update.features)
    return np.stack(found)
