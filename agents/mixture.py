"""The pieces joined: numbers and categories in, one logit of the mixture out; and several mixtures as one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from agents.encoders import ENCODERS
from agents.experts import EXPERTS
from agents.experts.deltas import add_deltas
from agents.experts.sparse import OneByOne, chosen_logits
from agents.forest import TREES
from agents.gates import GATES
from agents.gates.task_aware import TaskAwareGate
from agents.genome import Genome
from agents.inputs import MISSING, UNKNOWN

SPARSE_FROM = 16  # experts for each that takes part, from which it is cheaper to score only these: benchmarks.experts
GATE_SCALE = 0.25  # of the trees' logits before the gate, whose tanh would flatten rare fraud's
UNKNOWN_RATE = 0.02  # of the known codes, in training, so that the row for unknown ones learns something


class Mixture(nn.Module):
    """A gated mixture of experts for a binary label, mixing probabilities.

    `log p = logsumexp(log w + logsigmoid(e))` and `log (1 - p) = logsumexp(log w + logsigmoid(-e))`; the logit is their
    difference.

    Args:
        genome: the recipe.
        edges: float32[q, bins + 1] of the numeric features.
        categories: rows of each categorical feature's embedding.
        bias: logit of the base rate.
        task: which of the categorical features is the task of a gate that asks for it.

    Source: Nguyen, Akbarian, Nguyen, Ho 2024, "A General Theory for Softmax Gating Multinomial Logistic Mixture of
    Experts", eq. 1, in logarithms.
    """

    def __init__(self, genome: Genome, edges: Tensor, categories: list[int], bias: float, task: int = 0) -> None:
        super().__init__()
        self.of_trees = genome.expert == TREES
        encoder = None if self.of_trees else ENCODERS[genome.encoder](edges)
        self.encoder = encoder
        self.embeddings = nn.ModuleList([nn.Embedding(rows, genome.embedding) for rows in categories])
        embedded = genome.embedding * len(categories)
        self.dropout = nn.Dropout(genome.dropout)
        # The gate sees each number once, as it is; only the experts see it spread over bins or waves.
        seen = edges.shape[0] + embedded + genome.experts * self.of_trees
        self.task = task if categories else None
        self.gate = GATES[genome.gate](seen, genome, categories[task] if categories else MISSING + 1)
        width = int(encoder.out_features) + embedded if encoder else 0  # type: ignore[arg-type]
        self.experts = EXPERTS[genome.expert](width, genome, bias)
        many = genome.experts >= SPARSE_FROM * getattr(self.gate, "k", genome.experts)
        if genome.deltas:
            add_deltas(self.experts, genome.expert, genome.deltas, genome.delta_rank)
        self.sparse = many and isinstance(self.experts, OneByOne) and not genome.deltas

    def forward(self, numbers: Tensor, rows: Tensor, boosted: Tensor | None = None) -> Tensor:
        """float32[n, q], int64[n, c] and the trees' float32[n, experts] to logits float32[n]."""
        return self.weighed(numbers, rows, boosted)[0]

    def weighed(self, numbers: Tensor, rows: Tensor, boosted: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits float32[n], and the experts' log weights float32[n, experts], or [n, k] where only k are scored."""
        gate_inputs, inputs = self.seen(numbers, rows, boosted)
        return self.mixed(gate_inputs, inputs)

    def seen(self, numbers: Tensor, rows: Tensor, boosted: Tensor | None = None) -> tuple[tuple[Tensor, ...], Tensor]:
        """What the gate is called with, and the experts' float32[n, width]."""
        embedded = self._embed(rows)
        gate_inputs = self._seen_by_gate(numbers, rows, embedded, boosted)
        return gate_inputs, self._seen_by_experts(numbers, embedded, boosted)

    def mixed(self, gate_inputs: tuple[Tensor, ...], inputs: Tensor) -> tuple[Tensor, Tensor]:
        """As in `weighed`, of what `seen` gives."""
        if self.sparse and not self.training:
            chosen, log_weights = self.gate.chosen(*gate_inputs)  # type: ignore[operator]
            logits = chosen_logits(self.experts, inputs, chosen)  # type: ignore[arg-type]
        else:
            log_weights = self.gate(*gate_inputs)
            logits = self.experts(inputs)
        positive = torch.logsumexp(log_weights + nn.functional.logsigmoid(logits), dim=1)
        negative = torch.logsumexp(log_weights + nn.functional.logsigmoid(-logits), dim=1)
        return positive - negative, log_weights

    def voices(self, numbers: Tensor, rows: Tensor, boosted: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The gate's weights and all experts' logits, both float32[n, experts], whether they were asked or not."""
        inputs = self._seen_by_experts(numbers, self._embed(rows), boosted)
        return self.gate_weights(numbers, rows, boosted), self.experts(inputs)

    def gate_weights(self, numbers: Tensor, rows: Tensor, boosted: Tensor | None = None) -> Tensor:
        """float32[n, experts]; each row sums to 1."""
        log_weights: Tensor = self.gate(*self._seen_by_gate(numbers, rows, self._embed(rows), boosted))
        return log_weights.exp()

    def _seen_by_gate(
        self, numbers: Tensor, rows: Tensor, embedded: list[Tensor], boosted: Tensor | None
    ) -> tuple[Tensor, ...]:
        of_trees = [] if boosted is None else [GATE_SCALE * boosted]
        inputs = torch.cat([numbers, *embedded, *of_trees], dim=1)
        if not isinstance(self.gate, TaskAwareGate):
            return (inputs,)
        tasks = rows.new_full((len(rows),), UNKNOWN) if self.task is None else rows[:, self.task]
        return inputs, tasks

    def _seen_by_experts(self, numbers: Tensor, embedded: list[Tensor], boosted: Tensor | None) -> Tensor:
        if self.encoder is None:
            assert boosted is not None, "experts made of trees need their logits"
            return boosted
        encoded: Tensor = self.dropout(torch.cat([self.encoder(numbers), *embedded], dim=1))
        return encoded

    def _embed(self, rows: Tensor) -> list[Tensor]:
        """Of each categorical feature float32[n, embedding]; in training some codes count as unknown."""
        if self.training and rows.numel():
            forgotten = torch.rand(rows.shape, device=rows.device) < UNKNOWN_RATE
            rows = rows.masked_fill(forgotten, UNKNOWN)
        return [table(rows[:, j]) for j, table in enumerate(self.embeddings)]


class Committee(nn.Module):
    """Mixtures of one recipe that start apart and learn from the same batches; their probabilities are averaged.

    With one member it is that mixture. Beside the weights it keeps `prior_shift`, which is added to the logit.

    Args:
        genome: the recipe; `members` of it.
        edges: float32[q, bins + 1] of the numeric features.
        categories: rows of each categorical feature's embedding.
        bias: logit of the base rate.
        task: which of the categorical features is the task of a gate that asks for it.

    Source: Lakshminarayanan, Pritzel, Blundell 2017, "Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles", section 2.4, without the adversarial examples.
    """

    prior_shift: Tensor

    def __init__(self, genome: Genome, edges: Tensor, categories: list[int], bias: float, task: int = 0) -> None:
        super().__init__()
        self.register_buffer("prior_shift", torch.zeros(()))
        self.members = nn.ModuleList([Mixture(genome, edges, categories, bias, task) for _ in range(genome.members)])

    def forward(self, numbers: Tensor, rows: Tensor, boosted: Tensor | None = None) -> Tensor:
        """float32[n, q], int64[n, c] and the trees' float32[n, experts] to logits float32[n]."""
        return self.joined(self.each(numbers, rows, boosted))

    def joined(self, each: Tensor) -> Tensor:
        """The members' own logits float32[n, members] to those of the committee, float32[n]."""
        if each.shape[1] == 1:
            return each[:, 0] + self.prior_shift
        positive = torch.logsumexp(nn.functional.logsigmoid(each), dim=1)
        return positive - torch.logsumexp(nn.functional.logsigmoid(-each), dim=1) + self.prior_shift

    def each(self, numbers: Tensor, rows: Tensor, boosted: Tensor | None = None) -> Tensor:
        """Every member's own logit, float32[n, members], without the shift: what training compares with the labels."""
        return self.weighed(numbers, rows, boosted)[0]

    def weighed(self, numbers: Tensor, rows: Tensor, boosted: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """Every member's own logit float32[n, members], and its experts' log weights."""
        pairs = [member.weighed(numbers, rows, boosted) for member in self.members]  # type: ignore[operator]
        return torch.stack([logit for logit, _ in pairs], dim=1), [weights for _, weights in pairs]

    def anneal(self, done: float) -> None:
        """Tell the gates that change as they learn what share of the training is done, 0 to 1."""
        for member in self.members:
            if hasattr(member.gate, "anneal"):
                member.gate.anneal(done)  # type: ignore[operator]

    def voices(self, numbers: Tensor, rows: Tensor, boosted: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weights and logits float32[n, members * experts]; each row of weights sums to 1, members count the same."""
        pairs = [member.voices(numbers, rows, boosted) for member in self.members]  # type: ignore[operator]
        weights, logits = zip(*pairs, strict=True)
        return torch.cat(weights, dim=1) / len(self.members), torch.cat(logits, dim=1)

    def gate_weights(self, numbers: Tensor, rows: Tensor, boosted: Tensor | None = None) -> Tensor:
        """float32[n, members * experts]; each row sums to 1, as members count the same."""
        weights = [member.gate_weights(numbers, rows, boosted) for member in self.members]  # type: ignore[operator]
        return torch.cat(weights, dim=1) / len(self.members)
