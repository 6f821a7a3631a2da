"""The codec: one to one on frames, total on bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.framing import FrameReader
from mesh.orchestration.blob_errors import BlobFrameError
from mesh.orchestration.blob_frames import (
    BLOB_FRAME_SIZE_MAX,
    GAINS_MAX,
    Chunk,
    Frame,
    Hold,
    Indices,
    Kind,
    Leaves,
    Note,
    decode_frame,
    encode_frame,
)
from mesh.orchestration.blob_limits import WINDOW_MAX
from mesh.orchestration.blob_tree import CHUNK_SIZE, CHUNKS_MAX

ids = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, CHUNKS_MAX - 1)


def ascending(most: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.sets(numbers, min_size=1, max_size=most).map(lambda found: tuple(sorted(found)))


frames = st.one_of(
    st.builds(Note, st.sampled_from([Kind.WANT, Kind.UNWANT, Kind.ASK_LEAVES]), ids),
    st.integers(1, CHUNKS_MAX // 8).flatmap(
        lambda width: st.builds(Hold, ids, st.integers(0, (1 << 8 * width) - 1), st.just(width))
    ),
    st.builds(Indices, st.just(Kind.GAIN), ids, ascending(GAINS_MAX)),
    st.builds(Indices, st.just(Kind.CANCEL), ids, ascending(WINDOW_MAX)),
    st.builds(Indices, st.just(Kind.REFUSE), ids, ascending(1)),
    st.builds(
        Indices,
        st.just(Kind.ASK),
        ids,
        st.lists(numbers, min_size=1, max_size=WINDOW_MAX, unique=True).map(tuple),
    ),
    st.builds(Leaves, ids, st.integers(1, 20).map(lambda count: bytes(range(32)) * count)),
    st.builds(Chunk, ids, numbers, st.binary(min_size=1, max_size=100)),
)


def unframed(wire: bytes) -> bytes:
    (body,) = FrameReader(BLOB_FRAME_SIZE_MAX).feed(wire)
    return body


@given(frames)
def test_every_frame_comes_back(frame: Frame) -> None:
    assert decode_frame(unframed(encode_frame(frame))) == frame


@given(st.binary(max_size=200) | st.binary(min_size=33, max_size=80))
def test_any_bytes_give_the_one_frame_or_an_error(body: bytes) -> None:
    try:
        frame = decode_frame(body)
    except BlobFrameError:
        return
    assert unframed(encode_frame(frame)) == body


@given(frames, st.data())
def test_a_mangled_frame_gives_the_one_frame_or_an_error(frame: Frame, data: st.DataObject) -> None:
    body = bytearray(unframed(encode_frame(frame)))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    del body[len(body) - data.draw(st.integers(0, 3)) :]
    try:
        seen = decode_frame(bytes(body))
    except BlobFrameError:
        return
    assert unframed(encode_frame(seen)) == bytes(body)


def test_the_largest_frames_fit() -> None:
    for frame in (
        Leaves(bytes(32), bytes(32 * CHUNKS_MAX)),
        Chunk(bytes(32), CHUNKS_MAX - 1, bytes(CHUNK_SIZE)),
        Hold(bytes(32), (1 << CHUNKS_MAX) - 1, CHUNKS_MAX // 8),
    ):
        assert decode_frame(unframed(encode_frame(frame))) == frame


def test_a_chunk_is_not_copied_out_of_its_frame() -> None:
    body = unframed(encode_frame(Chunk(bytes(32), 1, b"data")))
    chunk = decode_frame(body)
    assert isinstance(chunk, Chunk)
    assert isinstance(chunk.data, memoryview)
    assert chunk.data.obj is body


HEAD = bytes(32)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "0 bytes"),
        (b"\0" + bytes(31), "32 bytes"),
        (bytes(BLOB_FRAME_SIZE_MAX + 1), "at most|expected 33"),
        (b"\x0a" + HEAD, "kind 10"),
        (b"\0" + HEAD + b"x", "WANT with a body of 1"),
        (b"\2" + HEAD, "HOLD of 0"),
        (b"\2" + HEAD + bytes(CHUNKS_MAX // 8 + 1), f"HOLD of {CHUNKS_MAX // 8 + 1}"),
        (b"\3" + HEAD, "GAIN of 0"),
        (b"\3" + HEAD + b"\0\1\0\0", "out of order"),
        (b"\3" + HEAD + b"\0\1\0\1", "twice"),
        (b"\3" + HEAD + b"\0", "GAIN of 1"),
        (b"\5" + HEAD + bytes(33), "LEAVES of 33"),
        (b"\5" + HEAD, "LEAVES of 0"),
        (b"\6" + HEAD + b"\xff\xff", "number 65535"),
        (b"\6" + HEAD + b"".join(n.to_bytes(2, "big") for n in range(17)), "ASK of 34"),
        (b"\6" + HEAD + b"\0\1\0\1", "twice"),
        (b"\x08" + HEAD + b"\0\0", "CHUNK of 2"),
        (b"\x08" + HEAD + bytes(3 + CHUNK_SIZE), "CHUNK of 65539"),
        (b"\x09" + HEAD + b"\0\0\0\1", "REFUSE of 4"),
    ],
)
def test_what_no_honest_peer_sends_is_named(body: bytes, said: str) -> None:
    with pytest.raises(BlobFrameError, match=said):
        decode_frame(body)
