"""The network: a small convolutional pyramid with a centre-heatmap head.

Image [n, 144, 256, 3] to maps [n, 36, 64, 10]: four class heats, box centre dx dy, log width and
height, ground point du dv; all at stride 4, in cells. About 108,000 weights at width 0.75.

No batch normalisation: weights are standardised and scaled instead, which folds into plain
convolutions, so training and inference are the same function and nothing runs along.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

WIDTH_PX, HEIGHT_PX, STRIDE = 256, 144, 4
GRID_WIDTH, GRID_HEIGHT = WIDTH_PX // STRIDE, HEIGHT_PX // STRIDE
CLASS_COUNT, MAP_COUNT = 4, 10

INITIAL_SPREAD = 0.05
"""Standard deviation of initial weights; at 1.0 the optimiser would move them far too slowly."""

RESIDUAL_SCALE = 0.7

Weights = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Convolution:
    """Channels in and out, kernel size, stride."""

    inputs: int
    outputs: int
    kernel: int
    stride: int


def layers(width: float) -> dict[str, Convolution]:
    """All convolutions by name; the width scales the channels."""
    a, b, c, d, e = (round(channels * width / 4) * 4 for channels in (16, 24, 48, 64, 32))
    return {
        "s1": Convolution(3, a, 3, 2),
        "s2": Convolution(a, b, 3, 2),
        "s3": Convolution(b, b, 3, 1),
        "d1": Convolution(b, c, 3, 2),
        "d2": Convolution(c, c, 3, 1),
        "d3": Convolution(c, c, 3, 1),
        "e1": Convolution(c, d, 3, 2),
        "e2": Convolution(d, d, 3, 1),
        "e3": Convolution(d, d, 3, 1),
        "u1": Convolution(d, c, 1, 1),
        "f1": Convolution(c, c, 3, 1),
        "u2": Convolution(c, b, 1, 1),
        "f2": Convolution(b, e, 3, 1),
        "head": Convolution(e, MAP_COUNT, 1, 1),
    }


def initial_weights(seed: int, width: float) -> Weights:
    """Random weights to start from."""
    rng = np.random.default_rng(seed)
    weights: Weights = {}
    for name, layer in layers(width).items():
        shape = (layer.kernel, layer.kernel, layer.inputs, layer.outputs)
        spread = 0.02 / layer.inputs**0.5 if name == "head" else INITIAL_SPREAD
        weights[name] = {
            "w": rng.standard_normal(shape).astype(np.float32) * spread,
            "b": np.zeros(layer.outputs, np.float32),
        }
        if name == "head":
            weights[name]["b"][:CLASS_COUNT] = -4.0
        else:
            weights[name]["g"] = np.ones(layer.outputs, np.float32)
    return weights


def folded(layer: dict[str, Any], library: ModuleType = np) -> tuple[Any, Any]:
    """Kernel and bias of the plain convolution that a standardised layer is.

    Args:
        layer: its weights.
        library: numpy, or jax.numpy in training.
    """
    kernel = layer["w"]
    if "g" not in layer:
        return kernel, layer["b"]
    mean, variance = kernel.mean((0, 1, 2)), kernel.var((0, 1, 2))
    fan_in = kernel.shape[0] * kernel.shape[1] * kernel.shape[2]
    scale = 1.4 * layer["g"] / library.sqrt(variance * fan_in + 1e-6)
    return (kernel - mean) * scale, layer["b"]


def forward(weights: Weights, plan: dict[str, Convolution], images: Any) -> Any:
    """The network in JAX: images in 0 to 1, [n, h, w, 3], to maps [n, h/4, w/4, 10]."""
    import jax
    import jax.numpy as jnp

    def linear(name: str, x: Any) -> Any:
        kernel, bias = folded(weights[name], jnp)
        layer = plan[name]
        return (
            jax.lax.conv_general_dilated(
                x,
                kernel,
                (layer.stride, layer.stride),
                [(layer.kernel // 2, layer.kernel // 2)] * 2,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
            + bias
        )

    def active(name: str, x: Any) -> Any:
        return jax.nn.relu(linear(name, x))

    def doubled(x: Any) -> Any:
        return x.repeat(2, 1).repeat(2, 2)

    fine = active("s3", active("s2", active("s1", images)))
    middle = active("d1", fine)
    middle = RESIDUAL_SCALE * (middle + active("d3", active("d2", middle)))
    coarse = active("e1", middle)
    coarse = RESIDUAL_SCALE * (coarse + active("e3", active("e2", coarse)))
    middle = active("f1", RESIDUAL_SCALE * (middle + doubled(linear("u1", coarse))))
    fine = active("f2", RESIDUAL_SCALE * (fine + doubled(linear("u2", middle))))
    return linear("head", fine)


def load_weights(path: Any) -> tuple[Weights, float]:
    """Weights and width from a .npz file that `fit` wrote."""
    archive = np.load(path)
    width = float(archive["width"])
    weights = {
        name: {part: archive[f"{name}.{part}"] for part in "wbg" if f"{name}.{part}" in archive}
        for name in layers(width)
    }
    return weights, width
