"""Weights of an exported model in fewer bytes: the network computes in float32 as before, on rounded weights.

Weights are stored as float16; the graph turns them into float32. What it makes of constants alone, a
runtime computes once, when it opens the file: a photo takes as long as before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

DESCRIPTION = "carseg"  # of a file's metadata
FRACTION = 10  # bits of a float16's fraction
# Of the second look's classifier seven are kept: the rest are zeros, which compress. Rounding the detector so as well
# moves its masks (mean IoU with torch's 0.997).
KEPT_BITS = {"classifier.": 7}
SMALLEST = 512  # numbers in a tensor from which it is worth storing otherwise


def description(path: Path) -> dict[str, Any]:
    """What an exported model's metadata say of it."""
    stored = onnx.load(path, load_external_data=False)
    return json.loads({prop.key: prop.value for prop in stored.metadata_props}[DESCRIPTION])


def without_traces(model: onnx.ModelProto) -> int:
    """Take out what the exporter writes of where in the code each node was made: it names folders of this machine.

    Returns:
        How many nodes and values had such notes.
    """
    count = 0
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        for noted in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
            count += bool(noted.metadata_props or noted.doc_string)
            noted.ClearField("metadata_props")
            noted.ClearField("doc_string")
        attributes = [attribute for node in graph.node for attribute in node.attribute]
        graphs += [attribute.g for attribute in attributes if attribute.HasField("g")]
    return count


def store_halves(model: onnx.ModelProto) -> int:
    """Store weights as float16, some of them rounded (`KEPT_BITS`, by the beginning of their names).

    Those with numbers beyond float16's range stay.

    Returns:
        How many tensors were stored so.
    """
    count = 0
    for tensor, values in list(_weights(model)):
        bits = next((bits for prefix, bits in KEPT_BITS.items() if tensor.name.startswith(prefix)), FRACTION)
        halves = rounded_halves(values, bits)
        if not np.isfinite(halves).all():
            continue
        name = f"{tensor.name}_half"
        cast = helper.make_node("Cast", [name], [tensor.name], to=TensorProto.FLOAT)
        _replace(model, tensor, (name, halves), cast)
        count += 1
    return count


def rounded_halves(values: np.ndarray, bits: int) -> np.ndarray:
    """The nearest float16 whose fraction has so many bits, up to 10; ties go away from zero.

    Args:
        values: float32 of any shape.
        bits: 1 to 10.
    """
    drop = FRACTION - bits
    with np.errstate(over="ignore"):
        halves = values.astype(np.float16)  # infinite beyond its range
    whole = halves.view(np.uint16).astype(np.uint32)
    kept = ((whole + ((1 << drop) >> 1)) >> drop) << drop
    return kept.astype(np.uint16).view(np.float16)


def _weights(model: onnx.ModelProto) -> Iterator[tuple[TensorProto, np.ndarray]]:
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= SMALLEST:
            yield tensor, numpy_helper.to_array(tensor)


def _replace(model: onnx.ModelProto, tensor: TensorProto, stored: tuple[str, np.ndarray], node: onnx.NodeProto) -> None:
    name, values = stored
    model.graph.initializer.remove(tensor)
    model.graph.initializer.append(numpy_helper.from_array(values, name))
    model.graph.node.insert(0, node)
