"""The capability algebra: who may do what, to whom, about which events, where.

A capability is a verb, a prefix of names and, for the verbs that read them, event patterns, an area
and whether a model must be named. It is a set of permitted acts, and everything here is one of two
questions about sets: does it permit this act (`permits`), and is one inside the other (`covers`).
A chain of grants can therefore only narrow. The questions are pure string and bit operations, so
that a peer in another language gives the same answers; an H3 cell is compared by masks on its eight
bytes and no H3 library is needed. See docs/records.md, "Capability".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from identity.errors import InvalidCapabilityError

__all__ = [
    "AREA_CELLS_MAX",
    "EVENTS_MAX",
    "EVERYWHERE",
    "NAME_SIZE_MAX",
    "VERBS",
    "Capability",
    "capability_from_value",
    "cell_contains",
    "covers",
    "is_at_or_under",
    "is_cell",
    "is_event_pattern",
    "is_event_type",
    "is_name",
    "pattern_covers",
    "permits",
]

NAME_SIZE_MAX = 200
"""Longest name, bytes."""
NAME_SEGMENTS_MAX = 12
"""Most segments of a name."""
EVENT_TYPE_SIZE_MAX = 100
"""Longest event type or pattern, bytes."""
AREA_CELLS_MAX = 64
"""Most H3 cells that one capability lists."""
EVENTS_MAX = 64
"""Most event patterns that one capability lists."""
CELL_SIZE = 8
"""Bytes of an H3 index, big-endian."""
EVERYWHERE = "*"
"""The area, or event pattern, that holds all."""

VERBS = (
    "grant",
    "revoke",
    "pin",
    "state",
    "publish",
    "approve",
    "rollout",
    "place",
    "put",
    "witness",
    "agree",
    "act",
    "none",
)
"""Every verb there is."""

_READS_EVENTS = ("publish", "approve")
_READS_MODEL = ("publish",)
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}(?:/[a-z0-9][a-z0-9_.-]{0,31}){0,11}")
_EVENT_TYPE = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*")

_T = TypeVar("_T")

Area = str | tuple[bytes, ...] | None


def is_name(text: str) -> bool:
    """Whether text is a name: at most 12 segments joined by `/`, at most 200 bytes."""
    return len(text) <= NAME_SIZE_MAX and _NAME.fullmatch(text) is not None


def is_at_or_under(name: str, prefix: str) -> bool:
    """Whether `name` is `prefix` or below it, by whole segments; everything is under ""."""
    return not prefix or name == prefix or name.startswith(prefix + "/")


def is_event_type(text: str) -> bool:
    """Whether text is an event type such as `traffic.near_miss`, at most 100 bytes."""
    return len(text) <= EVENT_TYPE_SIZE_MAX and _EVENT_TYPE.fullmatch(text) is not None


def is_event_pattern(text: str) -> bool:
    """Whether text is `*`, an event type, or an event type followed by `.*`."""
    if text == EVERYWHERE:
        return True
    return len(text) <= EVENT_TYPE_SIZE_MAX and is_event_type(text.removesuffix(".*"))


def pattern_covers(pattern: str, other: str) -> bool:
    """Whether each type that `other`, a type or a pattern, means is meant by `pattern`.

    `a.*` means everything below `a` and not `a` itself.
    """
    if pattern in (EVERYWHERE, other):
        return True
    return pattern.endswith(".*") and other.startswith(pattern[:-1])


def is_cell(cell: bytes) -> bool:
    """Whether eight bytes are an H3 cell index (mode 1, digits 7 exactly beyond its resolution)."""
    if len(cell) != CELL_SIZE:
        return False
    index = int.from_bytes(cell)
    resolution = index >> 52 & 15
    if index >> 56 != 0b0000_1000 or index >> 45 & 127 > 121:
        return False
    digits = [index >> 3 * (15 - place) & 7 for place in range(1, 16)]
    return 7 not in digits[:resolution] and digits[resolution:] == [7] * (15 - resolution)


def cell_contains(outer: bytes, inner: bytes) -> bool:
    """Whether the H3 cell `inner` equals `outer` or descends from it; 8 bytes each."""
    a, b = int.from_bytes(outer), int.from_bytes(inner)
    resolution = a >> 52 & 15
    if b >> 52 & 15 < resolution:
        return False
    differing = (a ^ b) & ~(15 << 52)
    return differing >> 3 * (15 - resolution) == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One capability, well-formed by construction.

    Attributes:
        verb: one of `VERBS`.
        names: a prefix of names, whole segments; "" is every name.
        events: patterns, read by `publish` and `approve`; None is no event.
        area: "*", or sorted 8-byte H3 cells; None is nowhere. Read by `publish` and `approve`.
        model: whether an event must name an accepted model. Read by `publish`.

    Raises:
        InvalidCapabilityError: a field is malformed, or is one that the verb does not read.
    """

    verb: str
    names: str
    events: tuple[str, ...] | None = None
    area: Area = None
    model: bool | None = None

    def __post_init__(self) -> None:
        if self.verb not in VERBS:
            raise InvalidCapabilityError(f"verb {self.verb!r}: expected one of {', '.join(VERBS)}")
        if self.names and not is_name(self.names):
            raise InvalidCapabilityError(f"names {self.names!r}: expected a prefix such as north/a")
        for field, readers in (
            ("events", _READS_EVENTS),
            ("area", _READS_EVENTS),
            ("model", _READS_MODEL),
        ):
            if getattr(self, field) is not None and self.verb not in readers:
                raise InvalidCapabilityError(f"{field} has no meaning for the verb {self.verb!r}")
        if self.events is not None:
            _check_events(self.events)
        if self.area is not None and self.area != EVERYWHERE:
            _check_area(self.area)

    def to_value(self) -> dict[str, object]:
        """Return the map that stands for it in a grant."""
        value: dict[str, object] = {"verb": self.verb, "names": self.names}
        if self.events is not None:
            value["events"] = list(self.events)
        if self.area is not None:
            value["area"] = self.area if isinstance(self.area, str) else list(self.area)
        if self.model is not None:
            value["model"] = self.model
        return value


def _check_events(events: tuple[str, ...]) -> None:
    if len(events) > EVENTS_MAX:
        raise InvalidCapabilityError(f"{len(events)} event patterns: expected at most {EVENTS_MAX}")
    for pattern in events:
        if not is_event_pattern(pattern):
            raise InvalidCapabilityError(f"event pattern {pattern!r}: expected *, a.b or a.*")


def _check_area(area: str | tuple[bytes, ...]) -> None:
    if isinstance(area, str):
        raise InvalidCapabilityError(f"area {area!r}: expected * or a list of H3 cells")
    if len(area) > AREA_CELLS_MAX:
        raise InvalidCapabilityError(f"{len(area)} cells: expected at most {AREA_CELLS_MAX}")
    if list(area) != sorted(set(area)) or not all(map(is_cell, area)):
        raise InvalidCapabilityError("area: expected H3 cells of 8 bytes, ascending, none twice")


_FIELDS = {"verb", "names", "events", "area", "model"}


def capability_from_value(value: object) -> Capability:
    """Return the capability that a decoded map stands for.

    Raises:
        InvalidCapabilityError: a field is missing, unknown, of a wrong type or unread by its verb.
    """
    if not isinstance(value, Mapping):
        raise InvalidCapabilityError(f"{value!r:.60} is no capability: expected a map")
    fields = cast("Mapping[str, object]", value)
    unknown = sorted(set(fields) - _FIELDS)
    if unknown:
        raise InvalidCapabilityError(f"field {unknown[0]!r:.60} is unknown")
    verb, names = fields.get("verb"), fields.get("names")
    if not isinstance(verb, str) or not isinstance(names, str):
        raise InvalidCapabilityError("verb and names: expected text in both")
    model = fields.get("model")
    if model is not None and not isinstance(model, bool):
        raise InvalidCapabilityError(f"model {model!r:.60}: expected true or false")
    area = fields.get("area")
    return Capability(
        verb=verb,
        names=names,
        events=_items(fields.get("events"), str, "events"),
        area=area if isinstance(area, str) else _items(area, bytes, "area"),
        model=model,
    )


def _items(value: object, kind: type[_T], field: str) -> tuple[_T, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise InvalidCapabilityError(f"{field} {value!r:.60}: expected a list")
    items = cast("list[object]", value)
    if not all(isinstance(item, kind) for item in items):
        raise InvalidCapabilityError(f"{field}: expected {kind.__name__} in every place")
    return tuple(cast("list[_T]", items))


def covers(outer: Capability, inner: Capability) -> bool:
    """Whether everything that `inner` permits is permitted by `outer`."""
    return (
        outer.verb == inner.verb
        and is_at_or_under(inner.names, outer.names)
        and all(any(pattern_covers(a, b) for a in outer.events or ()) for b in inner.events or ())
        and _area_covers(outer.area, inner.area)
        and (not outer.model or bool(inner.model))
    )


def _area_covers(outer: Area, inner: Area) -> bool:
    if outer == EVERYWHERE or inner is None:
        return True
    if outer is None or isinstance(outer, str) or isinstance(inner, str):
        return False
    return all(any(cell_contains(a, b) for a in outer) for b in inner)


def permits(
    capability: Capability,
    *,
    verb: str,
    name: str,
    event: str | None = None,
    cell: bytes | None = None,
) -> bool:
    """Whether a capability permits one act.

    Args:
        capability: what is held.
        verb: the act.
        name: whom it acts on; for `publish`, `state` and `act` the speaker's own name.
        event: the event type, where the verb reads it; None asks without it.
        cell: the H3 cell of the event, 8 bytes; None asks without it.
    """
    if capability.verb != verb or not is_at_or_under(name, capability.names):
        return False
    if event is not None and not any(pattern_covers(p, event) for p in capability.events or ()):
        return False
    return cell is None or _area_covers(capability.area, (cell,))
