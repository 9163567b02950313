"""Who decides how much each expert counts: one paper per file, one line here for each."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from agents.gates.grkan import GrkanGate
from agents.gates.gumbel import GumbelGate
from agents.gates.softmax import SoftmaxGate
from agents.gates.task_aware import TaskAwareGate
from agents.gates.threshold import ThresholdGate
from agents.gates.top_k import TopKGate
from agents.genome import Genome

# Width of the inputs, the recipe, and how many tasks (rows of the table) there are; most gates know of no tasks.
GATES: dict[str, Callable[[int, Genome, int], nn.Module]] = {
    "grkan": lambda width, g, _: GrkanGate(
        width, g.experts, g.gate_map, g.gate_hidden, g.gate_basis, normalised=g.gate_norm
    ),
    "gumbel": lambda width, g, _: GumbelGate(
        width, g.experts, g.gate_map, (g.temperature_start, g.temperature_end), g.seed
    ),
    "softmax": lambda width, g, _: SoftmaxGate(width, g.experts, g.gate_map),
    "task_aware": TaskAwareGate,
    "threshold": lambda width, g, _: ThresholdGate(width, g.experts, g.gate_map, g.threshold_share),
    "top_k": lambda width, g, _: TopKGate(width, g.experts, g.gate_map, g.top_k),
}
