"""The ground plan of a generated city: crossings and street pieces in a plane, in metres.

The plan starts as a lattice: rows (streets) and columns (avenues). Blocks grow and crossings
scatter towards the edge, as in cities that began with a grid; every fifth row and column is an
arterial. A river winds from west to east and only arterials cross it, on few bridges. Side
streets are left out the more the further from the centre. Then what is no junction disappears: a
crossing in the middle of a straight street is contracted, an end without a crossing is cut off.
Last, the city is trimmed to the asked size without ever coming apart.

Everything is drawn from one seeded generator in a fixed order, and every choice iterates sorted or
insertion-ordered containers: one seed is one city, on each machine. The plan is invented here; no
map and no data file stands behind it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

__all__ = ["CityError", "Crossing", "GroundPlan", "Piece", "draw_ground_plan", "river_offset_m"]

Crossing = tuple[int, int]
"""A crossing is its column and row in the lattice."""

BLOCK_M = (110.0, 150.0)
"""Range of the block's side at the centre, metres: the median block of real grids."""
ROTATION_DEGREES_MAX = 25.0
"""How far the lattice is turned against north, at most."""
ARTERIAL_EVERY = 5
"""Each fifth row and column is an arterial."""
BRIDGE_PROBABILITY = 0.7
"""Share of the arterials that cross the river."""
LATTICE_SPARE = 2.1  # 300 seeds left 882 to 970 crossings for 500 places
"""Crossings drawn per place wanted: what is contracted, cut off or trimmed must be there first."""


class CityError(ValueError):
    """A city, or a part of one, was asked for that cannot be made."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one street between two crossings, without direction.

    Attributes:
        is_row: whether it belongs to a row (a street) or a column (an avenue).
        line: the number of that row or column.
        bridge: whether it crosses the river.
    """

    is_row: bool
    line: int
    bridge: bool

    @property
    def arterial(self) -> bool:
        """Whether the street is an arterial."""
        return self.line % ARTERIAL_EVERY == ARTERIAL_EVERY // 2


@dataclass(frozen=True, slots=True)
class GroundPlan:
    """Crossings and the street pieces between them.

    Attributes:
        points: crossing → metres east and north of the centre.
        pieces: (crossing, crossing), the smaller first → the piece between them.
    """

    points: Mapping[Crossing, tuple[float, float]]
    pieces: Mapping[tuple[Crossing, Crossing], Piece]


_Graph = dict[Crossing, dict[Crossing, Piece]]
_Points = dict[Crossing, tuple[float, float]]


def river_offset_m(east_m: float) -> float:
    """How far north of the centre the river runs at `east_m` metres east of it."""
    return 250.0 * math.sin(east_m / 900.0) + 420.0


def draw_ground_plan(random: Random, size: int) -> GroundPlan:
    """Draws a connected plan of exactly `size` crossings."""
    points, rim = _draw_points(random, math.ceil(math.sqrt(size * LATTICE_SPARE)))
    graph = _draw_pieces(random, points, rim)
    _keep_largest_part(graph)
    _contract(graph)
    _trim(graph, points, size)
    pieces = {
        (a, b): piece for a in sorted(graph) for b, piece in sorted(graph[a].items()) if a < b
    }
    return GroundPlan(points={at: points[at] for at in sorted(graph)}, pieces=pieces)


def _draw_points(random: Random, side: int) -> tuple[_Points, dict[Crossing, float]]:
    """Crossing → its point, and crossing → how far out it lies (0 centre, 1 the lattice's edge)."""
    block_east, block_north = random.uniform(*BLOCK_M), random.uniform(*BLOCK_M)
    turn = math.radians(random.uniform(-ROTATION_DEGREES_MAX, ROTATION_DEGREES_MAX))
    points: _Points = {}
    rim: dict[Crossing, float] = {}
    for column in range(side):
        for row in range(side):
            x = (column - (side - 1) / 2) * block_east
            y = (row - (side - 1) / 2) * block_north
            out = math.hypot(x / block_east, y / block_north) / (side / 2)
            stretch = 1 + 0.8 * max(0.0, out - 0.55)
            scatter = (0.04 + 0.22 * max(0.0, out - 0.4)) * min(block_east, block_north)
            x = x * stretch + random.gauss(0, scatter)
            y = y * stretch + random.gauss(0, scatter)
            points[column, row] = (
                x * math.cos(turn) - y * math.sin(turn),
                x * math.sin(turn) + y * math.cos(turn),
            )
            rim[column, row] = out
    return points, rim


def _draw_pieces(random: Random, points: _Points, rim: Mapping[Crossing, float]) -> _Graph:
    graph: _Graph = {at: {} for at in points}
    bridged: dict[tuple[bool, int], bool] = {}
    for column, row in points:
        for near in ((column + 1, row), (column, row + 1)):
            if near not in points:
                continue
            at, is_row = (column, row), near[1] == row
            line = row if is_row else column
            bridge = _is_north(points[at]) != _is_north(points[near])
            piece = Piece(is_row=is_row, line=line, bridge=bridge)
            chance = random.random()
            if bridge:
                crosses = piece.arterial and chance < BRIDGE_PROBABILITY
                if not bridged.setdefault((is_row, line), crosses):
                    continue
            elif not piece.arterial:
                out = (rim[at] + rim[near]) / 2
                if chance < 0.04 + 0.36 * max(0.0, out - 0.2):
                    continue
            graph[at][near] = graph[near][at] = piece
    return graph


def _is_north(point: tuple[float, float]) -> bool:
    """Whether a point lies on the north bank."""
    return point[1] > river_offset_m(point[0])


def _keep_largest_part(graph: _Graph) -> None:
    """Removes all but the largest connected part, the first one where several are largest."""
    left = dict.fromkeys(graph)
    largest: list[Crossing] = []
    while left:
        part = _reach(graph, next(iter(left)))
        largest = max(largest, part, key=len)
        for at in part:
            del left[at]
    keep = set(largest)
    for at in [at for at in graph if at not in keep]:
        _remove(graph, at)


def _reach(graph: _Graph, start: Crossing, without: Crossing | None = None) -> list[Crossing]:
    """Every crossing that streets connect with `start`, not going over `without`."""
    reached = {start: None}
    frontier = [start]
    while frontier:
        for near in graph[frontier.pop()]:
            if near not in reached and near != without:
                reached[near] = None
                frontier.append(near)
    return list(reached)


def _contract(graph: _Graph) -> None:
    """Cuts off loose ends and joins two pieces of one street that meet where nothing crosses."""
    changed = True
    while changed:
        changed = False
        for at in list(graph):
            ends = list(graph[at].items())
            if len(ends) <= 1 and len(graph) > 1:
                _remove(graph, at)
                changed = True
            elif len(ends) == 2:
                (a, first), (b, second) = ends
                one_street = (first.is_row, first.line) == (second.is_row, second.line)
                if one_street and b not in graph[a]:
                    bridge = first.bridge or second.bridge
                    joined = Piece(is_row=first.is_row, line=first.line, bridge=bridge)
                    _remove(graph, at)
                    graph[a][b] = graph[b][a] = joined
                    changed = True


def _trim(graph: _Graph, points: _Points, size: int) -> None:
    """Removes the outermost crossings, of those that hold nothing together, down to `size`.

    Raises:
        CityError: the lattice gave fewer crossings than `size`.
    """
    if len(graph) < size:
        raise CityError(f"a plan of {size} crossings came out with {len(graph)}; try another seed")
    outermost = sorted(graph, key=lambda at: (-math.hypot(*points[at]), at))
    while len(graph) > size:
        for at in outermost:
            if at in graph and _holds_nothing(graph, at):
                _remove(graph, at)
                break


def _holds_nothing(graph: _Graph, at: Crossing) -> bool:
    """Whether the rest of the city stays in one part without this crossing."""
    start = next(iter(graph[at]))
    return len(_reach(graph, start, without=at)) == len(graph) - 1


def _remove(graph: _Graph, at: Crossing) -> None:
    for near in graph.pop(at):
        del graph[near][at]
