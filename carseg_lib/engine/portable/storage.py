"""Weights of an exported model in fewer bytes: the network computes in float32 as before, on rounded weights.

Weights are stored as whole numbers or halves; the graph turns them into float32. What it makes of constants alone, a
runtime computes once, when it opens the file: a photo takes as long as before.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST = 512  # numbers in a tensor from which it is worth storing otherwise


def store_halves(model: onnx.ModelProto) -> int:
    """Store weights as float16; returns how many tensors. Those with numbers beyond float16's range stay."""
    count = 0
    for tensor, values in list(_weights(model)):
        halves = values.astype(np.float16)
        if not np.isfinite(halves).all():
            continue
        name = f"{tensor.name}_half"
        _replace(
            model, tensor, [(name, halves)], [helper.make_node("Cast", [name], [tensor.name], to=TensorProto.FLOAT)]
        )
        count += 1
    return count


def store_bytes(model: onnx.ModelProto, prefix: str) -> int:
    """Store the matrices and kernels of a part as int8, with a scale for each output; returns how many tensors.

    Args:
        model: changed in place.
        prefix: with which the names of the part's tensors begin.
    """
    count = 0
    for tensor, values in list(_weights(model)):
        if values.ndim < 2 or not tensor.name.startswith(prefix):
            continue
        axes = tuple(range(1, values.ndim))
        scale = np.abs(values).max(axis=axes, keepdims=True).clip(1e-12) / 127
        name = f"{tensor.name}_byte"
        stored = [(name, np.rint(values / scale).astype(np.int8)), (f"{name}_scale", scale.astype(np.float32))]
        nodes = [
            helper.make_node("Cast", [name], [f"{name}_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_float", f"{name}_scale"], [tensor.name]),
        ]
        _replace(model, tensor, stored, nodes)
        count += 1
    return count


def _weights(model: onnx.ModelProto) -> Iterator[tuple[TensorProto, np.ndarray]]:
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= SMALLEST:
            yield tensor, numpy_helper.to_array(tensor)


def _replace(
    model: onnx.ModelProto, tensor: TensorProto, stored: list[tuple[str, np.ndarray]], nodes: list[onnx.NodeProto]
) -> None:
    graph = model.graph
    graph.initializer.remove(tensor)
    graph.initializer.extend(numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in stored)
    for place, node in enumerate(nodes):
        graph.node.insert(place, node)
