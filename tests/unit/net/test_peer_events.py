"""Events of peers alternate, are bounded and are never lost."""

import trio

from mesh.net.limits import CONNECTIONS_MAX
from mesh.net.peer_events import PeerEvents
from mesh.net.streams import PeerConnected, PeerDisconnected


def coming(number: int) -> PeerConnected:
    return PeerConnected(number.to_bytes(32, "big"), outbound=False, remote_address="/memory")


async def test_events_alternate() -> None:
    subject = PeerEvents()
    event = coming(1)
    subject.disconnected(event.peer)
    assert subject.connected(event)
    assert subject.connected(event)
    subject.disconnected(event.peer)
    subject.disconnected(event.peer)
    subject.close()
    assert [one async for one in subject.channel] == [event, PeerDisconnected(event.peer)]


async def test_a_reader_that_sleeps_keeps_new_peers_out_and_loses_nothing() -> None:
    subject = PeerEvents()
    admitted = [
        number for number in range(5 * CONNECTIONS_MAX) if subject.connected(coming(number))
    ]
    assert 0 < len(admitted) <= CONNECTIONS_MAX
    for number in admitted:
        subject.disconnected(coming(number).peer)
    assert not subject.peers
    subject.close()
    seen = [one async for one in subject.channel]
    assert seen[: len(admitted)] == [coming(number) for number in admitted]
    assert seen[len(admitted) :] == [PeerDisconnected(coming(number).peer) for number in admitted]


async def test_nobody_has_to_listen() -> None:
    subject = PeerEvents()
    await subject.channel.aclose()
    assert subject.connected(coming(1))
    subject.close()
    subject.disconnected(coming(1).peer)
    await trio.lowlevel.checkpoint()
