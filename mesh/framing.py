"""Frames on a byte stream: an unsigned varint length, then that many bytes.

The framing of libp2p's own protocols (gossipsub, identify) and of ours (hello, sync). The reader is
fed whatever arrived, in pieces of any size, and returns the frames that are whole; it buffers no
more than one frame of the largest size allowed.
"""

__all__ = ["VARINT_SIZE_MAX", "FrameError", "FrameReader", "frame", "uvarint"]

VARINT_SIZE_MAX = 5
"""Longest varint looked at, bytes: lengths below 2^35."""


class FrameError(Exception):
    """A length that no honest peer announces; the stream cannot be read any further."""


def uvarint(number: int) -> bytes:
    """Return an unsigned LEB128 varint, lowest seven bits first."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def frame(body: bytes) -> bytes:
    """Return a body with its length in front."""
    return uvarint(len(body)) + body


class FrameReader:
    """Cuts a stream into frames; `feed` it what arrives.

    Args:
        frame_size_max: largest frame taken, bytes.
    """

    __slots__ = ("_buffer", "_frame_size_max")

    def __init__(self, frame_size_max: int) -> None:
        self._frame_size_max = frame_size_max
        self._buffer = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the frames completed by a chunk, in order.

        Raises:
            FrameError: a frame is announced larger than allowed, or its length is no varint.
        """
        data = self._buffer + chunk if self._buffer else chunk
        frames: list[bytes] = []
        at = 0
        while True:
            size, start = self._length(data, at)
            if start < 0 or start + size > len(data):
                break
            frames.append(data[start : start + size])
            at = start + size
        self._buffer = data[at:]
        return frames

    def _length(self, data: bytes, at: int) -> tuple[int, int]:
        """Return (length, where the body starts); the start is -1 while the varint is cut off."""
        size = 0
        for place, byte in enumerate(data[at : at + VARINT_SIZE_MAX]):
            size |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                if size > self._frame_size_max:
                    raise FrameError(f"{size} bytes: expected at most {self._frame_size_max}")
                return size, at + place + 1
        if len(data) - at >= VARINT_SIZE_MAX:
            raise FrameError(f"length does not end within {VARINT_SIZE_MAX} bytes")
        return 0, -1
