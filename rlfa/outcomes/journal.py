"""The lane's journal: what it decided and which labels it saw, appended before the commit.

One Arrow stream file per lane, event day and lineup. Rows are on the file system before the Kafka transaction
that holds their decisions commits, so none is lost with the process; a batch that was tried twice is there twice,
and the reader keeps the last try (see `log.py`). Nothing here compresses or sorts: the lane has no time for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rlfa.errors import NotAllowedError

DAY_MS = 86_400_000
DECISIONS = "decisions"
LABELS = "labels"
# A stream that jumps between many days (late records) must not hold a file open for each.
OPEN_FILES_MAX = 8


class JournalError(NotAllowedError):
    """The journal can't be written or read."""


@dataclass(frozen=True, slots=True)
class DecisionRows:
    """What one batch adds to the outcome log.

    Attributes:
        tx_id: n ids.
        tx_hash: uint64[n].
        partition: int32[n].
        offset: int64[n].
        event_time: int64[n], ms UTC.
        amount: float64[n].
        entities: uint64[n, e].
        features: float32[n, d].
        logits: float32[n, k], NaN where an agent gave none.
        voted: bool[n, k], whether an agent took part in the decision.
        score: float32[n].
        action: int8[n], index into `rlfa.lineup.actions.ACTIONS`.
        propensity: float64[n], the probability with which this action was taken.
        explored: bool[n], would have been declined and passed.
        covered: bool[n], a decline would have had a chance to pass.
        floor: float64[n], what an alert had to be worth more than, see `rlfa.lineup.budget.Rationed`.
        over_budget: bool[n], approved for the alert budget's sake.
        degraded: bool[n].
        rules: int8[n, r], what each rule had to say, see `rlfa.rules.deciding`.
        epoch: the lineup that decided.
        audit: n JSON texts, see `rlfa.outcomes.audit.Audit`, None of what was approved; empty where nothing was.
    """

    tx_id: list[str]
    tx_hash: NDArray[np.uint64]
    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    event_time: NDArray[np.int64]
    amount: NDArray[np.float64]
    entities: NDArray[np.uint64]
    features: NDArray[np.float32]
    logits: NDArray[np.float32]
    voted: NDArray[np.bool_]
    score: NDArray[np.float32]
    action: NDArray[np.int8]
    propensity: NDArray[np.float64]
    explored: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    floor: NDArray[np.float64]
    over_budget: NDArray[np.bool_]
    degraded: NDArray[np.bool_]
    rules: NDArray[np.int8]
    epoch: int
    audit: list[str | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LabelRows:
    """Labels as they were read: tx_hash uint64[m], event_time int64[m] (when known), is_fraud bool[m]."""

    tx_hash: NDArray[np.uint64]
    event_time: NDArray[np.int64]
    is_fraud: NDArray[np.bool_]
    source: list[str]


@dataclass(frozen=True, slots=True)
class Columns:
    """Which names the wide columns of a journal file have; kept in its schema."""

    features: tuple[str, ...]
    entities: tuple[str, ...]
    agents: tuple[str, ...]
    rules: tuple[str, ...] = ()

    def schema(self) -> pa.Schema:
        """The Arrow schema of a decisions file with these columns."""
        wide = [
            ("entities", pa.list_(pa.uint64(), len(self.entities))),
            ("features", pa.list_(pa.float32(), len(self.features))),
            ("logits", pa.list_(pa.float32(), len(self.agents))),
            ("voted", pa.list_(pa.bool_(), len(self.agents))),
            ("rules", pa.list_(pa.int8(), len(self.rules))),
        ]
        names = {"features": self.features, "entities": self.entities, "agents": self.agents, "rules": self.rules}
        return pa.schema([*_NARROW, *wide], metadata={"columns": json.dumps(names)})

    @classmethod
    def of(cls, schema: pa.Schema) -> Columns:
        """The names that a decisions file was written with."""
        names = json.loads(schema.metadata[b"columns"])
        kinds = ("features", "entities", "agents", "rules")
        return cls(*(tuple(names[kind]) for kind in kinds))


_NARROW: list[tuple[str, pa.DataType]] = [
    ("tx_id", pa.string()),
    ("tx_hash", pa.uint64()),
    ("partition", pa.int32()),
    ("offset", pa.int64()),
    ("event_time", pa.int64()),
    ("amount", pa.float64()),
    ("score", pa.float32()),
    ("action", pa.int8()),
    ("propensity", pa.float64()),
    ("explored", pa.bool_()),
    ("covered", pa.bool_()),
    ("floor", pa.float64()),
    ("over_budget", pa.bool_()),
    ("degraded", pa.bool_()),
    ("epoch", pa.int64()),
    ("audit", pa.string()),
]
_LABEL_SCHEMA = pa.schema(
    [("tx_hash", pa.uint64()), ("event_time", pa.int64()), ("is_fraud", pa.bool_()), ("source", pa.string())]
)


@dataclass(slots=True)
class _Segment:
    """One open file."""

    sink: pa.OSFile
    writer: pa.RecordBatchStreamWriter

    def close(self) -> None:
        self.writer.close()
        self.sink.close()


@dataclass(slots=True)
class Journal:
    """Appends a lane's rows, by event day.

    Args:
        folder: of this lane; made where it is missing.

    Raises:
        JournalError: the folder can't be written.
    """

    folder: Path
    columns: Columns | None = None
    _open: dict[tuple[str, int], _Segment] = field(default_factory=dict)
    _next: int = 0

    def __post_init__(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            taken = [int(p.stem) for p in self.folder.glob("*/*/*.arrow")]
            if not os.access(self.folder, os.W_OK):
                raise PermissionError("not writable")
        except OSError as error:
            raise JournalError(str(self.folder), error, "a folder that the service may write") from error
        self._next = max(taken, default=-1) + 1

    def set_columns(self, columns: Columns) -> None:
        """Use these names from the next row on: a new lineup or a new feature set starts new files."""
        if columns != self.columns:
            self.close()
            self.columns = columns

    def append_decisions(self, rows: DecisionRows) -> None:
        """Write rows through to the operating system, each to its event day's file."""
        assert self.columns is not None
        self._append_by_day(DECISIONS, record_batch(rows, self.columns), rows.event_time // DAY_MS)

    def append_labels(self, labels: LabelRows) -> None:
        """Write labels through to the operating system, each to the file of the day it became known."""
        batch = pa.record_batch(
            [
                pa.array(labels.tx_hash),
                pa.array(labels.event_time),
                pa.array(labels.is_fraud),
                pa.array(labels.source, pa.string()),
            ],
            schema=_LABEL_SCHEMA,
        )
        self._append_by_day(LABELS, batch, labels.event_time // DAY_MS)

    def close(self) -> None:
        """Close every open file; the journal can go on with new ones."""
        for segment in self._open.values():
            segment.close()
        self._open.clear()

    def _append_by_day(self, kind: str, batch: pa.RecordBatch, days: NDArray[np.int64]) -> None:
        for day in np.unique(days):
            mine = days == day
            part = batch if mine.all() else batch.filter(pa.array(mine))
            self._segment(kind, int(day), batch.schema).writer.write_batch(part)

    def _segment(self, kind: str, day: int, schema: pa.Schema) -> _Segment:
        key = (kind, day)
        if key not in self._open:
            if len(self._open) >= OPEN_FILES_MAX:
                oldest = min(self._open, key=lambda k: k[1])
                self._open.pop(oldest).close()
            self._open[key] = self._new_segment(kind, day, schema)
        return self._open[key]

    def _new_segment(self, kind: str, day: int, schema: pa.Schema) -> _Segment:
        folder = self.folder / kind / str(day)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sink = pa.OSFile(str(folder / f"{self._next:09d}.arrow"), "wb")
        except OSError as error:
            raise JournalError(str(folder), error, "a folder that the service may write") from error
        self._next += 1
        return _Segment(sink, pa.ipc.new_stream(sink, schema))


def record_batch(rows: DecisionRows, columns: Columns) -> pa.RecordBatch:
    """Rows as a decisions file holds them."""
    return pa.record_batch(
        [
            pa.array(rows.tx_id, pa.string()),
            *(pa.array(a) for a in (rows.tx_hash, rows.partition, rows.offset, rows.event_time)),
            *(pa.array(a) for a in (rows.amount, rows.score, rows.action)),
            *(
                pa.array(a)
                for a in (rows.propensity, rows.explored, rows.covered, rows.floor, rows.over_budget, rows.degraded)
            ),
            pa.array(np.full(len(rows.tx_id), rows.epoch, np.int64)),
            pa.array(rows.audit or [None] * len(rows.tx_id), pa.string()),
            *(_wide(a) for a in (rows.entities, rows.features, rows.logits, rows.voted, rows.rules)),
        ],
        schema=columns.schema(),
    )


def days(root: Path, kind: str) -> list[int]:
    """Every event day that some lane's journal under `root` has rows of, ascending."""
    return sorted({int(p.name) for p in root.glob(f"*/{kind}/*") if p.name.lstrip("-").isdigit()})


def read(root: Path, kind: str, day: int) -> Iterator[pa.Table]:
    """The files of one day, of all lanes under `root`, in the order in which they were written.

    A file that a killed lane left unfinished ends at its last whole batch.
    """
    for path in sorted(root.glob(f"*/{kind}/{day}/*.arrow")):
        table = _read_file(path)
        if table is not None:
            yield table


def _read_file(path: Path) -> pa.Table | None:
    with pa.memory_map(str(path), "rb") as source:
        try:
            reader = pa.ipc.open_stream(source)
        except pa.ArrowInvalid:
            return None  # killed before the schema was out
        batches = list(_whole_batches(reader))
        return pa.Table.from_batches(batches, schema=reader.schema)


def _whole_batches(reader: pa.RecordBatchStreamReader) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            yield reader.read_next_batch()
        except (StopIteration, pa.ArrowInvalid, OSError):  # the end, or where a killed lane stopped
            return


def _wide(values: NDArray[np.generic]) -> pa.FixedSizeListArray:
    """A matrix [n, width] as one fixed-size list per row, without a copy per row."""
    n, width = values.shape
    if width == 0:
        return pa.array([[]] * n, pa.list_(pa.from_numpy_dtype(values.dtype), 0))
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(n * width)), width)
