"""H3 cells as this project carries them, and the cells that cover a disc.

A cell is its 64-bit index as eight bytes, big-endian: it is larger than 2^53, so no integer of our
encoding can hold it. Only this module speaks to the h3 package.

`cells_covering` promises a cover: each point within the radius lies in one of the cells. It is also
tight: a cell whose area stays out of reach is not in it, because each cell is one more topic on
each peer. Both follow from the gnomonic projection centred at the disc's centre. It maps each
great circle to a straight line, and the edges of an H3 cell are arcs of great circles (an edge that
crosses a face of the icosahedron has a vertex there). A disc of angular radius r around the centre
becomes a circle of radius tan r. So "does the cell reach the disc" is the distance from the origin
to a segment, without any flat-earth error. The cells that reach a disc hang together, hence a flood
fill from the middle finds all of them.
"""

import importlib
import math
from functools import lru_cache
from typing import Protocol, cast

from identity.capability import is_cell

__all__ = [
    "COVER_CELLS_MAX",
    "EARTH_RADIUS_M",
    "CellError",
    "cell_at",
    "cell_centre",
    "cell_disk",
    "cell_from_index",
    "cell_from_text",
    "cell_index",
    "cell_text",
    "cells_covering",
    "distance_m",
]

EARTH_RADIUS_M = 6_371_007.180918475
"""Radius of the sphere that H3 computes on, metres (the authalic radius of WGS 84)."""
COVERS_MAX = 1 << 14
"""Covers that are remembered: a fleet stands still, and asks for the same discs all day."""
COVER_CELLS_MAX = 1024
"""Most cells of one cover: at resolution 9, a disc of about 5 km; each cell is a topic."""
COVER_RADIUS_MAX_M = 1_000_000.0
"""Largest radius of a cover, metres: far from the 90 degrees where the projection ends."""
COVER_MARGIN_M = 0.5
"""Added to each asked radius, metres, against rounding at the rim (H3 vertices agree to 1 mm)."""
CELL_TEXT_SIZE = 15
"""Hexadecimal digits of a cell in text; the sixteenth, the leading one, is always 0."""
RESOLUTION_MAX = 15
"""Finest H3 resolution."""

_Vector = tuple[float, float, float]


class CellError(ValueError):
    """A position, radius, resolution or index was asked for that no cell or cover exists for."""


class _H3(Protocol):
    """The functions we use of `h3.api.basic_int`, which ships without type annotations."""

    def latlng_to_cell(self, lat: float, lng: float, res: int) -> int: ...

    def cell_to_boundary(self, h: int) -> tuple[tuple[float, float], ...]: ...

    def cell_to_latlng(self, h: int) -> tuple[float, float]: ...

    def grid_disk(self, h: int, k: int = 1) -> list[int]: ...


_h3 = cast("_H3", importlib.import_module("h3.api.basic_int"))


def cell_from_index(index: int) -> bytes:
    """The eight bytes of an H3 index.

    Raises:
        CellError: the number is no H3 cell index.
    """
    cell = index.to_bytes(8) if 0 <= index < 1 << 64 else b""
    if not is_cell(cell):
        raise CellError(f"{index!r} is no H3 cell index; give the 64-bit index of a cell")
    return cell


def cell_index(cell: bytes) -> int:
    """The H3 index of a cell's eight bytes.

    Raises:
        CellError: the bytes are no H3 cell.
    """
    if not is_cell(cell):
        raise CellError(f"{cell!r} is no H3 cell; give its index as 8 bytes, big-endian")
    return int.from_bytes(cell)


def cell_text(cell: bytes) -> str:
    """The cell as H3 writes it: 15 hexadecimal digits.

    Raises:
        CellError: the bytes are no H3 cell.
    """
    return f"{cell_index(cell):x}"


def cell_from_text(text: str) -> bytes | None:
    """The cell that 15 lower-case hexadecimal digits name, or None; total over text."""
    if len(text) != CELL_TEXT_SIZE or not set(text) <= set("0123456789abcdef"):
        return None
    cell = int(text, 16).to_bytes(8)
    return cell if is_cell(cell) else None


def cell_at(latitude: float, longitude: float, resolution: int) -> bytes:
    """The cell that holds a point.

    Args:
        latitude: degrees north, -90 to 90.
        longitude: degrees east, -180 to 180.
        resolution: H3 resolution, 0 to 15; 9 has an edge of about 200 m.

    Raises:
        CellError: a number is out of its range.
    """
    _check_point(latitude, longitude)
    if not 0 <= resolution <= RESOLUTION_MAX:
        raise CellError(f"resolution {resolution!r} is none of H3's; give 0 to {RESOLUTION_MAX}")
    return _h3.latlng_to_cell(latitude, longitude, resolution).to_bytes(8)


def cell_centre(cell: bytes) -> tuple[float, float]:
    """The centre of a cell: latitude and longitude in degrees.

    Raises:
        CellError: the bytes are no H3 cell.
    """
    return _h3.cell_to_latlng(cell_index(cell))


def cell_disk(cell: bytes, rings: int = 1) -> tuple[bytes, ...]:
    """A cell and those at most so many steps away from it, sorted.

    Raises:
        CellError: the bytes are no H3 cell.
    """
    return tuple(sorted(near.to_bytes(8) for near in _h3.grid_disk(cell_index(cell), rings)))


@lru_cache(maxsize=COVERS_MAX)
def cells_covering(
    latitude: float, longitude: float, radius_m: float, resolution: int
) -> tuple[bytes, ...]:
    """All cells of one resolution that reach the disc around a point, sorted.

    Args:
        latitude: degrees north, -90 to 90.
        longitude: degrees east, -180 to 180.
        radius_m: metres along the ground, 0 to `COVER_RADIUS_MAX_M`.
        resolution: H3 resolution, 0 to 15.

    Raises:
        CellError: a number is out of its range, or the cover has over `COVER_CELLS_MAX` cells.
    """
    if not 0 <= radius_m <= COVER_RADIUS_MAX_M:
        raise CellError(f"radius {radius_m!r} m; give 0 to {COVER_RADIUS_MAX_M:.0f} m")
    start = int.from_bytes(cell_at(latitude, longitude, resolution))
    projection = _Gnomonic(latitude, longitude)
    reach = math.tan((radius_m + COVER_MARGIN_M) / EARTH_RADIUS_M)
    cover = {start}
    frontier = [start]
    while frontier:
        for near in _h3.grid_disk(frontier.pop(), 1):
            if near not in cover and projection.reaches(near, reach):
                cover.add(near)
                frontier.append(near)
        if len(cover) > COVER_CELLS_MAX:
            raise CellError(
                f"a radius of {radius_m!r} m takes over {COVER_CELLS_MAX} cells of resolution "
                f"{resolution}; ask for a smaller radius or a coarser resolution"
            )
    return tuple(sorted(index.to_bytes(8) for index in cover))


def distance_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Metres along the ground between two points in degrees (haversine, on H3's sphere)."""
    latitude_a, latitude_b = math.radians(a[0]), math.radians(b[0])
    half_north = math.sin((latitude_b - latitude_a) / 2)
    half_east = math.sin(math.radians(b[1] - a[1]) / 2)
    chord = half_north**2 + math.cos(latitude_a) * math.cos(latitude_b) * half_east**2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, chord)))


class _Gnomonic:
    """The plane that touches the sphere at one point, with that point as origin."""

    def __init__(self, latitude: float, longitude: float) -> None:
        self._up = _unit_vector(latitude, longitude)
        turn = math.radians(longitude)
        self._east = (-math.sin(turn), math.cos(turn), 0.0)
        self._north = _cross(self._up, self._east)

    def reaches(self, index: int, reach: float) -> bool:
        """Whether an edge of the cell comes within `reach` (a tangent) of the origin.

        A cell that holds the origin is the caller's start, so edges are enough.
        """
        corners = [self._project(*corner) for corner in _h3.cell_to_boundary(index)]
        return any(
            _segment_distance(a, b) <= reach
            for a, b in zip(corners, corners[1:] + corners[:1], strict=True)
        )

    def _project(self, latitude: float, longitude: float) -> tuple[float, float]:
        point = _unit_vector(latitude, longitude)
        height = _dot(point, self._up)
        return _dot(point, self._east) / height, _dot(point, self._north) / height


def _check_point(latitude: float, longitude: float) -> None:
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise CellError(
            f"({latitude!r}, {longitude!r}) is no point on Earth; "
            "give degrees, -90 to 90 north and -180 to 180 east"
        )


def _unit_vector(latitude: float, longitude: float) -> _Vector:
    rise, turn = math.radians(latitude), math.radians(longitude)
    return math.cos(rise) * math.cos(turn), math.cos(rise) * math.sin(turn), math.sin(rise)


def _dot(a: _Vector, b: _Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: _Vector, b: _Vector) -> _Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _segment_distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Distance from the origin to the segment from a to b."""
    run_x, run_y = b[0] - a[0], b[1] - a[1]
    length_squared = run_x**2 + run_y**2
    share = -(a[0] * run_x + a[1] * run_y) / length_squared
    share = min(1.0, max(0.0, share))
    return math.hypot(a[0] + share * run_x, a[1] + share * run_y)
