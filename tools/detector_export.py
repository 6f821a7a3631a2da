"""Weights to one ONNX file, written by hand with onnx.helper.

Input `image` uint8 [1, 144, 256, 3] (scaling is folded into the first convolution); output `boxes`
float [32, 8]: class, score, left, top, right, bottom, ground u, ground v in pixels of the image,
best first. Peak finding and decoding are in the graph; suppression is left to the caller.

The file says what it is: name, version, classes, shapes, recipe, licence.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from inference.runtime import CLASSES
from tools.detector_fit import RECIPES
from tools.detector_network import (
    CLASS_COUNT,
    GRID_HEIGHT,
    GRID_WIDTH,
    HEIGHT_PX,
    RESIDUAL_SCALE,
    STRIDE,
    WIDTH_PX,
    folded,
    forward,
    layers,
    load_weights,
)

ROWS, OPSET, IR_VERSION = 32, 17, 10
MODEL_NAME = "intersection-detector"
SIZE_MAX = 1_000_000
"""Bytes of a model file."""


class GraphBuilder:
    """Collects nodes and constants of a graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Any, kind: Any) -> str:
        """Add a constant and return its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def add(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def split(self, operator: str, inputs: list[str], names: list[str], **attributes: Any) -> None:
        """Add a node with several outputs."""
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))


def export(weights_file: Path, version: str, model_file: Path) -> None:
    """Write the ONNX file of a version."""
    model = build(weights_file)
    describe(model, version)
    onnx.checker.check_model(model, full_check=True)
    raw = model.SerializeToString()
    if len(raw) > SIZE_MAX:
        raise SystemExit(f"{model_file}: {len(raw)} bytes; a model has at most {SIZE_MAX}")
    model_file.write_bytes(raw)
    print(f"{model_file}: {len(raw)} bytes")


def describe(model: Any, version: str) -> None:
    """Write into a model what it is; replaces what was there."""
    helper.set_model_props(
        model,
        {
            "name": MODEL_NAME,
            "version": version,
            "classes": ",".join(CLASSES),
            "input": f"uint8 1x{HEIGHT_PX}x{WIDTH_PX}x3 RGB",
            "output": f"float32 {ROWS}x8: class score x0 y0 x1 y1 ground_u ground_v",
            "recipe": str(RECIPES[version]),
            "data": "rendered scenes only, training palette; never saw a photograph",
            "licence": "Apache-2.0",
        },
    )


def build(weights_file: Path, *, with_maps: bool = False) -> Any:
    """The model; `with_maps` adds the network's maps as a second output, for comparison."""
    weights, width = load_weights(weights_file)
    graph = GraphBuilder()
    maps = _network(graph, weights, width)
    _decoding(graph, maps)
    outputs = [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [ROWS, 8])]
    if with_maps:
        shape = [1, CLASS_COUNT + 6, GRID_HEIGHT, GRID_WIDTH]
        outputs.append(helper.make_tensor_value_info(maps, TensorProto.FLOAT, shape))
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, HEIGHT_PX, WIDTH_PX, 3])
    return helper.make_model(
        helper.make_graph(graph.nodes, "detector", [image], outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="threerooms",
    )


def _network(graph: GraphBuilder, weights: Any, width: float) -> str:
    plan = layers(width)

    def linear(name: str, x: str) -> str:
        kernel, bias = folded(weights[name])
        kernel = kernel.transpose(3, 2, 0, 1) / (255.0 if name == "s1" else 1.0)
        size, stride = plan[name].kernel, plan[name].stride
        inputs = [
            x,
            graph.constant(f"{name}.w", kernel, np.float32),
            graph.constant(f"{name}.b", bias, np.float32),
        ]
        return graph.add(
            "Conv",
            inputs,
            f"{name}_c",
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[size // 2] * 4,
        )

    def active(name: str, x: str) -> str:
        return graph.add("Relu", [linear(name, x)], f"{name}_r")

    def doubled(x: str, name: str) -> str:
        scale = graph.constant(f"{name}.scale", [1, 1, 2, 2], np.float32)
        how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return graph.add("Resize", [x, "", scale], name, mode="nearest", **how)

    residual = graph.constant("residual", RESIDUAL_SCALE, np.float32)

    def mixed(a: str, b: str, name: str) -> str:
        return graph.add("Mul", [graph.add("Add", [a, b], f"{name}_a"), residual], name)

    pixels = graph.add("Cast", ["image"], "pixels", to=TensorProto.FLOAT)
    x = graph.add("Transpose", [pixels], "x", perm=[0, 3, 1, 2])
    fine = active("s3", active("s2", active("s1", x)))
    middle = active("d1", fine)
    middle = mixed(middle, active("d3", active("d2", middle)), "dm")
    coarse = active("e1", middle)
    coarse = mixed(coarse, active("e3", active("e2", coarse)), "em")
    middle = active("f1", mixed(middle, doubled(linear("u1", coarse), "up1"), "m1"))
    fine = active("f2", mixed(fine, doubled(linear("u2", middle), "up2"), "m2"))
    return linear("head", fine)


def _decoding(graph: GraphBuilder, maps: str) -> None:
    """Peaks of the class heats, the best of them, and their boxes."""
    sizes = graph.constant("split", [CLASS_COUNT, 6], np.int64)
    graph.split("Split", [maps, sizes], ["heat", "shape"], axis=1)
    heat = graph.add("Sigmoid", ["heat"], "p")
    around = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1]}
    highest = graph.add("MaxPool", [heat], "highest", **around)
    is_peak = graph.add("Equal", [heat, highest], "is_peak")
    zero = graph.constant("zero", 0.0, np.float32)
    peaks = graph.add("Where", [is_peak, heat, zero], "peaks")
    flat = graph.add("Reshape", [peaks, graph.constant("flat", [-1], np.int64)], "peaks_flat")
    rows = graph.constant("rows", [ROWS], np.int64)
    graph.split("TopK", [flat, rows], ["score", "index"], axis=0, largest=1, sorted=1)
    cells = graph.constant("cells", GRID_WIDTH * GRID_HEIGHT, np.int64)
    grid_width = graph.constant("grid_width", GRID_WIDTH, np.int64)
    kind = graph.add("Div", ["index", cells], "kind")
    cell = graph.add("Mod", ["index", cells], "cell")
    shape_flat = graph.constant("shape_flat", [6, -1], np.int64)
    table = graph.add("Reshape", ["shape", shape_flat], "shape_table")
    graph.add("Gather", [table, cell], "chosen", axis=1)
    parts = [f"part{index}" for index in range(6)]
    graph.split("Split", ["chosen", graph.constant("ones", [1] * 6, np.int64)], parts, axis=0)
    line = graph.constant("line", [-1], np.int64)
    dx, dy, log_w, log_h, du, dv = (graph.add("Reshape", [p, line], f"{p}_line") for p in parts)

    number = {
        name: graph.constant(name, value, np.float32)
        for name, value in (("half", 0.5), ("two", 2.0), ("four", 4.0), ("stride", STRIDE))
    }

    def middle_of(cells_along: str, name: str) -> str:
        as_float = graph.add("Cast", [cells_along], f"{name}_float", to=TensorProto.FLOAT)
        return graph.add("Add", [as_float, number["half"]], name)

    px = middle_of(graph.add("Mod", [cell, grid_width], "column"), "px")
    py = middle_of(graph.add("Div", [cell, grid_width], "line_number"), "py")
    cx, cy = graph.add("Add", [px, dx], "cx"), graph.add("Add", [py, dy], "cy")
    half_w = graph.add("Mul", [graph.add("Exp", [log_w], "exp_w"), number["two"]], "half_w")
    half_h = graph.add("Mul", [graph.add("Exp", [log_h], "exp_h"), number["two"]], "half_h")
    columns = [
        graph.add("Sub", [cx, half_w], "x0"),
        graph.add("Sub", [cy, half_h], "y0"),
        graph.add("Add", [cx, half_w], "x1"),
        graph.add("Add", [cy, half_h], "y1"),
        graph.add("Add", [px, graph.add("Mul", [du, number["four"]], "du4")], "gu"),
        graph.add("Add", [py, graph.add("Mul", [dv, number["four"]], "dv4")], "gv"),
    ]
    scaled = [graph.add("Mul", [column, number["stride"]], f"{column}_px") for column in columns]
    kind = graph.add("Cast", [kind], "kind_float", to=TensorProto.FLOAT)
    axis = graph.constant("axis", [1], np.int64)
    upright = [graph.add("Unsqueeze", [c, axis], f"{c}_col") for c in (kind, "score", *scaled)]
    graph.add("Concat", upright, "boxes", axis=1)


def largest_difference(weights_file: Path, images: Any) -> float:
    """Largest difference between the maps in JAX and in onnxruntime, over real images."""
    import jax.numpy as jnp
    import onnxruntime

    raw = build(weights_file, with_maps=True).SerializeToString()
    session = onnxruntime.InferenceSession(raw, providers=["CPUExecutionProvider"])
    weights, width = load_weights(weights_file)
    plan, worst = layers(width), 0.0
    for image in images:
        expected = forward(weights, plan, jnp.asarray(image[None], jnp.float32) / 255)
        expected = np.asarray(expected)[0].transpose(2, 0, 1)
        found = session.run(["head_c"], {"image": image[None]})[0][0]
        worst = max(worst, float(np.abs(expected - found).max()))
    return worst
