"""A history that nothing can be learnt from: one line and exit 1, from `rlfa train` and `rlfa backtest` alike."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from rlfa import cli
from streams.synthetic import Simulator, demo_scenario, write_parquet
from tests.rlfa.backtest.histories import CONFIG, SPEC

DAYS = 9


def ends(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """What `rlfa` says last, as it exits 1."""
    monkeypatch.setattr(sys, "argv", ["rlfa", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        cli.run()
    assert exit_.value.code == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    write_parquet(Simulator(demo_scenario().scaled(150), seed=3).days(0, DAYS), folder)
    return folder


@pytest.mark.parametrize(
    ("fraud", "line"),
    [
        (False, "rlfa: training: found no fraud in 5 days, allowed: at least one"),
        (True, "frauds of 834, allowed: at least one of each class"),
    ],
)
def test_training_on_one_class_ends_in_one_line(
    fraud: bool, line: str, recorded: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    transactions, labels = (pq.read_table(recorded / f"{name}.parquet") for name in ("transactions", "labels"))
    shared = [name for name in labels.column_names if name in transactions.column_names and name != "is_fraud"]
    rows = transactions.select(shared) if fraud else transactions.slice(0, 0).select(shared)
    told = {name: rows[name] for name in shared} | {"is_fraud": pa.array([True] * len(rows), pa.bool_())}
    told["source"] = pa.array(["chargeback"] * len(rows), pa.string())
    pq.write_table(transactions, tmp_path / "transactions.parquet")
    pq.write_table(pa.table(told).select(labels.column_names).cast(labels.schema), tmp_path / "labels.parquet")
    (tmp_path / "stream.toml").write_text(SPEC)
    (tmp_path / "rlfa.toml").write_text('stream = "stream.toml"\nstate = "state"\n' + CONFIG)
    found = ends(capsys, monkeypatch, "train", "--data", tmp_path, "-c", tmp_path / "rlfa.toml")
    assert found.endswith(line)


@pytest.mark.parametrize(
    ("fraud", "line"),
    [
        (False, "rlfa: history: found 0 frauds, allowed: at least 20"),
        (True, "allowed: at least one of each class"),
    ],
)
def test_a_backtest_on_one_class_ends_in_one_line(
    fraud: bool, line: str, recorded: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    table = pq.read_table(recorded / "transactions.parquet")
    at = table.column_names.index("is_fraud")
    table = table.set_column(at, "is_fraud", pc.equal(pc.is_valid(table["tx_id"]), fraud))
    pq.write_table(table, tmp_path / "table.parquet")
    (tmp_path / "spec.toml").write_text(SPEC)
    (tmp_path / "rlfa.toml").write_text(CONFIG)
    files = ("--spec", tmp_path / "spec.toml", "--data", tmp_path / "table.parquet", "-c", tmp_path / "rlfa.toml")
    found = ends(capsys, monkeypatch, "backtest", *files, "--out", tmp_path / "out", "--no-rival")
    assert found.endswith(line)
