"""A stranger's graph that wants more memory than it may have gives no score, and the log says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from structlog.testing import capture_logs

from agents.bring.brought import AS_IT_IS, card_of
from agents.bring.rows import Rows
from agents.calibration import Calibration
from agents.genome import Genome
from agents.graph import INPUT, OUTPUT, GraphAgent, refuse_unfit
from agents.inputs import InputStats
from agents.weights import save_agent
from rlfa.hosts.memory_limit import explain
from rlfa.hosts.sealed import SealedAgent, SealRules

WIDE = 1_000_000  # numbers that the graph makes of each row: 4 MB, so that a batch wants gigabytes


def greedy_graph() -> bytes:
    """Within the bounds of what a graph may be; what it takes grows with its rows."""
    constant = numpy_helper.from_array(np.full((2, WIDE), 1e-9, np.float32), "wide")
    nodes = [
        helper.make_node("MatMul", [INPUT, "wide"], ["large"]),
        helper.make_node("Sigmoid", ["large"], ["larger"]),
        helper.make_node("ReduceMean", ["larger"], [OUTPUT], axes=[1], keepdims=0),
    ]
    ends = (
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None])],
    )
    made = helper.make_graph(nodes, "g", *ends, [constant])
    data = bytes(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    refuse_unfit(data, 2)
    return data


def saved(folder: Path) -> str:
    x, genome = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32), Genome()
    rows = Rows(features=x, fraud=x[:, 0] > 1, event_time=np.arange(50), feature_names=("a", "b"))
    card = card_of(genome, rows, None, None, categorical=(), calibration=AS_IT_IS, versions={})
    inputs = InputStats.fit(x, [], 2)
    return save_agent(GraphAgent("greedy", genome, card, inputs, Calibration(), greedy_graph(), True, False), folder)


def test_a_graph_that_needs_more_than_it_may_have_gives_no_score_and_says_so(tmp_path: Path) -> None:
    checksum = saved(tmp_path)
    agent = SealedAgent.start("greedy", str(tmp_path), checksum, SealRules(timeout_s=60.0, memory_max_mib=300))
    try:
        few = np.zeros((2, 2), np.float32)
        assert np.isfinite(agent.logits(few)).all()
        with capture_logs() as logs:
            assert np.isnan(agent.logits(np.zeros((1000, 2), np.float32))).all()
    finally:
        agent.close()
    (line,) = logs
    assert line["event"] == "sealed_agent_away"
    assert line["reason"] == "found a need for more than 300 MiB, allowed: hosts.sealed_memory_max_mib"


def test_one_that_does_not_even_load_within_it_says_so_too(tmp_path: Path) -> None:
    checksum = saved(tmp_path)
    with capture_logs() as logs:
        SealedAgent.start("greedy", str(tmp_path), checksum, SealRules(timeout_s=60.0, memory_max_mib=4)).close()
    assert [line["reason"] for line in logs if line["event"] == "sealed_agent_away"] == [
        "found a need for more than 4 MiB, allowed: hosts.sealed_memory_max_mib"
    ]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "found a need for more than 9 MiB, allowed: hosts.sealed_memory_max_mib"),
        (RuntimeError("std::bad_alloc"), "found a need for more than 9 MiB, allowed: hosts.sealed_memory_max_mib"),
        (ValueError("shapes\ndiffer"), "ValueError: shapes differ"),
    ],
)
def test_what_ended_it_is_one_line(error: Exception, said: str) -> None:
    assert explain(error, 9) == said
