from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlfa.cli import app, spec
from streams.infer import UnclearError
from streams.spec import load_spec

TWO_LABELS = "order_id,fraud,is_fraud\n" + "".join(f"{i},{i % 2},{i % 3 % 2}\n" for i in range(120))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TWO_LABELS)
    return path


def test_infer_writes_a_spec_that_loads(table: Path) -> None:
    out = table.parent / "stream.toml"
    done = CliRunner().invoke(app, ["spec", "infer", str(table), "--label", "is_fraud", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert load_spec(out).table.label == "is_fraud"
    shown = CliRunner().invoke(app, ["spec", "infer", str(table), "--label", "is_fraud"])
    assert shown.stdout == out.read_text()


def test_away_from_a_terminal_nothing_is_asked(table: Path) -> None:
    done = CliRunner().invoke(app, ["spec", "infer", str(table)])
    assert isinstance(done.exception, UnclearError)
    assert str(done.exception).endswith("allowed: fraud, is_fraud")


def test_on_a_terminal_the_one_open_question_is_asked(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "is_asked_for", lambda: True)
    done = CliRunner().invoke(app, ["spec", "infer", str(table)], input="is_fraud\n")
    assert done.exit_code == 0, done.output
    assert "--label: found several columns that could be the label" in done.stderr
    assert 'label = "is_fraud"' in done.stdout
