"""Real nodes over libp2p, as an application sees them; and what is left when they are closed."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from crdt.entry import Entry, Lane
from mesh.choreography.event_type import EventTypeError
from mesh.choreography.scope import Reach
from mesh.coordination.presence import Presence
from mesh.mind.effects import Persist
from mesh.net.errors import ListenError
from mesh.node import Node, NodeError
from mesh.node.facts import FactFailedError
from mesh.node.storing import Storing
from mesh.testing.simulator.disk import SimulatedDisk
from tests.laws.writing import Fleet, put
from tests.live.founded import MODEL, Founded, NearMiss
from tests.live.waiting import eventually

LIMIT_S = 30
NAMES = ("north/box-0", "north/box-1")


@pytest.fixture
def founded(tmp_path: Path) -> Founded:
    return Founded(tmp_path, NAMES)


@asynccontextmanager
async def two(founded: Founded) -> AsyncGenerator[tuple[Node, Node]]:
    """Two nodes that have found each other through the addresses of an invite."""
    with trio.fail_after(LIMIT_S):
        async with founded.open(NAMES[0]) as near, founded.open(NAMES[1]) as far:
            await eventually(lambda: linked(near, far) and linked(far, near), LIMIT_S)
            yield near, far


def linked(one: Node, other: Node) -> bool:
    """Whether both ends of a link take each other for members."""
    return any(
        (link.peer, link.peer_class, link.answered) == (other.public, "member", "member")
        for link in one.mind.statistics().links
    )


async def listens(speaker: Node, listener: Node) -> None:
    """Wait until the speaker knows that the listener wants its events."""
    assert speaker.place.cell is not None
    topic = f"/{speaker.mind.replica.chain.genesis.ns.hex()}/e/{speaker.place.cell.hex()[1:]}"
    table = speaker.mind._cores.router._table
    await eventually(lambda: listener.public in table.subscribers.get(topic, {}))


async def test_an_event_of_one_is_seen_by_the_other(founded: Founded) -> None:
    async with two(founded) as (near, far), far.nearby(NearMiss, within=600) as incidents:
        await listens(near, far)
        event = await near.publish(NearMiss("van", 0.75), model=MODEL)
        seen = await incidents.receive()
        assert seen.value == NearMiss("van", 0.75)
        assert (seen.author, seen.key, seen.place) == (NAMES[0], near.public, NAMES[0])
        assert (seen.event_id, seen.incident_id, seen.model) == (event.id, event.id, MODEL)
        assert seen.at_ms == event.time_ms
        assert seen.claim()
        assert not seen.claim(), "one request an incident"
        update = await near.publish(NearMiss("van", 0.9), model=MODEL, because=(event.id,))
        again = await incidents.__anext__()
        assert (again.event_id, again.incident_id) == (update.id, event.id)
        assert not again.claim()
        assert far.statistics().mind.admission.accepted == 2
        assert far.statistics().penalties == 0


async def test_what_is_for_everyone_is_heard_by_who_listens_for_it(founded: Founded) -> None:
    async with two(founded) as (near, far):
        async with far.listen(NearMiss, scope=Reach.EVERYONE) as incidents:
            table = near.mind._cores.router._table
            topic = f"/{near.mind.replica.chain.genesis.ns.hex()}/e/all"
            await eventually(lambda: far.public in table.subscribers.get(topic, {}))
            await near.publish(NearMiss("flood", 1.0), model=MODEL, scope=Reach.EVERYONE)
            assert (await incidents.receive()).value.kind == "flood"
        await eventually(lambda: far.public not in table.subscribers.get(topic, {}))


async def test_a_fact_of_one_is_in_the_view_of_the_other(founded: Founded) -> None:
    async with two(founded) as (near, far):
        await near.facts.status("health", {"fans": 2})
        entry = await near.facts.runs(models=[(MODEL, 1_700_000_000_000)])
        pair = (near.public, NAMES[0])
        replica = far.mind.replica
        await eventually(lambda: "runs" in replica.status(Lane.FLEET).get(pair, {}))
        await eventually(lambda: "health" in replica.status(Lane.STATE).get(pair, {}))
        assert entry.author == near.public
        assert [member.name for member in far.members()] == ["centre", *NAMES]
        assert NAMES[0] in repr(near)
        assert near.did in repr(near)
        presence = far.mind.statistics().presence
        assert isinstance(presence, Presence)


async def test_a_node_restarts_from_its_own_store(founded: Founded) -> None:
    with trio.fail_after(LIMIT_S):
        async with founded.open(NAMES[0]) as node:
            first = await node.facts.status("health", 1)
            boot = (await node.publish(NearMiss("van", 0.5), model=MODEL)).boot
        async with founded.open(NAMES[0], listen=("/ip4/127.0.0.1/tcp/0",)) as node:
            said = node.mind.replica.status(Lane.STATE)[node.public, NAMES[0]]
            assert said == {"health": 1}
            assert node.place.degrees is not None
            second = await node.facts.status("health", 2)
            event = await node.publish(NearMiss("van", 0.5), model=MODEL)
    assert int.from_bytes(event.boot[:4]) == int.from_bytes(boot[:4]) + 1
    assert (second.inc, second.seq) != (first.inc, first.seq), "no number is used twice"


async def test_a_full_disk_answers_and_the_node_goes_on_serving(founded: Founded) -> None:
    async with two(founded) as (near, far), far.nearby(NearMiss, within=600) as incidents:
        await listens(near, far)
        await near.shell.flush()
        database = near.shell._storing._store._database

        def limit(pages: int) -> None:
            database.execute(f"PRAGMA max_page_count={pages}")

        await trio.to_thread.run_sync(limit, 1)

        async def fill() -> None:
            for number in range(200):
                await near.facts.status(f"topic-{number % 9}", "x" * 2000)

        with pytest.raises(FactFailedError, match="full"):
            await fill()
        assert near.statistics().store_failures >= 1
        await near.publish(NearMiss("van", 0.5), model=MODEL)
        assert (await incidents.receive()).author == NAMES[0]
        await trio.to_thread.run_sync(limit, 1 << 30)
        entry = await near.facts.status("health", "well")
        assert entry.kind == "snap"
        assert near.mind.replica.entry(entry.id) == entry


async def test_a_port_in_use_is_named(founded: Founded) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=str(port)):
            async with founded.open(NAMES[0], listen=(f"/ip4/127.0.0.1/tcp/{port}",)):
                raise AssertionError("it listens on a port that is taken")
    async with founded.open(NAMES[0]) as node:
        assert node.addresses, "the store was let go"


async def test_closing_leaves_nothing_behind(founded: Founded) -> None:
    async with two(founded):
        pass
    tasks, sockets = living(), open_sockets()
    async with two(founded) as (near, far), far.nearby(NearMiss, within=600):
        await near.publish(NearMiss("van", 0.5), model=MODEL)
        assert living() > tasks
    assert living() == tasks
    assert open_sockets() == sockets


def living() -> int:
    return trio.lowlevel.current_statistics().tasks_living


def open_sockets() -> int:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum("socket:" in str(link.readlink()) for link in links)


async def test_who_becomes_a_member_late_is_heard_in_both_directions(founded: Founded) -> None:
    """It opens its gossip stream while it is only known; nobody may forget that it waits."""
    for name in ("north/box-2", "north/box-3"):
        founded.enrol(name)
    with trio.fail_after(LIMIT_S):
        async with founded.open("north/box-0") as old, founded.open("north/box-3") as new:
            assert not old.mind.replica.is_known_author(new.public)
            await eventually(lambda: linked(old, new) and linked(new, old), LIMIT_S)
            for speaker, listener in ((new, old), (old, new)):
                async with listener.nearby(NearMiss, within=600) as incidents:
                    await listens(speaker, listener)
                    await speaker.publish(NearMiss("van", 0.5), model=MODEL)
                    assert (await incidents.receive()).author == speaker.name


async def test_what_cannot_be_done_is_said(founded: Founded) -> None:
    async with founded.open("centre") as node:
        with pytest.raises(NodeError, match="give `cell`"):
            await node.publish(NearMiss("van", 0.5))
        with pytest.raises(NodeError, match="no place"):
            async with node.nearby(NearMiss, within=600):
                pass
        with pytest.raises(EventTypeError):
            await node.publish("no event")


def three_entries() -> list[Entry]:
    fleet = Fleet()
    first = fleet.write("me", put("x", 1))
    second = fleet.write("me", put("x", 2), after=first)
    fleet.write("other", put("x", 3))
    return [first, second, fleet.entries[2]]


async def test_what_is_to_be_stored_is_stored_in_the_order_in_which_it_was_asked() -> None:
    """An own entry may follow one that a peer brought back in the same breath."""
    brought, own, other = three_entries()
    disk, told = SimulatedDisk(), list[object]()
    storing = Storing(disk, told.append, lambda ticket, why: told.append((ticket, why)))
    storing.put(Persist(1, (brought,)))
    storing.put(Persist(2, (own,), own=True))
    storing.put(Persist(3, (other,)))
    await storing.flush()
    assert told == [1, 2, 3]
    assert set(disk.load().entries) == {brought, own, other}


async def test_what_fails_of_ours_does_not_take_others_facts_along() -> None:
    _, unlinked, other = three_entries()
    disk, told, failed = SimulatedDisk(), list[int](), list[int]()
    storing = Storing(disk, told.append, lambda ticket, _: failed.append(ticket))
    storing.put(Persist(1, (unlinked,), own=True))
    storing.put(Persist(2, (other,)))
    await storing.flush()
    await storing.flush()
    assert (told, failed, storing.failures) == ([2], [1], 1)


async def test_what_is_in_hand_when_a_node_is_closed_is_stored() -> None:
    first, second, other = three_entries()
    told: list[int] = []
    disk = SimulatedDisk()

    def first_then_close(ticket: int) -> None:
        told.append(ticket)
        nursery.cancel_scope.cancel()

    storing = Storing(disk, first_then_close, lambda *_: None)
    storing.put(Persist(1, (first,), own=True))
    storing.put(Persist(2, (other,)))
    storing.put(Persist(3, (second,), own=True))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(storing.run)
    assert told == [1, 2, 3]


async def test_a_box_too_far_behind_its_disk_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.node.storing.WAITING_MAX", 1)
    first, _, other = three_entries()
    failed: list[tuple[int, str]] = []
    storing = Storing(SimulatedDisk(), lambda _: None, lambda *answer: failed.append(answer))
    storing.put(Persist(1, (first,), own=True))
    storing.put(Persist(2, (other,)))
    assert [(ticket, "disk" in why) for ticket, why in failed] == [(2, True)]
