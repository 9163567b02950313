"""A River estimator becomes an agent that learns as cohorts close; each version is its replay."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.bring.brought import AS_IT_IS, Brought, calibrated, card_of
from agents.bring.errors import BringError
from agents.bring.rows import Rows
from agents.calibration import Calibration
from agents.genome import Genome
from agents.inputs import InputStats
from agents.online import ROWS_MAX, WHERE, OnlineAgent, built
from agents.weights import load_scorer, save_agent


def agent_from_river(
    estimator: str,
    rows: Rows,
    folder: Path,
    *,
    categorical: frozenset[str] = frozenset(),
    later: Rows | None = None,
    successor: Genome | None = None,
) -> Brought:
    """Write the first version: a folder that `rlfa agents import` takes.

    Args:
        estimator: e.g. `preprocessing.StandardScaler() | linear_model.LogisticRegression()`; see `agents.online.built`.
        rows: to learn, in the order of their event time.
        folder: to write to.
        categorical: features that hold category codes; it sees them as whole numbers.
        later: rows that calibrate it and make the figures on its card; it doesn't learn them.
        successor: what the service trains in its place.

    Raises:
        BringError: more rows than a replay may have, or it can't learn these.
        WeightsError: the text is no estimator.
    """
    genome = successor or Genome()
    built(estimator, genome.seed)
    return _version(estimator, genome, rows, folder, categorical, later, (Calibration(), AS_IT_IS))


def learned(folder: Path, checksum: str, cohort: Rows, to: Path, *, later: Rows | None = None) -> Brought:
    """The next version: what the last one learned, and then a closed cohort; of more than a replay may have the newest.

    Args:
        folder: of the version so far.
        checksum: of its weights.
        cohort: rows after all that it has learned.
        to: folder of the next version.
        later: as in `agent_from_river`; without them the calibration stays.

    Raises:
        BringError: rows of a time that it has learned already, or other features.
        WeightsError: the folder isn't such an agent.
    """
    last = load_scorer(folder, checksum)
    if not isinstance(last, OnlineAgent):
        raise BringError(str(folder), "an agent that doesn't learn", f"one made of a {WHERE}")
    if tuple(cohort.feature_names) != last.feature_names:
        raise BringError("cohort features", f"{len(cohort.feature_names)} of them", "those that it has learned")
    if cohort.event_time.min() <= last.card.to_event_time:
        raise BringError("cohort event_time", int(cohort.event_time.min()), f"after {last.card.to_event_time}")
    # The times of the rows before matter only for their order, and as far as the card names the first and the last.
    n = len(last.fraud)
    times = np.linspace(last.card.from_event_time, last.card.to_event_time, n).astype(np.int64)
    times = np.concatenate([times, cohort.event_time])
    newest = np.argsort(times, kind="stable")[-ROWS_MAX:]
    rows = Rows(
        features=np.concatenate([last.features, cohort.features])[newest],
        fraud=np.concatenate([last.fraud, cohort.fraud])[newest],
        event_time=times[newest],
        feature_names=last.feature_names,
    )
    kept = (last.calibration, last.card.calibration)
    return _version(last.estimator, last.genome, rows, to, last.categorical, later, kept)


def _version(
    estimator: str,
    genome: Genome,
    rows: Rows,
    folder: Path,
    categorical: frozenset[str],
    later: Rows | None,
    kept: tuple[Calibration, str],
) -> Brought:
    """Learn the rows and write the version; without later rows the calibration is the one that is kept."""
    if len(rows.fraud) > ROWS_MAX:
        raise BringError(f"{WHERE} rows", len(rows.fraud), f"at most {ROWS_MAX}: each load learns them again")
    order = np.argsort(rows.event_time, kind="stable")
    names = tuple(rows.feature_names)
    codes = [j for j, name in enumerate(names) if name in categorical]
    inputs = InputStats.fit(rows.features, codes, 2)
    x, fraud = rows.features[order], rows.fraud[order]

    def agent(logits: NDArray[np.float32] | None, calibration: Calibration, how: str) -> OnlineAgent:
        packages = {"river": version("river")}
        card = card_of(genome, rows, later, logits, categorical=sorted(categorical), calibration=how, versions=packages)
        return OnlineAgent(folder.name, genome, card, inputs, calibration, estimator, x, fraud)

    bare = agent(None, Calibration(), AS_IT_IS)
    try:
        raw = bare.logits(x[:1] if later is None else later.features)
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise BringError(f"{WHERE} on these rows", " ".join(str(error).split())[:160], "rows that it learns") from error
    if later is None:
        return Brought(folder, save_agent(agent(None, *kept), folder))
    calibration, how = calibrated(raw, later)
    return Brought(folder, save_agent(agent(calibration.apply(raw), calibration, how), folder))
