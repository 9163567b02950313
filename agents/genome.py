"""The recipe of an agent: gate, experts, encoder, training. Any genome can be trained on any stream."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from agents.errors import GenomeError


class Genome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an agent is made of, and how it is trained."""

    gate: Literal["grkan", "gumbel", "softmax", "task_aware", "threshold", "top_k"] = "softmax"
    """Who decides how much each expert counts."""
    gate_map: Literal["identity", "softsign", "tanh"] = "tanh"
    """Map of the inputs before the gate; a bounded one keeps outliers from routing everything."""
    top_k: Annotated[int, Meta(ge=2, le=256)] = 2
    """Experts of a row that take part, of the top-k gate; one alone would leave the gate without a gradient."""
    temperature_start: Annotated[float, Meta(gt=0, le=100)] = 2.0
    """Of the Gumbel gate in its first pass."""
    temperature_end: Annotated[float, Meta(gt=0, le=100)] = 0.5
    """Of the Gumbel gate after `epochs_max` passes; annealed in between."""
    gate_hidden: Annotated[int, Meta(ge=1, le=1024)] = 16
    """Units before the Kolmogorov-Arnold layers of the GRKAN gate."""
    gate_basis: Literal["bspline", "rbf"] = "bspline"
    """Of the GRKAN gate's curves: the paper's cubic B-splines, or radial functions."""
    gate_norm: bool = False
    """Normalise the GRKAN gate's scores over the experts, as its paper does; of two experts only a sign is left."""
    threshold_share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """Highest threshold of the threshold gate, as a share of equal weights; up to 1 some expert always takes part."""
    task: str = ""
    """Categorical feature whose values are the tasks of the task-aware gate, known when a payment is made; the first
    one when empty."""
    task_mode: Literal["additive", "per_task", "task_only"] = "additive"
    """How a task routes: beside the row's own scores, with a gate of its own, or alone."""
    task_embedding: Annotated[int, Meta(ge=1, le=256)] = 8
    """Width of a task's embedding; a gate of its own has none."""
    task_unknown: Literal["mean", "trained"] = "trained"
    """What a task never seen is: what rows that forget their task have learnt, or the mean of those known."""
    task_dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.05
    """Share of the training rows that forget their task."""
    task_power: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """What a task's training rows count for together, as a power of their number: 1 leaves each row its weight, .5 to
    .75 keep a task with few rows from being drowned, 0 makes all tasks equal."""
    task_top_k: Annotated[int, Meta(ge=0, le=256)] = 0
    """Experts of a row that take part, of the task-aware gate; 0: all."""
    expert: Literal["adapters", "logistic", "mlp", "trees"] = "mlp"
    """What an expert is: a low-rank change of a shared layer, a linear logit, a hidden layer, trees (extra `trees`)."""
    members: Annotated[int, Meta(ge=1, le=64)] = 1
    """Mixtures that start apart and whose probabilities are averaged: more detection for as many times the work."""
    experts: Annotated[int, Meta(ge=1, le=256)] = 6
    """Experts in the mixture."""
    hidden: Annotated[int, Meta(ge=1, le=1024)] = 16
    """Units of an expert's hidden layer."""
    activation: Literal[
        "geglu", "gelu", "relu", "silu", "swiglu", "xatglu", "xatlu", "xgeglu", "xgelu", "xsilu", "xswiglu"
    ] = "relu"
    """Of an expert's hidden layer; those with an x learn how far their own gate reaches beyond 0 and 1, those with GLU
    let one half of twice as many units gate the other."""
    adapter_rank: Annotated[int, Meta(ge=1, le=256)] = 4
    """Rank of each adapter's change to the shared layer."""
    deltas: Annotated[int, Meta(ge=0, le=64)] = 0
    """Low-rank changes of the experts' first layer, weighed by a threshold gate of their own: all that a training from
    a frozen agent learns. 0: none."""
    delta_rank: Annotated[int, Meta(ge=1, le=256)] = 4
    """Rank of each of them."""
    encoder: Literal["piecewise_linear", "periodic", "plain"] = "piecewise_linear"
    """How numbers enter: spread over bins, as waves, or as they are."""
    bins: Annotated[int, Meta(ge=2, le=256)] = 16
    """Bins of the piecewise-linear encoder, or frequencies of the periodic one, per feature."""
    embedding: Annotated[int, Meta(ge=1, le=256)] = 4
    """Width of a categorical feature's embedding."""
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """Share of the encoded inputs that a training step leaves out."""
    loss: Literal["cost", "focal", "log"] = "log"
    """What training makes small: the log loss, one in which each row counts what a mistake about it costs, or a focal
    one that looks away from the rows that are clear. Of trees, only the gate learns by it."""
    focal_gamma: Annotated[float, Meta(ge=0, le=10)] = 2.0
    """How far the focal loss looks away; 0 is the log loss."""
    balance: Literal["importance", "information", "none", "switch"] = "none"
    """Loss beside it that keeps experts from being left out."""
    balance_weight: Annotated[float, Meta(ge=0, le=10)] = 0.01
    """Of that loss."""
    penalty: Literal["group_l1", "l1", "none"] = "none"
    """Of the weights of a softmax gate and logistic experts, in place of weight decay: sets most to exact zeros where
    features are many and frauds few. As groups, a feature is left out of all experts and the gate, or of none."""
    penalty_experts: Annotated[float, Meta(ge=0, le=100)] = 0.5
    """c of the experts' weights, and of groups: the penalty is `c sqrt(p (1 - p) log(columns) / rows)`, p the share of
    frauds. Around 0.2 predicts best, around 0.5 finds the features."""
    penalty_gate: Annotated[float, Meta(ge=0, le=100)] = 0.5
    """c of the gate's weights."""
    penalty_refit: bool = False
    """Fit what the penalty has kept once more without it, which makes weights too small."""
    rounds: Annotated[int, Meta(ge=1, le=2000)] = 120
    """Trees of each expert that is made of trees."""
    leaves: Annotated[int, Meta(ge=2, le=256)] = 16
    """Leaves of a tree at most."""
    shrinkage: Annotated[float, Meta(gt=0, le=1)] = 0.07
    """Share of its step that a tree takes."""
    leaf_rows_min: Annotated[int, Meta(ge=1, le=100_000)] = 20
    """Training rows in a leaf at least."""
    feature_share: Annotated[float, Meta(gt=0, le=1)] = 0.6
    """Share of the features that a tree may look at, drawn anew for each."""
    row_share: Annotated[float, Meta(gt=0, le=1)] = 0.8
    """Share of the rows that a tree learns from, drawn anew for each."""
    memory: Annotated[float, Meta(gt=0, le=1)] = 0.6
    """Each expert made of trees sees the newest such share of the time that the one before it saw; 1: all of it."""
    half_life_days: Annotated[float, Meta(ge=0, le=3650)] = 0.0
    """Age at which a row counts half while trees are grown; 0 counts all rows alike."""
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 0.005
    """Of AdamW."""
    weight_decay: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Of AdamW."""
    averaging: Annotated[float, Meta(ge=0, lt=1)] = 0.995
    """Share of the running average of the weights that stays at each step; 0 takes the newest weights."""
    batch: Annotated[int, Meta(ge=16, le=65_536)] = 1024
    """Rows of a training step."""
    epochs_max: Annotated[int, Meta(ge=1, le=1000)] = 20
    """Passes over the training rows at most."""
    patience: Annotated[int, Meta(ge=1, le=1000)] = 4
    """Passes without gain on the later window before training stops."""
    genuine_per_fraud: Annotated[float, Meta(ge=1, le=1e6)] = 100.0
    """Genuine rows kept for each fraud while training; the prior is put right afterwards."""
    validation_share: Annotated[float, Meta(gt=0, lt=1)] = 0.2
    """Newest share of the window's time, for early stopping and calibration."""
    calibration: Literal["beta", "chosen", "isotonic", "platt", "steady", "temperature"] = "steady"
    """How logits become log odds, on the later window; one that wants more frauds than it has gives way to a simpler.
    "steady": Platt's, held close to no change, so that scores stay comparable from one training to the next; under a
    loss whose logits are no log odds it is Platt's. "chosen": what is fitted on its older half and loses least on its
    newer."""
    refit: bool = True
    """Train again on the whole window for as many passes as were best: the newest fraud is in the newest days."""
    features: tuple[str, ...] = ()
    """Features to use; all when empty."""
    trend_max: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """Numeric features whose rank correlation with time is beyond it are left out; 1 keeps all."""
    rules: Annotated[tuple[str, ...], Meta(max_length=256)] = ()
    """Conditions over the features, e.g. `amount > 220`, whose hits enter beside them; a category is its code here."""
    rules_only: bool = False
    """Nothing but the hits of `rules` enters."""
    seed: Annotated[int, Meta(ge=0)] = 0
    """Of initialisation, sampling and dropout."""

    def __post_init__(self) -> None:
        if self.gate == "top_k" and self.top_k > max(self.experts, 2):
            raise GenomeError("genome.top_k", self.top_k, f"at most the {self.experts} experts")
        sparse = self.penalty == "none" or (self.gate, self.expert) == ("softmax", "logistic")
        if not sparse:
            raise GenomeError("genome.penalty", f"{self.gate} and {self.expert}", "a softmax gate, logistic experts")
        if self.task_top_k == 1 or self.task_top_k > max(self.experts, 2):
            raise GenomeError("genome.task_top_k", self.task_top_k, f"0, or 2 to the {self.experts} experts")
        if self.task_power < 1.0 and (self.gate != "task_aware" or self.loss == "focal"):
            raise GenomeError("genome.task_power", self.task_power, "1 without a task-aware gate, and with focal loss")
        if self.deltas and self.penalty != "none":
            raise GenomeError("genome.deltas", self.deltas, "0 where weights are penalised")
        if self.deltas and self.expert == "trees":
            raise GenomeError("genome.deltas", self.deltas, "0 where experts are trees")
        if self.temperature_end > self.temperature_start:
            raise GenomeError("genome.temperature_end", self.temperature_end, f"at most {self.temperature_start}")
        if self.rules_only and not self.rules:
            raise GenomeError("genome.rules_only", self.rules_only, "false without rules")

    @property
    def id(self) -> str:
        """Names the recipe: its main parts, and a hash of all."""
        digest = hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:8]
        parts = "rules" if self.rules_only else f"{self.gate}-{self.expert}-{self.encoder}"
        return f"{parts}-{digest}"


def read_genome_file(path: Path) -> Genome:
    """A genome from a TOML or JSON file.

    Raises:
        GenomeError: the file can't be read, or a gene is unknown or out of its bounds.
    """
    readers = {".toml": msgspec.toml.decode, ".json": msgspec.json.decode}
    if path.suffix not in readers:
        raise GenomeError(str(path), f"suffix {path.suffix!r}", ".toml or .json")
    try:
        genome: Genome = readers[path.suffix](path.read_bytes(), type=Genome)  # type: ignore[operator]
    except OSError as error:
        raise GenomeError(str(path), error.strerror, "a readable file") from error
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GenomeError(str(path), error, "the genes of agents.genome.Genome within their bounds") from error
    return genome


def read_genome(genes: Mapping[str, object]) -> Genome:
    """A genome from plain values.

    Raises:
        GenomeError: a gene is unknown or out of its bounds.
    """
    try:
        return msgspec.convert(dict(genes), Genome)
    except msgspec.ValidationError as error:
        raise GenomeError("genome", error, "the genes of agents.genome.Genome within their bounds") from error
