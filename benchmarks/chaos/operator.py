"""What an operator does where Apache Kafka has lost the end of a transaction.

Killed between its word that a transaction is committed and the markers that say so in the partitions, a single node of
4.3.1 sometimes comes back with the transaction complete and the markers missing: no `read_committed` reader gets past
it, and no producer can end it. Its decisions and offsets are given up together, by hand.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from streams.kafka.embedded import ApacheKafka
from streams.kafka.source import Place

OFFSETS_PARTITIONS = 4  # of ApacheKafka's settings


def end_hanging_transactions(broker: ApacheKafka, places: Sequence[Place]) -> int:
    """Abort every transaction that is open in two looks after one another; returns how many."""
    everywhere = [*places, *(("__consumer_offsets", partition) for partition in range(OFFSETS_PARTITIONS))]
    hanging = _open(broker, everywhere) & _open(broker, everywhere)
    for topic, partition, start in hanging:
        _ask(broker, "abort", topic, partition, "--start-offset", start)
    return len(hanging)


def _open(broker: ApacheKafka, places: Sequence[Place]) -> set[tuple[str, int, str]]:
    """Topic, partition and offset where a transaction begins that no marker has ended."""
    found = set()
    for topic, partition in places:
        lines = _ask(broker, "describe-producers", topic, partition).splitlines()
        found |= {(topic, partition, line.split()[-1]) for line in lines[1:] if line.strip()}
    return {place for place in found if place[-1] != "None"}


def _ask(broker: ApacheKafka, command: str, topic: str, partition: int, *more: str) -> str:
    tool = str(broker.home / "bin" / "kafka-transactions.sh")
    place = ["--topic", topic, "--partition", str(partition)]
    arguments = ["--bootstrap-server", broker.bootstrap_servers, command, *place, *more]
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=True).stdout
