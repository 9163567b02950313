"""`rlfa agents explain`: an agent of the store looked at, on the terminal and drawn."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner, Result

from agents.bring import Rows, agent_from_sklearn
from agents.genome import Genome
from agents.portrait import Portrait
from agents.weights import CARD, GENOME
from rlfa.cli import app
from rlfa.config import Service
from rlfa.hosts.scoring import AgentRef
from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes.log import load_training, path_of
from rlfa.store.agents import Agents, StoredAgent
from rlfa.store.database import Store
from rlfa.trainers.first_lineup import stored
from rlfa.trainers.training import keep, train_on
from tests.rlfa.trainers.history import live, service

DAYS = range(18_000, 18_004)
CURVED = Genome(gate="grkan", experts=3, hidden=4, bins=4, gate_hidden=12, epochs_max=6, batch=128,
                learning_rate=0.02, averaging=0.9, genuine_per_fraud=5)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Service, AgentRef]:
    here = service(tmp_path_factory.mktemp("explain"))
    live(here.outcomes, DAYS)
    agent = train_on(here.outcomes, [Day(d) for d in DAYS], CURVED, frozenset(), here.settings.free_agency.costs)
    ref = keep(agent, here.agents)
    store = Store.open(here.database)
    with store.transaction() as session:
        Agents(session).add(stored(ref, "kan", 0))
    store.close()
    return here, ref


def run(of: Service, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["agents", "explain", *arguments, "--config", f"{of.root}/rlfa.toml"])


def test_all_there_is_to_say_is_said(made: tuple[Service, AgentRef]) -> None:
    here, ref = made
    result = run(here, ref.id)
    assert result.exit_code == 0, result.exception
    for part in ("made of: grkan gate over 3 mlp experts", "among frauds", "exchanged among the rows", "not used: none",
                 "calibration", "curves of member 0, layer 1", "1600 matured transactions, 80 frauds"):  # fmt: skip
        assert part in result.stdout, part
    assert "2019-04-14 to 2019-04-17" in result.stdout


def test_json_has_the_whole_portrait_of_the_days_asked_for(made: tuple[Service, AgentRef]) -> None:
    here, ref = made
    portrait = msgspec.json.decode(run(here, ref.id, "--json", "--days", "2").stdout, type=Portrait)
    assert (portrait.agent, portrait.rows, portrait.frauds) == (ref.id, 800, 40)
    assert portrait.features[0].feature == "f0"
    assert len(portrait.curves) == 2


@pytest.mark.parametrize("suffix", [".svg", ".html"])
def test_a_drawing_is_well_formed_and_loads_nothing(
    made: tuple[Service, AgentRef], suffix: str, tmp_path: Path
) -> None:
    here, ref = made
    out = tmp_path / f"agent{suffix}"
    assert run(here, ref.id, "--out", str(out)).exit_code == 0
    text = out.read_text()
    drawing = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + len("</svg>")])
    name = "{http://www.w3.org/2000/svg}"
    lines = drawing.findall(f"{name}polyline")
    assert len(lines) == 2 + 3 * 8 + 3 * 3  # calibration; of 12 units the 8 strongest for each score; each expert's
    assert all("nan" not in line.attrib["points"] for line in lines)
    assert text.count("http") == 1  # the SVG's name space
    assert ref.id in text
    assert ("trained on" in text) == (suffix == ".html")


def test_without_closed_days_the_weights_alone_speak(made: tuple[Service, AgentRef], tmp_path: Path) -> None:
    here, ref = made
    empty = service(tmp_path)
    result = run(empty, ref.id, "--database", here.database)
    assert result.exit_code == 0, result.exception
    assert "no closed day: weights alone" in result.stdout
    assert "curves of member 0, layer 2" in result.stdout


def test_a_model_from_another_library_is_overheard_in_its_sealed_process(tmp_path: Path) -> None:
    here = service(tmp_path)
    live(here.outcomes, DAYS)
    data = load_training([path_of(here.outcomes, Day(d)) for d in DAYS])
    rows = Rows(features=data.features, fraud=data.fraud, event_time=data.event_time, feature_names=data.feature_names)
    model = LogisticRegression().fit(data.features, data.fraud)
    brought = agent_from_sklearn(model, rows, here.agents / "theirs")
    record = StoredAgent(
        id=AgentId("theirs"),
        family="theirs",
        genome=(brought.folder / GENOME).read_text(),
        card=(brought.folder / CARD).read_text(),
        metrics="{}",
        checksum=brought.checksum,
        uri=str(brought.folder),
        created_at=0,
        origin="outside",
    )
    store = Store.open(here.database)
    with store.transaction() as session:
        Agents(session).add(record)
    store.close()
    result = run(here, "theirs")
    assert result.exit_code == 0, result.exception
    assert "it tells nothing but scores" in result.stdout
    assert "1600 matured transactions, 80 frauds" in result.stdout
    assert result.stdout.index(" f0 ") < result.stdout.index(" f1 ")


@pytest.mark.parametrize(("arguments", "code", "says"), [
    (("nobody",), 1, "allowed: an agent that `rlfa agents list` shows"), (("nobody", "--out", "a.png"), 2, ""),
])  # fmt: skip
def test_what_cannot_be_shown_is_said_in_one_line(
    made: tuple[Service, AgentRef], arguments: tuple[str, ...], code: int, says: str
) -> None:
    result = run(made[0], *arguments)
    assert result.exit_code == code
    assert says in str(result.exception)
