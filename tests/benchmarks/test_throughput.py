"""The rivals of the throughput benchmark see what ours sees."""

from __future__ import annotations

import msgspec
import numpy as np

from benchmarks.throughput.windows import Payment, kept, of_customer, of_row, of_terminal
from streams.codec import categories
from streams.kafka.source import Record
from streams.synthetic import Simulator, demo_scenario
from streams.synthetic.messages import chunks
from tests.rlfa.lanes.builders import STREAM, new_intake


def test_the_plain_windows_equal_ours_while_no_label_has_come() -> None:
    intake = new_intake()
    days = chunks(Simulator(demo_scenario().scaled(60), seed=3), 0, 14)
    sent = [pair for day in days for pair in zip(day.transactions.time.tolist(), day.transactions.value, strict=True)]
    records = [Record("transactions", 0, i, at, b"", value) for i, (at, value) in enumerate(sent)]
    ours = intake.absorb(records, []).features
    customers: dict[str, list[Payment]] = {}
    terminals: dict[str, list[Payment]] = {}
    codes = set(categories(STREAM))
    compared = [name for name in intake.feature_names if name not in codes]
    columns = [intake.feature_names.index(name) for name in compared]
    for record, expected in zip(records, ours, strict=True):
        row = msgspec.json.decode(record.value or b"")
        now, customer, terminal = row["event_time"], row["customer_id"], row["terminal_id"]
        customers[customer] = kept(customers.get(customer, []), (now, row["amount"], terminal))
        terminals[terminal] = kept(terminals.get(terminal, []), (now, row["amount"], customer))
        features = of_row(row) | of_customer(customers[customer], now) | of_terminal(terminals[terminal], now)
        np.testing.assert_allclose([features[name] for name in compared], expected[columns], rtol=1e-6)
