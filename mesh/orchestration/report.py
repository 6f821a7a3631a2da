r"""The report: what one box says of one attempt to run an artefact, signed by itself.

    raw  = deterministic CBOR array(13):
           [1, ns, key, intent, name, attempt, outcome, digest,
            p95 µs | null, map50 ppm | null, disagreement ppm | null, errors, reason]
    sig  = Ed25519("mesh-rollout/report/v1\0" ‖ raw)            wire = sig ‖ raw
    id   = SHA-256("mesh-rollout/report/id/v1\0" ‖ raw)

It travels as a FLEET statement under the topic `report/<intent>/<name>`, where the latest replaces
the earlier ones. It carries a signature of its own because a halt has to prove it: the entry around
it may be a snapshot of everything that the box states, and is pruned after the next one.

One report of a name counts, that of its highest attempt; within an attempt bad stays bad. A report
is good iff each of its own values meets its threshold: there are no means over boxes, because one
liar moves any mean. `waiting` (for bytes or room) is no failure, and `back` takes an earlier good
one back; neither counts as a report.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from functools import lru_cache

from crdt.bodies import Status
from identity.capability import is_name
from identity.domain import digest
from identity.encoding import Value, decode, encode
from identity.errors import EncodingError
from identity.keys import KEY_SIZE, SIGNATURE_SIZE, SecretKey, verify
from mesh.orchestration.command import REPORT_ID_SIZE
from mesh.orchestration.errors import InvalidReportError
from mesh.orchestration.fields import MILLION, integer, table
from mesh.orchestration.intent import DIGEST_SIZE, INTENT_ID_SIZE, LATENCY_US_MAX, Gate

__all__ = [
    "REPORT_KIND",
    "REPORT_SIZE_MAX",
    "UNMEASURED",
    "Metrics",
    "Outcome",
    "Report",
    "Verdict",
    "clip_reason",
    "counting",
    "is_signed",
    "may_replace",
    "parse_report",
    "parse_report_body",
    "report_topic",
    "report_value",
    "seal_report",
    "verdict_of",
]

REPORT_KIND = "report"
"""The FLEET kind, and how its topics begin."""
REPORT = b"mesh-rollout/report/v1\0"
"""Domain tag of the signature of a report."""
REPORT_ID = b"mesh-rollout/report/id/v1\0"
"""Domain tag of the id of a report."""
REPORT_SIZE_MAX = 512
"""Largest wire of a report, bytes."""
REASON_SIZE_MAX = 64
"""Longest reason, bytes of UTF-8."""
ATTEMPT_MAX = (1 << 32) - 1
ERRORS_MAX = (1 << 32) - 1
NS_SIZE = 16
_READ_CACHED = 1 << 14
"""Reports whose parse and signature are remembered: every view reads them again."""


class Outcome(StrEnum):
    """How far an attempt came."""

    WAITING = "waiting"
    """Bytes or room are wanting; it is retried, and is no failure."""
    STARTED = "started"
    """Loaded and self-tested; the swap comes next."""
    GOOD = "good"
    """The first good inference by the intended digest."""
    FAILED = "failed"
    """The self-test, the swap or the first inference failed."""
    BACK = "back"
    """It runs something else again; what it said before counts no more."""


_PROGRESS = tuple(Outcome)


class Verdict(Enum):
    """What a report counts as, judged from itself alone."""

    GOOD = "good"
    BAD = "bad"
    OPEN = "open"
    """Started, without an outcome: bad where its box is not seen."""
    NONE = "none"
    """No report: waiting, or gone back."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a box measured; None where it did not.

    Attributes:
        p95_us: latency of inference, 95th percentile, µs.
        map50_ppm: mean average precision on the canary frames, at an overlap of one half.
        disagreement_ppm: how often it contradicted the incumbent in shadow.
        errors: inferences that failed.
    """

    p95_us: int | None = None
    map50_ppm: int | None = None
    disagreement_ppm: int | None = None
    errors: int = 0


UNMEASURED = Metrics()
"""Nothing measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report.

    Attributes:
        ns: namespace of the fleet, 16 bytes.
        key: of the box, 32 bytes.
        intent: which rollout, 16 bytes.
        name: under which the box is in it.
        attempt: which attempt of that box, from 1.
        outcome: how far it came.
        artefact: digest of what it tried to run, 32 bytes.
        metrics: what it measured.
        reason: why it failed, waits or went back; for people.
        wire: signature ‖ raw; b"" before it is signed.
    """

    ns: bytes
    key: bytes
    intent: bytes
    name: str
    attempt: int
    outcome: Outcome
    artefact: bytes
    metrics: Metrics = UNMEASURED
    reason: str = ""
    wire: bytes = b""

    @property
    def raw(self) -> bytes:
        """The bytes that are signed."""
        if self.wire:
            return self.wire[SIGNATURE_SIZE:]
        measured = self.metrics
        head = [1, self.ns, self.key, self.intent, self.name, self.attempt, str(self.outcome)]
        tail = [measured.p95_us, measured.map50_ppm, measured.disagreement_ppm, measured.errors]
        return encode([*head, self.artefact, *tail, self.reason])

    @property
    def id(self) -> bytes:
        """Names the report, 32 bytes; the signature is not in it."""
        identifier = digest(REPORT_ID, self.raw)
        assert len(identifier) == REPORT_ID_SIZE
        return identifier


def clip_reason(text: str) -> str:
    """Return a reason short enough for a report, on one line."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line.encode()[:REASON_SIZE_MAX].decode("utf-8", "ignore")


def seal_report(report: Report, secret: SecretKey) -> Report:
    """Return a report signed by its box.

    Raises:
        InvalidReportError: the key is not the report's, or a field is out of range.
    """
    if secret.public != report.key:
        raise InvalidReportError(f"report of key {report.key.hex()[:12]}: sign it with that key")
    unsigned = replace(report, wire=b"")
    wire = secret.sign(REPORT, unsigned.raw) + unsigned.raw
    sealed = parse_report(wire)
    if sealed is None:
        raise InvalidReportError(f"{unsigned!r:.200} has a field out of range, see `Report`")
    return sealed


@lru_cache(_READ_CACHED)
def parse_report(wire: bytes) -> Report | None:
    """Return the report in a wire, or None; total. The signature is not checked: `is_signed`."""
    if not SIGNATURE_SIZE < len(wire) <= REPORT_SIZE_MAX:
        return None
    try:
        value = decode(wire[SIGNATURE_SIZE:])
    except EncodingError:
        return None
    match value:
        case [
            int(version),
            bytes(ns),
            bytes(key),
            bytes(intent),
            str(name),
            attempt,
            str(outcome),
            bytes(artefact),
            p95,
            map50,
            disagreement,
            errors,
            str(reason),
        ]:
            pass
        case _:
            return None
    sizes = (len(ns), len(key), len(intent), len(artefact))
    if integer(version, 1, 1) is None or outcome not in _PROGRESS or not is_name(name):
        return None
    if sizes != (NS_SIZE, KEY_SIZE, INTENT_ID_SIZE, DIGEST_SIZE):
        return None
    metrics = _metrics(p95, map50, disagreement, errors)
    number = integer(attempt, 1, ATTEMPT_MAX)
    if metrics is None or number is None or len(reason.encode()) > REASON_SIZE_MAX:
        return None
    return Report(
        ns=ns,
        key=key,
        intent=intent,
        name=name,
        attempt=number,
        outcome=Outcome(outcome),
        artefact=artefact,
        metrics=metrics,
        reason=reason,
        wire=wire,
    )


def _metrics(p95: Value, map50: Value, disagreement: Value, errors: Value) -> Metrics | None:
    read = (
        integer(p95, 0, LATENCY_US_MAX),
        integer(map50, 0, MILLION),
        integer(disagreement, 0, MILLION),
    )
    failed = integer(errors, 0, ERRORS_MAX)
    given = (p95, map50, disagreement)
    if failed is None or any(a is None and b is not None for a, b in zip(read, given, strict=True)):
        return None
    return Metrics(*read, failed)


@lru_cache(_READ_CACHED)
def is_signed(wire: bytes) -> bool:
    """Whether the signature of a well-formed report is that of the key that it names."""
    report = parse_report(wire)
    return report is not None and verify(
        report.key, REPORT, wire[SIGNATURE_SIZE:], wire[:SIGNATURE_SIZE]
    )


def report_topic(intent: bytes, name: str) -> str:
    """Return the FLEET topic of a box's report about an intent."""
    return f"{REPORT_KIND}/{intent.hex()}/{name}"


def report_value(report: Report) -> dict[str, object]:
    """Return the body of the FLEET entry that states a signed report."""
    return {"report": report.wire}


def parse_report_body(body: Value) -> Status | None:
    """Return what a FLEET entry of kind `report` states, or None: a row of the table of kinds."""
    fields = table(body)
    wire = fields.get("report") if fields is not None else None
    report = parse_report(wire) if isinstance(wire, bytes) else None
    return None if report is None else Status(report_topic(report.intent, report.name), body)


def verdict_of(report: Report, gate: Gate) -> Verdict:
    """Return what a report counts as under the thresholds of its intent.

    A value that is asked for and was not measured does not meet its threshold.
    """
    if report.outcome is Outcome.FAILED:
        return Verdict.BAD
    if report.outcome is Outcome.STARTED:
        return Verdict.OPEN
    if report.outcome is not Outcome.GOOD:
        return Verdict.NONE
    measured = report.metrics
    misses = (
        _above(measured.p95_us, gate.p95_us_max)
        or _above(measured.disagreement_ppm, gate.disagreement_ppm_max)
        or _below(measured.map50_ppm, gate.map50_ppm_min)
    )
    return Verdict.BAD if misses else Verdict.GOOD


def _above(measured: int | None, most: int | None) -> bool:
    return most is not None and (measured is None or measured > most)


def _below(measured: int | None, least: int | None) -> bool:
    return least is not None and (measured is None or measured < least)


def counting(reports: list[Report], gate: Gate) -> Report:
    """Return the one report that counts of a name: of its highest attempt, a bad one if any.

    Args:
        reports: one or more of one name; several where keys contest the name.
        gate: the thresholds.
    """
    return max(reports, key=lambda report: (*_rank(report, gate), report.id))


def may_replace(report: Report, shown: Report, gate: Gate) -> bool:
    """Whether a box that shows one report may say another of its own instead.

    Never of an earlier attempt, nor a better one of the same attempt, nor an earlier word of it.
    """
    return _rank(report, gate) >= _rank(shown, gate)


def _rank(report: Report, gate: Gate) -> tuple[int, bool, int]:
    """Of one name the highest rank counts: the last attempt, bad stays bad, then progress."""
    bad = verdict_of(report, gate) is Verdict.BAD
    return report.attempt, bad, _PROGRESS.index(report.outcome)
