"""Multi-writer registers: what a key stands at when several may write it, and some at once.

A put counts by the pairs that authorise it and has the stratum of the most senior of them. It
supersedes the earlier puts of its own feed, and those that it names as far as they are equal or
junior; nothing supersedes by time. What nobody superseded contends, and the most senior stratum
stands. One standing put is the value. Of several the most restrictive decides where the register
authorises something, so that a city does not go half mute; elsewhere there is no value, and the
contenders are named. See docs/records.md, "Contested values".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from crdt.bodies import Put
from crdt.entry import Entry, FeedId, Lane
from crdt.feed import Feed
from crdt.index import EntryIndex
from crdt.kinds import KEY_RULES, KINDS, KeyRule, Kinds, rule_for_key
from crdt.standing import ROOT_PAIR, Authority, Pair
from identity.encoding import Value
from identity.genesis import RootStatement

__all__ = ["Contender", "Register", "fold_registers", "registers_of"]


@dataclass(frozen=True, slots=True)
class Contender:
    """One put that nothing superseded.

    Attributes:
        value: what it puts.
        pair: under which it counts: the first, by (name, key), of its author's most senior ones.
        stratum: of that pair.
        entry_id: of its entry, or of the root statement that carries it; 32 bytes.
    """

    value: object
    pair: Pair
    stratum: int
    entry_id: bytes


@dataclass(frozen=True, slots=True)
class Register:
    """What one key stands at.

    Attributes:
        key: as written, such as "place/north/box-12".
        value: None where contenders differ and nothing says which decides.
        contested: several stand.
        standing: those of the most senior stratum, by entry id.
        shown: the other contenders, by entry id; they decide nothing.
    """

    key: str
    value: object
    contested: bool
    standing: tuple[Contender, ...]
    shown: tuple[Contender, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A put that counts; `only_contends` where its author's pairs are contested themselves."""

    contender: Contender
    supersedes: tuple[bytes, ...]
    only_contends: bool
    entry: Entry | None
    rule: KeyRule


def fold_registers(
    authority: Authority,
    statements: Sequence[RootStatement],
    entries: Iterable[Entry],
    rules: Sequence[KeyRule] = KEY_RULES,
    *,
    kinds: Kinds = KINDS,
) -> dict[str, Register]:
    """Return the registers by key, ascending.

    Args:
        authority: settled over the same set.
        statements: the accepted root statements, number 1 first.
        entries: the set.
        rules: the register keys.
        kinds: the table of kinds.
    """
    return registers_of(authority, statements, EntryIndex.of(authority.ns, entries, kinds), rules)


def registers_of(
    authority: Authority,
    statements: Sequence[RootStatement],
    index: EntryIndex,
    rules: Sequence[KeyRule],
) -> dict[str, Register]:
    """Return the registers of an indexed set."""
    candidates: dict[str, list[_Candidate]] = {}
    for key, candidate in _root_puts(statements, index, rules).items():
        candidates[key] = [candidate]
    for feed in index.feeds().values():
        if feed.id.lane != Lane.AUTH:
            continue
        for entry in feed.linked():
            said = index.body(entry) if entry.id in authority.surviving else None
            if isinstance(said, Put):
                candidate = _candidate(authority, entry, said, rules)
                if candidate is not None:
                    candidates.setdefault(said.key, []).append(candidate)
    return {key: _register(index, key, candidates[key]) for key in sorted(candidates)}


def _root_puts(
    statements: Sequence[RootStatement], index: EntryIndex, rules: Sequence[KeyRule]
) -> dict[str, _Candidate]:
    """Return the root's last word on each key: a later put supersedes an earlier one."""
    found: dict[str, _Candidate] = {}
    for statement in statements:
        for number, item in enumerate(statement.items):
            said = index.root_item(statement, number, item)
            rule = _rule(rules, said) if isinstance(said, Put) else None
            if isinstance(said, Put) and rule is not None:
                contender = Contender(said.value, ROOT_PAIR, 0, statement.id)
                found[said.key] = _Candidate(contender, said.supersedes, False, None, rule)
    return found


def _rule(rules: Sequence[KeyRule], put: Put) -> KeyRule | None:
    """Return the rule of a put's key if the key and the value are well-formed by it."""
    rule = rule_for_key(rules, put.key)
    if rule is None or rule.name_of(put.key) is None or not rule.check(cast("Value", put.value)):
        return None
    return rule


def _candidate(
    authority: Authority, entry: Entry, put: Put, rules: Sequence[KeyRule]
) -> _Candidate | None:
    """Return the put as a candidate if any pair of its author authorises it."""
    rule = _rule(rules, put)
    if rule is None:
        return None
    value = cast("Value", put.value)
    standings = [
        standing
        for standing in (authority.standings[pair] for pair in authority.surviving[entry.id])
        if any(rule.authorises(held, put.key, value) for held in standing.capabilities)
    ]
    if not standings:
        return None
    stratum = min(standing.stratum for standing in standings)
    seniors = [standing for standing in standings if standing.stratum == stratum]
    pair = min((standing.pair for standing in seniors), key=lambda pair: (pair.name, pair.key))
    only_contends = all(standing.contested for standing in seniors)
    contender = Contender(put.value, pair, stratum, entry.id)
    return _Candidate(contender, put.supersedes, only_contends, entry, rule)


def _register(index: EntryIndex, key: str, candidates: list[_Candidate]) -> Register:
    gone = _superseded(index, candidates)
    maxima = [each.contender for each in candidates if each.contender.entry_id not in gone]
    maxima.sort(key=lambda contender: contender.entry_id)
    senior = min(contender.stratum for contender in maxima)
    standing = [contender for contender in maxima if contender.stratum == senior]
    shown = [contender for contender in maxima if contender.stratum != senior]
    contested = len(standing) > 1
    value = _decide(candidates[0].rule, standing) if contested else standing[0].value
    return Register(key, value, contested, tuple(standing), tuple(shown))


def _superseded(index: EntryIndex, candidates: list[_Candidate]) -> set[bytes]:
    """Return the ids of the candidates that another one supersedes."""
    strata = {each.contender.entry_id: each.contender.stratum for each in candidates}
    gone: set[bytes] = set()
    by_feed: dict[FeedId, list[Entry]] = {}
    for each in candidates:
        if each.only_contends:
            continue
        reach = each.contender.stratum
        gone.update(named for named in each.supersedes if strata.get(named, -1) >= reach)
    for each in candidates:
        if each.entry is not None:
            by_feed.setdefault(each.entry.feed, []).append(each.entry)
    silent = {each.contender.entry_id for each in candidates if each.only_contends}
    for identifier, entries in by_feed.items():
        gone.update(_earlier(index.feeds()[identifier], entries, silent))
    return gone


def _earlier(feed: Feed, entries: list[Entry], silent: set[bytes]) -> set[bytes]:
    """Return those of one feed that a later one descends from.

    The latest go first: what an earlier one supersedes, the later one has superseded already.
    """
    gone: set[bytes] = set()
    for later in sorted(entries, key=lambda entry: -entry.seq):
        if later.id in gone or later.id in silent:
            continue
        line = feed.line(later)
        gone.update(entry.id for entry in entries if entry.seq < later.seq and line.holds(entry))
    return gone


def _decide(rule: KeyRule, standing: Sequence[Contender]) -> object:
    """Return the most restrictive value, or None where none is, or two differ equally so."""
    ranked = [(rule.severity(cast("Value", each.value)), each.value) for each in standing]
    known = [severity for severity, _ in ranked if severity is not None]
    if not known:
        return None
    strictest = [value for severity, value in ranked if severity == max(known)]
    return strictest[0] if all(value == strictest[0] for value in strictest) else None
