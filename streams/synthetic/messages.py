"""A simulated stream as messages, straight from the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import pyarrow as pa
import pyarrow.compute as pc

from streams.messages import label_messages, transaction_messages
from streams.replay import Chunk
from streams.synthetic.scenario import DAY_MS
from streams.synthetic.simulator import Simulator
from streams.synthetic.tables import LABELS, TRUTH, Day, in_order


def chunks(simulator: Simulator, first: int, last: int) -> Iterator[Chunk]:
    """The days from the first up to, not including, the last, ready to be merged and published.

    Labels of earlier days that become known on the first day or later come too, as in a stream that
    somebody joins.
    """
    earlier = _known_from(simulator, first)
    for day in simulator.days(first, last):
        yield _chunk(day, earlier)
        earlier = LABELS.empty_table()


def _chunk(day: Day, earlier: pa.Table) -> Chunk:
    table = pa.Table.from_batches([day.transactions])
    labels = in_order(pa.concat_tables([earlier, pa.Table.from_batches([day.labels])]))
    return Chunk(
        transaction_messages(table, time="event_time", key="customer_id", hidden=TRUTH),
        label_messages(labels, key="customer_id"),
    )


def _known_from(simulator: Simulator, first: int) -> pa.Table:
    begin = simulator.scenario.start_ms + first * DAY_MS
    before = range(max(0, first - ceil(simulator.scenario.labels.max_days) - 1), first)
    labels = pa.Table.from_batches([simulator.day(day).labels for day in before], LABELS)
    return labels.filter(pc.greater_equal(labels.column("event_time"), begin))
