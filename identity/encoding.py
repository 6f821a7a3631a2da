"""Deterministic CBOR: one value, one byte string (RFC 8949, section 4.2.1).

Signatures and ids are made over bytes, so two programs must agree on the bytes of a value. What we
encode is a small subset: integers below 2^53 in magnitude, byte strings, UTF-8 text, arrays, maps
with text keys, true, false and null, and, where a caller asks for them (event data), floats in
their shortest exact form. No tags, no indefinite lengths, no other simple values.

`encode` uses cbor2. `decode` is ours: it must be total on hostile bytes, in bounded time and
memory, and it refuses every byte string that `encode` would not have made, so that re-encoding is
never needed to know that bytes are canonical.
"""

import math
import struct
from collections.abc import Sequence
from typing import cast

import cbor2

from identity.errors import EncodingError

__all__ = ["DEPTH_MAX", "INTEGER_MAX", "Value", "decode", "encode"]

Value = None | bool | int | float | bytes | str | list["Value"] | dict[str, "Value"]

INTEGER_MAX = 2**53 - 1
"""Largest magnitude of an integer: what a JavaScript peer can hold exactly."""

DEPTH_MAX = 8
"""Deepest nesting of arrays and maps; the outermost array is depth 1."""


def encode(value: object, *, depth_max: int = DEPTH_MAX) -> bytes:
    """Return the deterministic CBOR of a value.

    Tuples are encoded as arrays. Floats take their shortest exact form.

    Raises:
        EncodingError: the value, or something inside it, has no deterministic encoding.
    """
    _check(value, depth_max)
    return cbor2.dumps(value, canonical=True)


def _check(value: object, depth: int) -> None:
    """Raise EncodingError unless `value` is in the subset and nests at most `depth` levels."""
    if value is None or isinstance(value, bool | bytes):
        return
    if isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise EncodingError(f"integer {value} is out of range: expected |n| < 2^53")
    elif isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise EncodingError(f"{value} has no encoding: expected a finite number")
    elif isinstance(value, list | tuple):
        _check_depth(depth)
        for item in cast("Sequence[object]", value):
            _check(item, depth - 1)
    elif isinstance(value, dict):
        _check_depth(depth)
        for key, item in cast("dict[object, object]", value).items():
            if not isinstance(key, str):
                raise EncodingError(f"map key {key!r} is not text: expected text keys only")
            _check_text(key)
            _check(item, depth - 1)
    else:
        raise EncodingError(f"{type(value).__name__} {value!r:.60} has no encoding")


def _check_depth(depth: int) -> None:
    if depth < 1:
        raise EncodingError(f"nesting is too deep: expected at most {DEPTH_MAX} levels")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise EncodingError(f"text {text!r:.60} has no UTF-8 form (a lone surrogate)") from None


def decode(data: bytes, *, floats: bool = False, depth_max: int = DEPTH_MAX) -> Value:
    """Return the one value whose deterministic encoding is `data`.

    Total: any bytes give a value or an EncodingError, in time linear in their length.

    Args:
        data: the whole encoding; nothing may follow it.
        floats: whether floating-point numbers are allowed (shortest exact form, finite).
        depth_max: deepest nesting of arrays and maps.

    Raises:
        EncodingError: `data` is not the deterministic encoding of an allowed value.
    """
    reader = _Reader(data, floats)
    value = reader.value(depth_max)
    if reader.at != len(data):
        raise EncodingError(f"{len(data) - reader.at} bytes follow the value: expected none")
    return value


_SHORTEST = (24, 0x100, 0x10000, 0x100000000)
"""An argument of 1, 2, 4 or 8 bytes must be at least this large, else a shorter form exists."""


class _Reader:
    """A cursor over the bytes: one method a major type."""

    __slots__ = ("at", "data", "end", "floats")

    def __init__(self, data: bytes, floats: bool) -> None:
        self.data = data
        self.end = len(data)
        self.at = 0
        self.floats = floats

    def value(self, depth: int) -> Value:
        at = self.at
        if at >= self.end:
            raise EncodingError(f"ends at byte {at} inside a value")
        head = self.data[at]
        self.at = at + 1
        major = head >> 5
        if major == 7:
            return self._simple(head)
        argument = head & 31
        if argument >= 24:
            argument = self._long(argument)
        if major == 3:
            return self._text(argument)
        if major == 2:
            return self._take(argument)
        if major < 2:
            if argument + major > INTEGER_MAX:
                raise EncodingError(f"integer at byte {at} is out of range: expected |n| < 2^53")
            return argument if major == 0 else -1 - argument
        if major == 6:
            raise EncodingError(f"tag {argument} at byte {at}: expected no tags")
        if depth < 1:
            raise EncodingError(f"nesting is too deep at byte {at}")
        if argument > self.end - self.at:  # every item takes a byte: refuse before looping
            raise EncodingError(f"{argument} items announced at byte {at}, fewer bytes follow")
        if major == 4:
            return [self.value(depth - 1) for _ in range(argument)]
        return self._map(argument, depth - 1)

    def _long(self, form: int) -> int:
        """Read an argument of 1, 2, 4 or 8 bytes; the shortest form is the only one."""
        if form > 27:
            raise EncodingError(f"indefinite length or reserved form at byte {self.at - 1}")
        number = int.from_bytes(self._take(1 << (form - 24)))
        if number < _SHORTEST[form - 24]:
            raise EncodingError(f"{number} before byte {self.at} is not in its shortest form")
        return number

    def _take(self, size: int) -> bytes:
        stop = self.at + size
        if stop > self.end:
            raise EncodingError(f"{size} bytes announced at byte {self.at}, fewer follow")
        part = self.data[self.at : stop]
        self.at = stop
        return part

    def _text(self, size: int) -> str:
        try:
            return self._take(size).decode()
        except UnicodeDecodeError:
            raise EncodingError(f"text before byte {self.at} is not UTF-8") from None

    def _map(self, count: int, depth: int) -> dict[str, Value]:
        """Read a map: text keys, ascending by their encoded bytes, none twice."""
        result: dict[str, Value] = {}
        last = b""
        for _ in range(count):
            start = self.at
            if start >= self.end or self.data[start] >> 5 != 3:
                raise EncodingError(f"map key at byte {start} is not text")
            key = self.value(0)
            encoded = self.data[start : self.at]
            if encoded <= last:
                raise EncodingError(f"map keys are out of order or repeated at byte {start}")
            last = encoded
            result[cast("str", key)] = self.value(depth)
        return result

    def _simple(self, head: int) -> Value:
        if head == 0xF4:
            return False
        if head == 0xF5:
            return True
        if head == 0xF6:
            return None
        if not self.floats or not 0xF9 <= head <= 0xFB:
            raise EncodingError(f"byte 0x{head:02x} at {self.at - 1}: expected no such type here")
        return self._float("efd"[head - 0xF9])

    def _float(self, form: str) -> float:
        raw = self._take(struct.calcsize(form))
        number: float = struct.unpack(f">{form}", raw)[0]
        if not math.isfinite(number):
            raise EncodingError(f"{number} before byte {self.at}: expected a finite number")
        if form != "e" and _fits(number, "e" if form == "f" else "f"):
            raise EncodingError(f"{number} before byte {self.at} is not in its shortest form")
        return number


def _fits(number: float, form: str) -> bool:
    """Whether a number survives a narrower floating-point form unchanged."""
    try:
        narrow: float = struct.unpack(f">{form}", struct.pack(f">{form}", number))[0]
    except OverflowError:
        return False
    return narrow == number
