"""A model from outside as an ONNX graph: what a graph may be, and the agent that scores with it.

A graph comes from strangers, so it is weighed before it is run: operators of the standard only, no control flow, no
files beside it, and bounds on its size. It runs where the service holds agents from outside: in a sealed process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.attribution import shapley
from agents.calibration import Calibration
from agents.data_card import DataCard
from agents.errors import WeightsError
from agents.genome import Genome
from agents.inputs import InputStats

Features = NDArray[np.float32]  # [n, d]
PREFIX = "graph."
MODEL, MISSING, MARGIN = f"{PREFIX}model", f"{PREFIX}takes_missing", f"{PREFIX}is_margin"
INPUT, OUTPUT = "x", "rlfa_score"
GRAPH_BYTES_MAX = 64 << 20
NODES_MAX = 5000
OPSET_MAX = {"": 21, "ai.onnx.ml": 3}
SCORE_ROWS = 4096  # at once
SURE = 1e-7  # a probability nearer to 0 or 1 counts as this far away
# What skl2onnx makes of imputers, scalers, encoders, linear models, trees, naive Bayes, networks and calibration. None
# runs code, opens files, or grows what it is given beyond rows times the graph's own constants.
OPS = frozenset({
    "Abs", "Add", "And", "ArgMax", "ArgMin", "ArrayFeatureExtractor", "Binarizer", "Cast", "Clip", "Concat",
    "Constant", "CumSum", "Div", "Equal", "Erf", "Exp", "Flatten", "Gather", "Gemm", "Greater", "GreaterOrEqual",
    "Identity", "Imputer", "IsNaN", "LabelEncoder", "Less", "LessOrEqual", "LinearClassifier", "LinearRegressor",
    "Log", "MatMul", "Max", "Min", "Mod", "Mul", "Neg", "Normalizer", "Not", "OneHotEncoder", "Or", "Pow",
    "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape",
    "Scaler", "Shape", "Sigmoid", "Sign", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh",
    "Transpose", "TreeEnsembleClassifier", "TreeEnsembleRegressor", "Unsqueeze", "Where", "Xor",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class GraphAgent:
    """An agent whose logit an ONNX graph gives.

    Attributes:
        id: folder's name.
        genome: what the service trains in its place.
        card: what it was trained on.
        inputs: typical values of its features.
        calibration: of its logits.
        model: the graph's bytes, checked.
        takes_missing: whether it scores rows with missing values; the others have no score.
        is_margin: its output is a logit already.
    """

    id: str
    genome: Genome
    card: DataCard
    inputs: InputStats
    calibration: Calibration
    model: bytes
    takes_missing: bool
    is_margin: bool
    _run: list[Callable[[Features], Features]] = field(default_factory=list, repr=False)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of the matrices that it scores."""
        return self.card.feature_names

    @property
    def categorical(self) -> frozenset[str]:
        """Those that hold category codes."""
        return frozenset(self.card.categorical)

    def logits(self, x: Features) -> NDArray[np.float32]:
        """Calibrated logits float32[n] of float32[n, d]; NaN where it has no score."""
        parts = [self._raw(x[i : i + SCORE_ROWS]) for i in range(0, len(x), SCORE_ROWS)]
        return self.calibration.apply(np.concatenate(parts) if parts else np.zeros(0, np.float32))

    def contributions(self, x: Features) -> NDArray[np.float32]:
        """What each feature adds to the logit against its typical value, float32[n, d]: see `Agent.contributions`."""
        known = self.takes_missing | np.isfinite(x).all(axis=1)
        pairs = zip(self.card.typical or self.inputs.median, self.inputs.median, strict=True)
        typical = np.array([median if value is None else value for value, median in pairs], np.float32)
        out = np.zeros(x.shape, np.float32)
        out[known] = shapley(self.logits, x[known], typical)
        return out

    def tensors(self) -> dict[str, Tensor]:
        """Everything that scores depend on, by name."""
        return {
            **self.inputs.tensors(),
            **self.calibration.tensors(),
            MODEL: torch.frombuffer(bytearray(self.model), dtype=torch.uint8),
            MISSING: torch.tensor([self.takes_missing], dtype=torch.uint8),
            MARGIN: torch.tensor([self.is_margin], dtype=torch.uint8),
        }

    def _raw(self, x: Features) -> NDArray[np.float32]:
        if not self._run:
            self._run.append(runner(self.model))
        rows = np.where(np.isfinite(x), x, np.float32(np.nan))
        out = self._run[0](rows)
        logit = out if self.is_margin else _logit(out)
        return logit if self.takes_missing else np.where(np.isnan(rows).any(axis=1), np.float32(np.nan), logit)


def expected_tensors(card: DataCard, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As `agents.weights.expected_tensors`, without the calibration; the graph's size is the file's."""
    codes = [found.get(f"inputs.codes.{i}", torch.empty(0)).numel() for i in range(len(card.categorical))]
    bins = found.get("inputs.edges", torch.empty(0, 3)).shape[-1] - 1
    return {
        **InputStats.blank(len(card.feature_names), len(card.categorical), bins, codes).tensors(),
        MODEL: torch.zeros(found[MODEL].numel(), dtype=torch.uint8),
        MISSING: torch.zeros(1, dtype=torch.uint8),
        MARGIN: torch.zeros(1, dtype=torch.uint8),
    }


def runner(model: bytes) -> Callable[[Features], Features]:
    """A checked graph to a function of float32[n, d] to float32[n], in one thread on the processor.

    Raises:
        WeightsError: onnxruntime isn't installed, or refuses the graph.
    """
    # Its telemetry would send from a thread of its own, which a process to be sealed can't have.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError as error:
        raise WeightsError("ONNX graph", "no onnxruntime", "pip install 'rlfa[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common root but Exception
        raise WeightsError("ONNX graph", _line(error), "one that onnxruntime loads") from error
    return lambda x: np.asarray(session.run([OUTPUT], {INPUT: x})[0], np.float32).reshape(len(x))


def refuse_unfit(model: bytes, features: int) -> None:
    """Look at a graph without running it.

    Raises:
        WeightsError: it is too large, isn't ONNX, has operators, functions, files or shapes that aren't allowed.
    """
    if len(model) > GRAPH_BYTES_MAX:
        raise WeightsError("ONNX graph", f"{len(model):,} bytes", f"at most {GRAPH_BYTES_MAX:,}")
    proto = _parsed(model)
    graph = proto.graph
    if len(graph.node) > NODES_MAX:
        raise WeightsError("ONNX graph", f"{len(graph.node)} operators", f"at most {NODES_MAX}")
    for opset in proto.opset_import:
        if opset.version > OPSET_MAX.get(opset.domain, 0):
            most = OPSET_MAX.get(opset.domain, "none of that domain")
            raise WeightsError("ONNX graph", f"opset {opset.version} of {opset.domain or 'ai.onnx'!r}", f"{most}")
    strange = sorted({n.op_type for n in graph.node if n.op_type not in OPS or n.domain not in OPSET_MAX})
    if strange or len(proto.functions):
        raise WeightsError("ONNX graph", f"operators {strange[:5]}", "those of agents.graph.OPS, of the standard")
    if any(a.HasField("g") or len(a.graphs) for n in graph.node for a in n.attribute):
        raise WeightsError("ONNX graph", "a graph within the graph", "none")
    if graph.sparse_initializer or any(t.external_data or t.data_location for t in _constants(graph)):
        raise WeightsError("ONNX graph", "constants in other files", "constants within")
    _refuse_other_ends(graph, features)


def _refuse_other_ends(graph: Any, features: int) -> None:  # protobuf, untyped
    ends = [(i.name, i.type.tensor_type.elem_type, _shape(i)) for i in graph.input]
    if ends != [(INPUT, _FLOAT, [None, features])]:
        raise WeightsError("ONNX graph", f"inputs {ends}", f"one float32[n, {features}] called {INPUT!r}")
    outs = [(o.name, o.type.tensor_type.elem_type) for o in graph.output]
    if outs != [(OUTPUT, _FLOAT)]:
        raise WeightsError("ONNX graph", f"outputs {outs}", f"one float32[n] called {OUTPUT!r}")


_FLOAT = 1  # TensorProto.FLOAT


def _shape(value: Any) -> list[int | None]:
    return [d.dim_value if d.HasField("dim_value") else None for d in value.type.tensor_type.shape.dim]


def _constants(graph: Any) -> list[Any]:
    held = [a.t for n in graph.node for a in n.attribute if a.HasField("t")]
    return [*graph.initializer, *held, *(t for n in graph.node for a in n.attribute for t in a.tensors)]


def _parsed(model: bytes) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise WeightsError("ONNX graph", "no onnx", "pip install 'rlfa[onnx]'") from error
    try:
        return onnx.ModelProto.FromString(model)
    except Exception as error:  # protobuf's DecodeError lives in its C++ module
        raise WeightsError("ONNX graph", _line(error), "a ModelProto") from error


def _logit(p: Features) -> NDArray[np.float32]:
    inside = np.clip(p.astype(np.float64), SURE, 1.0 - SURE)
    return (np.log(inside) - np.log1p(-inside)).astype(np.float32)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
