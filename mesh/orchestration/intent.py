"""The intent: what shall run, where, in which stages, and what would prove it wrong.

An intent is a put under `intent/<scope>/<id>`, where the id is a hash of its value. So nobody can
put another value in its place: an intent is there or it is not, edits are new intents, and what a
dead intent superseded can come back. Its author needs the verb `rollout` over the scope, and the
names of the cohort lie within it. Two intents of one slot whose scopes overlap must say which
supersedes the other; see `rollouts`.

Entries hold no floats: shares are parts per million, latencies microseconds, soaks milliseconds.

A halt proves with the signed reports in it that a stage failed, and is one entry of 16 KiB: no
stage may tolerate as many failures as do not fit. `intent_checks.check_intent` says so before
anybody signs, and an intent that breaks this folds as nothing.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from identity.capability import is_name
from identity.domain import digest
from identity.encoding import encode
from mesh.orchestration.blob_tree import Reference
from mesh.orchestration.fields import MILLION

__all__ = [
    "DIGEST_SIZE",
    "HALT_REPORTS_MAX",
    "INTENT_ID_SIZE",
    "INTENT_PREFIX",
    "LARGE_STAGE",
    "LATENCY_US_MAX",
    "NONCE_SIZE",
    "STAGES_MAX",
    "Gate",
    "Intent",
    "Stage",
    "bad_allowed",
    "intent_key",
    "is_slot",
    "parse_intent_key",
]

INTENT_PREFIX = "intent/"
"""Registers of intents begin so."""
INTENT_ID = b"mesh-rollout/intent/v1\0"
"""Domain tag of the id of an intent."""
INTENT_ID_SIZE = 16
"""Bytes of an intent's id: 32 hexadecimal digits are just one segment of a name."""
DIGEST_SIZE = 32
"""Bytes of the digest of an artefact, SHA-256."""
NONCE_SIZE = 8
"""Bytes that tell two intents, or two commands, of one content apart."""
STAGES_MAX = 16
LATENCY_US_MAX = 3_600_000_000
"""Largest latency threshold: an hour, µs."""
SLOT_ROOTS = ("model", "agent", "config")
"""What a slot may hold, its first segment."""
HALT_REPORTS_MAX = 28
"""Most reports in a halt: of 512 bytes each they fill an AUTH entry of 16 KiB."""
_IDS_CACHED = 256
"""Intents whose id is remembered: a city has few, and every view asks again."""
LARGE_STAGE = 50
"""From this many names up a stage tolerates one bad report in any case."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step: the share of the cohort, parts per million, and how long its gate must hold, ms."""

    share_ppm: int
    soak_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What reports must show; None asks for nothing.

    Attributes:
        min_reports_ppm: the share of the base that must have reported.
        success_ppm: the share of the reports that must be good.
        p95_us_max: latency of inference, 95th percentile, µs.
        map50_ppm_min: mean average precision at an overlap of one half.
        disagreement_ppm_max: how often it may contradict the incumbent in shadow.
    """

    min_reports_ppm: int
    success_ppm: int
    p95_us_max: int | None = None
    map50_ppm_min: int | None = None
    disagreement_ppm_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A rollout as it was signed.

    Attributes:
        title: its name for people.
        scope: the prefix over which its author holds `rollout`; "" is the whole fleet.
        slot: what it replaces, such as "model/detector".
        artefact: digest of what shall run, 32 bytes.
        size: bytes of the artefact.
        tree: root over its chunks, 32 bytes; see `blob_tree`.
        cohort: digest of the list of eligible names, 32 bytes.
        cohort_size: bytes of that list.
        cohort_tree: root over its chunks.
        count: names in that list.
        within: where boxes that are enrolled later are eligible.
        labels: what such a box must carry, by key.
        stages: strictly ascending; the last may be less than everybody.
        gate: the thresholds.
        on_partition: "hold" or "continue".
        on_failure: "rollback" or "pause".
        supersedes: ids of the intents that it takes the place of.
        nonce: tells it from another of the same content, which was aborted perhaps.
    """

    title: str
    scope: str
    slot: str
    artefact: bytes
    size: int
    tree: bytes
    cohort: bytes
    cohort_size: int
    cohort_tree: bytes
    count: int
    within: str
    labels: tuple[tuple[str, str], ...] = ()
    stages: tuple[Stage, ...]
    gate: Gate
    on_partition: Literal["hold", "continue"] = "hold"
    on_failure: Literal["rollback", "pause"] = "rollback"
    supersedes: tuple[bytes, ...] = ()
    nonce: bytes = bytes(NONCE_SIZE)

    @property
    def id(self) -> bytes:
        """Names the intent, 16 bytes."""
        return _id_of(self)

    @property
    def artefact_reference(self) -> Reference:
        """Names the bytes of the artefact, as neighbours ask each other for them."""
        return Reference(self.artefact, self.size, self.tree)

    @property
    def cohort_reference(self) -> Reference:
        """Names the bytes of the list of names."""
        return Reference(self.cohort, self.cohort_size, self.cohort_tree)

    @property
    def shares_ppm(self) -> tuple[int, ...]:
        """The share of each stage."""
        return tuple(stage.share_ppm for stage in self.stages)

    def to_value(self) -> dict[str, object]:
        """Return it as the value of a put; absent thresholds are left out."""
        gate = {
            "min_reports": self.gate.min_reports_ppm,
            "success": self.gate.success_ppm,
            "p95_us": self.gate.p95_us_max,
            "map50": self.gate.map50_ppm_min,
            "disagreement": self.gate.disagreement_ppm_max,
        }
        return {
            "title": self.title,
            "scope": self.scope,
            "slot": self.slot,
            "artefact": self.artefact,
            "size": self.size,
            "tree": self.tree,
            "cohort": self.cohort,
            "cohort_size": self.cohort_size,
            "cohort_tree": self.cohort_tree,
            "count": self.count,
            "within": self.within,
            "labels": dict(self.labels),
            "stages": [[stage.share_ppm, stage.soak_ms] for stage in self.stages],
            "gate": {name: asked for name, asked in gate.items() if asked is not None},
            "on_partition": self.on_partition,
            "on_failure": self.on_failure,
            "supersedes": list(self.supersedes),
            "nonce": self.nonce,
        }


@lru_cache(_IDS_CACHED)
def _id_of(intent: Intent) -> bytes:
    return digest(INTENT_ID, encode(intent.to_value()))[:INTENT_ID_SIZE]


def intent_key(scope: str, identifier: bytes) -> str:
    """Return the register of an intent."""
    return INTENT_PREFIX + (f"{scope}/" if scope else "") + identifier.hex()


def parse_intent_key(key: str) -> tuple[str, bytes] | None:
    """Return the scope and the id in a register key, or None."""
    scope, _, last = key.removeprefix(INTENT_PREFIX).rpartition("/")
    if not key.startswith(INTENT_PREFIX) or len(last) != 2 * INTENT_ID_SIZE:
        return None
    try:
        return scope, bytes.fromhex(last)
    except ValueError:
        return None


def is_slot(text: str) -> bool:
    """Whether text names a slot: model/…, agent/… or config/…."""
    return is_name(text) and text.partition("/")[0] in SLOT_ROOTS and "/" in text


def bad_allowed(success_ppm: int, count: int, stage: int) -> int:
    """Return how many of `count` reports may be bad: ⌊(1 - success)·count⌋, in a large stage one.

    Args:
        success_ppm: the share that must be good.
        count: of reports for a gate, of names for a halt.
        stage: the names of the stage; from `LARGE_STAGE` up at least one may be bad.
    """
    allowed = (MILLION - success_ppm) * count // MILLION
    return max(allowed, 1) if stage >= LARGE_STAGE else allowed
