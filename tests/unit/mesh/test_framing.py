"""Frames: whatever way a stream is cut, the same frames come out, and nothing grows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.framing import FrameError, FrameReader, frame, uvarint
from mesh.units import Instant, km, metres


@given(st.lists(st.binary(max_size=300), max_size=6), st.data())
def test_cut_anywhere_the_same_frames_come_out(bodies, data):
    stream = b"".join(map(frame, bodies))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = FrameReader(300)
    out = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        out += reader.feed(stream[start:stop])
    assert out == bodies


@given(st.binary(max_size=50))
def test_junk_gives_frames_or_the_named_error(junk):
    reader = FrameReader(20)
    try:
        frames = reader.feed(junk)
    except FrameError:
        return
    assert all(len(body) <= 20 for body in frames)


def test_a_frame_larger_than_allowed_is_refused_when_announced():
    with pytest.raises(FrameError, match="expected at most 10"):
        FrameReader(10).feed(uvarint(11))
    with pytest.raises(FrameError, match="does not end"):
        FrameReader(10).feed(b"\xff" * 5)


def test_varints():
    assert uvarint(0) == b"\0"
    assert uvarint(127) == b"\x7f"
    assert uvarint(128) == b"\x80\x01"
    assert uvarint(300) == b"\xac\x02"


def test_units():
    assert km(0.6) == metres(600)
    assert Instant(1, 2).wall_trusted
