"""A model from another library is imported, sealed, and scores for its slot as its library does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import msgspec
import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from agents.bring import Brought, Rows, agent_from_lightgbm, agent_from_sklearn
from agents.data_card import DataCard
from rlfa.cli import app
from rlfa.config import Service, load_service
from rlfa.hosts.scoring import AgentRef, InlineHost
from rlfa.hosts.sealed import offline_seal
from rlfa.lanes.intake import intake_of
from rlfa.store.agents import Agents, StoredAgent, ref_of
from rlfa.store.database import Store

SPEC = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n[entities]\ncustomer = "c"\n'


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "rlfa.toml").write_text('state = "state"\n')
    (tmp_path / "stream.toml").write_text(SPEC)
    made = load_service(tmp_path / "rlfa.toml")
    Store.open(made.database).close()
    return made


def made_up(names: tuple[str, ...], seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    x = rng.lognormal(3, 1, (400, len(names))).astype(np.float32)
    fraud = (x[:, 0] > 40) | (rng.random(400) < 0.05)
    x[rng.random(x.shape) < 0.1] = np.nan
    return Rows(features=x, fraud=fraud, event_time=np.arange(400, dtype=np.int64), feature_names=names)


def taken_in(service: Service, brought: Brought) -> StoredAgent:
    signed = ("--slot", "main", "--by", "ada", "--reason", "a pilot", "--config", f"{service.root}/rlfa.toml")
    result = CliRunner().invoke(app, ["agents", "import", str(brought.folder), "--checksum", brought.checksum, *signed])
    assert result.exit_code == 0, result.exception
    store = Store.open(service.database)
    with store.reading() as session:
        record = Agents(session).get(result.stdout.split()[0])  # type: ignore[arg-type]
    store.close()
    return record


def scores(service: Service, ref: AgentRef, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    host = InlineHost(intake_of(service).feature_names, offline_seal(service.settings.hosts.seal_rules))
    try:
        host.load([ref])
        logits = host.score([ref.id], x)[:, 0]
        return 1 / (1 + np.exp(-logits.astype(np.float64))), host.reasons([ref.id], np.ones(1), x[:2]).contributions
    finally:
        host.load([])


@pytest.mark.parametrize("library", ["lightgbm", "scikit-learn"])
def test_a_brought_model_is_sealed_and_scores_as_before(library: str, service: Service, tmp_path: Path) -> None:
    names = intake_of(service).feature_names
    rows, fresh = made_up(names), made_up(names, 1).features
    model: Any
    if library == "lightgbm":
        data = lightgbm.Dataset(rows.features, rows.fraud.astype(np.float32), feature_name=list(names))
        model = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 10)
        brought, theirs = agent_from_lightgbm(model, rows, tmp_path / "vendor"), model.predict(fresh)
    else:
        model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(rows.features, rows.fraud)
        brought = agent_from_sklearn(model, rows, tmp_path / "vendor")
        theirs = model.predict_proba(fresh.astype(np.float64))[:, 1]
    record = taken_in(service, brought)
    assert ref_of(record).sealed
    # Arrays score alike in any process; a graph only runs in a sealed one.
    ref = msgspec.structs.replace(ref_of(record), sealed=library == "scikit-learn")
    ours, reasons = scores(service, ref, fresh)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    assert np.abs(reasons).max() > 0
    card = msgspec.json.decode(record.card, type=DataCard)
    assert card.latency_us is not None
    assert card.latency_us > 0


def test_a_model_of_other_features_is_refused_in_one_line(service: Service, tmp_path: Path) -> None:
    rows = made_up((*intake_of(service).feature_names[:-1], "their_own"))
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(rows.features, rows.fraud)
    brought = agent_from_sklearn(model, rows, tmp_path / "vendor")
    signed = ("--slot", "main", "--by", "ada", "--reason", "a pilot", "--config", f"{service.root}/rlfa.toml")
    result = CliRunner().invoke(app, ["agents", "import", str(brought.folder), "--checksum", brought.checksum, *signed])
    assert result.exit_code == 1
    assert "found their_own, allowed: of" in str(result.exception)
