"""The outcome log: a closed event day as one Parquet file, every decision beside its label.

It is training data and audit: the features that were scored, every agent's logit, the decision, the label as it was
known when the day's label delay had passed.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rlfa.lineup.actions import ACTIONS
from rlfa.lineup.segments import Fields, Part, inside, names_in
from rlfa.lineup.slots import AgentId, Day, date_of
from rlfa.outcomes import journal
from rlfa.outcomes.cohorts import Cohort
from rlfa.outcomes.journal import DAY_MS, DECISIONS, LABELS, Columns
from rlfa.outcomes.sight import SEEN, sight_of
from rlfa.rules.deciding import DECIDED, NOBODY

LOGIT = "logit:"
VOTED = "voted:"
FEATURE = "feature:"
ENTITY = "entity:"
RULE = "rule:"
WEIGHT = "weight"
ROW_GROUP = 65_536  # rows that are read to explain one of them

KnownLabel = tuple[int, bool, str]  # since when, ms UTC; is it fraud; who says so


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Matured rows for a trainer.

    Attributes:
        feature_names: d names.
        features: float32[n, d].
        fraud: bool[n].
        event_time: int64[n], ms UTC.
        amount: float64[n].
        weight: float64[n], how many rows each stands for; 0 where its truth isn't known, or nothing is measured.
    """

    feature_names: tuple[str, ...]
    features: NDArray[np.float32]
    fraud: NDArray[np.bool_]
    event_time: NDArray[np.int64]
    amount: NDArray[np.float64]
    weight: NDArray[np.float64]

    def within(self, part: Part) -> TrainingSet:
        """The rows that a slot plays."""
        if not part.segment:
            return self
        return self._only(inside(part.segment, self.features, Fields(self.feature_names, part.categorical)))

    def since(self, day: Day) -> TrainingSet:
        """The rows of a day and of those after it."""
        return self._only(self.event_time >= day * DAY_MS)

    def _only(self, rows: NDArray[np.bool_]) -> TrainingSet:
        return TrainingSet(
            feature_names=self.feature_names,
            features=self.features[rows],
            fraud=self.fraud[rows],
            event_time=self.event_time[rows],
            amount=self.amount[rows],
            weight=self.weight[rows],
        )


def path_of(root: Path, day: Day) -> Path:
    """Where a day's Parquet file lies."""
    return root / f"day={date_of(day)}.parquet"


def closed_days(root: Path) -> list[Day]:
    """The days that have been closed, ascending."""
    names = (p.stem.removeprefix("day=") for p in root.glob("day=*.parquet"))
    return sorted(Day(int(np.datetime64(name, "D").astype(int))) for name in names)


def close_day(journals: Path, root: Path, day: Day, label_delay_ms: int, *, declines_hide: bool = False) -> Path | None:
    """Join a day's decisions with the labels known by its end plus the delay, and write its Parquet file.

    A transaction counts as fraud if its newest label by then says so, else as genuine. Where declines hide the truth,
    that holds for those that were let through or looked at only: a declined one without a label is neither.

    Args:
        journals: the folder with a journal per lane.
        root: of the outcome log.
        day: whose label delay has passed.
        label_delay_ms: the maturity delay D.
        declines_hide: a declined payment never shows what it was.

    Returns:
        The file, or None where the day had no transaction.
    """
    rows = rows_of(journals, day)
    if rows is None:
        return None
    closes_at = (int(day) + 1) * DAY_MS + label_delay_ms
    labels = _newest_labels(_labels_between(journals, day, closes_at))
    return write_day(matured(rows, labels, declines_hide=declines_hide), root, day)


def matured(
    rows: pa.Table, labels: Mapping[int, KnownLabel], *, declines_hide: bool, unknown: Collection[int] = ()
) -> pa.Table:
    """A closed day's rows beside what is known of them.

    Args:
        rows: wide, as `widened` makes them.
        labels: the newest of each transaction by the end of the delay, by the hash of its id.
        declines_hide: a declined payment never shows what it was.
        unknown: hashes of transactions whose truth nobody will ever know.
    """
    hidden = _hidden(rows, labels) if declines_hide else set[int]()
    table = with_labels(rows, labels, hidden.union(unknown))
    return table.append_column(SEEN, pa.array(_shows(table))) if declines_hide else table


def rows_of(journals: Path, day: Day) -> pa.Table | None:
    """A day's decisions so far, wide and each once; None where it had no transaction.

    Args:
        journals: the folder with a journal per lane.
        day: of event time.
    """
    tables = [widened(table) for table in journal.read(journals, DECISIONS, day)]
    return _last_tries(pa.concat_tables(tables, promote_options="default")) if tables else None


def labels_since(journals: Path, day: Day) -> dict[int, KnownLabel]:
    """The newest label of every transaction that has one, of those that became known on a day or later."""
    known = (d for d in journal.days(journals, LABELS) if d >= day)
    return _newest_labels(table for d in known for table in journal.read(journals, LABELS, d))


def with_labels(rows: pa.Table, labels: Mapping[int, KnownLabel], unknown: Container[int] = ()) -> pa.Table:
    """A day's rows beside their labels, in the order of event time.

    Args:
        rows: wide, as `widened` makes them.
        labels: the newest of each transaction, by the hash of its id; one without counts as genuine.
        unknown: hashes of transactions whose truth nobody will ever know; their label is null.
    """
    hashes = rows["tx_hash"].to_numpy().tolist()
    known = [labels.get(h) for h in hashes]
    is_fraud = [None if h in unknown else k is not None and k[1] for h, k in zip(hashes, known, strict=True)]
    rows = rows.append_column("label", pa.array(is_fraud, pa.bool_()))
    rows = rows.append_column("label_time", pa.array([None if k is None else k[0] for k in known], pa.int64()))
    rows = rows.append_column("label_source", pa.array([None if k is None else k[2] for k in known], pa.string()))
    return rows.sort_by([("event_time", "ascending"), ("tx_hash", "ascending")])


def load_cohort(path: Path, segments: Collection[str] = (), categorical: frozenset[str] = frozenset()) -> Cohort:
    """A closed day as the free-agency manager takes it, see `cohort_of`."""
    day = np.datetime64(path.stem.removeprefix("day="), "D").astype(int)
    return cohort_of(pq.read_table(path), Day(int(day)), segments, categorical)


def cohort_of(
    table: pa.Table, day: Day, segments: Collection[str] = (), categorical: frozenset[str] = frozenset()
) -> Cohort:
    """The rows of a closed day whose truth is known; where declines hide it, all rows, with whose was seen.

    Args:
        table: wide, with labels.
        day: of the rows.
        segments: expressions that slots play by; their rows are marked.
        categorical: names of the features that hold category codes.
    """
    table = _judgeable(table)
    return Cohort(
        day=day,
        tx_hash=table["tx_hash"].to_numpy(),
        event_time=table["event_time"].to_numpy(),
        amount=table["amount"].to_numpy(),
        fraud=_frauds(table),
        entities={n: table[ENTITY + n].to_numpy() for n in _names(table, ENTITY)},
        logits=logits_in(table),
        score=table["score"].to_numpy().astype(np.float64),
        stopped=table["action"].to_numpy() > 0,
        sight=sight_of(table),
        segments={s: segment_rows(s, table, categorical) for s in segments},
        ruled=_ruled(table),
    )


def _ruled(table: pa.Table) -> NDArray[np.int8] | None:
    """int8[n], what a rule decided, before exploration let it through; -1 where the lineup decided."""
    names = _names(table, RULE)
    if not names:
        return None
    decided = np.zeros(len(table), np.bool_)
    for name in names:
        decided |= pc.fill_null(table[RULE + name], 0).to_numpy() == DECIDED
    explored = np.asarray(table["explored"].to_numpy(zero_copy_only=False), np.bool_)
    action = np.where(explored, np.int8(ACTIONS.index("decline")), table["action"].to_numpy())
    return np.where(decided, action, np.int8(NOBODY))


def logits_in(table: pa.Table) -> dict[AgentId, NDArray[np.float32]]:
    """float32[n] per agent that a wide table has logits of."""
    return {AgentId(n): _floats(table, LOGIT + n) for n in _names(table, LOGIT)}


def segment_rows(segment: str, table: pa.Table, categorical: frozenset[str]) -> NDArray[np.bool_]:
    """bool[n], the rows of a wide table that lie in a segment."""
    names = names_in(segment)
    columns = np.stack([_floats(table, FEATURE + name) for name in names], axis=1)
    return inside(segment, columns, Fields(names, categorical))


def load_training(paths: Sequence[Path], *, unseen: bool = False) -> TrainingSet:
    """The rows of several closed days, with the features that all of them have.

    Args:
        paths: of the days.
        unseen: also the rows whose truth declines hide, for comparing agents: an alert budget is spent on all of them.
            Nothing should learn from these.
    """
    tables = [_weighted(pq.read_table(p)) for p in paths]
    tables = tables if unseen else [t.filter(t[SEEN]) for t in tables]
    names = _common([_names(t, FEATURE) for t in tables])
    columns = [FEATURE + n for n in names]
    table = pa.concat_tables([t.select(["label", "event_time", "amount", SEEN, WEIGHT, *columns]) for t in tables])
    features = np.empty((len(table), len(names)), np.float32)
    for j, column in enumerate(columns):
        features[:, j] = table[column].to_numpy()
    return TrainingSet(
        feature_names=names,
        features=features,
        fraud=_frauds(table),
        event_time=table["event_time"].to_numpy(),
        amount=table["amount"].to_numpy(),
        weight=table[WEIGHT].to_numpy(),
    )


def _weighted(table: pa.Table) -> pa.Table:
    """With a weight for each row, and whether its truth was seen."""
    table = _judgeable(table)
    sight = sight_of(table)
    if sight is None:
        ones = np.ones(len(table))
        return table.append_column(SEEN, pa.array(ones > 0)).append_column(WEIGHT, pa.array(ones))
    return table.append_column(WEIGHT, pa.array(sight.weight))


def _shows(rows: pa.Table) -> NDArray[np.bool_]:
    """bool[n]: everything but a decline shows its truth in the end, whatever else was decided."""
    return np.asarray(rows["action"].to_numpy() != ACTIONS.index("decline"))


def _hidden(rows: pa.Table, labels: Mapping[int, KnownLabel]) -> set[int]:
    """Hashes of the declined transactions that nobody has said anything about."""
    hidden = rows["tx_hash"].to_numpy()[~_shows(rows)]
    return set(hidden.tolist()) - set(labels)


def _common(names: Sequence[Sequence[str]]) -> tuple[str, ...]:
    everywhere = set(names[0]).intersection(*names)
    return tuple(n for n in names[0] if n in everywhere)


def widened(table: pa.Table) -> pa.Table:
    """One column per entity, feature and agent in place of the journal's fixed-size lists."""
    columns = Columns.of(table.schema)
    wide = (
        ("entities", ENTITY, columns.entities),
        ("features", FEATURE, columns.features),
        ("logits", LOGIT, columns.agents),
        ("voted", VOTED, columns.agents),
        ("rules", RULE, columns.rules),
    )
    for name, prefix, parts in wide:
        if parts:
            flat = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(table), len(parts))
            for j, part in enumerate(parts):
                table = table.append_column(prefix + part, pa.array(flat[:, j]))
        table = table.drop_columns([name])
    return table.replace_schema_metadata(None)


def _last_tries(rows: pa.Table) -> pa.Table:
    """One row per record of the topic: a batch tried again after a crash was journaled again."""
    keys = np.stack([rows["partition"].to_numpy().astype(np.int64), rows["offset"].to_numpy()])
    _, first_of_reversed = np.unique(keys[:, ::-1], axis=1, return_index=True)
    return rows.take(pa.array(np.sort(len(rows) - 1 - first_of_reversed)))


def _labels_between(journals: Path, day: Day, closes_at: int) -> Iterable[pa.Table]:
    for known_day in journal.days(journals, LABELS):
        if day <= known_day <= closes_at // DAY_MS:
            for table in journal.read(journals, LABELS, known_day):
                yield table.filter(pc.less_equal(table["event_time"], closes_at))


def _newest_labels(tables: Iterable[pa.Table]) -> dict[int, KnownLabel]:
    """By transaction: when known, the truth, the source. At the same moment fraud wins, so that order says nothing."""
    newest: dict[int, KnownLabel] = {}
    for table in tables:
        columns = (table[c].to_pylist() for c in ("tx_hash", "event_time", "is_fraud", "source"))
        for tx_hash, known_at, is_fraud, source in zip(*columns, strict=True):
            label = (known_at, is_fraud, source)
            newest[tx_hash] = max(newest.get(tx_hash, label), label)
    return newest


def _judgeable(table: pa.Table) -> pa.Table:
    """Without the rows whose truth nobody will ever know; those that a decline hides stay, as hidden."""
    if not table["label"].null_count:
        return table
    known = pc.is_valid(table["label"])
    return table.filter(pc.or_(known, pc.invert(table[SEEN])) if SEEN in table.column_names else known)


def _names(table: pa.Table, prefix: str) -> tuple[str, ...]:
    return tuple(c.removeprefix(prefix) for c in table.column_names if c.startswith(prefix))


def _frauds(table: pa.Table) -> NDArray[np.bool_]:
    """The labels of the rows whose truth was seen, False elsewhere: a label of a declined payment was never a draw."""
    known = pc.fill_null(table["label"], False)
    fraud = pc.and_(known, table[SEEN]) if SEEN in table.column_names else known
    return np.asarray(fraud.to_numpy(zero_copy_only=False), np.bool_)


def _floats(table: pa.Table, name: str) -> NDArray[np.float32]:
    """A column of logits; null (the agent wasn't in that file's lineup) becomes NaN."""
    return np.asarray(table[name].to_numpy(zero_copy_only=False), np.float32)


def write_day(table: pa.Table, root: Path, day: Day) -> Path:
    """Write a closed day's Parquet file, in one step."""
    path = path_of(root, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd", row_group_size=ROW_GROUP)
    partial.replace(path)
    return path
