"""Tiny ONNX files made by hand: one node that copies or casts its input.

Field numbers are those of onnx.proto; see there.
"""

FLOAT, UINT8 = 1, 2


def _varint(value: int) -> bytes:
    encoded = b""
    while value >= 0x80:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _block(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _port(name: str, kind: int, shape: list[int]) -> bytes:
    dimensions = b"".join(_block(1, _number(1, size)) for size in shape)
    tensor = _number(1, kind) + _block(2, dimensions)
    return _block(1, name.encode()) + _block(2, _block(1, tensor))


def one_node_model(
    source: tuple[str, int, list[int]], result: tuple[str, int, list[int]], operator: str
) -> bytes:
    """An ONNX file: `result = operator(source)`; ports are name, element type and shape."""
    node = _block(1, source[0].encode()) + _block(2, result[0].encode())
    node += _block(4, operator.encode())
    if operator == "Cast":
        node += _block(5, _block(1, b"to") + _number(3, result[1]) + _number(20, 2))
    graph = _block(1, node) + _block(2, b"graph")
    graph += _block(11, _port(*source)) + _block(12, _port(*result))
    return _number(1, 8) + _block(7, graph) + _block(8, _number(2, 17))
