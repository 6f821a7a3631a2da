"""Events and answers for the tests of choreography."""

from dataclasses import dataclass, field

from identity.keys import SecretKey
from mesh.choreography.admission import Admission, AdmissionLimits
from mesh.choreography.cells import cell_at
from mesh.choreography.event import SealedEvent, seal_event
from mesh.choreography.topics import district_of, event_topic
from mesh.units import Instant

NS = bytes(range(16))
NOW = Instant(mono_ns=1_000_000_000_000, wall_ms=1_900_000_000_000)
STARTED = Instant(mono_ns=0, wall_ms=NOW.wall_ms - 1_000_000)
HERE = (52.01, 4.36)
CELL = cell_at(*HERE, 9)
COARSE_CELL = cell_at(*HERE, 8)
LINK = bytes([7]) * 32
MODEL = bytes([9]) * 32
ALICE = SecretKey.from_seed(bytes([1]) * 32)
BOB = SecretKey.from_seed(bytes([2]) * 32)
CAROL = SecretKey.from_seed(bytes([3]) * 32)
BOOT = bytes(4) + b"boot"


@dataclass(frozen=True)
class Constants:
    """Genesis constants at their defaults."""

    district_depth: int = 1
    h3_resolution: int = 9
    event_age_ms_max: int = 2000
    clock_skew_ms_max: int = 500


@dataclass(frozen=True)
class FakeAnswer:
    """An answer of trust."""

    reason: str | None = None
    detail: str = ""
    expires_ms: int | None = None

    def at(self, now: Instant) -> "FakeAnswer":
        ends = self.reason is None and self.expires_ms is not None and now.wall_trusted
        return FakeAnswer("expired") if ends and now.wall_ms >= self.expires_ms else self


@dataclass
class FakeTrust:
    """Knows some authors, refuses some of them for a fixed reason, and some from a time on."""

    known: set[bytes] = field(default_factory=lambda: {ALICE.public, BOB.public})
    refusals: dict[bytes, str] = field(default_factory=dict)
    expiries: dict[bytes, int] = field(default_factory=dict)
    asked: int = 0

    def known_author(self, key: bytes) -> bool:
        return key in self.known

    def may_publish(
        self, key: bytes, name: str, event_type: str, cell: bytes, model: bytes | None
    ) -> FakeAnswer:
        self.asked += 1
        return FakeAnswer(self.refusals.get(key), f"{name} {event_type}", self.expiries.get(key))


def sealed(secret: SecretKey = ALICE, **changes: object) -> SealedEvent:
    """A good event of now, with some fields changed."""
    fields: dict[str, object] = {
        "ns": NS,
        "name": "north/box-1",
        "boot": BOOT,
        "n": 0,
        "time_ms": NOW.wall_ms,
        "ttl_ms": 1500,
        "scope": 0,
        "cell": CELL,
        "event_type": "traffic.near_miss",
        "model": MODEL,
        "because": (),
        "data": {"kind": "van", "confidence": 0.75},
    }
    return seal_event(secret, **{**fields, **changes})


def topic_of(event: SealedEvent) -> str:
    """The topic that an event belongs on."""
    topic = event_topic(event.ns, event.scope, event.cell, district_of(event.name, 1))
    assert topic is not None
    return topic


def make_admission(
    trust: FakeTrust | None = None, *, limits: AdmissionLimits | None = None
) -> Admission:
    """An admission that started long ago."""
    return Admission(NS, Constants(), trust or FakeTrust(), started=STARTED, limits=limits)


def later(now: Instant, ms: int, *, trusted: bool = True) -> Instant:
    """The instant some milliseconds after another one."""
    return Instant(now.mono_ns + ms * 1_000_000, now.wall_ms + ms, trusted)
