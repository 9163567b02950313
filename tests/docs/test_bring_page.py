"""The code of docs/how-to/bring-an-agent.md runs as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from agents.data_card import DataCard
from rlfa.cli import app
from rlfa.config import Service, load_service
from rlfa.lanes.intake import intake_of
from rlfa.lineup.slots import DAY_MS, Day
from rlfa.outcomes import log
from rlfa.rewards.inefficiency import Footprint
from rlfa.store.agents import Agents
from rlfa.store.commands import Commands
from rlfa.store.database import Store

pytestmark = pytest.mark.filterwarnings("ignore:The filesystem (tracking|model registry) backend:FutureWarning")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "bring-an-agent.md"
STREAM = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n[entities]\ncustomer = "c"\n'


def close(service: Service, day: int) -> None:
    names, rng = intake_of(service).feature_names, np.random.default_rng(day)
    x = rng.lognormal(3, 1, (200, len(names))).astype(np.float32)
    x[rng.random(x.shape) < 0.05] = np.nan
    table = {"label": x[:, 0] > 60, "event_time": day * DAY_MS + np.arange(200), "amount": np.full(200, 50.0)}
    named = {f"{log.FEATURE}{name}": x[:, j] for j, name in enumerate(names)}
    log.write_day(pa.table({**table, **named}), service.outcomes, Day(day))


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Three closed days in the folder where the page's reader sits."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rlfa.toml").write_text('state = "state"\n')
    (tmp_path / "stream.toml").write_text(STREAM)
    made = load_service(Path("rlfa.toml"))
    for day in range(3):
        close(made, day)
    Store.open(made.database).close()
    return made


def run(command: str) -> Result:
    return CliRunner().invoke(app, shlex.split(command)[1:])


def test_the_page_brings_its_agents_and_its_commands_run_as_they_stand(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # its SQL store makes tables for 15 s, and is no other to us
    text = PAGE.read_text()
    known: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), known)
    shown = re.findall(r"^rlfa .*$", text, re.MULTILINE)
    (bring,) = (line for line in shown if line.startswith("rlfa agents import online"))
    checksum = known["brought"].checksum
    agent = done(bring.replace("CHECKSUM", checksum))
    # It has scored in its seal above; starting a second process takes seconds and shows nothing more.
    measured = Footprint(latency_us=1.0, weights_bytes=1)
    monkeypatch.setattr("rlfa.trainers.first_lineup._footprint", lambda *_: measured)
    known_here = {"AGENT": agent, "VERSION": agent, "CHECKSUM": checksum, "http://mlflow:5000": f"file://{tmp_path}/ml"}
    for line in shown:
        if line != bring:
            known_here["runs:/RUN/agent"] = done(_with(line, known_here)) or known_here.get("runs:/RUN/agent", "")
    store = Store.open(service.database)
    with store.reading() as session:
        (record,) = Agents(session).all()
        asked = [command.verb for command in Commands(session).waiting()]
    store.close()
    card = msgspec.json.decode(record.card, type=DataCard)
    assert (record.id, card.rows, card.learns) == (agent, 600, True)
    assert asked == ["sign", "hold", "restore", "learn", "sign"]


def done(command: str) -> str:
    """The first word of a command that ends well."""
    result = run(command)
    assert result.exit_code == 0, (command, result.output, result.exception)
    return next(iter(result.stdout.split()), "")


def _with(line: str, known: dict[str, str]) -> str:
    for placeholder, value in known.items():
        line = line.replace(placeholder, value)
    return line
