"""`rlfa agents`: what an outside agent must be to be let in, and what is then on record."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from typer.testing import CliRunner, Result

from agents.data_card import DataCard
from agents.genome import Genome
from agents.training import train
from agents.weights import CARD, WEIGHTS, save_agent
from rlfa.cli import app
from rlfa.config import Service, load_service
from rlfa.lanes.intake import intake_of
from rlfa.store.agents import Agents, ref_of
from rlfa.store.commands import Commands
from rlfa.store.database import Store

SPEC = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n[entities]\ncustomer = "c"\n'
DAY_MS = 86_400_000


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "rlfa.toml").write_text('state = "state"\n')
    (tmp_path / "stream.toml").write_text(SPEC)
    made = load_service(tmp_path / "rlfa.toml")
    Store.open(made.database).close()
    return made


@pytest.fixture
def outside(service: Service, tmp_path: Path) -> tuple[Path, str]:
    """A folder as a vendor sends it, and the checksum that came with the contract."""
    names = intake_of(service).feature_names
    x = np.random.default_rng(0).lognormal(3, 1, (300, len(names))).astype(np.float32)
    times = np.linspace(0, 10 * DAY_MS, 300).astype(np.int64)
    genome = Genome(expert="logistic", experts=2, bins=4, epochs_max=1)
    agent = train(genome, x, x[:, 0] > 40, times, feature_names=names, categorical=frozenset(), threads=1)
    return tmp_path / "vendor", save_agent(agent, tmp_path / "vendor")


def run(service: Service, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["agents", *arguments, "--config", f"{service.root}/rlfa.toml"])


def bring(service: Service, folder: Path, checksum: str, *more: str) -> Result:
    signed = ("--slot", "main", "--by", "ada", "--reason", "a pilot")
    return run(service, "import", str(folder), "--checksum", checksum, *signed, *more)


def kept(service: Service) -> int:
    store = Store.open(service.database)
    with store.reading() as session:
        count = len(Agents(session).all()) + len(Commands(session).waiting())
    store.close()
    return count


def test_an_outside_agent_is_kept_sealed_and_signed_for_its_slot(service: Service, outside: tuple[Path, str]) -> None:
    result = bring(service, *outside, "--feature", intake_of(service).feature_names[0])
    assert result.exit_code == 0, result.exception
    agent = result.stdout.split()[0]
    store = Store.open(service.database)
    with store.reading() as session:
        record = Agents(session).get(agent)  # type: ignore[arg-type]
        (command,) = Commands(session).waiting()
    store.close()
    assert (record.origin, record.added_by, record.why) == ("outside", "ada", "a pilot")
    assert (command.verb, command.agent, command.slot, command.by) == ("sign", agent, "main", "ada")
    ref = ref_of(record)
    assert ref.sealed
    assert ref.visible == intake_of(service).feature_names[:1]
    assert (Path(ref.folder) / WEIGHTS).read_bytes() == (outside[0] / WEIGHTS).read_bytes()


def test_agents_are_listed_and_shown(service: Service, outside: tuple[Path, str]) -> None:
    agent = bring(service, *outside).stdout.split()[0]
    assert agent in run(service, "list").stdout
    (listed,) = msgspec.json.decode(run(service, "list", "--json").stdout)
    assert listed["checksum"] == outside[1]
    shown = run(service, "show", agent).stdout
    assert "added_by: ada" in shown
    assert "selected features" not in shown
    assert run(service, "show", "nobody").exit_code == 1


def test_an_agent_whose_features_were_selected_says_which(service: Service, outside: tuple[Path, str]) -> None:
    folder, checksum = outside
    card = msgspec.json.decode((folder / CARD).read_bytes(), type=DataCard)
    card = msgspec.structs.replace(card, selected_features=card.feature_names[:2])
    (folder / CARD).write_bytes(msgspec.json.encode(card))
    agent = bring(service, folder, checksum).stdout.split()[0]
    names = ", ".join(card.feature_names[:2])
    assert f"selected features: 2 of {len(card.feature_names)}: {names}" in run(service, "show", agent).stdout


@pytest.mark.parametrize("fault", ["checksum", "shape", "nan", "giant", "feature", "option", "no file"])
def test_what_is_wrong_with_it_is_said_in_one_line_and_nothing_is_kept(
    service: Service, outside: tuple[Path, str], fault: str
) -> None:
    folder, checksum = outside
    more: tuple[str, ...] = ()
    tensors = load((folder / WEIGHTS).read_bytes())
    name = "inputs.center"
    match fault:
        case "checksum":
            checksum, says = "0" * 64, "found checksum"
        case "shape":
            says, checksum = "float32[99]", _write(folder, {**tensors, name: torch.zeros(99)})
        case "nan":
            says, checksum = "aren't finite", _write(folder, {**tensors, name: tensors[name] * float("nan")})
        case "giant":
            header = json.dumps({name: {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}).encode()
            (folder / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header)
            says = "1,000,000,000 parameters, allowed: at most"
        case "feature":
            card = json.loads((folder / CARD).read_text())
            card["feature_names"][0] = "their_secret_sauce"
            (folder / CARD).write_text(json.dumps(card))
            says = "found their_secret_sauce, allowed: of"
        case "option":
            more, says = ("--feature", "nonsense"), "--feature: found nonsense"
        case _:
            (folder / CARD).unlink()
            says = "allowed: a readable file"
    result = bring(service, folder, checksum, *more)
    assert result.exit_code == 1
    assert says in str(result.exception)
    assert "\n" not in str(result.exception)
    assert kept(service) == 0


def test_one_with_rules_as_inputs_is_refused_unless_strangers_go_unsealed(service: Service, tmp_path: Path) -> None:
    names = intake_of(service).feature_names
    x = np.random.default_rng(0).lognormal(3, 1, (300, len(names))).astype(np.float32)
    genome = Genome(expert="logistic", experts=1, bins=2, epochs_max=1, rules=("amount > 40",), rules_only=True)
    agent = train(genome, x, x[:, 0] > 40, np.arange(300), feature_names=names, threads=1)
    checksum = save_agent(agent, tmp_path / "vendor")
    refused = bring(service, tmp_path / "vendor", checksum)
    assert refused.exit_code == 1
    assert "found rules, allowed: none unless hosts.unsealed" in str(refused.exception)
    assert kept(service) == 0
    with (Path(service.root) / "rlfa.toml").open("a") as settings:
        settings.write("[hosts]\nunsealed = true\n")
    assert bring(service, tmp_path / "vendor", checksum).exit_code == 0
    assert kept(service) == 2


def test_a_move_without_a_name_is_misuse(service: Service, outside: tuple[Path, str]) -> None:
    result = run(
        service, "import", str(outside[0]), "--checksum", outside[1], "--slot", "main", "--by", " ", "--reason", "x"
    )
    assert result.exit_code == 2


def _write(folder: Path, tensors: dict[str, torch.Tensor]) -> str:

    data = save(tensors)
    (folder / WEIGHTS).write_bytes(data)
    return hashlib.sha256(data).hexdigest()
