"""One detector under everything that another says of itself.

An ONNX file is a protobuf message: a row of fields, each a tag and a value. What a model says of
itself (name, version, recipe, licence) stands in fields of their own beside the graph; whoever
exchanges them changes no weight. The names of two releases are swapped with this, so that nothing a
box could read tells the better one, except what it measures.
"""

from collections.abc import Iterator

from inference.errors import ModelFileError

__all__ = ["disguised"]

_METADATA_FIELD = 14
"""`metadata_props` of ModelProto, in onnx.proto."""
_VARINT, _EIGHT_BYTES, _SIZED, _FOUR_BYTES = 0, 1, 2, 5
"""Wire types of protobuf that are in use."""
_VARINT_SIZE_MAX = 10
"""Bytes of the longest number."""


def disguised(model: bytes, other: bytes) -> bytes:
    """Return a model's network with what another model says of itself; both are ONNX files.

    Raises:
        ModelFileError: one is cut off, or no protobuf message.
    """
    network = b"".join(field for number, field in _fields(model) if number != _METADATA_FIELD)
    told = b"".join(field for number, field in _fields(other) if number == _METADATA_FIELD)
    return network + told


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Split a message into its fields, each with its number."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _number(message, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _number(message, at)
        elif kind == _SIZED:
            size, at = _number(message, at)
            at += size
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            at += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise _refused(f"a field of wire type {kind} at byte {start}")
        if at > len(message):
            raise _refused(f"a field that ends at byte {at} of {len(message)}")
        yield tag >> 3, message[start:at]


def _number(message: bytes, at: int) -> tuple[int, int]:
    """Read a number; returns it, and where it ends."""
    for size in range(1, _VARINT_SIZE_MAX + 1):
        piece = message[at : at + size]
        if len(piece) == size and piece[-1] < 1 << 7:
            return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(piece)), at + size
    raise _refused(f"a number without an end at byte {at}")


def _refused(found: str) -> ModelFileError:
    return ModelFileError(f"model: found {found}; expected an ONNX file: export it again")
