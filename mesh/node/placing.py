"""Place records: where a box stands, and the street directions to the places around it.

Traffic flows both ways until somebody says otherwise, so a new place is joined with its neighbours
in both directions; that changes their records too, as far as the signer may.
"""

from collections.abc import Iterable, Mapping
from typing import cast

from crdt.replica import Replica
from mesh.choreography.cells import cell_at, distance_m
from mesh.choreography.places import EDGES_MAX, Edge, Places
from mesh.coordination.enrolment import put_body
from mesh.node.signer import Signer, may

__all__ = ["EDGE_M_MAX", "cell_of", "put_place"]

EDGE_M_MAX = 250.0
"""Places at most this far apart, metres, are joined by street directions both ways."""
_PLACE = "place/"

Record = dict[str, object]


def cell_of(replica: Replica, position: tuple[int, int]) -> bytes:
    """Return the cell, at the fleet's resolution, of a position in microdegrees."""
    latitude, longitude = position[0] / 1e6, position[1] / 1e6
    return cell_at(latitude, longitude, replica.chain.genesis.h3_resolution)


async def put_place(
    signer: Signer, name: str, position: tuple[int, int], *, join: bool
) -> tuple[list[str], list[str]]:
    """Write the place record and the street directions around it.

    Returns:
        The places that are joined, and those near by whose record this key may not change.
    """
    replica = signer.replica
    places = _places(replica)
    here = (position[0] / 1e6, position[1] / 1e6)
    near = [
        place
        for place in places.all.values()
        if place.name != name and distance_m(here, place.degrees) <= EDGE_M_MAX
    ][:EDGES_MAX]
    near = near if join else []
    before = places.get(name)
    edges = _edges(before.edges if before else (), [place.name for place in near])
    await _put(signer, name, _record(cell_of(replica, position), position, edges))
    joined: list[str] = []
    skipped: list[str] = []
    for place in near:
        if any(edge.to == name for edge in place.edges):
            joined.append(place.name)
        elif len(place.edges) >= EDGES_MAX or not may(signer, "place", place.name):
            skipped.append(place.name)
        else:
            edges = _edges(place.edges, [name])
            await _put(signer, place.name, _record(place.cell, place.position, edges))
            joined.append(place.name)
    return joined, skipped


def _edges(kept: Iterable[Edge], added: Iterable[str]) -> list[Record]:
    """Return the edges of a record: those that it has, and plain ones to further places."""
    edges: dict[str, Record] = {edge.to: {"to": edge.to, **edge.attributes} for edge in kept}
    for name in added:
        edges.setdefault(name, {"to": name})
    return list(edges.values())[:EDGES_MAX]


def _places(replica: Replica) -> Places:
    return Places(
        {
            key.removeprefix(_PLACE): cast("Mapping[str, object]", register.value)
            for key, register in replica.registers.items()
            if key.startswith(_PLACE) and register.value is not None
        }
    )


def _record(cell: bytes, position: tuple[int, int], edges: Iterable[Record]) -> Record:
    return {"cell": cell, "position": list(position), "edges": list(edges)}


async def _put(signer: Signer, name: str, record: Record) -> None:
    await signer.write("put", put_body(signer.replica, f"{_PLACE}{name}", record))
