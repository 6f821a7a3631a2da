"""Which road users of a frame a detector is asked to find.

One that is hidden for the most part, or a few pixels high, is neither learnt nor punished: nobody
could tell it from the picture.
"""

from mesh.demo.scenes.render import DETECTOR_REDUCTION, Box

VISIBLE_MIN = 0.35
"""Share of a road user that must be to be seen."""

HEIGHT_MIN_PX, WIDTH_MIN_PX = 5.0, 1.5
"""Smallest box in the detector's image, pixels."""


def is_judged(box: Box) -> bool:
    """Whether a detector has to find this road user."""
    left, top, right, bottom = (value / DETECTOR_REDUCTION for value in box.bounds)
    large = bottom - top >= HEIGHT_MIN_PX and right - left >= WIDTH_MIN_PX
    return large and box.visible >= VISIBLE_MIN
