"""Admission against a slow restatement of its table.

The oracle keeps the whole history and answers every question by looking through it; it shares no
code with the product save the signing of events. It knows no windows: the histories are so short
that nothing may be forgotten in them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from hashlib import sha256

import cbor2
import nacl.exceptions
import nacl.signing
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.keys import SecretKey
from mesh.choreography.admission import Admission, AdmissionLimits
from mesh.choreography.rates import Rate
from mesh.units import Instant
from tests.unit.choreography.factories import (
    ALICE,
    BOB,
    CAROL,
    CELL,
    COARSE_CELL,
    MODEL,
    NOW,
    NS,
    Constants,
    FakeTrust,
    later,
    sealed,
)

LINK_RATE, LINK_BURST = 2, 6
AUTHOR_RATE, AUTHOR_BURST = 1, 3
STARTED = later(NOW, -2000)
REJECTED = ("too_large", "malformed", "wrong_topic", "bad_signature")
FORWARDED = ("late", "clock_untrusted")
TRUST_WORDS = (
    "revoked",
    "superseded_key",
    "quarantined",
    "not_granted",
    "out_of_area",
    "model_not_approved",
)


@dataclass(frozen=True)
class Message:
    """One message as it reaches a box."""

    topic: str
    wire: bytes
    link: bytes
    now: Instant


@dataclass
class Oracle:
    """Every message so far with its answer, and the questions asked over all of them."""

    known: set[bytes]
    refusals: dict[bytes, str]
    expiries: dict[bytes, int]
    history: list[tuple[Message, str, str]] = field(default_factory=list)
    link_takes: list[tuple[bytes, int]] = field(default_factory=list)
    author_takes: list[tuple[bytes, int]] = field(default_factory=list)

    def judge(self, message: Message) -> tuple[str, str]:
        questions: list[tuple[str, Callable[[Message], bool]]] = [
            ("too_large", lambda m: len(m.wire) > 2048),
            ("malformed", lambda m: parse(m.wire) is None),
            ("wrong_topic", lambda m: m.topic != right_topic(m.wire)),
            ("rate_limited_link", self.link_is_over),
            ("duplicate", self.was_consumed),
            ("stale", is_stale),
            ("future", lambda m: m.now.wall_trusted and age_ms(m) < -500),
            ("unknown_author", lambda m: fields(m.wire)[2] not in self.known),
            ("bad_signature", lambda m: not is_signed(m.wire)),
            ("replayed", self.number_was_consumed),
            *((word, self.trust_says(word)) for word in TRUST_WORDS),
            ("expired", self.has_expired),
            ("rate_limited_author", self.author_is_over),
            ("late", lambda m: m.now.wall_trusted and age_ms(m) > fields(m.wire)[7]),
            ("clock_untrusted", lambda m: not m.now.wall_trusted),
        ]
        word = next((word for word, applies in questions if applies(message)), "accepted")
        outcome = "accept" if word == "accepted" else "ignore"
        if word in REJECTED and not (word == "malformed" and has_other_version(message.wire)):
            outcome = "reject"
        if word in FORWARDED:
            outcome = "forward"
        self.history.append((message, word, outcome))
        return word, outcome

    def consumed(self) -> list[bytes]:
        return [m.wire for m, _, outcome in self.history if outcome in ("accept", "forward")]

    def was_consumed(self, message: Message) -> bool:
        return any(event_id(wire) == event_id(message.wire) for wire in self.consumed())

    def number_was_consumed(self, message: Message) -> bool:
        return any(number(wire) == number(message.wire) for wire in self.consumed())

    def trust_says(self, word: str) -> Callable[[Message], bool]:
        return lambda m: self.refusals.get(fields(m.wire)[2]) == word

    def has_expired(self, message: Message) -> bool:
        end = self.expiries.get(fields(message.wire)[2])
        return message.now.wall_trusted and end is not None and end <= message.now.wall_ms

    def link_is_over(self, message: Message) -> bool:
        return is_over(
            self.link_takes, message.link, message.now.mono_ns, Fraction(LINK_RATE), LINK_BURST
        )

    def author_is_over(self, message: Message) -> bool:
        author = fields(message.wire)[2]
        return is_over(
            self.author_takes, author, message.now.mono_ns, Fraction(AUTHOR_RATE), AUTHOR_BURST
        )


def is_over(
    takes: list[tuple[bytes, int]], who: bytes, now_ns: int, rate: Fraction, burst: int
) -> bool:
    """Replay every successful take from the start; note this one if it succeeds."""
    tokens, last_ns = Fraction(burst), 0
    for at_ns in [at_ns for key, at_ns in takes if key == who]:
        tokens = min(Fraction(burst), tokens + (at_ns - last_ns) * rate / 10**9) - 1
        last_ns = at_ns
    if min(Fraction(burst), tokens + (now_ns - last_ns) * rate / 10**9) < 1:
        return True
    takes.append((who, now_ns))
    return False


def parse(wire: bytes) -> list | None:
    """The fields, if the bytes are an event of version 1; only the corruptions made here."""
    try:
        decoded = cbor2.loads(wire[64:])
    except (cbor2.CBORDecodeError, ValueError, EOFError):
        return None
    if not isinstance(decoded, list) or len(decoded) != 13 or decoded[0] != 1:
        return None
    return decoded if cbor2.dumps(decoded, canonical=True) == wire[64:] else None


def fields(wire: bytes) -> list:
    parsed = parse(wire)
    assert parsed is not None
    return parsed


def has_other_version(wire: bytes) -> bool:
    return wire[64:65] == b"\x8d" and wire[65:66] != b"\x01"


def right_topic(wire: bytes) -> str | None:
    event = fields(wire)
    ns, name, scope, cell = event[1], event[3], event[8], event[9]
    if ns != NS or (scope == 0 and cell != CELL):
        return None
    district = name.split("/")[0]
    place = {0: f"e/{cell.hex()[1:]}", 1: f"e/d/{district}", 2: "e/all"}.get(scope, f"n/{scope}")
    return f"/{NS.hex()}/{place}"


def age_ms(message: Message) -> int:
    return message.now.wall_ms - fields(message.wire)[6]


def is_stale(message: Message) -> bool:
    sealed_before_start = fields(message.wire)[6] < STARTED.wall_ms
    return message.now.wall_trusted and (age_ms(message) > 2500 or sealed_before_start)


def is_signed(wire: bytes) -> bool:
    try:
        key = nacl.signing.VerifyKey(fields(wire)[2])
        key.verify(b"mesh-event/v1\0" + wire[64:], wire[:64])
    except nacl.exceptions.BadSignatureError:
        return False
    return True


def event_id(wire: bytes) -> bytes:
    return sha256(b"mesh-event/id/v1\0" + wire[64:]).digest()


def number(wire: bytes) -> tuple[bytes, bytes, int]:
    event = fields(wire)
    return event[2], event[4], event[5]


def with_version(wire: bytes, version: int) -> bytes:
    return wire[:65] + bytes([version]) + wire[66:]


@st.composite
def messages(draw: st.DrawFn, now: Instant, before: list[Message]) -> Message:
    """A new message, or one of before again: perhaps another copy, topic or link."""
    link = draw(st.sampled_from([bytes(32), bytes([1]) * 32]))
    if before and draw(st.integers(0, 3)) == 0:
        return replace(draw(st.sampled_from(before)), link=link, now=now)
    secret: SecretKey = draw(st.sampled_from([ALICE, ALICE, BOB, CAROL]))
    offset = draw(st.sampled_from([0, 0, 0, -150, -151, -2000, -2500, -2501, 500, 501]))
    wire = sealed(
        secret,
        ns=draw(st.sampled_from([NS] * 9 + [bytes(16)])),
        boot=draw(st.sampled_from([bytes(8), bytes([1]) * 8])),
        n=draw(st.integers(0, 3)),
        time_ms=now.wall_ms + offset,
        ttl_ms=draw(st.sampled_from([150, 65535, 65535])),
        scope=draw(st.sampled_from([0, 0, 1, 2, "city/agent"])),
        cell=draw(st.sampled_from([CELL] * 5 + [COARSE_CELL])),
        model=draw(st.sampled_from([None, MODEL])),
        data={"kind": draw(st.sampled_from(["van", "car"]))},
    ).wire
    topic = right_topic(wire) or f"/{NS.hex()}/e/all"
    change = draw(st.sampled_from(["none"] * 14 + ["topic", "sig", "cut", "version", "large"]))
    if change == "topic":
        topic = draw(st.sampled_from([f"/{NS.hex()}/e/all", f"/{NS.hex()}/e/d/south", ""]))
    elif change == "sig":
        wire = bytes([wire[0] ^ 1]) + wire[1:]
    elif change == "cut":
        wire = wire[: draw(st.integers(0, len(wire) - 1))]
    elif change == "version":
        wire = with_version(wire, 2)
    elif change == "large":
        wire += bytes(2048)
    return Message(topic, wire, link, now)


LIMITS = AdmissionLimits(
    link=Rate(per_s=LINK_RATE, burst=LINK_BURST),
    author=Rate(per_s=AUTHOR_RATE, burst=AUTHOR_BURST),
)


@settings(max_examples=150)
@given(st.data())
def test_the_first_failure_decides_as_the_table_says(data: st.DataObject):
    refusals = data.draw(
        st.dictionaries(st.just(BOB.public), st.sampled_from(TRUST_WORDS), max_size=1)
    )
    known = {ALICE.public, BOB.public}
    ends = st.sampled_from([0, 1, 300, 2000]).map(lambda ms: NOW.wall_ms + ms)
    expiries = data.draw(st.dictionaries(st.just(ALICE.public), ends, max_size=1))
    trust = FakeTrust(known, refusals, expiries)
    admission = Admission(NS, Constants(), trust, started=STARTED, limits=LIMITS)
    oracle = Oracle(known, refusals, expiries)
    before: list[Message] = []
    now = NOW
    counted: dict[str, int] = {}
    for _ in range(data.draw(st.integers(1, 12))):
        trusted = data.draw(st.sampled_from([True, True, True, False]))
        now = later(now, data.draw(st.sampled_from([0, 0, 1, 100, 300, 2000])), trusted=trusted)
        message = data.draw(messages(now, before))
        before.append(message)
        remembered = admission.statistics()
        admitted = admission.admit(message.topic, message.wire, message.link, message.now)
        word, outcome = oracle.judge(message)
        assert (admitted.reason or "accepted", admitted.outcome.value) == (word, outcome)
        counted[word] = counted.get(word, 0) + 1
        if outcome not in ("accept", "forward"):
            assert admission.statistics().gaps == remembered.gaps
            assert admission.statistics().seen == remembered.seen
        if admitted.author is not None:
            assert is_signed(message.wire)
    statistics = admission.statistics()
    assert counted.pop("accepted", 0) == statistics.accepted
    assert counted == {word: count for word, count in statistics.refused.items() if count}
    consumed = oracle.consumed()
    assert len({event_id(wire) for wire in consumed}) == len(consumed)
    assert len({number(wire) for wire in consumed}) == len(consumed)
    assert sum(gap.heard for gap in statistics.gaps.values()) == len(consumed)
