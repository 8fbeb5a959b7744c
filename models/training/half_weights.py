"""Store a network's weights as float16 and compute in float32: half the bytes, the same time. Pure.

Each large initialiser becomes a float16 one and a Cast to float32. onnxruntime folds the Cast when it loads
the file, so that what runs is the float32 network with weights rounded to 11 bits.
"""

import numpy as np
import onnx
from onnx import numpy_helper

from models.training.equality import ExportError

SMALLEST_ELEMENTS = 512
"""Smaller tensors stay as they are: biases and norms cost nothing and carry the scale of what follows."""

LARGEST_HALF = float(np.finfo(np.float16).max)


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose large float32 initialisers are stored as float16.

    Raises:
        ExportError: a weight does not fit into float16, or is no number.
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    casts = []
    for initializer in halved.graph.initializer:
        values = numpy_helper.to_array(initializer)
        if values.dtype != np.float32 or values.size < SMALLEST_ELEMENTS:
            continue
        if not np.all(np.abs(values) <= LARGEST_HALF):
            raise ExportError(
                f"{initializer.name}: holds a weight over {LARGEST_HALF:g} or none at all: the training "
                "failed; go on from an earlier checkpoint"
            )
        name = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        cast = onnx.helper.make_node(
            "Cast", [f"{name}_half"], [name], f"{name}_cast", to=onnx.TensorProto.FLOAT
        )
        casts.append(cast)
    nodes = [*casts, *halved.graph.node]
    del halved.graph.node[:]
    halved.graph.node.extend(nodes)
    return halved
