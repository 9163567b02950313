"""What gives a logit: one kind per file, one line here for each."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from agents.experts.adapters import AdapterExperts
from agents.experts.logistic import LogisticExperts
from agents.experts.mlp import MlpExperts
from agents.experts.trees import TreeExperts
from agents.genome import Genome

EXPERTS: dict[str, Callable[[int, Genome, float], nn.Module]] = {
    "adapters": lambda width, genome, bias: AdapterExperts(
        width, genome.experts, genome.hidden, genome.adapter_rank, genome.activation, bias
    ),
    "logistic": lambda width, genome, bias: LogisticExperts(width, genome.experts, bias),
    "mlp": lambda width, genome, bias: MlpExperts(width, genome.experts, genome.hidden, genome.activation, bias),
    "trees": lambda _width, genome, _bias: TreeExperts(genome.experts),
}
