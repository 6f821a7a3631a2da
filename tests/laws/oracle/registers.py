"""Multi-writer registers: what each key says, who contends, and whether it has a value.

A put has the stratum of its author's most senior authorising pair. Within a feed the later
supersedes the earlier; `supersedes` reaches puts of equal or junior stratum; a contested pair's put
supersedes nothing. Of those that nothing supersedes the most senior stand, the rest are shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from identity.capability import Capability, covers, is_at_or_under, is_name
from identity.encoding import decode, encode

from .authority import ROOT, Pair, Verdict, Word, speakers


@dataclass(frozen=True)
class Rule:
    """What a family of registers needs; any object with these attributes will do.

    Attributes:
        prefix: how its keys start, such as `place/`; what follows is a name. The last row of a
            table has none: there the key itself is the name.
        verb: what a pair must hold over that name.
        check: whether a value is well-formed.
        scope: the (events, area) that a capability must cover too, or None.
        severity: how restrictive a value is, higher decides; None where nothing is authorised.
    """

    prefix: str
    verb: str
    check: Callable[[object], bool]
    scope: Callable[[object], tuple | None]
    severity: Callable[[object], int | None]


class Put(NamedTuple):
    """A put that counts, with the pair it has its stratum from."""

    value: object
    pair: Pair
    stratum: int
    contested: bool
    word: Word


def registers(verdict: Verdict, rules: Sequence[Rule]) -> dict[str, dict]:
    """Return each key's register: value, contested, standing and shown contenders."""
    keys = {word.body["key"] for word in verdict.words if word.kind == "put"}
    puts = {key: counting_puts(verdict, key, rule_of(key, rules)) for key in sorted(keys)}
    return {key: settle(found, rule_of(key, rules)) for key, found in puts.items() if found}


def rule_of(key: str, rules: Sequence[Rule]) -> Rule:
    """Return the first row that a key starts like."""
    return next(rule for rule in rules if key.startswith(rule.prefix))


def counting_puts(verdict: Verdict, key: str, rule: Rule) -> list[Put]:
    """Return the puts of a key that some pair of their author authorises."""
    found = []
    for word in verdict.words:
        if word.kind == "put" and word.body["key"] == key and rule.check(word.body["value"]):
            pairs = [
                pair
                for pair in speakers(word, verdict.judged)
                if may_put(verdict.judged[pair].capabilities, key, word.body["value"], rule)
            ]
            if pairs:
                found.append(as_put(verdict, word, pairs))
    return found


def may_put(
    capabilities: frozenset[Capability] | None, key: str, value: object, rule: Rule
) -> bool:
    """Whether a pair that holds these capabilities may write a value."""
    name = key.removeprefix(rule.prefix)
    if not is_name(name):
        return False
    if capabilities is None:
        return True
    scope = rule.scope(value)
    if scope is None:
        return any(
            held.verb == rule.verb and is_at_or_under(name, held.names) for held in capabilities
        )
    wanted = Capability(verb=rule.verb, names=name, events=scope[0], area=scope[1])
    return any(covers(held, wanted) for held in capabilities)


def as_put(verdict: Verdict, word: Word, pairs: list[Pair]) -> Put:
    """Return a put under its most senior pair; of several, uncontested first, then by name."""

    def rank(pair: Pair) -> tuple:
        judged = verdict.judged[pair]
        return judged.stratum, judged.view.get("contested", False), pair[1], pair[0]

    pair = min(pairs, key=rank)
    judged = verdict.judged[pair]
    contested = judged.view.get("contested", False)
    return Put(word.body["value"], pair, judged.stratum, contested, word)


def supersedes(newer: Put, older: Put) -> bool:
    """Whether one put of a key supersedes another."""
    if newer.contested:
        return False
    if newer.word.entry is None or older.word.entry is None:
        in_feed = newer.pair == older.pair == ROOT and newer.word.order > older.word.order
    else:
        in_feed = (
            newer.word.entry.feed == older.word.entry.feed
            and newer.word.entry.seq > older.word.entry.seq
        )
    named = older.word.id in newer.word.body["supersedes"] and older.stratum >= newer.stratum
    return in_feed or named


def settle(puts: list[Put], rule: Rule) -> dict:
    """Return the register that the puts of one key make."""
    maxima = [put for put in puts if not any(supersedes(other, put) for other in puts)]
    senior = min(put.stratum for put in maxima)
    standing = [put for put in maxima if put.stratum == senior]
    return {
        "value": standing[0].value if len(standing) == 1 else most_restrictive(standing, rule),
        "contested": len(standing) > 1,
        "standing": contenders(standing),
        "shown": contenders(put for put in maxima if put.stratum > senior),
    }


def most_restrictive(standing: list[Put], rule: Rule) -> object:
    """Return the value of the most restrictive contenders of a contested register.

    None where nothing is authorised, or where they, equally restrictive, do not agree.
    """
    ranks = {encode(put.value): rule.severity(put.value) for put in standing}
    highest = max((rank for rank in ranks.values() if rank is not None), default=None)
    deciding = [value for value, rank in ranks.items() if rank is not None and rank == highest]
    return decode(deciding[0]) if len(deciding) == 1 else None


def contenders(puts) -> list[tuple]:
    """Return (value, pair, stratum, id) of each put, in the order of their ids."""
    return sorted(
        ((put.value, put.pair, put.stratum, put.word.id) for put in puts),
        key=lambda contender: contender[3],
    )
