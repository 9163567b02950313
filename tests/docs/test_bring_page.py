"""The code of docs/how-to/bring-an-agent.md runs as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from rlfa.cli import app
from rlfa.config import Service, load_service
from rlfa.lanes.intake import intake_of
from rlfa.lineup.slots import DAY_MS, Day
from rlfa.outcomes import log
from rlfa.store.agents import Agents
from rlfa.store.database import Store

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "bring-an-agent.md"
STREAM = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n[entities]\ncustomer = "c"\n'


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Three closed days in the folder where the page's reader sits."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rlfa.toml").write_text('state = "state"\n')
    (tmp_path / "stream.toml").write_text(STREAM)
    made = load_service(Path("rlfa.toml"))
    names = intake_of(made).feature_names
    for day in range(3):
        rng = np.random.default_rng(day)
        x = rng.lognormal(3, 1, (200, len(names))).astype(np.float32)
        x[rng.random(x.shape) < 0.05] = np.nan
        table = {"label": x[:, 0] > 60, "event_time": day * DAY_MS + np.arange(200), "amount": np.full(200, 50.0)}
        named = {f"{log.FEATURE}{name}": x[:, j] for j, name in enumerate(names)}
        log.write_day(pa.table({**table, **named}), made.outcomes, Day(day))
    Store.open(made.database).close()
    return made


def test_the_page_brings_its_agents(service: Service) -> None:
    text = PAGE.read_text()
    known: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), known)
    (command,) = re.findall(r"```\n(rlfa agents import .*?)\n```", text)
    arguments = shlex.split(command.replace("CHECKSUM", known["brought"].checksum))[1:]  # type: ignore[attr-defined]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.exception
    store = Store.open(service.database)
    with store.reading() as session:
        (agent,) = Agents(session).all()
    store.close()
    assert (agent.origin, agent.added_by) == ("outside", "ada")
