"""skl2onnx's graph of a classifier, cut down to one input and one score."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

from agents.bring.errors import BringError
from agents.graph import INPUT, OPSET_MAX, OUTPUT, refuse_unfit

OPSET = {"": 17, "ai.onnx.ml": OPSET_MAX["ai.onnx.ml"]}


def graph_of(model: Any, features: int, where: str, *, is_margin: bool) -> bytes:
    """The graph of a fitted classifier: float32[n, d] called `x` in, float32[n] called `rlfa_score` out.

    Args:
        model: of two classes.
        features: d.
        where: the model.
        is_margin: the score is its margin, else the probability of the second class.

    Raises:
        BringError: the libraries aren't there, or skl2onnx can't convert it.
        WeightsError: the graph is too large or has operators that aren't allowed.
    """
    onnx, skl2onnx = _libraries(where)
    from skl2onnx.common.data_types import FloatTensorType

    options = {id(model): {"raw_scores": True}} if is_margin else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            proto = skl2onnx.to_onnx(
                model, initial_types=[(INPUT, FloatTensorType([None, features]))], options=options, target_opset=OPSET
            )
    except Exception as error:  # its converters raise whatever they meet
        reason = " ".join(str(error).split())[:160]
        raise BringError(where, f"no way to ONNX ({reason})", "a classifier that skl2onnx converts") from error
    data = _one_score(onnx, proto, is_margin=is_margin)
    refuse_unfit(data, features)
    return data


def _libraries(where: str) -> tuple[ModuleType, ModuleType]:
    try:
        import onnx
        import skl2onnx
    except ImportError as error:
        raise BringError(where, "no skl2onnx", "pip install 'rlfa[onnx]'") from error
    return onnx, skl2onnx


def _one_score(onnx: ModuleType, proto: Any, *, is_margin: bool) -> bytes:
    """Keep the scores and leave the predicted class out."""
    helper, graph = onnx.helper, proto.graph
    scores = graph.output[1].name
    for node in [n for n in graph.node if n.op_type == "ZipMap"]:  # a map by class for each row, made of a matrix
        scores = node.input[0] if scores in node.output else scores
        graph.node.remove(node)
    # A margin has one column or, of a few models, one for each class; the last is the second class's.
    place = -1 if is_margin else 1
    graph.initializer.append(helper.make_tensor("rlfa_column", onnx.TensorProto.INT64, [1], [place]))
    graph.initializer.append(helper.make_tensor("rlfa_flat", onnx.TensorProto.INT64, [1], [-1]))
    graph.node.append(helper.make_node("Gather", [scores, "rlfa_column"], ["rlfa_chosen"], axis=1))
    graph.node.append(helper.make_node("Reshape", ["rlfa_chosen", "rlfa_flat"], [OUTPUT]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, [None]))
    return bytes(proto.SerializeToString())
