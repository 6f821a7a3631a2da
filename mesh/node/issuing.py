"""What an authority signs on a person's word: grants and revocations; models are `approving`.

The same requests are served by the console of a running node and by a desk without a network: both
are a `Signer`, a view and something that writes. A request and its answer are maps, as the console
carries them, so that a command looks the same whoever serves it. Nothing is signed that would not
count: what the signer holds is checked first, and a refusal says what was missing.

Granting a box does what forgetting would undo: its place record, the street directions to the
places around it, and, where the name is held already, the list of the keys that are replaced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crdt.entry import Lane
from crdt.replica import Replica
from crdt.standing import Pair, Standing
from identity.capability import (
    Capability,
    covers,
    is_name,
)
from identity.did import did_from_public
from identity.encoding import Value
from identity.keys import is_valid_point
from mesh.choreography.cells import cell_disk
from mesh.choreography.topics import district_of
from mesh.coordination import rights
from mesh.coordination.enrolment import (
    bootstrap_role,
    box_role,
    feed_heads,
    grant_body,
    holders,
    revocation_body,
    steward_role,
)
from mesh.node.asked import EVENTS_DEFAULT, area_in, capability_text, patterns_in
from mesh.node.control import ControlError, Verb
from mesh.node.placing import cell_of, put_place
from mesh.node.signer import Signer, able, invite_for, refused

__all__ = ["ROLES", "issuing_verbs"]

ROLES = {"box": 3, "steward": 2, "bootstrap": 3}
"""The roles that can be granted, and their strata."""
_LATITUDE_E6_MAX, _LONGITUDE_E6_MAX = 90_000_000, 180_000_000

Body = dict[str, object]


def issuing_verbs(signer: Signer) -> dict[str, Verb]:
    """Return the verbs grant and revoke, served by a signer.

    The requests:

        {do: "grant", key, name, role, events?, area?, position?: [lat_e6, lon_e6], edges?: bool}
        {do: "revoke", name, mode: "compromise" | "retire"}

    The answer to a grant holds the invite and what it replaces; see `mesh.cli.authority` for what
    people are shown. A request that would not count raises ControlError.
    """

    async def grant(request: Mapping[str, Value]) -> Mapping[str, object]:
        return await _grant(signer, request)

    async def revoke(request: Mapping[str, Value]) -> Mapping[str, object]:
        return await _revoke(signer, request)

    return {"grant": grant, "revoke": revoke}


# ------------------------------------------------------------------------------- what is asked


@dataclass(frozen=True, slots=True)
class _Wish:
    """A grant that was asked for, its fields checked."""

    key: bytes
    name: str
    role: str
    events: tuple[str, ...] | None
    area: str | tuple[bytes, ...] | None
    position: tuple[int, int] | None
    edges: bool


def _wish(request: Mapping[str, Value]) -> _Wish:
    key, name, role = request.get("key"), request.get("name"), request.get("role")
    if not isinstance(key, bytes) or not is_valid_point(key):
        raise ControlError("key: expected an Ed25519 public key, as `mesh box init` prints it")
    if not isinstance(name, str) or not is_name(name):
        raise ControlError(f"name {name!r:.60}: expected segments such as north/box-1")
    if role not in ROLES:
        raise ControlError(f"role {role!r:.20}: expected one of {', '.join(ROLES)}")
    position = request.get("position")
    match position:
        case None:
            at = None
        case [int(latitude), int(longitude)] if (
            abs(latitude) <= _LATITUDE_E6_MAX and abs(longitude) <= _LONGITUDE_E6_MAX
        ):
            at = (latitude, longitude)
        case _:
            raise ControlError("position: expected [latitude, longitude] in microdegrees")
    return _Wish(
        key,
        name,
        str(role),
        patterns_in(request.get("events")),
        area_in(request.get("area")),
        at,
        request.get("edges", True) is True,
    )


# ------------------------------------------------------------------------------------ granting


async def _grant(signer: Signer, request: Mapping[str, Value]) -> Mapping[str, object]:
    wish = _wish(request)
    replica = signer.replica
    stratum = ROLES[wish.role]
    issuers = _issuers(signer, wish, stratum)
    capabilities = _capabilities(replica, wish)
    _check_covered(issuers, capabilities)
    place = wish.name if wish.position is not None else None
    edges, skipped = (
        ([], []) if wish.position is None
        else await put_place(signer, wish.name, wish.position, join=wish.edges)
    )  # fmt: skip
    replaced = [held for held in holders(replica, wish.name) if held.pair.key != wish.key]
    outside = [text for held in replaced for text in _outside(replica, held.pair.key)]
    body = grant_body(
        replica,
        key=wish.key,
        name=wish.name,
        stratum=stratum,
        capabilities=capabilities,
        place=place,
    )
    await signer.write("grant", body)
    standing = replica.authority.standings.get(Pair(wish.key, wish.name))
    if standing is None or not standing.winning:
        raise ControlError(f"the grant of {wish.name} was signed and does not count: ask a senior")
    return {
        "invite": invite_for(signer, standing.pair).encode(),
        "epoch": standing.epoch,
        "place": standing.place,
        "replaces": [
            {"did": did_from_public(held.pair.key), "epoch": held.epoch} for held in replaced
        ],
        "outside": outside,
        "edges": edges,
        "skipped": skipped,
    }


def _capabilities(replica: Replica, wish: _Wish) -> tuple[Capability, ...]:
    if wish.role == "bootstrap":
        return bootstrap_role(wish.name)
    if wish.role == "steward":
        district = district_of(wish.name, replica.chain.genesis.district_depth)
        if district is None or district == wish.name:
            raise ControlError(
                f"name {wish.name!r}: a steward stands in a district, as {wish.name}/steward does"
            )
        return steward_role(district)
    before = _speech_of_holder(replica, wish.name)
    events = wish.events or (before.events if before else None) or EVENTS_DEFAULT
    area = wish.area or _area_around(replica, wish) or (before.area if before else None)
    if area is None:
        raise ControlError(f"{wish.name} has no area: give --place LAT,LON or --area")
    state, publish = box_role(wish.name, events, ())
    publish = Capability(
        verb="publish", names=publish.names, events=publish.events, area=area, model=True
    )
    return (state, publish)


def _speech_of_holder(replica: Replica, name: str) -> Capability | None:
    """Return what the holder of a name may publish: new hardware takes it over."""
    for standing in holders(replica, name):
        for capability in standing.capabilities if standing.winning else ():
            if capability.verb == "publish":
                return capability
    return None


def _area_around(replica: Replica, wish: _Wish) -> tuple[bytes, ...] | None:
    """Return the cell of the asked place and its ring."""
    if wish.position is None:
        return None
    return cell_disk(cell_of(replica, wish.position))


def _issuers(signer: Signer, wish: _Wish, stratum: int) -> list[Standing]:
    """Return the signer's pairs that may grant the name; refuse what would not count."""
    with refused():
        issuers = rights.granting(signer.replica, signer.public, wish.name, wish.role, stratum)
    if wish.position is not None:
        able(signer, "place", wish.name)
    return issuers


def _check_covered(issuers: Sequence[Standing], capabilities: Sequence[Capability]) -> None:
    """Refuse a grant that would reach less far than asked."""
    for capability in capabilities:
        if not any(covers(held, capability) for i in issuers for held in i.capabilities):
            raise ControlError(
                f"this key may not pass on `{capability_text(capability)}`: it does not hold as "
                "much itself"
            )


def _outside(replica: Replica, key: bytes) -> list[str]:
    """Return what a key wrote into AUTH that the heads of its feeds, and so the cut, leave out."""
    inside = {
        entry.id
        for feed in replica.feeds()
        if feed[:2] == (key, Lane.AUTH) and (head := replica.head(feed)) is not None
        for entry in replica.walk(feed, head.id)
    }
    left = [
        entry
        for entry in replica.entries()
        if entry.author == key and entry.lane == Lane.AUTH and entry.id not in inside
    ]
    return [f"{entry.kind} {entry.id.hex()[:12]} (seq {entry.seq})" for entry in left]


# ------------------------------------------------------------------------------------ revoking


async def _revoke(signer: Signer, request: Mapping[str, Value]) -> Mapping[str, object]:
    name, mode = request.get("name"), request.get("mode", "compromise")
    if mode not in ("compromise", "retire"):
        raise ControlError(f"mode {mode!r:.20}: expected compromise or retire")
    replica = signer.replica
    if not holders(replica, str(name)):
        raise ControlError(f"nobody holds {name!r:.60}: expected a name of `mesh get nodes`")
    with refused():
        targets = rights.revoking(replica, signer.public, str(name))
    revoked: list[Body] = []
    for standing in targets:
        outside = _outside(replica, standing.pair.key)
        kept = len(feed_heads(replica, standing.pair.key))
        body = revocation_body(replica, standing.pair, mode=str(mode))
        await signer.write("revoke", body)
        revoked.append(
            {"did": did_from_public(standing.pair.key), "kept": kept, "outside": outside}
        )
    return {"revoked": revoked}
