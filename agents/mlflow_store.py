"""Agents to and from an MLflow tracking server: three files and an MLmodel, no pickle, and the same bytes back."""

from __future__ import annotations

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from agents.data_card import DataCard
from agents.errors import AgentsError
from agents.weights import CARD, GENOME, WEIGHTS, load_scorer

MLMODEL, PLACE = "MLmodel", "agent"
_MODEL = re.compile(r"runs:/([0-9a-f]{32})/agent")


class MlflowError(AgentsError):
    """A tracking server that can't be reached, or that doesn't hold what was asked for."""


def export_agent(folder: Path, checksum: str, uri: str, experiment: str) -> str:
    """Log an agent as the artifacts of a new run, with its data card's figures as the run's.

    Args:
        folder: of the agent.
        checksum: SHA-256 of its weights.
        uri: of the tracking server, or `sqlite:///FILE`.
        experiment: to log into; made where it isn't there.

    Returns:
        Where it lies: `runs:/RUN/agent`.

    Raises:
        WeightsError: the folder isn't an agent of this checksum.
        MlflowError: MLflow isn't installed, or its server refuses.
    """
    agent = load_scorer(folder, checksum)
    client = _client(uri)
    with TemporaryDirectory() as made:
        for name in (WEIGHTS, GENOME, CARD):
            (Path(made) / name).write_bytes((folder / name).read_bytes())
        (Path(made) / MLMODEL).write_bytes(_mlmodel(agent.card, checksum))
        try:
            known = client.get_experiment_by_name(experiment)
            number = known.experiment_id if known else client.create_experiment(experiment)
            tags = {"rlfa.checksum": checksum, "rlfa.genome": agent.genome.id}
            run = client.create_run(number, run_name=folder.name, tags=tags)
            client.log_artifacts(run.info.run_id, made, PLACE)
            for name, value in agent.card.metrics.items():
                client.log_metric(run.info.run_id, name, value)
            client.set_terminated(run.info.run_id)
        except Exception as error:  # MLflow passes on whatever its stores raise
            raise _refused(uri, error) from error
    return f"runs:/{run.info.run_id}/{PLACE}"


def fetch_agent(model: str, uri: str, to: Path) -> Path:
    """Bring an agent's three files here, and nothing else that may lie beside them; whoever loads it checks it.

    Args:
        model: `runs:/RUN/agent`, as `export_agent` gave it.
        uri: of the tracking server.
        to: a folder that is there.

    Returns:
        `to`, now the agent's folder.

    Raises:
        MlflowError: another form of address, MLflow isn't installed, or the files aren't there.
    """
    found = _MODEL.fullmatch(model)
    if found is None:
        raise MlflowError("MLflow model", repr(model), "runs:/RUN/agent with the run's id")
    client = _client(uri)
    for name in (WEIGHTS, GENOME, CARD):
        try:
            where = client.download_artifacts(found[1], f"{PLACE}/{name}", str(to))
        except Exception as error:  # MLflow passes on whatever its stores raise
            raise _refused(uri, error) from error
        if Path(where) != to / name:  # some stores keep the path that it has there
            Path(where).replace(to / name)
    return to


def _mlmodel(card: DataCard, checksum: str) -> bytes:
    """What MLflow shows of a model: JSON, which is YAML as well."""
    inputs = [{"name": name, "type": "float", "required": True} for name in card.feature_names]
    outputs = [{"name": "logit", "type": "float", "required": True}]
    columns = {"inputs": inputs, "outputs": outputs}
    described = {
        "artifact_path": PLACE,
        "flavors": {"rlfa": {"weights": WEIGHTS, "genome": GENOME, "card": CARD, "checksum": checksum}},
        "signature": {name: msgspec.json.encode(each).decode() for name, each in columns.items()},
    }
    return msgspec.json.format(msgspec.json.encode(described), indent=2)


def _client(uri: str) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # an export tells the tracking server, nobody else
    try:
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise MlflowError("MLflow", "no mlflow", "pip install 'rlfa[mlflow]'") from error
    try:
        return MlflowClient(tracking_uri=uri)
    except Exception as error:  # of the store that the address names
        raise _refused(uri, error) from error


def _refused(uri: str, error: Exception) -> MlflowError:
    return MlflowError(f"MLflow at {uri.rsplit('@', maxsplit=1)[-1]}", " ".join(str(error).split())[:200], "an answer")
