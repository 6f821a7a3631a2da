"""From light to pixels: haze, rain, exposure, vignette, lens blur, sensor noise, JPEG.

What a cheap traffic camera does to a picture. The detector was trained on what leaves this file.
"""

import functools
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from mesh.demo.scenes.light import Look
from mesh.demo.scenes.site import FRAME_HEIGHT, FRAME_WIDTH

GRAIN_SEED = 7
GRAIN_SHIFT = 64
"""The noise pattern is larger than the frame by so many pixels, and shifted from frame to frame."""

JPEG_QUALITY_MAX = 88
"""From this quality on the camera does not compress."""

Light = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def through_the_lens(light: Light, look: Look, rng: np.random.Generator) -> Pixels:
    """Light in the frame to the camera's pixels.

    Args:
        light: float32 [288, 512, 3], 255 = white.
        look: weather and camera.
        rng: for rain and noise.

    Returns:
        Pixels, uint8 [288, 512, 3].
    """
    if look.haze:
        near_to_far = np.linspace(1, 0.15, FRAME_HEIGHT, dtype=np.float32)[:, None, None]
        veil = look.haze * near_to_far
        light = np.asarray(light * (1 - veil) + (50 if look.night else 200) * veil, np.float32)
    if look.rain:
        streaks = _rain(look, rng)[..., None]
        light = np.asarray(light + streaks * (0.35 if look.night else 0.8) * 0.6, np.float32)
    exposed = (light * (look.gain * _vignette())).clip(0, 255).astype(np.uint8)
    curve = (255 * (np.arange(256) / 255) ** look.gamma).round().astype(np.uint8).tolist()
    image = Image.fromarray(exposed).point(curve * 3)
    image = image.filter(ImageFilter.GaussianBlur(look.blur))
    noisy = _with_noise(np.asarray(image, np.float32), look, rng)
    return _compressed(noisy, look.jpeg) if look.jpeg < JPEG_QUALITY_MAX else noisy


@functools.cache
def _vignette() -> Light:
    y, x = np.mgrid[-1 : 1 : FRAME_HEIGHT * 1j, -1 : 1 : FRAME_WIDTH * 1j]
    return (1 - 0.22 * (x * x + y * y) / 2).astype(np.float32)[..., None]


@functools.cache
def _grain() -> tuple[Light, Light]:
    """Noise of brightness, [h, w], and of colour, [h, w, 3]."""
    shape = (FRAME_HEIGHT + GRAIN_SHIFT, FRAME_WIDTH + GRAIN_SHIFT, 4)
    grain = np.random.default_rng(GRAIN_SEED).standard_normal(shape, np.float32)
    return np.ascontiguousarray(grain[..., 0]), np.ascontiguousarray(grain[..., 1:])


def _rain(look: Look, rng: np.random.Generator) -> Light:
    streaks = Image.new("L", (FRAME_WIDTH, FRAME_HEIGHT))
    draw = ImageDraw.Draw(streaks)
    count = int(160 * look.rain)
    x = rng.uniform(0, FRAME_WIDTH, count).tolist()
    y = rng.uniform(-10, FRAME_HEIGHT, count).tolist()
    lengths = rng.uniform(5, 16, count).tolist()
    for left, top, length in zip(x, y, lengths, strict=True):
        end = (left - length * 0.15, top + length)
        draw.line([(left, top), end], fill=int(40 + 40 * look.rain), width=1)
    return np.asarray(streaks, np.float32)


def _with_noise(pixels: Light, look: Look, rng: np.random.Generator) -> Pixels:
    """Noise of brightness, stronger where it is light, and half as much noise of colour."""
    down, across = rng.integers(0, GRAIN_SHIFT), rng.integers(0, GRAIN_SHIFT)
    mirrored = -1 if rng.random() >= 0.5 else 1
    area = (slice(down, down + FRAME_HEIGHT), slice(across, across + FRAME_WIDTH))
    brightness, colour = _grain()
    noisy = colour[area][:, ::mirrored] * np.float32(0.5 * look.noise)
    noisy += pixels
    strength = (0.6 + pixels[..., 1] / 255) * np.float32(look.noise)
    noisy += (brightness[area][:, ::mirrored] * strength)[..., None]
    return noisy.clip(0, 255, out=noisy).astype(np.uint8)


def _compressed(pixels: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
