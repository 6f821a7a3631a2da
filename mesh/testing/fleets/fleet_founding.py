"""How a simulated fleet is founded: what its centre writes, and that it writes it all at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from crdt.entry import Entry, Lane
from crdt.own import OwnFeed
from crdt.replica import Replica
from crdt.store_records import Batch
from identity.genesis import Genesis
from identity.keys import SecretKey
from mesh.coordination.enrolment import grant_body, steward_role
from mesh.mind import Mind
from mesh.mind.assembly import wake_replica
from mesh.mind.effects import Persist
from mesh.mind.neighbours import Neighbours
from mesh.mind.views import Views
from mesh.testing.fleets.town import MODEL, SLOT, Town, role_in
from mesh.testing.simulator.disk import SimulatedDisk
from mesh.testing.simulator.simulated_node import SimulatedNode
from mesh.units import Instant

__all__ = ["BOOTSTRAPS", "acquaint", "founding_facts", "written_at_once"]

BOOTSTRAPS = 3
"""Boxes that an invite names."""
Fact = tuple[str, object]
"""Kind and body."""


def founding_facts(
    replica: Replica, town: Town, keys: Mapping[str, bytes], events: Sequence[str]
) -> Iterator[Fact]:
    """Yield what the centre says: who its boxes are, where they stand, which model is approved.

    Args:
        replica: of the centre, before it wrote anything.
        town: where boxes stand.
        keys: public keys by name.
        events: what boxes may publish.
    """
    for district in ("north", "south"):
        name = f"{district}/steward"
        role = steward_role(district)
        yield "grant", grant_body(replica, key=keys[name], name=name, stratum=2, capabilities=role)
    for name in town.places:
        yield "put", town.record(name)
        role = role_in(name, "box", events, town.area_of(name))
        body = grant_body(
            replica, key=keys[name], name=name, stratum=3, capabilities=role, place=name
        )
        yield "grant", body
    model = {"digest": MODEL, "state": "approved", "events": list(events), "area": "*"}
    yield "put", {"key": SLOT, "value": model, "supersedes": []}


def written_at_once(
    mind: Mind, secret: SecretKey, facts: Iterator[Fact], now: Instant
) -> tuple[Entry, ...]:
    """Return the entries of a mind's AUTH feed that say all that, in order.

    The mind writes the first; the rest follows in that feed as if it had, without its views being
    folded anew after each of them.
    """
    _, effects = mind.write(Lane.AUTH, *next(facts), now)
    (first,) = next(effect.entries for effect in effects if isinstance(effect, Persist))
    feed = OwnFeed(secret, first.ns, Lane.AUTH, head=first, started_ns=0)
    entries = [first]
    for kind, body in facts:
        written = feed.append(kind, body, t=now.wall_ms, now_ns=now.mono_ns, random_16=0)
        feed.persisted(written.ticket)
        entries.append(written.entry)
    return tuple(entries)


def acquaint(
    genesis: Genesis, nodes: Mapping[bytes, SimulatedNode], delivered: SimulatedDisk, now: Instant
) -> None:
    """Give boxes disks that hold what each stated of its links when all were linked.

    Args:
        genesis: of the fleet.
        nodes: the boxes, by public key.
        delivered: a disk that holds all founding facts.
        now: when they stated it.
    """
    replica = wake_replica(genesis, delivered.load())
    views, neighbours = Views(replica), Neighbours(genesis, b"", {}, replica.folds)
    linked: dict[bytes, list[bytes]] = {key: [] for key in nodes}
    for one, other in neighbours.layout(views.members, views.places):
        linked[one].append(other)
        linked[other].append(one)
    stated: dict[bytes, Entry] = {}
    for key, node in nodes.items():
        feed = OwnFeed(node.secret, genesis.ns, Lane.FLEET, head=None, started_ns=now.mono_ns)
        body = {"map": {"links": {"peers": sorted(linked[key]), "addresses": [node.address]}}}
        written = feed.append("snap", body, t=now.wall_ms, now_ns=now.mono_ns, random_16=0)
        stated[key] = written.entry
    delivered.append(Batch(entries=tuple(stated.values())))
    for key, node in nodes.items():
        node.disk = delivered.copy()
        node.disk.own([stated[key]])
        invited = {peer: (nodes[peer].address,) for peer in linked[key][:BOOTSTRAPS]}
        node.config = replace(node.config, bootstraps=invited)
