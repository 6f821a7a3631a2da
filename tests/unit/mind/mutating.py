"""Genuine frames of a running fleet, and ways to spoil them.

A frame of random bytes is refused by the first line of a parser. What finds bugs is a frame that is
right but for one thing, so these begin with what honest boxes said to each other.
"""

from functools import cache
from random import Random

from identity.encoding import encode
from mesh.choreography.event_type import event_type
from mesh.framing import frame
from mesh.mind import Draft
from mesh.testing.fleets.fleet import MODEL, Fleet

FRAMES_MAX = 400
"""Recorded frames kept of each protocol."""

_JUNK = (
    b"\x00",
    b"\xff" * 9,
    b"\xff\xff\xff\xff\x7f",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",  # an array of 2^64 - 1 items
    b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",  # a byte string of 2^63 - 1 bytes
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x81" * 200,  # arrays in arrays
    b"\xa1\x61a" * 100,
    b"\xc0\x00",
    b"\xf9\x7e\x00",
    b"\x62\xc3\x28",
    b"\x12\xff\xff\xff\xff\x0f",  # a message of 4 GiB
)


def mutate(rng: Random, genuine: bytes) -> bytes:
    """Return a frame that differs from a genuine one, in one or a few places."""
    body = bytearray(genuine)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(body) + 1)
        match rng.randrange(7):
            case 0 if body:
                body[at % len(body)] ^= 1 << rng.randrange(8)
            case 1:
                del body[at:]
            case 2:
                body[at:at] = rng.choice(_JUNK)
            case 3:
                junk = rng.choice(_JUNK)
                body[at : at + len(junk)] = junk
            case 4:
                del body[at : at + rng.randrange(1, 40)]
            case 5:
                body[at:at] = body[at : at + rng.randrange(1, 200)]
            case _:
                body[at : at + 8] = rng.randbytes(8)
    return bytes(body)


class Recording:
    """What the boxes of a small fleet said to one of them, and the fleet.

    Attributes:
        fleet: it stands; the victim is `north/box-0`.
        frames: by protocol, (sender, frame body).
    """

    def __init__(self) -> None:
        self.frames: dict[str, list[tuple[bytes, bytes]]] = {}
        self.fleet = fleet = Fleet(boxes=4, seed=11)
        victim, note = fleet.boxes["north/box-0"].node.public, fleet.simulation.record.frame

        def tapped(at_ns: int, to: bytes, sender: bytes, protocol: str, body: bytes) -> None:
            heard = self.frames.setdefault(protocol, [])
            if to == victim and len(heard) < FRAMES_MAX:
                heard.append((sender, body))
            note(at_ns, to, sender, protocol, body)

        fleet.simulation.record.frame = tapped
        fleet.stand()
        place = fleet.boxes["north/box-0"].mind.views.places.get("north/box-0")
        assert place is not None
        from tests.sim.test_scenarios import NearMiss

        kind = event_type(NearMiss)
        fleet.boxes["north/box-0"].listen(kind, 600)
        fleet.run(seconds=5)
        for number, name in enumerate(fleet.names() * 3):
            if "box" in name:
                data = kind.encode(NearMiss(f"van {number}", 0.5))
                draft = Draft(type="traffic.near_miss", data=data, cell=place.cell, model=MODEL)
                fleet.boxes[name].publish(draft)
        fleet.centre.revoke("south/box-3")
        fleet.steward("north").grant(fleet.key("new").public, "north/new")
        for name in ("north/box-1", "south/box-2"):
            fleet.crash(name)
            fleet.run(seconds=2)
            fleet.restart(name)
        fleet.run(seconds=10)


@cache
def recording() -> Recording:
    """Return the one recording of this process."""
    return Recording()


def deep(levels: int) -> bytes:
    """Return well-formed CBOR, nested deeper than anything of ours."""
    return b"\x81" * levels + encode(0)


def huge(body: bytes) -> bytes:
    """Return a body behind a length that is not its own."""
    return frame(bytes(1 << 20))[:4] + body
