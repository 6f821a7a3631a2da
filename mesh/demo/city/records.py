"""A city's places as the signed records that the boxes hold of them.

The record is what the fleet knows; the city model is what the scene knows. Only here does one
become the other.
"""

from collections.abc import Mapping

from identity.encoding import Value
from mesh.choreography.topics import cell_at
from mesh.demo.city.model import City, CityPlace

__all__ = ["place_record", "place_records"]

CELL_RESOLUTION = 9
"""H3 resolution unless the genesis says otherwise; a cell's edge is about 200 m."""


def place_record(place: CityPlace, resolution: int = CELL_RESOLUTION) -> dict[str, Value]:
    """The body {cell, position, edges} of one place; each edge is a street direction leaving it.

    Args:
        place: where the box stands.
        resolution: H3 resolution of the cell.
    """
    latitude_e6, longitude_e6 = place.position
    return {
        "cell": cell_at(latitude_e6 / 1e6, longitude_e6 / 1e6, resolution),
        "position": [latitude_e6, longitude_e6],
        "edges": [
            {
                "to": direction.to,
                "street": direction.street,
                "bearing": direction.bearing_degrees,
                "compass": direction.compass,
                "length_m": direction.length_m,
                "arterial": int(direction.arterial),
                "bridge": int(direction.bridge),
            }
            for direction in place.directions
        ],
    }


def place_records(city: City, resolution: int = CELL_RESOLUTION) -> Mapping[str, dict[str, Value]]:
    """Every place's record by the box's name, in order of the box numbers."""
    return {place.name: place_record(place, resolution) for place in city.places}
