"""Founding the fleet of the fourth act, and its processes on either side of the wire.

The same steps as for the main fleet, with no authority and no bootstrap peer running: every invite
names the boxes themselves. Besides them there is a steward of the far bank's district, who happens
to be on the near bank when the bridges go down; what she rolls out, both banks get. Each box
listens in its own bank's network namespace; nothing of that is in its code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from identity.capability import Capability
from identity.keys import peer_id
from mesh.choreography.cells import cells_covering
from mesh.config import load_config, render_config
from mesh.coordination.enrolment import box_role, steward_role
from mesh.demo.acts.riverside import Riverside
from mesh.demo.boxes.panel import PANEL_LABEL
from mesh.demo.city.model import CityPlace
from mesh.demo.city.records import place_record
from mesh.demo.stage.cast import Cast
from mesh.demo.stage.foundation import AREA_M, CENTRE, EVENTS, Foundation, Principal
from mesh.node.founding import found_authority, found_node, install_invite
from mesh.node.offline import Desk
from mesh.node.opening import load_secret, read_invite
from mesh.node.processes import Child
from mesh.testing.wires.namespaces import Namespace
from mesh.testing.wires.wire import inside, side_address

__all__ = ["NEAR", "SIDES", "RiversideCast", "found_riverside"]

NEAR, FAR = "near", "far"
SIDES = (NEAR, FAR)
"""The wire's two ends."""
ROLLS_OUT = Capability(verb="rollout", names="")
"""What the steward may besides: roll out to both banks what the authority has signed."""
PORT_FIRST = 4001
"""Each process listens on a port of its own from here on; a namespace has them all free."""


def found_riverside(directory: Path, side: Riverside, model: bytes) -> Foundation:
    """Found the fleet.

    Args:
        directory: an empty one.
        side: where the boxes stand.
        model: digest of the model to approve, 32 bytes.
    """
    founded = found_authority(directory, events=EVENTS)
    invite = read_invite(founded.config.with_suffix(".invite"))
    steward = f"{side.city.place(side.revoked).district}/steward"
    principals: dict[str, Principal] = {}
    for number, name in enumerate((*side.boxes, steward)):
        end = FAR if name in side.far else NEAR
        address = f"/ip4/{side_address(SIDES.index(end))}/tcp/{PORT_FIRST + number}"
        config = directory / f"{name.replace('/', '-')}.toml"
        made, secret = found_node(config, listen=address)
        if name in side.panels:
            labels = {PANEL_LABEL: "true"}
            config.write_text(render_config(msgspec.structs.replace(made, labels=labels)))
        principals[name] = Principal(name, config, secret.public, secret.seed)
    addresses = tuple(
        f"{load_config(principals[name].config).listen[0]}/p2p/{peer_id(principals[name].key)}"
        for name in side.boxes
    )
    with Desk.open(founded.config) as desk:
        _sign_everything(desk, side, principals, model, steward)
        for name, principal in principals.items():
            granted = desk.invite(principal.key, name, addresses)
            install_invite(principal.config, granted, name=name)
    authority = load_secret(load_config(founded.config))
    principals[CENTRE] = Principal(CENTRE, founded.config, authority.public, authority.seed)
    return Foundation(directory, invite.genesis, principals, steward, addresses)


def _sign_everything(
    desk: Desk, side: Riverside, principals: Mapping[str, Principal], model: bytes, steward: str
) -> None:
    """Let the authority sign every record and grant."""
    resolution = desk.replica.chain.genesis.h3_resolution
    value = {"digest": model, "state": "approved", "events": list(EVENTS), "area": "*"}
    desk.put("model/detector", value)
    for place in side.city.places:
        desk.put(f"place/{place.name}", place_record(place, resolution))
    for place in side.city.places:
        role = box_role(place.name, EVENTS, cells_covering(*_degrees(place), AREA_M, resolution))
        key = principals[place.name].key
        desk.grant(key, place.name, stratum=3, capabilities=role, place=place.name)
    district = steward.partition("/")[0]
    key = principals[steward].key
    desk.grant(key, steward, stratum=2, capabilities=(*steward_role(district), ROLLS_OUT))


def _degrees(place: CityPlace) -> tuple[float, float]:
    return place.position[0] / 1e6, place.position[1] / 1e6


@dataclass(slots=True)
class RiversideCast(Cast):
    """Who plays in the fourth act; each process is started in the namespace of its bank.

    Attributes:
        side: where the boxes stand.
        namespaces: by end of the wire.
    """

    side: Riverside = field(kw_only=True)
    namespaces: Mapping[str, Namespace] = field(kw_only=True)

    def key(self, name: str) -> bytes:
        """Return the public key of a principal."""
        return self.foundation.principals[name].key

    def start_boxes(self) -> list[str]:
        """Start every box; returns their names."""
        for name in self.side.boxes:
            self.start_box(self.foundation.principals[name], name)
        return list(self.side.boxes)

    def _start(
        self, name: str, principal: Principal, target: Callable[..., None], argument: object
    ) -> Child:
        end = FAR if name in self.side.far else NEAR
        child = self.processes.start(
            inside, self.namespaces[end], target, argument, name=name.replace("/", "-")
        )
        self.running[name] = child
        self.configs[name] = principal.config
        return child
