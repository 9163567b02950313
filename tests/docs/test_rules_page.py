"""The rules of docs/how-to/rules.md act on the simulator's stream, as the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from rlfa.cli import app
from streams.synthetic import Simulator, demo_scenario
from tests.rlfa.backtest.histories import SPEC

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "rules.md").read_text()


def test_the_rules_of_the_page_are_read_and_tried(tmp_path: Path) -> None:
    simulator = Simulator(demo_scenario().scaled(400), seed=3)
    table = pa.Table.from_batches([day.transactions for day in simulator.days(0, 6)])
    pq.write_table(table, tmp_path / "payments.parquet")
    stolen = table["customer_id"][0].as_py()
    (tmp_path / "rules.toml").write_text(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])
    (tmp_path / "stolen.txt").write_text(f"# case 812\n{stolen}\n")
    (tmp_path / "stream.toml").write_text(SPEC)
    files = {f"--{name}": str(tmp_path / file) for name, file in
             (("rules", "rules.toml"), ("spec", "stream.toml"), ("data", "payments.parquet"))}  # fmt: skip
    arguments = [part for pair in files.items() for part in pair]
    found = json.loads(CliRunner().invoke(app, ["rules", "test", *arguments, "--json"]).stdout)
    each = {rule["name"]: rule for rule in found["each"]}
    assert list(each) == ["stolen", "hot-terminal", "staff", "far-from-home", "sure-enough"]
    assert each["stolen"]["all"]["hits"] == table["customer_id"].to_pylist().count(stolen)
    assert each["far-from-home"]["all"]["hits"] > each["far-from-home"]["decided"] == 0
    assert found["without_score"]
    text = CliRunner().invoke(app, ["rules", "test", *arguments])
    assert "far-from-home" in text.stdout
    assert "what looks at lineup_score hits nothing" in text.stderr


def test_every_key_of_a_rule_that_the_page_names_is_one() -> None:
    for key in ("mode", "until", "declines_per_day_max", "explore", "order", "stage"):
        assert re.search(rf"`{key}\b", PAGE)
