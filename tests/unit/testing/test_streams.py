"""Links between boxes: reliable streams that nothing crosses while a way is cut."""

import heapq
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from identity.keys import SecretKey
from mesh.framing import frame
from mesh.gossip.effects import Priority
from mesh.mind import GOSSIP_PROTOCOL, MindConfig
from mesh.mind import effects as fx
from mesh.testing.simulator.exchanges import Exchanges
from mesh.testing.simulator.network import BACKLOG_BYTES_MAX, LinkModel, Network
from mesh.testing.simulator.simulated_node import SimulatedNode
from mesh.testing.simulator.streams import HELD_MAX, Streams
from mesh.testing.simulator.trace import Trace
from mesh.units import MS, SECOND, Instant

PROTOCOL = "/test/1"


class Ears:
    """A mind that only listens."""

    def __init__(self, world: "SmallWorld", me: bytes) -> None:
        self.world, self.me = world, me
        self.heard: dict[tuple[bytes, int], list[int]] = {}
        self.links: list[tuple[str, bytes, float]] = []
        self.dropped_to: list[tuple[bytes, str]] = []

    def dropped(self, peer: bytes, protocol: str) -> None:
        self.dropped_to.append((peer, protocol))

    def connected(self, peer: bytes, now: Instant, *, outbound: bool) -> list[fx.Effect]:
        self.links.append(("out" if outbound else "in", peer, now.mono_ns / SECOND))
        return []

    def disconnected(self, peer: bytes, now: Instant) -> list[fx.Effect]:
        self.links.append(("down", peer, now.mono_ns / SECOND))
        return []

    def stream_opened(self, peer: bytes, protocol: str, now: Instant) -> list[fx.Effect]:
        return []

    def receive(self, peer: bytes, protocol: str, body: bytes, now: Instant) -> list[fx.Effect]:
        assert self.world.network.crosses(peer, self.me)
        link = self.world.nodes[self.me].wires[peer].link
        self.heard.setdefault((peer, link), []).append(int.from_bytes(body))
        return []


class SmallWorld:
    """Time, a network, and a few boxes that want to be linked with each other."""

    def __init__(self, boxes: int = 3, model: LinkModel | None = None, seed: int = 0) -> None:
        self.now_ns = 0
        self.queue = []
        self.order = 0
        self.nodes: dict[bytes, SimulatedNode] = {}
        self.network = Network(Random(seed), model or LinkModel(jitter_ms=0))
        exchanges = Exchanges(self, self.nodes)
        self.streams = Streams(self, self.nodes, self.network, Trace(), exchanges)
        self.sent: dict[tuple[bytes, bytes, int], list[int]] = {}
        for number in range(boxes):
            secret = SecretKey.from_seed(bytes([number + 1]) * 32)
            config = MindConfig(name=f"box-{number}")
            node = SimulatedNode(f"box-{number}", secret, config, "", Random(number))
            node.mind = Ears(self, node.public)
            self.nodes[node.public] = node
        self.boxes = list(self.nodes.values())
        self.ears = [node.mind for node in self.boxes]
        self.wanted: list[tuple[int, ...]] = [() for _ in self.boxes]

    def at(self, at_ns, action) -> None:
        assert at_ns >= self.now_ns
        self.order += 1
        heapq.heappush(self.queue, (at_ns, self.order, action))

    def random(self, what: str) -> Random:
        return Random(what)

    def send(self, node: SimulatedNode, effect: fx.Send) -> None:
        self.streams.send(node, effect)

    def instant(self, _node) -> Instant:
        return Instant(self.now_ns, self.now_ns // MS)

    def perform(self, node, effects) -> None:
        assert not effects

    def run(self, seconds: float) -> None:
        end = self.now_ns + int(seconds * SECOND)
        while self.queue and self.queue[0][0] <= end:
            self.now_ns, _, action = heapq.heappop(self.queue)
            action()
        self.now_ns = end

    def want(self, caller: int, *called: int) -> None:
        self.wanted[caller] = called
        wants = (fx.Want(self.boxes[number].public, (), near=True) for number in called)
        self.streams.want(self.boxes[caller], fx.Wanted(tuple(wants)))

    def say(self, caller: int, called: int, number: int) -> None:
        a, b = self.boxes[caller], self.boxes[called]
        wire = a.wires.get(b.public)
        if wire is not None:
            self.sent.setdefault((a.public, b.public, wire.link), []).append(number)
        data = frame(number.to_bytes(4))
        self.streams.send(a, fx.Send(b.public, PROTOCOL, data, Priority.FACT))

    def events(self, number: int) -> list[str]:
        return [what for what, *_ in self.ears[number].links]

    def heard(self, number: int) -> list[int]:
        return [each for said in self.ears[number].heard.values() for each in said]

    def cut(self, label: str, *numbers: int) -> None:
        self.network.cut(label, [self.boxes[number].public for number in numbers])
        self.streams.ways_changed()

    def switch(self, number: int, *, on: bool) -> None:
        """Take the power from a box, or give it back: another life begins, with the same wishes."""
        node = self.boxes[number]
        node.has_power, node.life = on, node.life + 1
        if not on:
            node.mind = None
            self.streams.fall_silent(node)
            return
        node.mind = self.ears[number]
        node.forget_dials()
        self.streams.ways_changed()
        self.want(number, *self.wanted[number])

    def heal(self) -> None:
        self.network.heal()
        self.streams.ways_changed()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("run"), st.integers(1, 4_000)),
        st.tuples(st.just("cut"), st.integers(0, 2)),
        st.tuples(st.just("deaf"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("slow"), st.integers(0, 2), st.integers(1, 2_000)),
        st.tuples(st.just("power"), st.integers(0, 2)),
        st.tuples(st.just("close"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("heal")),
    ),
    max_size=40,
)


def take(world: SmallWorld, step, number: int) -> None:
    boxes = world.boxes
    match step:
        case "say", one, other if one != other:
            world.say(one, other, number)
        case "run", millis:
            world.run(millis / 1000)
        case "cut", one:
            world.cut(str(number), one)
        case "deaf", one, other if one != other:
            world.network.cut_one_way(str(number), [boxes[one].public], [boxes[other].public])
            world.streams.ways_changed()
        case "slow", one, factor:
            boxes[one].slowness = factor
        case "power", one:
            world.switch(one, on=not boxes[one].has_power)
        case "close", one, other:
            world.streams.close(boxes[one], boxes[other].public)
        case ("heal",):
            world.heal()


@given(STEPS, st.floats(0, 0.3), st.floats(0, 1), st.none() | st.floats(1, 100))
def test_each_link_is_a_reliable_stream_and_nothing_crosses_a_cut(steps, loss, reordering, kbit_s):
    model = LinkModel(loss=loss, reordering=reordering, kbit_s=kbit_s)
    world = SmallWorld(model=model)
    world.want(0, 1, 2)
    world.want(1, 2)
    world.run(1)
    for number, step in enumerate(steps):
        take(world, step, number)
    world.heal()
    for number, node in enumerate(world.boxes):
        if not node.has_power:
            world.switch(number, on=True)
    world.run(60)
    for node, ears in zip(world.boxes, world.ears, strict=True):
        for (peer, link), said in ears.heard.items():
            assert said == world.sent[peer, node.public, link][: len(said)]
        whole = {peer: wire.link for peer, wire in node.wires.items()}
        assert all(world.nodes[peer].wires[node.public].link == whole[peer] for peer in whole)
        if not loss:
            assert len(node.wires) == 2


def test_who_is_linked_is_not_dialled_again():
    world = SmallWorld(2)
    world.want(0, 1)
    world.want(1, 0)
    world.run(3_600)
    assert world.events(0) == ["out"]
    assert world.events(1) == ["in"]
    assert not world.queue


def test_what_was_said_during_a_short_cut_arrives_after_it_in_order():
    world = SmallWorld(2)
    world.want(0, 1)
    world.run(1)
    world.say(0, 1, 1)
    world.cut("river", 0)
    world.say(0, 1, 2)
    world.run(5)
    assert world.heard(1) == []
    world.heal()
    world.say(0, 1, 3)
    world.run(5)
    assert world.heard(1) == [1, 2, 3]
    assert world.events(0) == ["out"]


def test_a_link_that_is_cut_is_noticed_by_each_end_after_ten_seconds():
    world = SmallWorld(2)
    world.want(0, 1)
    world.run(1)
    world.cut("river", 0)
    world.run(9.9)
    assert world.events(0) == ["out"]
    world.run(0.2)
    assert (world.events(0), world.events(1)) == (["out", "down"], ["in", "down"])
    world.heal()
    world.run(16)
    assert (world.events(0), world.events(1)) == (["out", "down", "out"], ["in", "down", "in"])


def test_a_flapping_way_is_no_silence_unless_it_is_shut_for_ten_seconds():
    world = SmallWorld(2)
    world.want(0, 1)
    world.run(1)
    for _ in range(6):
        world.cut("river", 0)
        world.run(6)
        world.heal()
        world.run(1)
    assert world.events(0) == ["out"]


def test_nobody_learns_across_a_cut_that_the_other_end_hung_up():
    world = SmallWorld(2)
    world.want(0, 1)
    world.run(1)
    world.cut("river", 0)
    world.streams.close(world.boxes[0], world.boxes[1].public)
    world.run(5)
    assert (world.events(0), world.events(1)) == (["out", "down"], ["in"])
    world.heal()
    world.run(1)
    assert world.events(1) == ["in", "down"]


def test_an_open_way_tells_at_once_and_only_once():
    world = SmallWorld(2)
    world.want(0, 1)
    world.run(6)
    world.say(0, 1, 7)
    world.streams.close(world.boxes[0], world.boxes[1].public)
    world.run(0.03)
    assert world.heard(1) == [7], "what was sent before is read before"
    assert (world.events(0), world.events(1)) == (["out", "down"], ["in", "down"])


def test_one_deaf_way_ends_the_link_and_lets_nobody_dial():
    world = SmallWorld(2)
    world.want(0, 1)
    world.want(1, 0)
    world.run(1)
    one, other = (box.public for box in world.boxes)
    world.network.cut_one_way("deaf", [one], [other])
    world.streams.ways_changed()
    world.say(0, 1, 1)
    world.say(1, 0, 2)
    world.run(40)
    assert (world.heard(0), world.heard(1)) == ([2], [])
    assert (world.events(0), world.events(1)) == (["out", "down"], ["in", "down"])


def test_who_loses_power_is_missed_after_ten_seconds_and_met_as_a_stranger():
    world = SmallWorld(2)
    world.want(0, 1)
    world.run(1)
    world.switch(1, on=False)
    world.run(3)
    assert world.events(0) == ["out"]
    world.switch(1, on=True)
    world.run(1)
    assert world.events(0) == ["out", "down", "out"]


def test_a_process_that_is_down_refuses_and_a_machine_that_is_off_says_nothing():
    world = SmallWorld(2)
    world.boxes[1].mind = None
    world.want(0, 1)
    world.run(5)
    world.boxes[1].mind = Ears(world, world.boxes[1].public)
    world.run(2.5)
    assert world.events(0) == ["out"]
    off = SmallWorld(2)
    off.boxes[1].has_power = False
    off.want(0, 1)
    off.run(7.5)
    off.boxes[1].has_power = True
    off.run(2)
    assert off.events(0) == [], "it asked at 7 s for the last time, and fails at 10"
    off.run(2.5)
    assert off.events(0) == ["out"]


def test_nobody_dials_a_box_behind_a_nat_and_it_dials():
    world = SmallWorld(2)
    world.network.behind_nat(world.boxes[1].public)
    world.want(0, 1)
    world.run(30)
    assert world.events(0) == []
    world.want(1, 0)
    world.run(1)
    assert (world.events(0), world.events(1)) == (["in"], ["out"])


def test_a_slow_box_takes_frames_in_order_and_is_well_again():
    world = SmallWorld(2)
    world.want(0, 1)
    world.run(1)
    world.boxes[1].slowness = 500
    for number in range(10):
        world.say(0, 1, number)
    world.run(0.26)
    assert world.heard(1) == [0, 1]
    world.boxes[1].slowness = 1
    world.say(0, 1, 10)
    world.run(2)
    assert world.heard(1) == list(range(11))


def test_gossip_waits_for_admission_and_only_so_much_of_it():
    world = SmallWorld(2)
    world.want(0, 1)
    world.run(1)
    a, b = world.boxes
    for number in range(HELD_MAX + 5):
        data = frame(number.to_bytes(4))
        world.streams.send(a, fx.Send(b.public, GOSSIP_PROTOCOL, data, Priority.EVENT))
    world.run(1)
    assert world.heard(1) == []
    world.streams.admit(b, a.public)
    assert world.heard(1) == list(range(HELD_MAX))
    world.streams.suspend(b, a.public)
    world.streams.send(a, fx.Send(b.public, GOSSIP_PROTOCOL, frame(b"\7"), Priority.EVENT))
    world.run(1)
    assert len(world.heard(1)) == HELD_MAX


def test_who_sends_what_finds_no_room_is_told():
    for is_slow in (False, True):
        world = SmallWorld(2)
        world.want(0, 1)
        world.run(1)
        a, b = world.boxes
        if is_slow:
            b.slowness = 500
        else:
            world.network.shape(LinkModel(kbit_s=1))
        large = frame(bytes(BACKLOG_BYTES_MAX // 8 - 100))
        for _ in range(8):
            world.streams.send(a, fx.Send(b.public, PROTOCOL, large, Priority.EVENT))
        world.run(0.05)
        assert world.ears[0].dropped_to == [], is_slow
        for _ in range(2):
            world.streams.send(a, fx.Send(b.public, PROTOCOL, large, Priority.EVENT))
        world.run(0.05)
        assert world.ears[0].dropped_to == [(b.public, PROTOCOL)] * world.streams.dropped, is_slow
        assert world.streams.dropped >= 1, is_slow


def test_who_is_unknown_is_dialled_in_vain():
    world = SmallWorld(1)
    wanted = fx.Wanted((fx.Want(bytes(32), (), near=False),))
    world.streams.want(world.boxes[0], wanted)
    world.run(100)
    assert world.events(0) == []
    world.streams.close(world.boxes[0], bytes(32))
    world.streams.send(world.boxes[0], fx.Send(bytes(32), PROTOCOL, b"", Priority.FACT))
    assert world.streams.dropped == 0
