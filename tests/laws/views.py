"""One plain form for what the oracle and the fold say, so that they can be compared and asked.

The roots' own pair is written ROOT whichever root key a fold names it by, and a root statement's
contender carries no id: only what both must agree on is kept.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from crdt.authority import fold_authority
from crdt.entry import Entry, Lane
from crdt.kinds import KeyRule
from crdt.registers import fold_registers
from crdt.snapshot import fold_status
from crdt.standing import Authority
from identity.capability import is_name
from identity.genesis import Genesis, RootStatement

from . import oracle
from .writing import Fleet, public

Pair = tuple[bytes, str]
FLAGS = ("winning", "contested", "revoked", "undecided", "current")


@dataclass(frozen=True)
class View:
    """Everything that a set of entries shows.

    Attributes:
        root: number and id of the last root statement.
        pairs: each granted pair's standing, as a map.
        counting: id of each grant, revocation and pin that counts, the pairs under which.
        registers: by key: value, contested, standing and shown contenders.
        state: topics by pair in the lane STATE.
        fleet: topics by pair in the lane FLEET.
    """

    root: tuple[int, bytes]
    pairs: dict[Pair, dict]
    counting: dict[bytes, list[Pair]]
    registers: dict[str, dict]
    state: dict[Pair, dict]
    fleet: dict[Pair, dict]

    def standing(self, label: str, name: str) -> dict:
        """Return the standing of a granted pair; a map without flags if it is not granted."""
        return self.pairs.get((public(label), name), dict.fromkeys(FLAGS, False))

    def granted(self, label: str, name: str) -> bool:
        """Whether a pair is granted."""
        return (public(label), name) in self.pairs

    def current(self, label: str, name: str) -> bool:
        """Whether a pair is current."""
        return self.standing(label, name)["current"]

    def holder(self, name: str) -> list[bytes]:
        """Return the keys that are current under a name."""
        return [key for (key, held), view in self.pairs.items() if held == name and view["current"]]

    def counts(self, entry: Entry) -> bool:
        """Whether a grant, revocation or pin counts under some pair."""
        return entry.id in self.counting

    def value(self, key: str) -> object:
        """Return the value of a register, None if it has none."""
        return self.registers[key]["value"] if key in self.registers else None


Folding = Callable[[Genesis, Sequence[RootStatement], Iterable[Entry]], View]

Check = Callable[[View], None]
"""What must hold of a view; raises AssertionError."""

Told = Iterator[tuple[str, Fleet, Sequence[Entry], Check]]
"""(what happens, the fleet it happens to, the entries a reader holds, what must hold)."""

SEVERITY = {"withdrawn": 3, "candidate": 2, "superseded": 1, "approved": 1}


def is_place(value: object) -> bool:
    """Whether a value is {cell, position, edges}."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("cell"), bytes)
        and isinstance(value.get("edges"), list)
        and all(
            isinstance(edge, dict) and isinstance(edge.get("to"), str) and is_name(edge["to"])
            for edge in value["edges"]
        )
    )


def is_model(value: object) -> bool:
    """Whether a value is {digest, state, events, area}."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("digest"), bytes)
        and value.get("state") in SEVERITY
        and isinstance(value.get("events"), list)
        and (value.get("area") == "*" or isinstance(value.get("area"), list))
    )


def model_scope(value: dict) -> tuple:
    """Return the (events, area) that an approver must hold."""
    area = value["area"]
    return tuple(value["events"]), area if isinstance(area, str) else tuple(area)


RULES = (
    oracle.Rule("place/", "place", is_place, lambda _: None, lambda _: None),
    oracle.Rule("model/", "approve", is_model, model_scope, lambda value: SEVERITY[value["state"]]),
    oracle.Rule("", "put", lambda _: True, lambda _: None, lambda _: None),
)
"""The registers of these worlds, in the oracle's words; the last row is for every other key."""

KEY_RULES = tuple(
    KeyRule(rule.prefix, rule.verb, rule.check, rule.scope, rule.severity) for rule in RULES
)


def oracle_view(
    genesis: Genesis, statements: Sequence[RootStatement], entries: Iterable[Entry]
) -> View:
    """Return what the oracle says of a set."""
    verdict = oracle.fold(genesis, statements, entries)
    registers = oracle.registers(verdict, RULES)
    return View(
        root=verdict.root,
        pairs=verdict.pairs,
        counting=verdict.counting,
        registers={key: _plain_register(register) for key, register in registers.items()},
        state=oracle.status(verdict, Lane.STATE),
        fleet=oracle.status(verdict, Lane.FLEET),
    )


def fold_view(
    genesis: Genesis, statements: Sequence[RootStatement], entries: Iterable[Entry]
) -> View:
    """Return what the fold says of a set."""
    held = list(entries)
    authority = fold_authority(genesis, statements, held)
    registers = fold_registers(authority, statements, held, KEY_RULES)
    return View(
        root=tuple(authority.root),
        pairs=plain_pairs(authority),
        counting=plain_counting(authority, held),
        registers={
            key: _plain_register(
                {
                    "value": register.value,
                    "contested": register.contested,
                    "standing": [_plain(one) for one in register.standing],
                    "shown": [_plain(one) for one in register.shown],
                }
            )
            for key, register in registers.items()
        },
        state=_plain_status(fold_status(authority, held, Lane.STATE)),
        fleet=_plain_status(fold_status(authority, held, Lane.FLEET)),
    )


def plain_pairs(authority: Authority) -> dict[Pair, dict]:
    """Return each granted pair's standing as the oracle writes it."""
    return {
        (pair.key, pair.name): {
            "stratum": standing.stratum,
            "epoch": standing.epoch,
            "capabilities": list(standing.capabilities),
            "dropped": list(standing.dropped),
            "place": standing.place,
            **{flag: getattr(standing, flag) for flag in FLAGS},
        }
        for pair, standing in authority.standings.items()
    }


def plain_counting(authority: Authority, entries: Iterable[Entry]) -> dict[bytes, list[Pair]]:
    """Return which grants, revocations and pins count, and under which pairs."""
    read = {entry.id: entry.kind for entry in entries}
    return {
        id_: [tuple(pair) for pair in pairs]
        for id_, pairs in authority.counting.items()
        if read[id_] in ("grant", "revoke", "pin") and pairs
    }


def _plain(contender: object) -> tuple:
    return (contender.value, tuple(contender.pair), contender.stratum, contender.entry_id)


def _plain_register(register: dict) -> dict:
    """Return a register whose contenders are in order and, if roots', without pair and id."""

    def plain(contender: tuple) -> tuple:
        value, pair, stratum, id_ = contender
        return (value, pair, stratum, id_) if stratum else (value, oracle.ROOT, 0, b"")

    return {
        "value": register["value"],
        "contested": register["contested"],
        "standing": sorted(map(plain, register["standing"]), key=lambda one: one[3]),
        "shown": sorted(map(plain, register["shown"]), key=lambda one: one[3]),
    }


def _plain_status(shown: dict) -> dict[Pair, dict]:
    return {tuple(pair): dict(topics) for pair, topics in shown.items() if topics}
