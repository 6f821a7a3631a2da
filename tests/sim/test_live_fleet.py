"""A fleet of real nodes in virtual time: what applications go through, without a socket."""

import time
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
import trio.testing

import mesh
from mesh import km
from mesh.node import Node
from mesh.node.facts import FactFailedError
from mesh.testing import Fleet, FleetError
from mesh.testing.fleets.town import NearMiss
from mesh.testing.live.fleet import LiveFleet
from mesh.testing.live.opening import open_live_fleet
from mesh.testing.live.virtual_time import run_in_virtual_time
from tests.live.signals import FACTORY, SLOT, Signals, apply, stated
from tests.unit.inference.artifacts import a_configuration

Story = Callable[[LiveFleet], Awaitable[None]]
HOUR_S_MAX = 30
"""Seconds of one core in which ten nodes are played for an hour; three are needed."""


def play(story: Story, *, seed: int = 1, **options) -> str:
    """Play a story on a fleet that stands; returns its trace."""

    async def main() -> str:
        async with open_live_fleet(seed=seed, **options) as fleet:
            await fleet.stand()
            await story(fleet)
            return fleet.trace

    return run_in_virtual_time(main)


class Listeners:
    """An application that claims whatever it hears around itself; one for all boxes."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    async def app(self, node: Node) -> None:
        async with node.nearby(NearMiss, within=km(0.6)) as incidents:
            async for seen in incidents:
                if seen.claim():
                    self.heard.append((node.name, seen.author))


def test_a_bank_goes_on_alone_and_hears_of_a_revocation_later():
    listeners = Listeners()

    async def story(fleet: LiveFleet) -> None:
        fleet.embed(listeners.app)
        await fleet.run(seconds=10)
        with fleet.partition(*fleet.split("river")):
            await fleet.run(seconds=20)
            await fleet.revoke("north/box-1", reason="stolen")
            await fleet.publish("north/box-0")
            await fleet.run(seconds=2)
            assert listeners.heard == [("north/box-1", "north/box-0")]
            assert not fleet.views_agree()
            assert fleet.anyone_trusts("north/box-1")
        await fleet.settle()
        assert not fleet.anyone_trusts("north/box-1")

    play(story, boxes=4)


async def both(fleet: Fleet | LiveFleet) -> list[object]:
    """A story that may be played on either fleet, and what is seen in it."""

    async def done(deed: object) -> object:
        return await deed if isinstance(deed, Awaitable) else deed

    fleet.listen_everywhere()
    with fleet.partition(*fleet.split("river")):
        await done(fleet.run(seconds=20))
        during = await done(fleet.publish("north/box-0"))
        await done(fleet.revoke("south/box-3"))
        await done(fleet.run(seconds=2))
        differed = not fleet.views_agree(), fleet.anyone_trusts("south/box-3")
    await done(fleet.settle())
    await done(fleet.spawn("south/box-7", by="south/steward", beside="south/box-2"))
    await done(fleet.swap_hardware("north/steward", by="centre"))
    await done(fleet.swap_hardware("north/box-1", by="north/steward"))
    await done(fleet.crash("north/box-0"))
    await done(fleet.run(seconds=1))
    await done(fleet.restart("north/box-0"))
    await done(fleet.run(seconds=20))
    after = await done(fleet.publish("north/box-0"))
    revoked = await done(fleet.publish("south/box-3"))
    await done(fleet.run(seconds=2))
    heard = [
        [name for name in fleet.heard(event) if name not in {"south/box-7", "north/box-1"}]
        for event in (during, after, revoked)
        if isinstance(event, bytes)
    ]
    held = [fleet.anyone_trusts(name) for name in ("south/box-3", "south/box-7", "north/box-1")]
    return [differed, heard, held, fleet.views_agree(), sorted(fleet.names())]


def test_the_same_story_goes_the_same_way_on_either_fleet():
    simulated = Fleet(boxes=4, seed=1)
    simulated.stand()
    seen = [trio.run(both, simulated)]

    async def story(fleet: LiveFleet) -> None:
        seen.append(await both(fleet))

    play(story, boxes=4)
    assert seen[0] == seen[1]
    assert seen[0][1] == [[], ["south/box-2"], []], "the new north/box-1 hears as well"


def test_an_application_starts_again_with_its_box_and_the_box_goes_on_from_its_disk():
    listeners = Listeners()

    async def story(fleet: LiveFleet) -> None:
        fleet.embed(listeners.app, "north/*-0")
        await fleet.crash("north/box-0")
        with pytest.raises(FleetError, match="north/box-0 is down: restart it first"):
            fleet.node("north/box-0")
        await fleet.revoke("north/box-1")
        await fleet.run(seconds=3)
        await fleet.restart("north/box-0")
        await fleet.run(seconds=15)
        assert not fleet.box("north/box-0").trusts("north/box-1")
        await fleet.publish("south/box-2")
        await fleet.run(seconds=2)
        assert listeners.heard == [("north/box-0", "south/box-2")]

    play(story, boxes=4)


def test_what_was_not_synced_is_lost_in_a_crash_and_whoever_waited_is_told():
    async def story(fleet: LiveFleet) -> None:
        refused: list[str] = []

        async def put() -> None:
            try:
                await fleet.centre.facts.put("lost", 1)
            except FactFailedError as error:
                refused.append(str(error))

        async with trio.open_nursery() as nursery:
            fleet.disk("centre").sync_ms = 500
            nursery.start_soon(put)
            await fleet.run(seconds=0.1)
            before_s = fleet.now_s
            await fleet.crash("centre")
        assert fleet.now_s == before_s, "a crash takes no time"
        assert [told for told in refused if "centre died before it was durable" in told]
        await fleet.run(seconds=3)
        await fleet.restart("centre")
        await fleet.centre.facts.put("kept", 1)
        await fleet.settle()
        for box in fleet.up():
            registers = box.mind.replica.registers
            assert ("kept" in registers, "lost" in registers) == (True, False)

    play(story, boxes=2)


def test_a_full_disk_refuses_and_an_old_copy_of_a_disk_is_gone_back_to():
    async def story(fleet: LiveFleet) -> None:
        fleet.disk("centre").is_full = True
        with pytest.raises(FactFailedError, match="disk is full"):
            await fleet.centre.facts.put("much", 1)
        fleet.disk("centre").is_full = False
        backup = fleet.backup("south/steward")
        with pytest.raises(FleetError, match="south/steward is running: switch it off before"):
            fleet.restore("south/steward", backup)
        await fleet.revoke("north/box-0")
        await fleet.run(seconds=5)
        fleet.cut("alone", ["south/steward"])
        await fleet.crash("south/steward")
        fleet.restore("south/steward", backup)
        await fleet.restart("south/steward")
        assert fleet.box("south/steward").trusts("north/box-0")
        fleet.heal("alone")
        await fleet.run(seconds=20)
        assert not fleet.anyone_trusts("north/box-0")

    play(story, boxes=2)


def test_hardware_is_swapped_and_boxes_are_spawned_with_the_centre_gone():
    listeners = Listeners()

    async def story(fleet: LiveFleet) -> None:
        fleet.embed(listeners.app, "south/box-2")
        await fleet.crash("centre")
        await fleet.swap_hardware("north/box-1", by="north/steward")
        await fleet.spawn("south/box-9", beside="south/box-3", by="south/steward")
        await fleet.settle()
        await fleet.run(seconds=15)
        for name in ("north/box-1", "north/box-1 (old)", "south/box-9"):
            await fleet.publish(name)
            await fleet.run(seconds=2)
        assert listeners.heard == [
            ("south/box-2", "north/box-1"),
            ("south/box-2", "south/box-9"),
        ]
        assert len(fleet.node("north/box-0").members()) == len(fleet.boxes) - 1

    play(story, boxes=4)


def test_a_box_that_is_spawned_in_a_cut_stands_on_the_side_of_its_neighbour():
    async def story(fleet: LiveFleet) -> None:
        north, south = fleet.split()
        with fleet.partition(north, south):
            await fleet.run(seconds=20)
            new = await fleet.spawn("north/box-20", by="north/steward")
            await fleet.run(seconds=20)
            seen = new.mind.presence.seen
            assert all(box.public in seen for box in north)
            assert not any(box.public in seen for box in south)

    play(story, boxes=2)


def test_a_box_whose_clock_jumps_says_what_is_refused_as_stale():
    async def story(fleet: LiveFleet) -> None:
        fleet.listen_everywhere()
        await fleet.run(seconds=15)
        fleet.clock("north/box-0", jump_s=-120)
        event = await fleet.publish("north/box-0")
        await fleet.run(seconds=2)
        assert fleet.heard(event) == []
        refused = [box.mind.speaking.admission_statistics().refused for box in fleet.up()]
        assert any(counts["stale"] for counts in refused), refused

    play(story, boxes=4)


def test_a_box_behind_a_nat_dials_and_slow_links_are_slow():
    async def story(fleet: LiveFleet) -> None:
        fleet.behind_nat("north/box-0")
        fleet.links(latency_ms=200)
        await fleet.crash("north/box-0")
        await fleet.restart("north/box-0")
        await fleet.stand()
        fleet.listen_everywhere()
        await fleet.run(seconds=15)
        said_ns = fleet.now_ns
        await fleet.publish("north/box-1")
        await fleet.run(seconds=2)
        assert min(each.at_ns for each in fleet.deliveries) >= said_ns + 200_000_000

    play(story, boxes=4)


def test_own_events_are_heard_and_an_hour_of_ten_nodes_costs_little():
    @mesh.event("parking.space_freed")
    class SpaceFreed:
        spaces: int

    async def story(fleet: LiveFleet) -> None:
        assert len(fleet.boxes) == 10
        async with fleet.node("north/box-1").nearby(SpaceFreed, within=km(0.6)) as freed:
            began_s = time.process_time()
            await fleet.run(minutes=60)
            assert time.process_time() - began_s < HOUR_S_MAX
            await fleet.publish("north/box-0", SpaceFreed(3))
            with trio.fail_after(2):
                assert (await freed.receive()).value == SpaceFreed(3)

    play(story, boxes=7, events=["parking.*"])


class Runners:
    """An application with a slot, which sees that what runs there works; one for all boxes."""

    def __init__(self) -> None:
        self.hosts: dict[str, Signals] = {}

    async def app(self, node: Node) -> None:
        def make(**given) -> Signals:
            self.hosts[node.name] = Signals(**given)
            return self.hosts[node.name]

        async with node.slot(SLOT, make, factory=FACTORY) as slot:
            while True:
                slot.seen(slot.running)
                await trio.sleep(0.5)

    def run(self, payload: bytes) -> list[str]:
        return [name for name, host in sorted(self.hosts.items()) if host.runs[-1] == payload]


def test_what_is_rolled_out_reaches_the_slots_of_whom_it_may_and_stays_there():
    artefact = a_configuration(7, size=20_000)
    names = ["north/box-0", "north/box-1", "south/box-2"]

    async def story(fleet: LiveFleet) -> None:
        runners = Runners()
        fleet.embed(runners.app)
        fleet.cut("river", ["south/box-2"])
        await fleet.run(seconds=15)
        began_s = time.process_time()
        await apply(fleet.centre, artefact.raw, names)
        await fleet.run(seconds=60)
        assert runners.run(artefact.payload) == names[:2]
        await fleet.crash("north/box-0")
        await fleet.restart("north/box-0")
        await fleet.run(seconds=2)
        assert runners.run(artefact.payload) == names[:2], "from its own folder"
        fleet.heal("river")
        await fleet.run(seconds=60)
        assert runners.run(artefact.payload) == names
        assert [stated(fleet.node(name)) for name in names] == [[artefact.digest]] * 3
        assert time.process_time() - began_s < HOUR_S_MAX

    play(story, boxes=3)


def test_one_seed_is_one_run_and_another_seed_another():
    async def story(fleet: LiveFleet) -> None:
        fleet.embed(Listeners().app)
        with fleet.partition(*fleet.split()):
            await fleet.run(seconds=12)
            await fleet.publish("north/box-0")
        await fleet.crash("centre")
        await fleet.run(seconds=3)
        await fleet.restart("centre")
        await fleet.settle()

    traces = [play(story, seed=seed, boxes=4) for seed in (1, 1, 1, 2)]
    assert len(set(traces[:3])) == 1
    assert traces[3] != traces[0]


def test_an_application_that_raises_fails_the_test():
    async def app(_node: Node) -> None:
        raise ZeroDivisionError("planted")

    async def story(fleet: LiveFleet) -> None:
        fleet.embed(app, "north/box-0")
        await fleet.run(seconds=1)

    with pytest.raises(ExceptionGroup) as raised:
        play(story, boxes=1)
    assert raised.group_contains(ZeroDivisionError, match="planted")


def test_what_cannot_be_done_is_refused():
    async def story(fleet: LiveFleet) -> None:
        with pytest.raises(FleetError, match="nobody is called 'west'"):
            fleet.node("west")
        with pytest.raises(FleetError, match=r"nobody is called west/\*: expected"):
            fleet.embed(Listeners().app, "west/*")
        with pytest.raises(FleetError, match="centre is running: restart it after a crash"):
            await fleet.restart("centre")
        with pytest.raises(FleetError, match=r"run\(5\) has no unit"):
            await fleet.run(5)
        with pytest.raises(FleetError, match="north/box-1 may not revoke south/box-2"):
            await fleet.revoke("south/box-2", by="north/box-1")
        with pytest.raises(FleetError, match="may not grant north/box-7"):
            await fleet.spawn("north/box-7", by="north/box-1")
        with pytest.raises(FleetError, match="may not grant north/box-0"):
            await fleet.swap_hardware("north/box-0", by="north/box-1")
        with pytest.raises(FleetError, match="nobody is called 'west/box-0'"):
            fleet.cut("river", ["west/box-0"])
        fleet.cut("river", ["north/box-0"])
        with pytest.raises(FleetError, match="a cut is called 'river' already"):
            fleet.cut("river", ["north/box-0"])
        with pytest.raises(FleetError, match="no cut is called 'bridge': expected one of"):
            fleet.heal("bridge")
        with pytest.raises(FleetError, match=r"links\(loss=…\): the links of this fleet have lat"):
            fleet.links(loss=0.1)
        with pytest.raises(FleetError, match="north/box-0 is there already"):
            await fleet.spawn("north/box-0")
        with pytest.raises(FleetError, match="centre stands nowhere"):
            await fleet.spawn("north/box-8", beside="centre")
        with pytest.raises(FleetError, match="west is held by nobody"):
            await fleet.revoke("west")
        event = await fleet.publish("north/box-0")
        with pytest.raises(FleetError, match=r"nobody listens to traffic\.near_miss"):
            fleet.heard(event)
        await fleet.revoke("north/box-0")
        with pytest.raises(FleetError, match=r"views differ after 1 virtual.*heal 'river'"):
            await fleet.settle(seconds=1)

    play(story, boxes=4)


def test_a_fleet_in_real_time_is_refused():
    async def main() -> None:
        async with open_live_fleet(boxes=1):
            pass

    with pytest.raises(FleetError, match="call this in `run_in_virtual_time`"):
        trio.run(main)
    with pytest.raises(ValueError, match="virtual time has a clock of its own"):
        run_in_virtual_time(partial(trio.sleep, 1), clock=trio.testing.MockClock())
