"""`rlfa agents export|import --mlflow`: the same agent comes back, to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from agents.genome import Genome
from agents.mlflow_store import MLMODEL, MlflowError, export_agent, fetch_agent
from agents.training import train
from agents.weights import CARD, GENOME, WEIGHTS, load_scorer, save_agent
from rlfa.cli import app
from rlfa.config import Service, load_service
from rlfa.lanes.intake import intake_of
from rlfa.store.database import Store

pytestmark = pytest.mark.filterwarnings("ignore:The filesystem (tracking|model registry) backend:FutureWarning")
SPEC = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n[entities]\ncustomer = "c"\n'


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "rlfa.toml").write_text('state = "state"\n')
    (tmp_path / "stream.toml").write_text(SPEC)
    made = load_service(tmp_path / "rlfa.toml")
    Store.open(made.database).close()
    return made


def run(service: Service, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["agents", *arguments, "--config", f"{service.root}/rlfa.toml"])


def test_an_agent_goes_to_mlflow_and_back_as_it_was(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # its SQL store makes tables for 15 s, and is no other to us
    uri = f"file://{tmp_path}/mlflow"
    names = intake_of(service).feature_names
    x = np.random.default_rng(0).lognormal(3, 1, (300, len(names))).astype(np.float32)
    genome = Genome(expert="logistic", experts=2, bins=4, epochs_max=1)
    agent = train(genome, x, x[:, 0] > 40, np.arange(300), feature_names=names, threads=1)
    checksum = save_agent(agent, tmp_path / "mine")
    signed = ("--checksum", checksum, "--slot", "main", "--by", "ada", "--reason", "a pilot")

    model = export_agent(tmp_path / "mine", checksum, uri, "pilots")
    assert len(list(tmp_path.rglob(MLMODEL))) == 1
    imported = run(service, "import", model, "--mlflow", uri, *signed)
    assert imported.exit_code == 0, imported.exception
    home = service.agents / imported.stdout.split()[0]
    for name in (WEIGHTS, GENOME, CARD):
        assert (home / name).read_bytes() == (tmp_path / "mine" / name).read_bytes()

    exported = run(service, "export", home.name, "--mlflow", uri)
    assert exported.exit_code == 0, exported.exception
    (tmp_path / "back").mkdir()
    back = load_scorer(fetch_agent(exported.stdout.strip(), uri, tmp_path / "back"), checksum)
    np.testing.assert_array_equal(back.logits(x), agent.logits(x))

    wrong = run(service, "import", model, "--mlflow", uri, "--checksum", "0" * 64, *signed[2:])
    assert "found checksum" in str(wrong.exception)
    absent = run(service, "import", f"runs:/{'0' * 32}/agent", "--mlflow", uri, *signed)
    assert isinstance(absent.exception, MlflowError)
    assert "\n" not in str(absent.exception)


@pytest.mark.parametrize("model", ["models:/x/1", "runs:/../../agent", "vendor/agent"])
def test_another_address_is_refused_before_anything_is_asked(model: str, tmp_path: Path) -> None:
    with pytest.raises(MlflowError, match="allowed: runs:/RUN/agent"):
        fetch_agent(model, "http://localhost:1", tmp_path)
