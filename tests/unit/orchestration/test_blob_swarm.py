"""Links, losses, liars, restarts: whoever can be served is served, and only liars are blamed."""

from hypothesis import event, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mesh.orchestration.blob_limits import ExchangeLimits
from mesh.units import SECOND
from tests.unit.orchestration.blob_world import CHUNKS, REFERENCE, Box, Vice, World, chunk

BOXES = 5
numbers = st.integers(0, BOXES - 1)
rates = st.sampled_from([None, None, 100_000, 10_000_000])
LIARS = [vice for vice in Vice if vice is not Vice.NONE]
WAIT_NS = 1800 * SECOND
"""Most that the worst four liars may cost: some of them are asked first, each once for a chunk."""


@given(
    st.integers(0, 2**32),
    st.lists(st.sampled_from(LIARS), min_size=1, max_size=4),
    st.booleans(),
    st.sets(st.integers(0, CHUNKS - 1), max_size=CHUNKS - 1),
)
def test_one_honest_source_is_enough(
    seed: int, vices: list[Vice], is_last: bool, held: set[int]
) -> None:
    """Whatever all others hold back, and whatever they send instead."""
    world = World(seed, [Vice.NONE, Vice.NONE, *vices])
    wanter, source, *liars = world.boxes
    for box in (source, *liars):
        world.give(box, list(range(CHUNKS)))
    if held:
        world.give(wanter, sorted(held))
    world.want(wanter)
    for box in (*liars, source) if is_last else (source, *liars):
        world.link(wanter, box)
    world.settle()
    assert wanter.completed == [REFERENCE.id]
    assert world.now_ns <= WAIT_NS


class Swarm(RuleBasedStateMachine):
    @initialize(
        seed=st.integers(0, 2**32),
        vices=st.lists(st.sampled_from(Vice), min_size=BOXES - 2, max_size=BOXES - 2),
        serve=rates,
        fetch=rates,
        first=st.sets(st.integers(0, CHUNKS - 1), min_size=1),
    )
    def begin(
        self, seed: int, vices: list[Vice], serve: int | None, fetch: int | None, first: set[int]
    ) -> None:
        limits = ExchangeLimits(serve_rate_max=serve, fetch_rate_max=fetch)
        self.world = World(seed, [Vice.NONE, Vice.NONE, *vices], limits)
        for box in self.world.boxes:
            if box.vice is not Vice.NONE:
                self.world.give(box, list(range(CHUNKS)))
        self.world.give(self.box(0), sorted(first))
        self.world.want(self.box(1))

    def box(self, number: int) -> Box:
        return self.world.boxes[number]

    @rule(a=numbers, b=numbers)
    def link(self, a: int, b: int) -> None:
        self.world.link(self.box(a), self.box(b))

    @rule(a=numbers, b=numbers)
    def unlink(self, a: int, b: int) -> None:
        self.world.unlink(self.box(a), self.box(b))

    @rule(pick=st.integers(0, 99))
    def flap(self, pick: int) -> None:
        """A link that breaks and stands again at once, before anybody is done with the old one."""
        if self.world.wires:
            ends = list(self.world.wires)[pick % len(self.world.wires)]
            a, b = (self.world.by_name[name] for name in ends)
            self.world.unlink(a, b)
            self.world.link(a, b)

    @rule(number=numbers)
    def want(self, number: int) -> None:
        self.world.want(self.box(number))

    @rule(number=numbers, indices=st.sets(st.integers(0, CHUNKS - 1), min_size=1))
    def hold_some(self, number: int, indices: set[int]) -> None:
        """A box that finds part of it on its disk at its start."""
        box = self.box(number)
        if box.vice is Vice.NONE and not box.wants:
            self.world.give(box, sorted(indices))

    @rule(number=numbers)
    def restart(self, number: int) -> None:
        self.world.restart(self.box(number))

    @rule(number=numbers, index=st.integers(0, CHUNKS - 1))
    def lose(self, number: int, index: int) -> None:
        """A disk that gives up a chunk and tells nobody."""
        if self.box(number).vice is Vice.NONE:
            self.world.lose(self.box(number), index)

    @rule(number=numbers, is_full=st.booleans())
    def fill_disk(self, number: int, is_full: bool) -> None:
        self.box(number).disk.is_full = is_full

    @rule(steps=st.integers(1, 60))
    def run_some(self, steps: int) -> None:
        for _ in range(steps):
            if not self.world.step():
                return

    @rule(seconds=st.sampled_from([0.01, 1, 11, 60]))
    def wait(self, seconds: float) -> None:
        self.world.now_ns += int(seconds * 10**9)
        self.world.tick()

    @invariant()
    def only_right_bytes_are_stored(self) -> None:
        for box in self.world.honest if hasattr(self, "world") else ():
            for (_, index), data in box.disk.chunks.items():
                assert data == chunk(index), f"{box.name[:1]!r} stored a wrong chunk {index}"

    @invariant()
    def no_honest_box_is_blamed(self) -> None:
        for box in self.world.honest if hasattr(self, "world") else ():
            for peer, reason in box.blamed.items():
                assert self.world.by_name[peer].vice is not Vice.NONE, reason

    @invariant()
    def every_provable_liar_is_blamed(self) -> None:
        for box in self.world.honest if hasattr(self, "world") else ():
            assert not box.to_blame.keys() - box.blamed.keys()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        for a in world.boxes:
            a.disk.is_full = False
            for b in world.boxes:
                world.link(a, b)
        wanters = [box for box in world.honest if box.wants]
        world.settle()
        held = {index for box in wanters for (_, index) in box.disk.chunks}
        self.only_right_bytes_are_stored()
        self.no_honest_box_is_blamed()
        self.every_provable_liar_is_blamed()
        is_whole = len(held) == CHUNKS
        event(f"whole: {is_whole}, wanters: {len(wanters)}, liars: {BOXES - len(world.honest)}")
        for box in wanters:
            assert (REFERENCE.id in box.disk.complete) == is_whole, repr(box.exchange)
            assert box.exchange.is_complete(REFERENCE.digest) == is_whole
            statistics = box.exchange.statistics()
            assert not is_whole or not statistics.requests


Swarm.TestCase.settings = settings(stateful_step_count=30)
TestSwarm = Swarm.TestCase
