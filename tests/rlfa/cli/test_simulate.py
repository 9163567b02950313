"""`rlfa simulate` and `rlfa replay` from the outside."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from rlfa.cli.replay import replay
from rlfa.cli.simulate import simulate
from streams.recordings import RecordingError
from streams.synthetic import ScenarioError

app = typer.Typer()
app.command()(simulate)
app.command()(replay)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def test_simulate_writes_the_same_two_files_for_a_seed(tmp_path: Path) -> None:
    options = ("--days", "3", "--seed", "7", "--transactions-per-day", "500")
    first, second = (run("simulate", *options, "--out", str(tmp_path / name)) for name in "ab")
    assert first.exit_code == second.exit_code == 0
    assert first.stdout.split() == [str(tmp_path / "a" / f"{name}.parquet") for name in ("transactions", "labels")]
    for name in ("transactions.parquet", "labels.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert 900 < pq.read_metadata(tmp_path / "a" / "transactions.parquet").num_rows < 2_500


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--out", "folder", "--bootstrap-servers", "localhost:1"),
        ("--bootstrap-servers", "localhost:1", "--rate", "5", "--speedup", "5"),
    ],
)
def test_simulate_refuses_options_that_exclude_each_other(options: tuple[str, ...]) -> None:
    assert run("simulate", *options).exit_code == 2


def test_a_wrong_scenario_and_a_wrong_folder_are_errors_of_ours(tmp_path: Path) -> None:
    (tmp_path / "scenario.toml").write_text("nonsense = 1")
    simulated = run("simulate", "--out", str(tmp_path), "--scenario", str(tmp_path / "scenario.toml"))
    replayed = run("replay", "--data", str(tmp_path))
    assert isinstance(simulated.exception, ScenarioError)
    assert isinstance(replayed.exception, RecordingError)
