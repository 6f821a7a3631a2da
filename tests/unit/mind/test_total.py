"""Nothing that a peer sends makes a mind raise, and after it the mind still does its work."""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.coordination.hello import HELLO_PROTOCOL
from mesh.mind import GOSSIP_PROTOCOL, SYNC_PROTOCOL, Mind
from mesh.mind import effects as fx
from mesh.mind.assembly import assemble
from mesh.units import MS, SECOND, Instant
from tests.unit.mind.mutating import Recording, deep, mutate, recording

BATCH = 40
"""Spoilt frames that one mind takes; a new mind is born for each example."""

PROTOCOLS = (HELLO_PROTOCOL, GOSSIP_PROTOCOL, SYNC_PROTOCOL)


class Victim:
    """A mind of the recorded fleet that has met all who spoke to it."""

    def __init__(self, recorded: Recording) -> None:
        box = recorded.fleet.boxes["north/box-0"]
        self.start = recorded.fleet.simulation.instant(box.node)
        self.now = self.start
        self.mind: Mind = assemble(
            box.node.config,
            secret=box.node.secret,
            genesis=recorded.fleet.genesis,
            loaded=box.node.disk.load(),
            boot=1,
            rng=Random(1),
            now=self.now,
        )
        self.mind.start(("/sim/0",), self.now)
        self.peers = list(dict.fromkeys(peer for peer, _ in recorded.frames[HELLO_PROTOCOL]))
        for peer in self.peers:
            self.mind.connected(peer, self.now, outbound=True)
        for peer, body in recorded.frames[HELLO_PROTOCOL]:
            self.mind.receive(peer, HELLO_PROTOCOL, body, self.now)

    def later(self, milliseconds: int) -> Instant:
        self.now = Instant(
            self.now.mono_ns + milliseconds * MS, self.now.wall_ms + milliseconds, True
        )
        return self.now

    def hear(self, peer: bytes, protocol: str, body: bytes) -> list[fx.Effect]:
        effects = self.mind.receive(peer, protocol, body, self.later(7))
        if any(isinstance(effect, fx.Disconnect) for effect in effects):
            self.mind.disconnected(peer, self.now)
            self.mind.connected(peer, self.now, outbound=False)
            for sender, hello in recording().frames[HELLO_PROTOCOL]:
                if sender == peer:
                    self.mind.receive(peer, HELLO_PROTOCOL, hello, self.now)
        return effects

    def works(self) -> bool:
        """Whether it still folds, ticks and speaks."""
        handle, effects = self.mind.write(0, "put", {"key": "x"}, self.later(6000))
        effects += self.mind.tick(self.later(SECOND // MS))
        for effect in effects:
            if isinstance(effect, fx.Persist):
                effects += self.mind.persisted(effect.ticket, self.now)
        done = [effect for effect in effects if isinstance(effect, fx.Wrote)]
        return handle in [effect.handle for effect in done] and bool(self.mind.links.members())


def spoilt(rng: Random, protocol: str) -> Iterator[tuple[bytes, bytes]]:
    frames = recording().frames[protocol]
    for _ in range(BATCH):
        peer, genuine = rng.choice(frames)
        yield peer, mutate(rng, genuine)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(seed=st.integers(0, 2**64))
def test_spoilt_frames_of_every_protocol_are_taken_calmly(protocol: str, seed: int) -> None:
    victim = Victim(recording())
    digest = victim.mind.replica.authority.digest
    for peer, body in spoilt(Random(seed), protocol):
        victim.hear(peer, protocol, body)
    assert victim.works()
    assert victim.mind.replica.authority.digest == digest, "nothing unsigned was believed"


@pytest.mark.parametrize("protocol", [*PROTOCOLS, "/nobody/speaks/this"])
@given(body=st.binary(max_size=300))
def test_any_bytes_on_any_protocol_are_taken_calmly(protocol: str, body: bytes) -> None:
    victim = _kept(protocol)
    victim.hear(victim.peers[0], protocol, body)
    assert victim.mind.statistics().links


_VICTIMS: dict[str, Victim] = {}


def _kept(protocol: str) -> Victim:
    if protocol not in _VICTIMS:
        _VICTIMS[protocol] = Victim(recording())
    return _VICTIMS[protocol]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("levels", [9, 1000, 60_000])
def test_nesting_is_no_way_in(protocol: str, levels: int) -> None:
    victim = Victim(recording())
    for peer in victim.peers:
        victim.hear(peer, protocol, deep(levels))
        victim.hear(peer, protocol, b"\x00\x01" + deep(levels))
    assert victim.works()


def test_the_recording_holds_what_honest_boxes_say() -> None:
    frames = recording().frames
    assert {protocol: len(frames[protocol]) > 20 for protocol in PROTOCOLS} == dict.fromkeys(
        PROTOCOLS, True
    )
    victim = Victim(recording())
    for peer, body in frames[GOSSIP_PROTOCOL]:
        effects = victim.mind.receive(peer, GOSSIP_PROTOCOL, body, victim.start)
        assert not [e for e in effects if isinstance(e, fx.Penalise)], "it was genuine"
    assert victim.mind.statistics().gossip.counters.malformed == 0
