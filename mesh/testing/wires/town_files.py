"""A town as files: what the processes of a scenario on wires begin from.

The same town as the simulated one (`fleets.town`): the centre signs, with no process running,
the places, the approved model and every grant; each invite names the centre and the two stewards as
those who can be dialled first. Every box listens in a network namespace of its own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from identity.capability import Capability
from identity.keys import peer_id
from mesh.config import load_config
from mesh.node.founding import found_authority, found_node, install_invite
from mesh.node.offline import Desk
from mesh.node.opening import load_secret
from mesh.testing.fleets.town import EVENTS, MODEL, STRATA, Role, Town, role_in
from mesh.testing.wires.wire import side_address

__all__ = ["CENTRE", "PEOPLE", "STEWARDS", "Resident", "found_box", "found_town", "role_of"]

CENTRE = "centre"
STEWARDS = ("north/steward", "south/steward")
PEOPLE = (CENTRE, *STEWARDS)
"""Who holds a name and stands nowhere."""
PORT = 4001
"""Everybody listens on the same port, each at an address of its own."""


class Resident(NamedTuple):
    """Somebody of the town.

    Attributes:
        config: its configuration file; its other files stand beside it.
        key: its public key, 32 bytes.
        side: the number of its side of the switch.
        address: where it can be dialled, with its peer id.
    """

    config: Path
    key: bytes
    side: int
    address: str


def found_town(directory: Path, boxes: int) -> tuple[Town, dict[str, Resident]]:
    """Found a fleet in an empty directory.

    Returns:
        The town, and who lives there by name, people first.
    """
    founded = found_authority(directory, name=CENTRE, listen=_listen(0))
    town = Town(boxes, founded.genesis.h3_resolution)
    key = load_secret(load_config(founded.config)).public
    residents = {CENTRE: Resident(founded.config, key, 0, _dialled(0, key))}
    for side, name in enumerate((*STEWARDS, *town.places), start=1):
        residents[name] = found_box(directory, name.replace("/", "-"), side)
    addresses = tuple(residents[name].address for name in PEOPLE)
    with Desk.open(founded.config) as desk:
        _sign_everything(desk, town, residents)
        for name in (*STEWARDS, *town.places):
            invite = desk.invite(residents[name].key, name, addresses)
            install_invite(residents[name].config, invite, name=name)
    return town, residents


def found_box(directory: Path, stem: str, side: int) -> Resident:
    """Make the files of a box that nobody has granted anything yet."""
    config = directory / f"{stem}.toml"
    _, secret = found_node(config, listen=_listen(side))
    return Resident(config, secret.public, side, _dialled(side, secret.public))


def role_of(town: Town, name: str, place: str | None, role: Role = "box") -> tuple[Capability, ...]:
    """Return what somebody may do who stands at a place of the town, or nowhere."""
    return role_in(name, role, EVENTS, town.area_of(place))


def _sign_everything(desk: Desk, town: Town, residents: Mapping[str, Resident]) -> None:
    """Let the centre sign every record and grant; records first, so that every invite has them."""
    for name in town.places:
        desk.write("put", town.record(name))
    approved = {"digest": MODEL, "state": "approved", "events": list(EVENTS), "area": "*"}
    desk.put("model/detector", approved)
    for name in STEWARDS:
        role = role_of(town, name, None, "steward")
        desk.grant(residents[name].key, name, stratum=STRATA["steward"], capabilities=role)
    for name in town.places:
        role = role_of(town, name, name)
        stratum = STRATA["box"]
        desk.grant(residents[name].key, name, stratum=stratum, capabilities=role, place=name)


def _listen(side: int) -> str:
    return f"/ip4/{side_address(side)}/tcp/{PORT}"


def _dialled(side: int, key: bytes) -> str:
    return f"{_listen(side)}/p2p/{peer_id(key)}"
