"""Cells cover the disc that was asked for, and no cell too many."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.choreography.cells import (
    EARTH_RADIUS_M,
    CellError,
    cell_at,
    cell_centre,
    cell_from_index,
    cell_from_text,
    cell_index,
    cell_text,
    cells_covering,
    distance_m,
)

latitudes = st.floats(-89.9, 89.9)
longitudes = st.floats(-180, 180)


def destination(
    latitude: float, longitude: float, bearing: float, metres: float
) -> tuple[float, float]:
    """The point so many metres away along a great circle."""
    north, angle = math.radians(latitude), metres / EARTH_RADIUS_M
    sine = math.sin(north) * math.cos(angle) + math.cos(north) * math.sin(angle) * math.cos(bearing)
    there = math.asin(max(-1.0, min(1.0, sine)))
    east = math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(north),
        math.cos(angle) - math.sin(north) * sine,
    )
    return math.degrees(there), (longitude + math.degrees(east) + 180) % 360 - 180


@given(
    latitudes,
    longitudes,
    st.floats(0, 2000),
    st.floats(0, 2 * math.pi),
    st.floats(0, 1),
    st.integers(7, 9),
)
def test_each_point_within_the_radius_lies_in_a_cell_of_the_cover(
    latitude: float,
    longitude: float,
    radius_m: float,
    bearing: float,
    share: float,
    resolution: int,
) -> None:
    point = destination(latitude, longitude, bearing, radius_m * share)
    assert cell_at(*point, resolution) in cells_covering(latitude, longitude, radius_m, resolution)


@given(latitudes, longitudes, st.floats(50, 1500))
def test_each_cell_of_the_cover_reaches_the_disc(
    latitude: float, longitude: float, radius_m: float
) -> None:
    """Walks finely around each rim cell: sampled points must include one within reach."""
    here = (latitude, longitude)
    edge_m = 250.0  # no cell of resolution 9 has a corner further from its middle
    sampled = {
        cell_at(*destination(*here, math.tau * turn / 96, radius_m * ring / 24 + 1), 9)
        for turn in range(96)
        for ring in range(25)
    }
    cover = cells_covering(*here, radius_m, 9)
    assert sampled >= set(cover) - _only_touched(here, radius_m, cover)
    assert len(cover) <= math.pi * (radius_m + 2 * edge_m) ** 2 / 60_000


def _only_touched(
    here: tuple[float, float], radius_m: float, cover: tuple[bytes, ...]
) -> set[bytes]:
    """Cells that the disc enters by less than the sampling can see."""
    inner = set(cells_covering(*here, max(0.0, radius_m - 25), 9))
    return set(cover) - inner


@given(latitudes, longitudes, st.integers(0, 15))
def test_a_cell_survives_each_of_its_forms(
    latitude: float, longitude: float, resolution: int
) -> None:
    cell = cell_at(latitude, longitude, resolution)
    assert len(cell) == 8
    assert cell_from_index(cell_index(cell)) == cell
    assert len(cell_text(cell)) == 15
    assert cell_from_text(cell_text(cell)) == cell
    assert cell_at(*cell_centre(cell), resolution) == cell


@given(st.text(max_size=20) | st.text("0123456789abcdefABCDEF", min_size=15, max_size=15))
def test_text_is_a_cell_or_nothing(text: str) -> None:
    cell = cell_from_text(text)
    assert cell is None or cell_text(cell) == text


def test_a_radius_of_nothing_is_the_cell_itself() -> None:
    assert cells_covering(47.0, -30.0, 0.0, 9) == (cell_at(47.0, -30.0, 9),)


def test_covers_hold_at_the_poles_the_date_line_and_a_pentagon() -> None:
    for latitude, longitude in ((90.0, 0.0), (-90.0, 12.0), (0.0, 180.0), (64.7, 10.536)):
        cover = cells_covering(latitude, longitude, 5_000, 6)
        for turn in range(36):
            point = destination(latitude, longitude, math.tau * turn / 36, 4_999)
            assert cell_at(*point, 6) in cover


@pytest.mark.parametrize(
    "ask",
    [
        lambda: cell_at(91.0, 0.0, 9),
        lambda: cell_at(float("nan"), 0.0, 9),
        lambda: cell_at(0.0, 0.0, 16),
        lambda: cells_covering(0.0, 0.0, -1.0, 9),
        lambda: cells_covering(0.0, 0.0, 20_000.0, 9),
        lambda: cell_index(b"12345678"),
        lambda: cell_from_index(-1),
        lambda: cell_from_index(7),
    ],
)
def test_what_has_no_cell_is_an_error(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(CellError):
        ask()


def test_a_degree_of_latitude_is_111_km() -> None:
    assert distance_m((0.0, 10.0), (1.0, 10.0)) == pytest.approx(111_195, abs=1)
    assert distance_m((0.0, 179.5), (0.0, -179.5)) == pytest.approx(111_195, abs=1)
