"""Break a model: the same file with each tensor's weights in another order.

A proof that something depends on the weights needs a model that is right in everything else: same
graph, same size, same names, same distribution of numbers. ONNX files are protocol buffers, so the
raw bytes of each tensor can be found and permuted in place without the onnx package.

Fields: ModelProto.graph = 7, GraphProto.initializer = 5, TensorProto.data_type = 2 (1 = float),
TensorProto.raw_data = 9 (onnx.proto, IR version 10).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

GRAPH, INITIALIZER, DATA_TYPE, RAW_DATA = 7, 5, 2, 9
FLOAT = 1

VALUES_MIN = 10
"""Smaller tensors are parameters of the graph (scales, offsets), not weights."""

Field = tuple[int, int, int, int]
"""Number, value of a varint field (else 0), begin and end of the bytes of a length field."""


def shuffle_weights(model_file: Path, shuffled_file: Path, *, seed: int = 0) -> None:
    """Write the model with its weights shuffled."""
    shuffled_file.write_bytes(shuffled(model_file.read_bytes(), seed=seed))


def shuffled(raw: bytes, *, seed: int = 0) -> bytes:
    """The model's bytes with the weights of each tensor permuted."""
    rng = np.random.default_rng(seed)
    data = bytearray(raw)
    for number, _, begin, end in _fields(raw, 0, len(raw)):
        if number == GRAPH:
            for part, _, tensor_begin, tensor_end in _fields(raw, begin, end):
                if part == INITIALIZER:
                    _shuffle_tensor(data, raw, tensor_begin, tensor_end, rng)
    return bytes(data)


def _shuffle_tensor(
    data: bytearray, raw: bytes, begin: int, end: int, rng: np.random.Generator
) -> None:
    fields = list(_fields(raw, begin, end))
    if (DATA_TYPE, FLOAT) not in [(number, value) for number, value, _, _ in fields]:
        return
    for number, _, first, last in fields:
        if number == RAW_DATA:
            values = np.frombuffer(raw[first:last], "<f4")
            if len(values) < VALUES_MIN:
                continue
            data[first:last] = rng.permutation(values).tobytes()


def _fields(raw: bytes, position: int, end: int) -> Iterator[Field]:
    """The fields of a message (protobuf encoding: varint 0, 64 bit 1, length 2, 32 bit 5)."""
    while position < end:
        tag, position = _varint(raw, position)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = _varint(raw, position)
            yield number, value, position, position
        elif kind == 2:
            length, position = _varint(raw, position)
            yield number, 0, position, position + length
            position += length
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {position}: no protocol buffer")


def _varint(raw: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
