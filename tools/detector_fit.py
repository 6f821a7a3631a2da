"""Training: loss, augmentation and the loop, in JAX with optax.

Loss: CenterNet's focal loss on elliptic Gaussians (Zhou, Wang and Krähenbühl 2019, "Objects as
Points"), plus box and ground point errors relative to the object's size on the cells that an object
answers for. Every step draws its batch from a generator seeded by (seed, step), so a run that was
stopped goes on exactly where it was, and two runs on one kind of machine give the same weights.
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tools.detector_network import (
    CLASS_COUNT,
    GRID_HEIGHT,
    GRID_WIDTH,
    STRIDE,
    WIDTH_PX,
    forward,
    initial_weights,
    layers,
)

BATCH, LEARNING_RATE, WEIGHT_DECAY = 32, 3e-3, 1e-4
WARM_UP_STEPS, AVERAGING = 80, 0.995

MALLOC = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
"""glibc gives each step's buffers back to the kernel: a third of the time would be page faults."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a version is trained.

    Attributes:
        data: data sets, in this order.
        frames: how many of their pictures are used; None for all.
        steps: of 32 pictures.
        width: of the network.
        seed: of weights and batches.
        day_only: whether pictures taken at night are left out.
    """

    data: tuple[str, ...]
    frames: int | None
    steps: int
    width: float
    seed: int
    day_only: bool

    def __str__(self) -> str:
        when = "day" if self.day_only else "day and night"
        used = "all" if self.frames is None else self.frames
        return (
            f"{self.steps} steps of {BATCH}, {used} pictures of {'+'.join(self.data)} ({when}), "
            f"width {self.width}, seed {self.seed}"
        )


RECIPES = {
    "v1.3": Recipe(("train_a.npz",), 2800, 900, 0.75, 13, day_only=False),
    "v1.4": Recipe(("train_a.npz",), None, 2000, 0.75, 14, day_only=False),
    "v1.5": Recipe(("train_a.npz", "train_b.npz"), None, 2000, 0.75, 15, day_only=True),
}
"""v1.5 is weak on purpose: it saw no night. A rollout's gate has to find that out."""


def loss(weights: Any, plan: Any, images: Any, labels: Any) -> tuple[Any, tuple[Any, Any, Any]]:
    """Loss of a batch, and its parts: focal, box, ground point."""
    import jax.numpy as jnp

    maps = forward(weights, plan, images)
    boxes, weight = labels[..., 1:5] / STRIDE, labels[..., 7]
    centre_x, centre_y = (boxes[..., 0] + boxes[..., 2]) / 2, (boxes[..., 1] + boxes[..., 3]) / 2
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    cell_x, cell_y = jnp.arange(GRID_WIDTH) + 0.5, jnp.arange(GRID_HEIGHT) + 0.5
    bumps = _gaussians(jnp, (cell_x, cell_y), (centre_x, centre_y), (width, height))
    positive = (weight > 0.5)[..., None, None]
    near_x = jnp.abs(cell_x - centre_x[..., None]) < width[..., None] / 2
    near_y = jnp.abs(cell_y - centre_y[..., None]) < height[..., None] / 2
    inside = near_x[..., None, :] & near_y[..., :, None]
    ignored = jnp.max(jnp.where((weight == 0)[..., None, None], inside, False), 1)
    focal = _focal(jnp, maps[..., :CLASS_COUNT], bumps, positive, labels[..., 0], ignored)

    own = jnp.where(positive, bumps, 0)
    answers = jnp.where((own == own.max(1)[:, None]) & (own > 0.3), own, 0)
    share = answers.sum(1)
    ground_u, ground_v = labels[..., 5] / STRIDE, labels[..., 6] / STRIDE
    wanted = jnp.stack([width, height, centre_x, centre_y, ground_u, ground_v], -1)
    wanted = jnp.einsum("bnij,bnk->kbij", answers, wanted) / jnp.maximum(share, 1e-6)
    w, h, cx, cy, gu, gv = jnp.maximum(wanted[0], 0.3), jnp.maximum(wanted[1], 0.3), *wanted[2:]
    dx, dy, log_w, log_h, du, dv = (maps[..., CLASS_COUNT + part] for part in range(6))
    px, py = cell_x[None, None, :], cell_y[None, :, None]
    box = jnp.abs(px + dx - cx) / w + jnp.abs(py + dy - cy) / h
    box += jnp.abs(log_w - jnp.log(w / 4)) + jnp.abs(log_h - jnp.log(h / 4))
    ground = jnp.abs(px + du * 4 - gu) / w + jnp.abs(py + dv * 4 - gv) / h
    count, cells = jnp.maximum(positive.sum(), 1.0), jnp.maximum(share.sum(), 1)
    total = (focal + (share * box).sum() + 0.7 * (share * ground).sum()) / count
    return total, (focal / count, (share * box).sum() / cells, (share * ground).sum() / cells)


def _gaussians(jnp: Any, cells: Any, centres: Any, sizes: Any) -> Any:
    """A bump of each object over the grid, [batch, objects, grid height, grid width]."""
    bumps = []
    for cell, centre, size, count in zip(
        cells, centres, sizes, (GRID_WIDTH, GRID_HEIGHT), strict=True
    ):
        peak = jnp.clip(jnp.floor(centre), 0, count - 1) + 0.5
        sigma = jnp.maximum(size / 7, 0.45)
        bumps.append(jnp.exp(-(((cell - peak[..., None]) / sigma[..., None]) ** 2) / 2))
    across, down = bumps
    return down[..., :, None] * across[..., None, :]


def _focal(jnp: Any, heats: Any, bumps: Any, positive: Any, classes: Any, ignored: Any) -> Any:
    """Focal loss of the class heats; hidden objects are neither learnt nor punished."""
    import jax

    wanted = jnp.stack(
        [
            jnp.max(jnp.where(positive & (classes == kind)[..., None, None], bumps, 0), 1)
            for kind in range(CLASS_COUNT)
        ],
        -1,
    )
    heat = jnp.clip(jax.nn.sigmoid(heats), 1e-5, 1 - 1e-5)
    peak = wanted > 0.999
    negative = (1 - wanted) ** 4 * heat**2 * -jnp.log(1 - heat)
    negative = jnp.where(peak | ignored[..., None], 0, negative)
    return (jnp.where(peak, (1 - heat) ** 2 * -jnp.log(heat), 0) + negative).sum()


def augmented(rng: np.random.Generator, images: Any, labels: Any) -> tuple[Any, Any, Any, Any]:
    """Mirror half of a batch; draw exposure with colour cast, and black level, for each picture."""
    images, labels, count = images.copy(), labels.copy(), len(images)
    for index in np.flatnonzero(rng.random(count) < 0.5):
        images[index] = images[index][:, ::-1]
        used = labels[index, :, 7] >= 0
        left, right = labels[index, used, 1].copy(), labels[index, used, 3].copy()
        labels[index, used, 1], labels[index, used, 3] = WIDTH_PX - right, WIDTH_PX - left
        labels[index, used, 5] = WIDTH_PX - labels[index, used, 5]
    exposure = rng.normal(0, 0.22, (count, 1, 1, 1)) + rng.normal(0, 0.06, (count, 1, 1, 3))
    black = rng.normal(0, 0.03, (count, 1, 1, 1)).astype(np.float32)
    return images, labels, np.exp(exposure).astype(np.float32), black


def _pictures(recipe: Recipe, folder: Path) -> tuple[Any, Any]:
    images, labels = [], []
    for name in recipe.data:
        archive = np.load(folder / name)
        use = ~archive["night"] if recipe.day_only else np.ones(len(archive["images"]), bool)
        keep = np.flatnonzero(use)[: recipe.frames]
        images.append(archive["images"][keep])
        labels.append(archive["labels"][keep])
    return np.concatenate(images), np.concatenate(labels)


def _train_step(recipe: Recipe) -> tuple[Any, Any]:
    """The optimiser, and one jitted step of it."""
    import jax
    import jax.numpy as jnp
    import optax

    plan = layers(recipe.width)
    rate = optax.schedules.warmup_cosine_decay_schedule(
        1e-4, LEARNING_RATE, WARM_UP_STEPS, recipe.steps, 3e-5
    )
    optimiser = optax.chain(
        optax.clip_by_global_norm(5.0), optax.adamw(rate, weight_decay=WEIGHT_DECAY)
    )

    @jax.jit
    def step(weights: Any, state: Any, average: Any, batch: Any) -> Any:
        images, labels, gain, black = batch
        images = jnp.clip(images.astype(jnp.float32) / 255 * gain + black, 0, 1)
        (total, parts), slope = jax.value_and_grad(loss, has_aux=True)(
            weights, plan, images, labels
        )
        update, state = optimiser.update(slope, state, weights)
        weights = optax.apply_updates(weights, update)
        average = jax.tree.map(
            lambda mean, now: AVERAGING * mean + (1 - AVERAGING) * now, average, weights
        )
        return weights, state, average, (total, *parts)

    return optimiser, step


def fit(version: str, folder: Path, seconds_max: float) -> bool:
    """Train a version, or go on with it; writes weights when it is done.

    Args:
        version: a key of `RECIPES`.
        folder: with the data sets; checkpoint and weights are written there.
        seconds_max: stop with a checkpoint after this time.

    Returns:
        Whether the training is complete.
    """
    import jax

    recipe = RECIPES[version]
    images, labels = _pictures(recipe, folder)
    weights = initial_weights(recipe.seed, recipe.width)
    optimiser, step = _train_step(recipe)
    state, average, done = optimiser.init(weights), weights, 0
    checkpoint = folder / f"{version}.checkpoint.npz"
    if checkpoint.exists():
        held = np.load(checkpoint)
        leaves = [held[f"leaf{index}"] for index in range(len(held.files) - 1)]
        shape = jax.tree.structure((weights, state, average))
        (weights, state, average), done = jax.tree.unflatten(shape, leaves), int(held["step"])
    started, history = time.monotonic(), []
    while done < recipe.steps and time.monotonic() - started < seconds_max:
        rng = np.random.default_rng([recipe.seed, done])
        chosen = rng.integers(0, len(images), BATCH)
        batch = augmented(rng, images[chosen], labels[chosen])
        weights, state, average, parts = step(weights, state, average, batch)
        average = weights if done < 3 else average
        done += 1
        history.append(parts)
        if done % 100 == 0:
            figures = np.mean(np.array(history[-100:], float), 0)
            print(f"{version} step {done}: total, focal, box, ground", figures.round(3), flush=True)
    leaves = jax.tree.leaves((weights, state, average))
    arrays = {f"leaf{index}": np.asarray(leaf) for index, leaf in enumerate(leaves)}
    np.savez(checkpoint, step=done, **arrays)
    if done < recipe.steps:
        return False
    final = {
        f"{name}.{part}": np.asarray(value)
        for name, layer in average.items()
        for part, value in layer.items()
    }
    np.savez(folder / f"{version}.npz", width=recipe.width, **final)
    return True


def restart_with_malloc_settings() -> None:
    """Run this program again with settings that glibc reads at start only."""
    if any(name not in os.environ for name in MALLOC):
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **MALLOC})
