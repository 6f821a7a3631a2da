"""Outbound streams: what finds no room is told at once."""

import trio

from mesh.gossip.effects import Priority
from mesh.gossip.queue import QUEUE_BYTES_MAX
from mesh.node.outlets import Outlets

PEER, PROTOCOL = bytes(32), "/test/1"


class _Unreachable:
    """A network on which no stream is ever opened."""

    async def open_stream(self, peer: bytes, protocol: str) -> None:
        await trio.sleep_forever()


def _never(*_: object) -> None:
    raise AssertionError("a stream that nobody opened")


async def test_a_frame_that_finds_no_room_is_told_be_it_the_new_one_or_an_older() -> None:
    lost: list[tuple[bytes, str]] = []
    async with trio.open_nursery() as nursery:
        outlets = Outlets(
            _Unreachable(),
            nursery,
            _never,
            _never,
            lambda peer, protocol: lost.append((peer, protocol)),
        )
        half = bytes(QUEUE_BYTES_MAX // 2)
        outlets.send(PEER, PROTOCOL, half, Priority.FACT)
        outlets.send(PEER, PROTOCOL, half, Priority.FACT)
        assert lost == []
        outlets.send(PEER, PROTOCOL, b"an event drops the older fact", Priority.EVENT)
        assert lost == [(PEER, PROTOCOL)]
        outlets.send(PEER, PROTOCOL, bytes(QUEUE_BYTES_MAX), Priority.GOSSIP)
        assert lost == [(PEER, PROTOCOL)] * 2
        assert outlets.dropped == 2
        nursery.cancel_scope.cancel()
