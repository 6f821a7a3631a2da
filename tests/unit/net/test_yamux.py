"""The yamux session against a model of two ends, and against whoever breaks its rules."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.net.limits import (
    CONNECTION_UNREAD_MAX,
    CONTROL_QUEUE_MAX,
    FRAME_BODY_MAX,
    INBOUND_STREAMS_MAX,
    PLAINTEXT_MAX,
    STREAM_WINDOW,
)
from mesh.net.yamux import StreamState, YamuxError, YamuxSession

HEADER = struct.Struct("!BBHII")
DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8


def header(kind: int, flags: int, identifier: int, length: int, version: int = 0) -> bytes:
    return HEADER.pack(version, kind, flags, identifier, length)


def outgoing(session: YamuxSession) -> bytes:
    taken: list[bytes] = []
    while data := session.take_outgoing(PLAINTEXT_MAX):
        assert len(data) <= PLAINTEXT_MAX
        taken.append(data)
    assert session.queued == 0
    return b"".join(taken)


def frames(session: YamuxSession) -> list[tuple[int, int, int, int]]:
    """Kind, flags, stream and length of everything that is queued."""
    data, found, position = outgoing(session), [], 0
    while position < len(data):
        _, kind, flags, identifier, length = HEADER.unpack_from(data, position)
        found.append((kind, flags, identifier, length))
        position += HEADER.size + (length if kind == DATA else 0)
    return found


def dialled() -> tuple[YamuxSession, YamuxSession]:
    return YamuxSession(is_initiator=True), YamuxSession(is_initiator=False)


def accepted() -> tuple[YamuxSession, StreamState]:
    """A session and a stream that the other side, the initiator, opened on it."""
    session = YamuxSession(is_initiator=False)
    session.receive(header(WINDOW_UPDATE, SYN, 1, 0))
    (stream,) = session.take_opened()
    outgoing(session)
    return session, stream


class Ends:
    """Two sessions, a wire between them and a model of what each stream should have said."""

    def __init__(self) -> None:
        self.sessions = dialled()
        self.streams: list[tuple[StreamState, StreamState]] = []
        self.sent: dict[tuple[int, int], bytes] = {}
        self.read: dict[tuple[int, int], bytes] = {}

    def open(self, side: int) -> None:
        near = self.sessions[side].open()
        self.exchange([])
        (far,) = self.sessions[1 - side].take_opened()
        assert far.identifier == near.identifier
        self.streams.append((near, far) if side == 0 else (far, near))
        for end in (0, 1):
            self.sent[len(self.streams) - 1, end] = b""
            self.read[len(self.streams) - 1, end] = b""

    def send(self, number: int, side: int, data: bytes) -> None:
        sent = self.sessions[side].send(self.streams[number][side], memoryview(data))
        self.sent[number, side] += data[:sent]

    def take(self, number: int, side: int, size_max: int | None) -> None:
        data = self.sessions[side].read(self.streams[number][side], size_max)
        self.read[number, 1 - side] += data

    def exchange(self, cuts: list[int]) -> None:
        for side in (0, 1):
            data = outgoing(self.sessions[side])
            for cut in cuts:
                self.sessions[1 - side].receive(data[:cut])
                data = data[cut:]
            self.sessions[1 - side].receive(data)


@settings(max_examples=60)
@given(st.data())
def test_every_stream_says_what_it_was_told_however_the_wire_cuts_it(data: st.DataObject) -> None:
    ends = Ends()
    cuts = st.lists(st.integers(1, 40), max_size=30)
    for _ in range(data.draw(st.integers(1, 3))):
        ends.open(data.draw(st.integers(0, 1)))
    for _ in range(data.draw(st.integers(1, 25))):
        number = data.draw(st.integers(0, len(ends.streams) - 1))
        side = data.draw(st.integers(0, 1))
        match data.draw(st.sampled_from(["send", "large", "read", "some", "exchange"])):
            case "send":
                ends.send(number, side, data.draw(st.binary(max_size=40)))
            case "large":
                ends.send(number, side, bytes([number]) * data.draw(st.integers(0, 200_000)))
            case "read":
                ends.take(number, side, None)
            case "some":
                ends.take(number, side, data.draw(st.integers(1, 1000)))
            case _:
                ends.exchange(data.draw(cuts))
        for key, sent in ends.sent.items():
            assert sent.startswith(ends.read[key])
    ends.exchange([])
    for number in range(len(ends.streams)):
        for side in (0, 1):
            while ends.streams[number][side].unread:
                ends.take(number, side, None)
    assert ends.read == ends.sent
    assert all(session.unread == 0 for session in ends.sessions)


@given(st.binary(max_size=400))
def test_any_bytes_either_pass_or_raise_a_yamux_error(data: bytes) -> None:
    session, _ = accepted()
    try:
        session.receive(data)
    except YamuxError:
        assert frames(session)[-1][0] == GO_AWAY


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(0, 15), st.integers(0, 6), st.integers(0, 300_000)
        ),
        max_size=30,
    )
)
def test_any_frames_either_pass_or_raise_and_the_books_stay_right(
    script: list[tuple[int, int, int, int]],
) -> None:
    session, _ = accepted()
    try:
        for kind, flags, identifier, length in script:
            body = bytes(length) if kind == DATA else b""
            session.receive(header(kind, flags, identifier, length) + body)
    except YamuxError:
        return
    streams = session.streams.values()
    assert session.unread == sum(stream.unread for stream in streams)
    assert all(stream.unread == sum(map(len, stream.chunks)) for stream in streams)
    assert all(0 <= stream.receive_window <= STREAM_WINDOW for stream in streams)
    assert session.unread <= CONNECTION_UNREAD_MAX


def test_credit_comes_back_once_half_a_window_was_read() -> None:
    near, far = dialled()
    stream = near.open()
    far.receive(outgoing(near))
    (there,) = far.take_opened()
    outgoing(far)
    data = memoryview(bytes(STREAM_WINDOW + 1))
    sent = 0
    while size := near.send(stream, data[sent:]):
        assert size <= FRAME_BODY_MAX
        sent += size
    assert sent == STREAM_WINDOW
    far.receive(outgoing(near))
    updates: list[tuple[int, int, int, int]] = []
    while there.unread:
        far.read(there, 10_000)
        updates += frames(far)
    ((kind, flags, identifier, credit),) = updates
    assert (kind, flags, identifier) == (WINDOW_UPDATE, 0, 1)
    assert STREAM_WINDOW // 2 <= credit < STREAM_WINDOW // 2 + FRAME_BODY_MAX
    near.receive(header(WINDOW_UPDATE, 0, 1, credit))
    assert near.send(stream, memoryview(bytes(credit)))


def test_a_stream_that_both_sides_ended_is_forgotten_once_it_was_read() -> None:
    session, stream = accepted()
    session.receive(header(DATA, FIN, 1, 3) + b"abc")
    session.end(stream)
    session.end(stream)
    assert frames(session) == [(WINDOW_UPDATE, FIN, 1, 0)]
    assert session.streams
    assert session.read(stream) == b"abc"
    assert not session.streams


def test_what_was_complete_before_a_reset_may_still_be_read() -> None:
    session, stream = accepted()
    session.receive(header(DATA, FIN, 1, 3) + b"abc" + header(WINDOW_UPDATE, RST, 1, 0))
    assert stream.was_reset
    assert stream.ended_there
    assert session.read(stream) == b"abc"
    assert not session.streams


def test_what_was_not_complete_is_dropped_by_a_reset() -> None:
    session, stream = accepted()
    assert session.receive(header(DATA, RST, 1, 3) + b"abc") == [stream]
    assert stream.was_reset
    assert not stream.ended_there
    assert session.read(stream) == b""
    assert (session.unread, session.streams) == (0, {})


def test_bytes_for_a_stream_we_dropped_are_refused_and_skipped() -> None:
    session, stream = accepted()
    session.reset(stream)
    session.reset(stream)
    assert frames(session) == [(WINDOW_UPDATE, RST, 1, 0)]
    session.receive(header(DATA, 0, 1, 5) + b"12345" + header(WINDOW_UPDATE, 0, 1, 7))
    session.receive(header(DATA, FIN, 1, 0))
    assert frames(session) == [(WINDOW_UPDATE, RST, 1, 0)]
    assert session.unread == 0


def test_an_abandoned_stream_ends_and_then_refuses() -> None:
    session, stream = accepted()
    session.send(stream, memoryview(b"last words"))
    session.abandon(stream)
    assert [flags for _, flags, _, _ in frames(session)] == [0, FIN]
    session.receive(header(DATA, 0, 1, 2) + b"go")
    assert frames(session) == [(WINDOW_UPDATE, RST, 1, 0)]


def test_a_ping_is_answered_and_our_own_counted() -> None:
    session, _ = accepted()
    session.receive(header(PING, SYN, 0, 77))
    assert frames(session) == [(PING, ACK, 0, 77)]
    session.ping()
    assert frames(session) == [(PING, SYN, 0, 0)]
    session.receive(header(PING, ACK, 0, 0))
    assert session.pongs == 1


def test_goodbye_is_noticed_and_said() -> None:
    session, _ = accepted()
    session.receive(header(GO_AWAY, 0, 0, 0))
    assert session.is_over
    session.go_away()
    assert frames(session) == [(GO_AWAY, 0, 0, 0)]


@pytest.mark.parametrize(
    "wire",
    [
        header(DATA, 0, 1, 0, version=1),
        header(4, 0, 1, 0),
        header(DATA, 0, 1, STREAM_WINDOW + 1),
        header(DATA, 0, 99, STREAM_WINDOW + 1),
        header(DATA, SYN, 1, 0),
        header(DATA, SYN, 2, 0),
        header(DATA, SYN, 0, 0),
    ],
    ids=["version", "type", "window", "window of a stranger", "open twice", "ours", "zero"],
)
def test_violations_end_the_connection_with_a_goodbye(wire: bytes) -> None:
    session, _ = accepted()
    with pytest.raises(YamuxError, match="violation"):
        session.receive(wire)
    assert frames(session) == [(GO_AWAY, 0, 0, 1)]


def test_streams_beyond_the_limit_are_refused_one_by_one() -> None:
    session = YamuxSession(is_initiator=True)
    for number in range(INBOUND_STREAMS_MAX + 3):
        session.receive(header(DATA, SYN, 2 + 2 * number, 1) + b"x")
    assert len(session.take_opened()) == len(session.streams) == INBOUND_STREAMS_MAX
    refused = [identifier for _, flags, identifier, _ in frames(session) if flags == RST]
    assert refused == [
        2 + 2 * number for number in range(INBOUND_STREAMS_MAX, INBOUND_STREAMS_MAX + 3)
    ]
    session.receive(header(WINDOW_UPDATE, RST, 2, 0))
    session.receive(header(WINDOW_UPDATE, SYN, 9_000, 0))
    assert [stream.identifier for stream in session.take_opened()] == [9_000]


def test_the_stream_that_exceeds_what_a_connection_may_hold_is_reset() -> None:
    session = YamuxSession(is_initiator=False)
    full = CONNECTION_UNREAD_MAX // STREAM_WINDOW
    for number in range(full + 1):
        session.receive(header(DATA, SYN, 1 + 2 * number, STREAM_WINDOW) + bytes(STREAM_WINDOW))
    streams = session.take_opened()
    assert [stream.was_reset for stream in streams] == [False] * full + [True]
    assert session.unread == CONNECTION_UNREAD_MAX


def test_answers_that_nobody_reads_end_the_connection() -> None:
    session, _ = accepted()
    with pytest.raises(YamuxError, match="does not read"):
        session.receive(header(PING, SYN, 0, 1) * CONTROL_QUEUE_MAX)
    assert session.queued <= CONTROL_QUEUE_MAX + HEADER.size


def test_reset_all_says_nothing() -> None:
    near, _ = dialled()
    stream = near.open()
    outgoing(near)
    near.reset_all()
    assert stream.was_reset
    assert not near.streams
    assert frames(near) == []


def test_the_numbers_of_streams_run_out() -> None:
    session = YamuxSession(is_initiator=True)
    session._next_identifier = (1 << 32) + 1
    with pytest.raises(YamuxError, match="new connection"):
        session.open()


def test_repr_is_for_people() -> None:
    session, stream = accepted()
    assert "streams=1" in repr(session)
    session.end(stream)
    assert "ended_here" in repr(stream)
