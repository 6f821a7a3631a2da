"""Drawing in the world's metres on a Pillow picture twice as large as the frame.

A canvas projects what it is told to draw, keeps the bounding box of the current object, and can
draw the same shapes into a small picture of object numbers, from which the visible share of each
object is counted later. Drawing is done back to front by the caller: there is no depth buffer.
"""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from mesh.demo.scenes.palette import Colour
from mesh.demo.scenes.site import FRAME_HEIGHT, FRAME_WIDTH, ImagePoint, Point3, Site

SUPERSAMPLING = 2
"""The canvas is this many times larger than the frame, for smooth edges."""

ID_REDUCTION = 2
"""The picture of object numbers is this many times smaller than the frame."""

CANVAS_SIZE = (FRAME_WIDTH * SUPERSAMPLING, FRAME_HEIGHT * SUPERSAMPLING)
ID_SIZE = (FRAME_WIDTH // ID_REDUCTION, FRAME_HEIGHT // ID_REDUCTION)

Bounds = tuple[float, float, float, float]
"""Left, top, right, bottom, in frame pixels; may reach outside the frame."""

NOTHING: Bounds = (1e9, 1e9, -1e9, -1e9)

Fill = Colour | int
"""A colour, or a grey level for a canvas of one channel."""


class Canvas:
    """A picture that is drawn on in world coordinates.

    Args:
        site: the camera.
        image: the picture, `CANVAS_SIZE`.
        ids: a picture of object numbers, `ID_SIZE`, one channel; None to keep none.
    """

    def __init__(self, site: Site, image: Image.Image, ids: Image.Image | None = None) -> None:
        self.site = site
        self.image = image
        self.bounds = NOTHING
        self._draw = ImageDraw.Draw(image)
        self._draw_ids = None if ids is None else ImageDraw.Draw(ids)
        self._number = 0

    def begin(self, number: int) -> None:
        """Start an object: shapes drawn from here on carry its number and grow its bounds."""
        self._number = number
        self.bounds = NOTHING

    def polygon(self, points: Sequence[Point3], fill: Fill) -> None:
        """A filled polygon; points in metres."""
        pixels, _ = self.site.project(points)
        self._grow(pixels, 0.0)
        self._draw.polygon(_times(pixels, SUPERSAMPLING), fill=_ink(fill))
        if self._draw_ids is not None:
            self._draw_ids.polygon(_times(pixels, 1 / ID_REDUCTION), fill=self._number)

    def ground_polygon(self, points: Sequence[tuple[float, float]], fill: Fill) -> None:
        """A filled polygon that lies on the ground."""
        self.polygon([(x, y, 0.0) for x, y in points], fill)

    def line(self, points: Sequence[Point3], width_m: float, fill: Fill) -> None:
        """A line of this width, drawn as wide as at its mean depth."""
        pixels, depth = self.site.project(points)
        width = width_m * self.site.focal / depth
        self._grow(pixels, width * 0.35)
        self._draw.line(
            _times(pixels, SUPERSAMPLING),
            fill=_ink(fill),
            width=max(1, round(width * SUPERSAMPLING)),
            joint="curve",
        )
        if self._draw_ids is not None:
            self._draw_ids.line(
                _times(pixels, 1 / ID_REDUCTION),
                fill=self._number,
                width=max(1, round(width / ID_REDUCTION)),
            )

    def ground_line(
        self, points: Sequence[tuple[float, float]], width_m: float, fill: Fill
    ) -> None:
        """A line that lies on the ground."""
        self.line([(x, y, 0.0) for x, y in points], width_m, fill)

    def disc(self, centre: Point3, radius_m: float, fill: Fill) -> None:
        """A ball, seen as a disc."""
        u, v, depth = self.site.project_point(centre)
        radius = radius_m * self.site.focal / depth
        self._grow([(u, v)], radius)
        corners = [(u - radius, v - radius), (u + radius, v + radius)]
        self._draw.ellipse(_times(corners, SUPERSAMPLING), fill=_ink(fill))
        if self._draw_ids is not None:
            self._draw_ids.ellipse(_times(corners, 1 / ID_REDUCTION), fill=self._number)

    def _grow(self, pixels: Sequence[ImagePoint], margin: float) -> None:
        left, top, right, bottom = self.bounds
        for u, v in pixels:
            left, right = min(left, u - margin), max(right, u + margin)
            top, bottom = min(top, v - margin), max(bottom, v + margin)
        self.bounds = (left, top, right, bottom)


def _times(pixels: Sequence[ImagePoint], factor: float) -> list[ImagePoint]:
    return [(u * factor, v * factor) for u, v in pixels]


def _ink(fill: Fill) -> int | tuple[int, ...]:
    if isinstance(fill, int):
        return fill
    return tuple(int(min(255, max(0, channel))) for channel in fill)
