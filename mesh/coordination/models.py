"""Approved models: which digests may stand behind an event of this type, here.

A model record is a put under `model/<id>`: {digest, state, events, area}. It speaks of the events
whose type one of its patterns covers and whose cell lies in its area. `approved` and `superseded`
digests are accepted: a box that heard of the successor late must not go mute. `candidate` is
accepted by those who hold an intent for it, which this view does not know, so it is not accepted
here. `withdrawn` is refused.

Where several records speak of one digest for one type and cell, or several contenders of one record
stand, the most restrictive decides: withdrawn > candidate > superseded, approved. It stays a
function of the set, and a city does not go half mute because each box remembers another value.
A record that lacks a field, or has a wrong type in one, says nothing. See docs/records.md,
"Contested values" and "Approved models".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from crdt.registers import Register
from identity.capability import (
    AREA_CELLS_MAX,
    EVENTS_MAX,
    EVERYWHERE,
    cell_contains,
    is_cell,
    is_event_pattern,
    pattern_covers,
)

__all__ = ["MODEL_PREFIX", "ModelRecord", "ModelState", "Models", "parse_model"]

MODEL_PREFIX = "model/"
"""Registers of models begin so."""
_DIGEST_SIZE = 32


class ModelState(StrEnum):
    """The states of a model, the most restrictive last."""

    APPROVED = "approved"
    SUPERSEDED = "superseded"
    CANDIDATE = "candidate"
    WITHDRAWN = "withdrawn"

    @property
    def severity(self) -> int:
        """How restrictive it is; the highest decides."""
        return _SEVERITY[self]

    @property
    def accepted(self) -> bool:
        """Whether events of a digest in this state are accepted."""
        return self.severity == 0


_SEVERITY = {
    ModelState.APPROVED: 0,
    ModelState.SUPERSEDED: 0,
    ModelState.CANDIDATE: 1,
    ModelState.WITHDRAWN: 2,
}


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One well-formed model record.

    Attributes:
        digest: SHA-256 of the artefact, 32 bytes.
        state: what may be done with it.
        events: patterns of the event types it speaks of.
        area: "*", or the H3 cells it speaks of.
    """

    digest: bytes
    state: ModelState
    events: tuple[str, ...]
    area: str | tuple[bytes, ...]

    def speaks_of(self, event_type: str, cell: bytes) -> bool:
        """Whether the record says anything of this event type in this cell."""
        if not any(pattern_covers(pattern, event_type) for pattern in self.events):
            return False
        return isinstance(self.area, str) or any(cell_contains(c, cell) for c in self.area)


def parse_model(value: object) -> ModelRecord | None:
    """The record that a decoded value stands for, or None; total, unknown fields are ignored."""
    if not isinstance(value, dict):
        return None
    fields = cast("Mapping[str, object]", value)
    digest, state = fields.get("digest"), fields.get("state")
    events, area = fields.get("events"), fields.get("area")
    if not isinstance(digest, bytes) or len(digest) != _DIGEST_SIZE:
        return None
    if not isinstance(state, str) or state not in tuple(ModelState):
        return None
    patterns = _items(events, EVENTS_MAX)
    if patterns is None or not all(isinstance(p, str) and is_event_pattern(p) for p in patterns):
        return None
    cells = EVERYWHERE if area == EVERYWHERE else _items(area, AREA_CELLS_MAX)
    if cells is None or not all(
        isinstance(c, bytes) and is_cell(c) for c in cells if cells != EVERYWHERE
    ):
        return None
    return ModelRecord(
        digest=digest,
        state=ModelState(state),
        events=cast("tuple[str, ...]", patterns),
        area=cast("str | tuple[bytes, ...]", cells),
    )


def _items(value: object, count_max: int) -> tuple[object, ...] | None:
    if not isinstance(value, list):
        return None
    items = tuple(cast("list[object]", value))
    return items if len(items) <= count_max else None


class Models:
    """The folded model records.

    Args:
        registers: every register of the view; those of other prefixes are passed over.
    """

    __slots__ = ("_records",)

    def __init__(self, registers: Mapping[str, Register]) -> None:
        self._records: dict[bytes, list[ModelRecord]] = {}
        for key in sorted(registers):
            if key.startswith(MODEL_PREFIX):
                for record in _deciding(registers[key]):
                    self._records.setdefault(record.digest, []).append(record)

    def __repr__(self) -> str:
        return f"<Models {len(self._records)} digests>"

    def state(self, digest: bytes, event_type: str, cell: bytes) -> ModelState | None:
        """The state of a digest for one event type in one cell; None if nothing is recorded."""
        states = [
            record.state
            for record in self._records.get(digest, ())
            if record.speaks_of(event_type, cell)
        ]
        return max(states, key=lambda state: state.severity, default=None)

    def accepts(self, digest: bytes, event_type: str, cell: bytes) -> bool:
        """Whether events of this type in this cell may name this digest."""
        state = self.state(digest, event_type, cell)
        return state is not None and state.accepted

    def accepted(self, event_type: str, cell: bytes) -> tuple[bytes, ...]:
        """Every digest that is accepted for this event type in this cell, sorted."""
        return tuple(
            digest for digest in sorted(self._records) if self.accepts(digest, event_type, cell)
        )


def _deciding(register: Register) -> Iterable[ModelRecord]:
    """The records among the standing contenders that decide: the most restrictive of them."""
    parsed = [parse_model(contender.value) for contender in register.standing]
    records = [record for record in parsed if record is not None]
    severest = max((record.state.severity for record in records), default=0)
    return [record for record in records if record.state.severity == severest]
