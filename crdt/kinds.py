"""The table of kinds, and the table of register keys: what may be said, where, under which verb.

A kind belongs to one lane (`snap` to two) and has a parser; in another lane, or where the table
does not name it, an entry is stored and forwarded and folds as nothing. A register key belongs to
the rule with the longest fitting prefix. Higher floors add rows and hand the larger table to the
folds; no row here knows of them. See docs/records.md, "Kinds, their lane and their reach".
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from crdt.bodies import (
    Grant,
    Pin,
    Put,
    Revocation,
    Snapshot,
    Status,
    parse_grant,
    parse_links,
    parse_pin,
    parse_put,
    parse_revocation,
    parse_runs,
    parse_snapshot,
    parse_status,
)
from crdt.entry import ID_SIZE, Lane
from identity.capability import (
    Area,
    Capability,
    capability_from_value,
    covers,
    is_cell,
    is_name,
    permits,
)
from identity.encoding import Value
from identity.errors import InvalidCapabilityError

__all__ = [
    "KEY_RULES",
    "KINDS",
    "MODEL_STATES",
    "Body",
    "KeyRule",
    "KindRule",
    "Kinds",
    "kind_table",
    "rule_for_key",
]

Body = Grant | Revocation | Pin | Put | Status | Snapshot
"""What a body of a known kind parses to."""

LATITUDE_E6_MAX = 90_000_000
"""Largest latitude, microdegrees."""
LONGITUDE_E6_MAX = 180_000_000
"""Largest longitude, microdegrees."""
MODEL_STATES = ("approved", "superseded", "candidate", "withdrawn")
"""States of a model record, the least restrictive first."""


@dataclass(frozen=True, slots=True)
class KindRule:
    """One row: a kind in one lane.

    Attributes:
        kind: as written in the entry.
        lane: where it means something.
        verb: what its author's pair must hold; None where the kind's own fold decides.
        parse: total; None "folds as nothing". In STATE and FLEET it returns the `Status` that the
            entry states; the topic of a FLEET kind is the kind, or the kind, "/" and more.
    """

    kind: str
    lane: Lane
    verb: str | None
    parse: Callable[[Value], Body | None]


Kinds = Mapping[tuple[int, str], KindRule]
"""Rows by (lane, kind)."""


def kind_table(rules: Iterable[KindRule]) -> dict[tuple[int, str], KindRule]:
    """Return rows by (lane, kind); a later row takes the place of an earlier one."""
    return {(int(rule.lane), rule.kind): rule for rule in rules}


KINDS: Kinds = kind_table(
    (
        KindRule("grant", Lane.AUTH, "grant", parse_grant),
        KindRule("revoke", Lane.AUTH, "revoke", parse_revocation),
        KindRule("pin", Lane.AUTH, "pin", parse_pin),
        KindRule("put", Lane.AUTH, None, parse_put),
        KindRule("status", Lane.STATE, "state", parse_status),
        KindRule("snap", Lane.STATE, "state", parse_snapshot),
        KindRule("links", Lane.FLEET, "state", parse_links),
        KindRule("runs", Lane.FLEET, "state", parse_runs),
        KindRule("snap", Lane.FLEET, "state", parse_snapshot),
    )
)
"""The core kinds."""


@dataclass(frozen=True, slots=True)
class KeyRule:
    """One row: the registers whose key is `prefix` and then a name.

    Attributes:
        prefix: such as "place/"; "" stands for every key without a row, whose name is the key.
        verb: what a put's author must hold over that name.
        check: whether a value is well-formed; total.
        scope: event patterns and area that the author's capability must cover, or None.
        severity: how restrictive a value is; the highest decides among contenders. None where
            nothing may decide.
    """

    prefix: str
    verb: str
    check: Callable[[Value], bool]
    scope: Callable[[Value], tuple[tuple[str, ...], Area] | None] = lambda _: None
    severity: Callable[[Value], int | None] = lambda _: None

    def name_of(self, key: str) -> str | None:
        """Return the name in a register key of this rule, or None where it is no name."""
        name = key[len(self.prefix) :]
        return name if is_name(name) else None

    def authorises(self, capability: Capability, key: str, value: Value) -> bool:
        """Whether one capability permits putting `value` there."""
        name = self.name_of(key)
        if name is None or not permits(capability, verb=self.verb, name=name):
            return False
        scope = self.scope(value)
        if scope is None:
            return True
        return covers(capability, replace(capability, names=name, events=scope[0], area=scope[1]))


def rule_for_key(rules: Iterable[KeyRule], key: str) -> KeyRule | None:
    """Return the rule with the longest prefix of `key`, or None."""
    fitting = [rule for rule in rules if key.startswith(rule.prefix)]
    return max(fitting, key=lambda rule: len(rule.prefix), default=None)


def _is_place(value: Value) -> bool:
    """Whether a value is {cell, position, edges: [{to, …}]}; an edge's other fields are plain."""
    match value:
        case {"cell": bytes(cell), "position": [latitude, longitude], "edges": list(edges)}:
            return (
                is_cell(cell)
                and _within(latitude, LATITUDE_E6_MAX)
                and _within(longitude, LONGITUDE_E6_MAX)
                and all(_is_edge(edge) for edge in edges)
            )
        case _:
            return False


def _within(value: Value, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -limit <= value <= limit


def _is_edge(edge: Value) -> bool:
    match edge:
        case {"to": str(name)} if is_name(name):
            return all(isinstance(field, int | str) for field in edge.values())
        case _:
            return False


def _is_model(value: Value) -> bool:
    match value:
        case {
            "digest": bytes(digest),
            "state": str(state),
            "events": list(),
            "area": str() | list(),
        }:
            return (
                len(digest) == ID_SIZE and state in MODEL_STATES and _model_scope(value) is not None
            )
        case _:
            return False


def _model_scope(value: Value) -> tuple[tuple[str, ...], Area] | None:
    fields = cast("dict[str, Value]", value)
    wanted = {"verb": "approve", "names": "", "events": fields["events"], "area": fields["area"]}
    try:
        capability = capability_from_value(wanted)
    except InvalidCapabilityError:
        return None
    return capability.events or (), capability.area


def _model_severity(value: Value) -> int | None:
    return MODEL_STATES.index(cast("dict[str, str]", value)["state"])


KEY_RULES: tuple[KeyRule, ...] = (
    KeyRule("place/", "place", _is_place),
    KeyRule("model/", "approve", _is_model, _model_scope, _model_severity),
    KeyRule("", "put", lambda _: True),
)
"""The core registers: places, models, and plain values under the verb `put`."""
