"""The town in which simulated fleets stand: streets on two banks of a river, a box at each corner.

Small towns are one street on each bank. Larger ones grow into blocks, about twice as wide as deep
on each bank, so that the neighbourhood of a box stays as it is while the town grows. A bank is a
district; the first half of the boxes stands on the north bank.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, cast

from identity.capability import Capability
from identity.errors import InvalidCapabilityError
from mesh.choreography.cells import cell_at
from mesh.choreography.event_type import event
from mesh.coordination.enrolment import box_role, steward_role

__all__ = [
    "BLOCK_M",
    "EVENTS",
    "MODEL",
    "SLOT",
    "STRATA",
    "TTL_MS",
    "FleetError",
    "NearMiss",
    "Role",
    "Town",
    "banks",
    "held_by",
    "replaced",
    "role_in",
]

BLOCK_M = 150.0
"""Distance of two corners, metres."""
NEAR_BLOCKS = 1.5
"""Boxes closer than this are neighbours on the places graph, blocks."""
AREA_M = 1_200.0
"""A box may publish in the cells of the corners that are this close, metres."""
BESIDE_M = 10.0
"""How far from a corner a box stands that was added to it, metres."""
LATITUDE, LONGITUDE = 48.0, 11.0
_METRES_PER_DEGREE = 111_320.0
_SHRINK = math.cos(math.radians(LATITUDE))
EVENTS = ("traffic.*",)
"""What boxes may publish."""
MODEL = bytes(range(32))
"""Digest of the approved model, with which every box was delivered."""
SLOT = "model/detector"
"""The slot in which a box runs it, and the register in which it is approved."""

Role = Literal["box", "steward"]
STRATA: Mapping[Role, int] = {"box": 3, "steward": 2}
"""The rank of each role."""
TTL_MS = 1_000
"""For how long somebody may react to what boxes of a scenario see, milliseconds."""
_REPLACED = " (old"


def replaced(name: str, times: int) -> str:
    """Return what hardware is called in the world that was the `times`-th to be replaced."""
    return f"{name}{_REPLACED})" if times == 1 else f"{name}{_REPLACED} {times})"


def held_by(called: str) -> str:
    """Return the name that a box was granted, of whatever it is called in the world."""
    return called.partition(_REPLACED)[0]


class FleetError(Exception):
    """A scenario asks for something that the fleet cannot do."""


def role_in(
    name: str, role: Role, events: Sequence[str], area: Iterable[bytes]
) -> tuple[Capability, ...]:
    """Return what may do who holds a name in a role.

    Raises:
        FleetError: nobody can be called so, or these are no patterns of events.
    """
    try:
        if role == "steward":
            return steward_role(name.partition("/")[0])
        return box_role(name, events, area)
    except InvalidCapabilityError as error:
        raise FleetError(f"{name!r:.60} cannot be a {role}: {error}") from None


@event("traffic.near_miss")
class NearMiss:
    """What boxes say unless a test has an event type of its own."""

    kind: str
    confidence: float


def banks(boxes: int) -> Mapping[str, list[str]]:
    """Return the names of the boxes on each bank of a town with so many, corner by corner."""
    half = math.ceil(boxes / 2)
    return {
        "north": [f"north/box-{number}" for number in range(half)],
        "south": [f"south/box-{number}" for number in range(half, boxes)],
    }


class Town:
    """Where the boxes of a fleet stand.

    Args:
        boxes: how many, half on each bank.
        resolution: of the cells.

    Attributes:
        places: latitude and longitude in degrees, by name.
    """

    def __init__(self, boxes: int, resolution: int) -> None:
        self.places: dict[str, tuple[float, float]] = {}
        self._resolution = resolution
        half = math.ceil(boxes / 2)
        rows = max(1, round(math.sqrt(half) / 2))
        columns = math.ceil(half / rows)
        step = BLOCK_M / _METRES_PER_DEGREE
        for bank, names in banks(boxes).items():
            for corner, name in enumerate(names):
                row, column = divmod(corner, columns)
                up = row if bank == "north" else -1 - row
                self.places[name] = (LATITUDE + up * step, LONGITUDE + column * step / _SHRINK)
        self._cells = {name: cell_at(*at, resolution) for name, at in self.places.items()}
        self._squares: dict[tuple[int, int], dict[str, int]] = {}
        self._came = 0
        for name in self.places:
            self._settle(name)

    def add(self, name: str, beside: str | None = None) -> str:
        """Have one more box stand a few metres east of another; returns beside whom.

        Args:
            name: such as "north/box-20"; its first part says on which bank it stands.
            beside: the box next to which it stands; the first of its bank unless given.

        Raises:
            FleetError: there is nobody to stand beside.
        """
        bank = [other for other in self.places if _bank(other) == _bank(name)]
        if beside is None and not bank:
            told = f"no box stands on the bank of {name!r}: begin its name with north/ or south/"
            raise FleetError(f"{told}, or say beside whom it stands")
        neighbour = beside or bank[0]
        if neighbour not in self.places:
            raise FleetError(f"{neighbour} stands nowhere: name a box to stand beside")
        latitude, longitude = self.places[neighbour]
        at = (latitude, longitude + BESIDE_M / _METRES_PER_DEGREE / _SHRINK)
        self.places[name] = at
        self._cells[name] = cell_at(*at, self._resolution)
        self._settle(name)
        return neighbour

    @property
    def area(self) -> tuple[bytes, ...]:
        """Every cell in which a box stands."""
        return tuple(sorted(set(self._cells.values())))

    def area_of(self, place: str | None) -> tuple[bytes, ...]:
        """Return the cells in which the box of a place may publish; all where there is none."""
        if place not in self.places:
            return self.area
        return tuple(sorted({self._cells[other] for other in self._around(place, AREA_M)}))

    def cell(self, place: str) -> bytes:
        """Return the cell of a place.

        Raises:
            FleetError: nothing is there.
        """
        if place not in self._cells:
            raise FleetError(f"{place} stands nowhere: only boxes publish")
        return self._cells[place]

    def record(self, name: str) -> Mapping[str, object]:
        """Return the body of the record that puts a place onto the map."""
        latitude, longitude = self.places[name]
        near = self._around(name, NEAR_BLOCKS * BLOCK_M)
        edges = [{"to": other} for other in near if other != name]
        value = {
            "cell": self._cells[name],
            "position": [round(latitude * 1e6), round(longitude * 1e6)],
            "edges": cast("object", edges),
        }
        return {"key": f"place/{name}", "value": value, "supersedes": []}

    def _around(self, name: str, within_m: float) -> list[str]:
        latitude, longitude = self.places[name]
        near, (north, east) = within_m / _METRES_PER_DEGREE, self._square(name)
        found: list[tuple[int, str]] = []
        for square in ((north + up, east + right) for up in (-1, 0, 1) for right in (-1, 0, 1)):
            for other, number in self._squares.get(square, {}).items():
                lat, lon = self.places[other]
                if math.hypot(lat - latitude, (lon - longitude) * _SHRINK) < near:
                    found.append((number, other))
        return [other for _, other in sorted(found)]

    def _settle(self, name: str) -> None:
        """Note in which square a box stands, and as the how many-th it came."""
        self._squares.setdefault(self._square(name), {})[name] = self._came
        self._came += 1

    def _square(self, name: str) -> tuple[int, int]:
        """In which square of `AREA_M` a box stands: who is that close to it, in one beside that."""
        latitude, longitude = self.places[name]
        side = AREA_M / _METRES_PER_DEGREE
        return math.floor(latitude / side), math.floor(longitude * _SHRINK / side)


def _bank(name: str) -> str:
    return name.partition("/")[0]
