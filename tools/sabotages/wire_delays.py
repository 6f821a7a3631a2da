"""A wire that loses nothing while it is cut: it hands every frame on some seconds later."""

import socket
import time

from mesh.testing.wires import wire

DELAY_S = 12.0
"""Longer than a link may be silent, shorter than the cut."""

_held: list[tuple[float, bytes, socket.socket]] = []


def _copy(self: wire._Pump, origin: socket.socket, to: socket.socket) -> None:
    """Keep what has arrived, and let go what was kept for long enough."""
    now = time.monotonic()
    for _ in range(wire.FRAMES_AT_ONCE_MAX):
        try:
            size = origin.recv_into(self._buffer)
        except BlockingIOError:
            break
        due = now + (DELAY_S if self._is_cut else 0.0)
        _held.append((due, bytes(memoryview(self._buffer)[:size]), to))
    while _held and (_held[0][0] <= now or not self._is_cut):
        _, frame, end = _held.pop(0)
        try:
            end.send(frame)
        except OSError:
            self._dropped += 1
        else:
            self._copied += 1


wire._Pump._copy = _copy
