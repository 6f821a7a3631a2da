"""What a conductor must not forget when its box loses power, as one small value.

Its box writes the value down before it acts on it. What can be computed from the records again is
not in it, nor is the soak: a soak is running time in force, and begins anew with the box.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

from identity.encoding import Value, decode, encode
from identity.errors import EncodingError
from mesh.orchestration.command import COMMAND_ID_SIZE, REPORT_ID_SIZE
from mesh.orchestration.errors import InvalidMemoryError
from mesh.orchestration.fields import integer, of_size
from mesh.orchestration.intent import DIGEST_SIZE, INTENT_ID_SIZE, STAGES_MAX, is_slot
from mesh.orchestration.report import ATTEMPT_MAX, Report, parse_report

__all__ = ["IntentMemory", "Latch", "Memory", "Phase", "Running", "SlotMemory"]

PAST_MAX = 8
"""Earlier artefacts of a slot that are remembered; the first of all stays among them."""


class Phase(StrEnum):
    """How far the running attempt at an intent is."""

    PREPARING = "preparing"
    """Fetching, verifying, loading into the spare slot, testing."""
    STARTED = "started"
    """Reported, and waiting until a linked peer holds that report."""
    SWAPPING = "swapping"
    """Permitted to swap, in that life; the first good inference is awaited."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a slot runs: an artefact's digest, and by which intent; None by none, as delivered."""

    artefact: bytes
    intent: bytes | None = None


@dataclass(frozen=True, slots=True)
class SlotMemory:
    """One slot: what it runs, and what it ran before, the latest first."""

    current: Running | None = None
    past: tuple[Running, ...] = ()

    def advanced(self, to: Running) -> "SlotMemory":
        """Return it after a swap to something new."""
        if self.current is None:
            return SlotMemory(to, self.past)
        if self.current.artefact == to.artefact:
            return SlotMemory(to, self.past)
        past = (self.current, *(each for each in self.past if each.artefact != to.artefact))
        kept = past if len(past) <= PAST_MAX else (*past[: PAST_MAX - 1], past[-1])
        return SlotMemory(to, kept)


@dataclass(frozen=True, slots=True)
class Latch:
    """A stage that this box saw open: its permission to start there.

    Attributes:
        stage: from 0.
        era: the resumes after halts that were known; in another era it is void.
        reports: ids of the reports that the gate counted, none for the first stage and a promote.
    """

    stage: int
    era: tuple[bytes, ...] = ()
    reports: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class IntentMemory:
    """One intent.

    Attributes:
        attempt: the number of the last attempt of this box, 0 for none.
        phase: of the running attempt, or None.
        report: the last report of this box, signed, or None.
        latches: the stages seen open, ascending.
        stopped: the resumes that were known when this box went back or saw a halt count; it starts
            again only with another one. None where it may start.
    """

    attempt: int = 0
    phase: Phase | None = None
    report: Report | None = None
    latches: tuple[Latch, ...] = ()
    stopped: tuple[bytes, ...] | None = None

    def is_open(self, stage: int) -> bool:
        """Whether a stage was seen open: it, or a later one."""
        return any(latch.stage >= stage for latch in self.latches)


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything: slots by name, intents by id."""

    slots: Mapping[str, SlotMemory] = field(default_factory=dict[str, SlotMemory])
    intents: Mapping[bytes, IntentMemory] = field(default_factory=dict[bytes, IntentMemory])

    def encode(self) -> bytes:
        """Return the bytes to write down."""
        slots = {
            slot: [_running_value(each) for each in (held.current, *held.past)]
            for slot, held in self.slots.items()
        }
        intents = {identifier.hex(): _value(held) for identifier, held in self.intents.items()}
        return encode([1, slots, intents])

    @classmethod
    def recalled(cls, kept: bytes | None) -> "Memory":
        """Return what was kept before a start; who cannot read it begins anew, and holds."""
        try:
            return cls() if kept is None else cls.parse(kept)
        except InvalidMemoryError:
            return cls()

    @classmethod
    def parse(cls, data: bytes) -> "Memory":
        """Return the memory in bytes. Total.

        Raises:
            InvalidMemoryError: they are none; a box starts without, and holds what it runs.
        """
        try:
            value = decode(data)
        except EncodingError as error:
            raise InvalidMemoryError(f"no memory of a conductor: {error}") from None
        match value:
            case [1, dict(slots), dict(intents)] if not isinstance(value[0], bool):
                pass
            case _:
                raise InvalidMemoryError("expected [1, slots, intents]: remove it to begin anew")
        read = {bytes.fromhex(key): _intent(held) for key, held in intents.items() if _is_id(key)}
        if len(read) != len(intents):
            raise InvalidMemoryError("an intent id in it is not 32 hexadecimal digits")
        return cls({slot: _slot(slot, held) for slot, held in slots.items()}, read)


def _running_value(running: Running | None) -> list[object] | None:
    return None if running is None else [running.artefact, running.intent]


def _value(held: IntentMemory) -> list[object]:
    return [
        held.attempt,
        None if held.phase is None else str(held.phase),
        None if held.report is None else held.report.wire,
        [[latch.stage, list(latch.era), list(latch.reports)] for latch in held.latches],
        None if held.stopped is None else list(held.stopped),
    ]


def _is_id(key: str) -> bool:
    return len(key) == 2 * INTENT_ID_SIZE and all(digit in "0123456789abcdef" for digit in key)


def _slot(slot: str, value: Value) -> SlotMemory:
    items = cast("list[Value]", value) if isinstance(value, list) else []
    if not is_slot(slot) or not items:
        raise InvalidMemoryError(f"slot {slot!r:.80} in it is none, or empty")
    current = None if items[0] is None else _running(items[0])
    return SlotMemory(current, tuple(_running(item) for item in items[1:]))


def _running(value: Value) -> Running:
    match value:
        case [bytes(artefact), intent] if len(artefact) == DIGEST_SIZE:
            named = of_size(intent, INTENT_ID_SIZE)
            if named is not None or intent is None:
                return Running(artefact, named)
        case _:
            pass
    raise InvalidMemoryError(f"{value!r:.80} in it is not [digest, intent]")


def _intent(value: Value) -> IntentMemory:
    match value:
        case [attempt, phase, wire, list(latches), stopped]:
            pass
        case _:
            raise InvalidMemoryError("an intent in it has not five fields")
    number = integer(attempt, 0, ATTEMPT_MAX)
    report = parse_report(wire) if isinstance(wire, bytes) else None
    known = phase is None or (isinstance(phase, str) and phase in tuple(Phase))
    if number is None or not known or (wire is not None and report is None):
        raise InvalidMemoryError(f"attempt {attempt!r:.40}, phase {phase!r:.40} in it are none")
    return IntentMemory(
        attempt=number,
        phase=None if phase is None else Phase(cast("str", phase)),
        report=report,
        latches=tuple(_latch(latch) for latch in latches),
        stopped=None if stopped is None else _ids(stopped, COMMAND_ID_SIZE),
    )


def _latch(value: Value) -> Latch:
    match value:
        case [stage, era, reports]:
            number = integer(stage, 0, STAGES_MAX - 1)
        case _:
            number = None
    if number is None:
        raise InvalidMemoryError("a latch in it is not [stage, era, reports]")
    _, era, reports = cast("list[Value]", value)
    return Latch(number, _ids(era, COMMAND_ID_SIZE), _ids(reports, REPORT_ID_SIZE))


def _ids(value: Value, size: int) -> tuple[bytes, ...]:
    items = cast("list[Value]", value) if isinstance(value, list) else [None]
    found = tuple(each for item in items if (each := of_size(item, size)) is not None)
    if len(found) != len(items):
        raise InvalidMemoryError(f"a list in it is not one of ids of {size} bytes")
    return found
