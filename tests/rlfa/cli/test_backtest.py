"""`rlfa backtest`: from a table to a report that a browser shows without loading anything else."""

from __future__ import annotations

import html.parser
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from rlfa.cli import app
from rlfa.cli.backtest import RIVAL
from rlfa.errors import ConfigError
from streams.synthetic import Simulator, demo_scenario
from tests.rlfa.backtest.histories import CONFIG, SPEC

DAYS = 16
CARD = "4539 1488 0343 6467"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, its spec, settings, and what the command made of them."""
    pytest.importorskip("lightgbm")
    folder = tmp_path_factory.mktemp("backtest")
    simulator = Simulator(demo_scenario().scaled(1200), seed=3)
    table = pa.Table.from_batches([day.transactions for day in simulator.days(0, DAYS)])
    pq.write_table(table, folder / f"<b>{CARD}.parquet")
    (folder / "spec.toml").write_text(SPEC)
    (folder / "rlfa.toml").write_text('state = "elsewhere"\ndatabase = "sqlite://"\n' + CONFIG)
    return folder


def play(folder: Path, *more: str) -> str:
    files = ("--spec", str(folder / "spec.toml"), "--data", str(folder / f"<b>{CARD}.parquet"))
    given = ("backtest", *files, "-c", str(folder / "rlfa.toml"), "--out", str(folder / "out"), *more)
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    return result.stdout


class Tags(html.parser.HTMLParser):
    """Every tag with its attributes, and the text outside of them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(play(folder, "--json"))
    return figures


def test_a_table_becomes_a_report_and_a_state_that_the_other_commands_read(folder: Path, found: dict[str, Any]) -> None:
    assert set(found["methods"]) == {"RLFA, as decided", "RLFA", RIVAL, "approving everything"}
    assert sum(w["methods"]["RLFA"]["rows"] for w in found["weeks"]) == found["methods"]["RLFA"]["rows"] > 0
    text = (folder / "out" / "report.html").read_text()
    page = Tags()
    page.feed(text)
    assert not {"script", "link", "img", "iframe", "b"} & {tag for tag, _ in page.tags}
    assert not re.search(r"https?://|url\(|@import", text)
    assert {tag for tag, _ in page.tags} >= {"svg", "polyline", "table"}
    assert "<b>" in page.text  # the file's name, as text
    assert CARD not in page.text
    assert "service starts with" in page.text
    ledger = CliRunner().invoke(app, ["ledger", "-c", str(folder / "out" / "rlfa.toml"), "--json"])
    assert json.loads(ledger.stdout)[0]["kind"] == "EpochChanged"


def test_another_backtest_replaces_an_earlier_one_and_nothing_else(folder: Path, found: dict[str, Any]) -> None:
    again = json.loads(play(folder, "--json", "--no-rival"))
    assert again["methods"] == {name: f for name, f in found["methods"].items() if name != RIVAL}
    (folder / "out" / "rlfa.toml").write_text('name = "mine"\n')
    files = ("--spec", str(folder / "spec.toml"), "--data", str(folder / f"<b>{CARD}.parquet"))
    result = CliRunner().invoke(app, ["backtest", *files, "--out", str(folder / "out")])
    assert isinstance(result.exception, ConfigError)
    assert "an empty folder, or one of an earlier backtest" in str(result.exception)
    assert (folder / "out" / "state").is_dir()
