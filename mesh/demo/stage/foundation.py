"""Founding the demo's fleet: every key, grant and record, as files in one directory.

What `mesh authority init`, `mesh box init` and `mesh authority grant` do one by one, done for a
whole neighbourhood: root, authority, bootstrap peer, steward and a box at each crossing, besides an
accomplice, a forker and a deputy whose rights are revoked again. Everything an office signs is
signed offline, in its own store, before any process runs.
"""

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from identity.capability import EVERYWHERE, Capability
from identity.genesis import (
    Genesis,
    RootItem,
    RootStatement,
    make_genesis,
    make_root_statement,
    sign_root,
)
from identity.invite import Invite
from identity.keys import SecretKey, peer_id
from identity.keystore import generate_unlock_file, save_key
from mesh.choreography.cells import cell_at, cells_covering
from mesh.config import NodeConfig, Role, load_config, render_config
from mesh.coordination.enrolment import authority_role, bootstrap_role, box_role, steward_role
from mesh.demo.city.model import City, CityPlace
from mesh.demo.city.records import place_record
from mesh.node.offline import Desk

__all__ = ["CAMERA_LABEL", "Foundation", "Principal", "found"]

EVENTS = ("traffic.*",)
"""What boxes may publish."""
CENTRE, BOOTSTRAP = "centre", "bootstrap"
CAMERA_LABEL = "camera"
"""What the configuration of a box with a camera says: `labels = {camera = "true"}`."""
RELEASE_DESK = "release-desk"
RELEASES = Capability(verb="approve", names="", events=(EVERYWHERE,), area=EVERYWHERE)
"""What the release desk may: what it signed can be rolled out."""
AREA_M = 250.0
"""How far from its place a box may report, metres."""


@dataclass(slots=True)
class Principal:
    """Somebody with a key of the demo.

    Attributes:
        name: what it is granted.
        config: its configuration file.
        key: its public key, 32 bytes.
        seed: its secret, for the accomplice that is lent it.
    """

    name: str
    config: Path
    key: bytes
    seed: bytes = field(repr=False)


@dataclass(slots=True)
class Foundation:
    """The founded fleet.

    Attributes:
        directory: where all files are.
        genesis: the fleet.
        principals: by name; the new hardware of box 247 under `spare`.
        steward: name of the steward of box 247's district.
        addresses: of the authority and the bootstrap peer.
    """

    directory: Path
    genesis: Genesis
    principals: dict[str, Principal]
    steward: str
    addresses: tuple[str, ...]

    def stolen(self, hero: str) -> dict[str, tuple[bytes, str]]:
        """Return the keys that the accomplice was lent: by role, the seed and the name."""
        district = hero.partition("/")[0]
        roles = {
            "old_hardware": hero,
            "feed_forker": f"{district}/box-9002",
            "back_dated_record": f"{district}/deputy",
        }
        return {role: (self.principals[name].seed, name) for role, name in roles.items()}


def found(directory: Path, city: City, model: bytes, release_key: bytes = b"") -> Foundation:
    """Found the fleet of a neighbourhood.

    Args:
        directory: an empty one.
        city: its places get a box each.
        model: digest of the model to approve, 32 bytes.
        release_key: the key that will release models, 32 bytes; b"" where nobody does.
    """
    root = SecretKey.generate(os.urandom)
    genesis = make_genesis([root.public], 1)
    centre = _principal(directory, CENTRE, listen=_free_address(), role="authority")
    statement = _first_statement(genesis, root, centre.key)
    boot = _principal(directory, BOOTSTRAP, listen=_free_address(), role="bootstrap")
    addresses = tuple(_dialled(principal) for principal in (centre, boot))
    bare = Invite(genesis, (1, statement.id), (statement,), (), addresses)
    _install(centre, bare)
    district = city.hero.district
    foundation = Foundation(
        directory, genesis, {CENTRE: centre, BOOTSTRAP: boot}, f"{district}/steward", addresses
    )
    with Desk.open(centre.config) as desk:
        if release_key:
            desk.grant(release_key, RELEASE_DESK, stratum=2, capabilities=(RELEASES,))
        _sign_everything(desk, foundation, city, model)
    foundation.principals["spare"] = _principal(
        directory, city.hero.name, stem="spare", labels={CAMERA_LABEL: "true"}
    )
    return foundation


def _sign_everything(desk: Desk, foundation: Foundation, city: City, model: bytes) -> None:
    """Let the authority sign every record and grant, the steward's last: its invite holds all."""
    principals, directory = foundation.principals, foundation.directory
    resolution = foundation.genesis.h3_resolution
    value = {"digest": model, "state": "approved", "events": list(EVENTS), "area": "*"}
    desk.put("model/detector", value)
    for place in city.places:
        desk.put(f"place/{place.name}", place_record(place, resolution))
    for place in city.places:
        labels = {CAMERA_LABEL: "true"} if place.watched is not None else {}
        principals[place.name] = _principal(directory, place.name, labels=labels)
        role = box_role(place.name, EVENTS, _area(place, resolution))
        _grant(desk, foundation, place.name, 3, role, place=place.name)
    district = city.hero.district
    _grant(desk, foundation, BOOTSTRAP, 3, bootstrap_role(BOOTSTRAP))
    cell = cell_at(*_degrees(city.hero), resolution)
    for name in (f"{district}/box-9001", f"{district}/box-9002"):
        principals[name] = _principal(directory, name)
        _grant(desk, foundation, name, 3, box_role(name, EVENTS, (cell,)))
    for name in (f"{district}/deputy", foundation.steward):
        principals[name] = _principal(directory, name)
        _grant(desk, foundation, name, 2, steward_role(district))
        if name != foundation.steward:
            desk.revoke(name)


def _grant(
    desk: Desk,
    foundation: Foundation,
    name: str,
    stratum: int,
    role: Iterable[Capability],
    place: str | None = None,
) -> None:
    principal = foundation.principals[name]
    desk.grant(principal.key, name, stratum=stratum, capabilities=role, place=place)
    _install(principal, desk.invite(principal.key, name, foundation.addresses))


def _principal(
    directory: Path,
    name: str,
    *,
    stem: str | None = None,
    listen: str = "/ip4/127.0.0.1/tcp/0",
    role: Role = "box",
    labels: Mapping[str, str] | None = None,
) -> Principal:
    """Make a key, its unlock file and a configuration."""
    stem = stem or name.replace("/", "-")
    secret = SecretKey.generate(os.urandom)
    unlock = generate_unlock_file(directory / f"{stem}.unlock")
    save_key(directory / f"{stem}.key", secret, unlock, random_unlock=True)
    config = NodeConfig(
        name=name,
        key=f"{stem}.key",
        unlock=f"file:{stem}.unlock",
        store=f"{stem}.db",
        listen=(listen,),
        role=role,
        labels=dict(labels or {}),
    )
    path = directory / f"{stem}.toml"
    path.write_text(render_config(config))
    return Principal(name, path, secret.public, secret.seed)


def _install(principal: Principal, invite: Invite) -> None:
    """Put an invite beside a configuration and name it there."""
    config = load_config(principal.config)
    file = principal.config.with_suffix(".invite")
    file.write_bytes(invite.encode())
    principal.config.write_text(render_config(msgspec.structs.replace(config, invite=file.name)))


def _first_statement(genesis: Genesis, root: SecretKey, centre: bytes) -> RootStatement:
    body = {
        "pk": centre,
        "name": CENTRE,
        "stratum": 1,
        "epoch": 1,
        "caps": [capability.to_value() for capability in authority_role()],
        "replaces": [],
    }
    return sign_root(make_root_statement(genesis, [RootItem("grant", body)]), root)


def _free_address() -> str:
    """Return a loopback address whose port was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"/ip4/127.0.0.1/tcp/{probe.getsockname()[1]}"


def _dialled(principal: Principal) -> str:
    return f"{load_config(principal.config).listen[0]}/p2p/{peer_id(principal.key)}"


def _degrees(place: CityPlace) -> tuple[float, float]:
    return place.position[0] / 1e6, place.position[1] / 1e6


def _area(place: CityPlace, resolution: int) -> tuple[bytes, ...]:
    return cells_covering(*_degrees(place), AREA_M, resolution)
