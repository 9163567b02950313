"""Who decides how much each expert counts: one paper per file, one line here for each."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from agents.gates.softmax import SoftmaxGate
from agents.genome import Genome

GATES: dict[str, Callable[[int, Genome], nn.Module]] = {
    "softmax": lambda width, genome: SoftmaxGate(width, genome.experts, genome.gate_map),
}
