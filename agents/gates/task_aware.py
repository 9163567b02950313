"""The task-aware gate: segments such as channels, countries or products are tasks, each routed in its own way."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from agents.errors import GenomeError
from agents.gates.maps import MAPS
from agents.gates.softmax import INITIAL_STD
from agents.gates.top_k import first
from agents.genome import Genome
from agents.inputs import MISSING, UNKNOWN

TASKS = ".gate.tasks.weight"  # how the name of a table of tasks ends among a network's tensors
KNOWN = 2  # the first row of a known task; unknown and missing ones come before


class TaskAwareGate(nn.Module):
    """Log softmax of scores that depend on the row's task t, u its embedding.

    `task_only`: `W_t u + b`, one routing for all rows of a task. `additive`: `W_x M(x) + W_t u + b`. `per_task`:
    `(W_x + D_t) M(x) + b + d_t`, a gate for each task, kept as its difference from the one that all share, so that a
    task of few rows stays near it. With k under the number of experts the largest k scores count, renormalised.

    In training a share of the rows forget their task. What they learn is kept in the row of unknown tasks, where a
    task never seen and a missing one go; or these take the mean of all tasks that are known.

    Args:
        width: of the inputs.
        genome: `experts`, `gate_map` and the genes of tasks.
        tasks: rows of the table of tasks.

    Source: Gupta et al. 2022, "Sparsely Activated Mixture-of-Experts are Robust Multi-Task Learners", for the first
    two; Ma et al. 2018, "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", for
    the third, but for the part that is shared.
    """

    def __init__(self, width: int, genome: Genome, tasks: int) -> None:
        super().__init__()
        experts, mode = genome.experts, genome.task_mode
        self.mode, self.bounded_map, self.experts = mode, genome.gate_map, experts
        self.of_mean, self.forgotten = genome.task_unknown == "mean", genome.task_dropout
        self.k = min(genome.task_top_k or experts, experts)
        if mode == "per_task":
            self.tasks = nn.Embedding(tasks, experts * (width + 1))
            nn.init.zeros_(self.tasks.weight)
        else:
            self.tasks = nn.Embedding(tasks, genome.task_embedding)
            self.of_task = nn.Linear(genome.task_embedding, experts, bias=mode == "task_only")
            nn.init.normal_(self.of_task.weight, std=INITIAL_STD / genome.task_embedding**0.5)
        if mode != "task_only":
            self.linear = nn.Linear(width, experts)
            nn.init.normal_(self.linear.weight, std=INITIAL_STD / max(width, 1) ** 0.5)
        bias = self.of_task.bias if mode == "task_only" else self.linear.bias
        nn.init.zeros_(bias)

    def logits(self, x: Tensor, tasks: Tensor) -> Tensor:
        """float32[n, width] and each row's place in the table of tasks, int64[n], to scores float32[n, experts]."""
        own = self._embedded(tasks)
        if self.mode == "task_only":
            alone: Tensor = self.of_task(own)
            return alone
        mapped = MAPS[self.bounded_map](x)
        shared: Tensor = self.linear(mapped)
        if self.mode == "additive":
            beside: Tensor = shared + self.of_task(own)
            return beside
        own = own.view(len(x), self.experts, -1)
        return shared + torch.einsum("nd,ned->ne", mapped, own[..., :-1]) + own[..., -1]

    def forward(self, x: Tensor, tasks: Tensor) -> Tensor:
        """As in `logits`, to log weights float32[n, experts]; their exponentials sum to 1 in each row."""
        scores = self.logits(x, tasks)
        if self.k < self.experts:
            left_out = torch.ones_like(scores, dtype=torch.bool).scatter_(1, first(scores, self.k)[1], False)
            scores = scores.masked_fill(left_out, -torch.inf)
        return torch.log_softmax(scores, dim=1)

    def chosen(self, x: Tensor, tasks: Tensor) -> tuple[Tensor, Tensor]:
        """The experts of each row int64[n, k], and their log weights float32[n, k]."""
        scores, kept = first(self.logits(x, tasks), self.k)
        return kept, torch.log_softmax(scores, dim=1)

    def _embedded(self, tasks: Tensor) -> Tensor:
        """The table's row of each task, float32[n, ...]."""
        unknown = tasks == MISSING
        if self.training:
            unknown = unknown | (torch.rand(tasks.shape, device=tasks.device) < self.forgotten)
        rows = tasks.masked_fill(unknown, UNKNOWN)
        own: Tensor = self.tasks(rows)
        if not self.of_mean or len(self.tasks.weight) == KNOWN:
            return own
        return torch.where((rows == UNKNOWN).unsqueeze(1), self.tasks.weight[KNOWN:].mean(dim=0), own)


def task_at(genome: Genome, categorical: Sequence[str]) -> int:
    """Which of the categorical features is the task; the first where the genome names none.

    Raises:
        GenomeError: it names one that isn't there, or that isn't categorical.
    """
    if not genome.task:
        return 0
    if genome.task not in categorical:
        allowed = f"one of the categorical features: {', '.join(categorical) or 'there are none'}"
        raise GenomeError("genome.task", repr(genome.task), allowed)
    return list(categorical).index(genome.task)
