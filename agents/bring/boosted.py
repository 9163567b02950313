"""Trees whose sum is a logit become an agent like those that are grown here: arrays, scored by our own loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from agents.bring.brought import AS_IT_IS, Brought, calibrated, card_of, probability
from agents.bring.errors import BringError
from agents.bring.proof import Probabilities, refuse_apart
from agents.bring.rows import Features, Rows
from agents.calibration import Calibration
from agents.forest import Forest
from agents.genome import Genome
from agents.inputs import InputStats, embedding_rows
from agents.mixture import Committee
from agents.model import Agent
from agents.tree import Tree, place, place_sets
from agents.weights import PARAMETERS_MAX, save_agent

ROUNDS_MAX, LEAVES_MAX = 2000, 256  # of a genome


@dataclass(frozen=True, slots=True, kw_only=True)
class Booster:
    """A model of trees.

    Attributes:
        where: what it is, for messages.
        trees: whose values add up to a logit.
        start: of that sum.
        categorical: columns that it splits into sets of codes.
        shrinkage: share of its step that a tree took.
        versions: of the libraries that made it.
    """

    where: str
    trees: Sequence[Tree]
    start: float
    categorical: Sequence[int]
    shrinkage: float
    versions: Mapping[str, str]


def agent_of_trees(booster: Booster, theirs: Probabilities, rows: Rows, folder: Path, later: Rows | None) -> Brought:
    """Write the agent, once it is proved to score as the model does.

    Args:
        booster: the model.
        theirs: its own probabilities, to compare with.
        rows: that it was trained on.
        folder: to write to.
        later: rows that calibrate it.

    Raises:
        BringError: too large, or the scores differ.
    """
    genome = _genome(booster)
    inputs = _inputs(booster, rows.features, genome)
    forest = _forest(booster, genome, inputs)

    def raw(x: Features) -> NDArray[np.float32]:
        return forest.logits(inputs, x)[:, 0]

    refuse_apart(booster.where, theirs, lambda x: probability(raw(x)), rows.features)
    calibration, how = (Calibration(), AS_IT_IS) if later is None else calibrated(raw(later.features), later)
    card = card_of(
        genome,
        rows,
        later,
        None if later is None else calibration.apply(raw(later.features)),
        categorical=[rows.feature_names[j] for j in booster.categorical],
        calibration=how,
        versions=booster.versions,
    )
    agent = Agent("", genome, card, inputs, _passing_on(genome, inputs), calibration, forest)
    return Brought(folder, save_agent(agent, folder))


def _genome(booster: Booster) -> Genome:
    """The recipe that comes closest: what the service trains when the slot looks for a successor."""
    leaves = max(len(tree.value) for tree in booster.trees) if booster.trees else 0
    for what, found, most in (("trees", len(booster.trees), ROUNDS_MAX), ("leaves of a tree", leaves, LEAVES_MAX)):
        if not 1 <= found <= most:
            raise BringError(f"{booster.where} {what}", found, f"1 to {most}")
    return Genome(
        expert="trees", experts=1, rounds=len(booster.trees), leaves=max(leaves, 2), shrinkage=booster.shrinkage, bins=2
    )


def _inputs(booster: Booster, x: Features, genome: Genome) -> InputStats:
    """Medians from the rows; the known codes are those that some split knows."""
    inputs = InputStats.fit(x, booster.categorical, genome.bins)
    codes = [np.zeros(0, np.int64) for _ in inputs.categorical]
    places = {column: i for i, column in enumerate(inputs.categorical.tolist())}
    for tree in booster.trees:
        for split, known in tree.codes.items():
            i = places[int(tree.feature[split])]
            codes[i] = np.union1d(codes[i], known[known > 0])
    return replace(inputs, codes=tuple(known.astype(np.float32) for known in codes))


def _forest(booster: Booster, genome: Genome, inputs: InputStats) -> Forest:
    known = [len(codes) for codes in inputs.codes]
    sets = sum(len(tree.codes) for tree in booster.trees)
    numbers = sets * (max(known, default=0) + 2)
    if numbers > PARAMETERS_MAX:
        raise BringError(f"{booster.where} sets of codes", f"{numbers:,} numbers", f"at most {PARAMETERS_MAX:,}")
    forest, first = Forest.blank(genome, known, sets), 0
    q, c = len(inputs.numeric), len(inputs.categorical)
    column = np.zeros(q + c, np.int64)
    column[inputs.numeric], column[inputs.categorical] = np.arange(q), q + 2 * c + np.arange(c)
    for r, tree in enumerate(booster.trees):
        place(forest, (0, r), replace(tree, feature=column[tree.feature]), booster.start if r == 0 else 0.0)
        rows = {split: _rows(inputs, int(tree.feature[split]), codes) for split, codes in tree.codes.items()}
        place_sets(forest, (0, r), tree, first, rows)
        first += len(tree.codes)
    return forest


def _rows(inputs: InputStats, column: int, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The embedding rows of a set of codes; 0 is the stream's code for a missing one."""
    known = inputs.codes[inputs.categorical.tolist().index(column)]
    return embedding_rows(codes.astype(np.float32), known)


def _passing_on(genome: Genome, inputs: InputStats) -> Committee:
    """A mixture of one expert whose logit comes out as it went in."""
    network = Committee(genome, torch.from_numpy(inputs.edges), [len(codes) + 2 for codes in inputs.codes], 0.0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    return network.eval()
