"""Made-up tables, the specs proposed for them, and what is asked instead of guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from streams.history import FRAUD, UNKNOWN, HistoryError
from streams.infer import Answers, UnclearError, infer, toml_of
from streams.spec import StreamSpec, parse_spec
from streams.tables import read_history
from tests.streams.infer.made_up_tables import TABLES, N

GOLDEN = Path(__file__).parent / "golden"


def proposed(table: pa.Table, folder: Path, answers: Answers | None = None) -> StreamSpec:
    pq.write_table(table, folder / "table.parquet")
    text = toml_of(infer(folder / "table.parquet", answers or Answers()))
    return parse_spec(text, "proposed", needs_key=False)


def simple(**columns: object) -> pa.Table:
    """A table with nothing but what is given, and a label that no column knows."""
    fraud = np.random.default_rng(9).integers(0, 2, N)
    return pa.table({**columns, "is_fraud": fraud})


@pytest.mark.parametrize("name", TABLES)
def test_a_made_up_table_gets_its_spec(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    pq.write_table(TABLES[name](), tmp_path / f"{name}.parquet")
    found = toml_of(infer(tmp_path / f"{name}.parquet", Answers()))
    golden = GOLDEN / f"{name}.toml"
    if request.config.getoption("--golden-rewrite"):
        golden.write_text(found)
    assert found == golden.read_text(), "run `make golden` and read the difference"


@pytest.mark.parametrize("name", TABLES)
def test_a_csv_gets_the_spec_of_the_same_parquet_file(name: str, tmp_path: Path) -> None:
    table = TABLES[name]()
    pq.write_table(table, tmp_path / "table.parquet")
    pa_csv.write_csv(table, tmp_path / "table.csv")
    specs = [
        parse_spec(toml_of(infer(tmp_path / f, Answers())), f, needs_key=False) for f in ("table.csv", "table.parquet")
    ]
    assert specs[0] == specs[1] or name == "ledger"  # a flag of Parquet is a text of CSV


@pytest.mark.parametrize("name", TABLES)
def test_a_proposed_spec_reads_its_table(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLFA_CARD_KEY", "secret")
    path = tmp_path / "table.parquet"
    pq.write_table(TABLES[name](), path)
    proposal = infer(path, Answers())
    history = read_history(path, parse_spec(toml_of(proposal), "proposed"))
    lost = sum(history.refused.values())
    assert len(history) + lost == N
    assert lost == (40 if name == "ledger" else 0)  # rows without an account
    found = proposal.truth
    assert (history.label == FRAUD).sum() <= found.frauds
    if not lost:
        assert [(history.label == FRAUD).sum(), (history.label == UNKNOWN).sum()] == [found.frauds, found.unknown]


@pytest.mark.parametrize(
    ("columns", "answers", "says"),
    [
        ({"tx_id": range(N), "order_id": range(N)}, Answers(),
         "--id: found several columns that could be the id, allowed: tx_id, order_id, rows"),
        ({"time": np.random.default_rng(0).permutation(N)}, Answers(), "--time: found columns called like a time"),
        ({"created": ["2024-01-02", "2024-01-01"] * (N // 2), "date": ["2024-01-02", "2024-01-01"] * (N // 2)},
         Answers(), "--time: found several columns that could be the time, allowed: created, date"),
        ({"fraud": [0, 1] * (N // 2)}, Answers(),
         "--label: found several columns that could be the label, allowed: fraud, is_fraud"),
        ({}, Answers(label="nobody"), "--label: found nobody, no column of the table, allowed: is_fraud"),
        ({"x": [0.5, 1.5] * (N // 2)}, Answers(label="x"), "--label: found x, whose values don't say what is fraud"),
        ({"x": ["a", "b"] * (N // 2)}, Answers(time="x"), "--time: found x, whose values are no times, allowed: x"),
        ({"x": ["a", "b"] * (N // 2)}, Answers(amount="x"), "--amount: found x, which holds no numbers"),
        ({}, Answers(entities=("who",)), "--entity: found who, no column of the table"),
    ],
)  # fmt: skip
def test_what_a_table_does_not_tell_is_asked_for_in_one_line(
    columns: dict[str, object], answers: Answers, says: str, tmp_path: Path
) -> None:
    with pytest.raises(UnclearError) as asked:
        proposed(simple(**columns), tmp_path, answers)
    assert says in str(asked.value)
    assert "\n" not in str(asked.value)


def test_a_label_that_nothing_is_called_like_is_asked_for_with_the_columns_of_two_values(tmp_path: Path) -> None:
    table = simple(x=[0.5, 1.5] * (N // 2)).rename_columns(["x", "stolen"])
    with pytest.raises(UnclearError) as asked:
        proposed(table, tmp_path)
    assert asked.value.candidates == ("stolen",)
    assert proposed(table, tmp_path, Answers(label="stolen")).table.label == "stolen"


def test_what_the_user_says_is_taken(tmp_path: Path) -> None:
    table = simple(tx_id=range(N), order_id=range(N), price=[2.5, 3.5] * (N // 2), shop=list(range(20)) * (N // 20))
    said = Answers(id="rows", time="rows:30m", amount="none", entities=("shop",))
    spec = proposed(table, tmp_path, said)
    assert (spec.tx_id, spec.event_time, spec.amount) == ("", "", "")
    assert spec.table.time_every == "30m"
    assert spec.entities == {"shop": "shop"}
    assert spec.windows.entities["shop"] == ("count", "since_last", "delayed_count", "fraud_share")
    assert proposed(table, tmp_path, Answers(id="order_id", entities=())).entities == {}


@pytest.mark.parametrize(
    ("column", "unit", "table_keys"),
    [
        ([1_700_000_000 + i for i in range(N)], "s", {}),
        ([1_700_000_000_000 + i for i in range(N)], "ms", {}),
        ([1_700_000_000_000_000 + i for i in range(N)], "us", {}),
        ([20_240_101 + i // 100 for i in range(N)], "iso8601", {"time_format": "%Y%m%d"}),
        ([f"{1 + i // 100:02d}/01/2024" for i in range(N)], "iso8601", {"time_format": "%d/%m/%Y"}),
        ([f"01/{1 + i // 100:02d}/2024" for i in range(N)], "iso8601", {"time_format": "%m/%d/%Y"}),
        ([f"2024-01-01T00:00:00.{i:06d}Z" for i in range(N)], "iso8601", {}),
        ([i // 20 for i in range(N)], "ms", {"time_every": "1h"}),
    ],
)
def test_a_time_is_known_by_its_values(
    column: list[object], unit: str, table_keys: dict[str, str], tmp_path: Path
) -> None:
    spec = proposed(simple(step=column), tmp_path)
    assert (spec.event_time, spec.event_time_unit) == ("step", unit)
    assert {key: getattr(spec.table, key) for key in table_keys} == table_keys
    times = read_history(tmp_path / "table.parquet", spec).event_time
    assert len(times) == N
    assert times[-1] - times[0] <= 100 * 86_400_000


def test_a_table_of_a_few_days_is_said_to_be_too_short(tmp_path: Path) -> None:
    pq.write_table(simple(seconds=[i * 86 for i in range(N)]), tmp_path / "table.parquet")
    assert infer(tmp_path / "table.parquet", Answers()).warnings == ("the rows span 2.0 days: a backtest needs weeks",)


def test_a_row_after_a_long_silence_is_no_error(tmp_path: Path) -> None:
    days = [i // 100 if i < N // 2 else 40 + i // 100 for i in range(N)]
    spec = proposed(simple(at=[f"2024-01-01T{i % 24:02d}:00" for i in range(N)]), tmp_path)
    assert spec.ahead_max == "7d"
    times = (np.datetime64("2024-01-01") + np.array(days)).astype("datetime64[ms]")
    assert proposed(simple(at=times), tmp_path).ahead_max == "42d"


def test_columns_that_know_the_label_are_left_out_and_those_that_nearly_do_are_named(tmp_path: Path) -> None:
    fraud = np.random.default_rng(9).integers(0, 2, N)
    nearly = fraud.astype(np.float64) + np.random.default_rng(0).uniform(0, 0.5, N)
    nearly[:3] = 1.0 - fraud[:3]
    table = simple(score=fraud + np.random.default_rng(0).uniform(0, 0.5, N), points=nearly)
    pq.write_table(table, tmp_path / "table.parquet")
    proposal = infer(tmp_path / "table.parquet", Answers())
    assert "a threshold tells the label" in proposal.fields.left_out["score"]
    assert proposal.fields.numeric == ["points"]
    assert len(proposal.warnings) == 2


def test_a_table_of_many_rows_is_judged_by_batches_spread_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.infer.sample.ROWS_MAX", 1_000)
    monkeypatch.setattr("streams.infer.sample.ROWS_MIN", 500)
    monkeypatch.setattr("streams.table_files.BATCH", 100)
    late = ["seen"] * (N - 100) + [f"kind {i % 3}" for i in range(100)]
    ids = [*range(N - 1), 0]
    table = simple(tx_id=ids, late=late)
    pq.write_table(table, tmp_path / "table.parquet")
    proposal = infer(tmp_path / "table.parquet", Answers())
    assert 500 <= proposal.sampled <= 1_000
    assert proposal.truth.frauds == table["is_fraud"].to_numpy().sum()
    assert proposal.fields.tx_id == ""  # the one that repeats is in rows that the sample may lack


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,2,3\n4,5,6\n", "the names of the columns"),
        ("a,a,is_fraud\n1,2,0\n", "columns with names of their own"),
        ("a,is_fraud\n", "at least one"),
        (",".join(f"c{i}" for i in range(501)) + "\n" + ",".join("1" * 501) + "\n", "at most 500"),
        ("a,is_fraud\n1,0\n1,2,3\n", "a readable table"),
    ],
)
def test_a_csv_that_cannot_be_read_is_refused_in_one_line(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(HistoryError) as refused:
        infer(tmp_path / "table.csv", Answers())
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_row_numbers_that_pandas_leaves_in_a_csv_are_no_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",x,is_fraud\n" + "".join(f"{i},{i % 7},{i % 2}\n" for i in range(100)))
    spec = parse_spec(toml_of(infer(tmp_path / "t.csv", Answers())), "t")
    assert (spec.tx_id, spec.numeric) == ("", ("x",))
    assert len(read_history(tmp_path / "t.csv", spec)) == 100
