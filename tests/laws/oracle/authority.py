"""Who holds what: the stratified fold, one stratum after the other.

A *word* is what can decide something: an item of an accepted root statement, or a linked entry of
the AUTH lane. A word counts under a pair of its author if the entry survives for that pair and the
pair holds the verb; an item counts under ROOT. Whatever adds to or takes from stratum s is a word
of a strictly lower stratum, so when s is judged the `settled` pairs are final.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from crdt.entry import Entry, Lane
from identity.capability import Capability, covers, is_at_or_under, permits
from identity.encoding import encode
from identity.genesis import Genesis, RootStatement

from . import bodies
from .feeds import Decisions, decide
from .held import Held, hold

Pair = tuple[bytes, str]
"""(key, name)."""

ROOT: Pair = (b"", "")
"""Under this pair every item of an accepted statement counts."""

STRATA = range(1, 8)


class Word(NamedTuple):
    """Something said: its kind, its body as read, who said it and where.

    `entry` is None for an item of a root statement; then `order` is its (number, index).
    """

    kind: str
    body: dict
    id: bytes
    entry: Entry | None
    order: tuple[int, int]


@dataclass(frozen=True)
class Judged:
    """A granted pair as its own stratum settled it.

    Attributes:
        stratum: its stratum; ROOT has 0.
        capabilities: what it holds; None is everything.
        decisions: what cuts, pins, evidence and limits leave of its key's entries.
        view: what a consumer is shown, in plain Python.
    """

    stratum: int
    capabilities: frozenset[Capability] | None
    decisions: Decisions
    view: dict

    def holds(self, verb: str, name: str) -> bool:
        """Whether the pair may do `verb` to `name`."""
        return self.capabilities is None or any(
            permits(capability, verb=verb, name=name) for capability in self.capabilities
        )


@dataclass(frozen=True)
class Verdict:
    """The whole view of authority.

    Attributes:
        genesis: of the fleet.
        root: number and id of the last accepted root statement.
        held: the entries.
        words: everything said, counting or not.
        judged: each granted pair, and ROOT.
        pairs: each granted pair's view.
        counting: id of each grant, revocation and pin that counts, the pairs under which.
    """

    genesis: Genesis
    root: tuple[int, bytes]
    held: Held
    words: list[Word]
    judged: dict[Pair, Judged]
    pairs: dict[Pair, dict]
    counting: dict[bytes, list[Pair]]


def fold(
    genesis: Genesis, statements: Sequence[RootStatement], entries: Iterable[Entry]
) -> Verdict:
    """Return the authority that a set of signature-valid entries and root statements makes."""
    held = hold(genesis, entries)
    words = all_words(statements, held)
    settled = {ROOT: Judged(0, None, Decisions.nothing(), {})}
    for stratum in STRATA:
        settled |= judge(stratum, settled, words, held)
    pairs = {pair: judged.view for pair, judged in settled.items() if pair != ROOT}
    last = statements[-1] if statements else None
    return Verdict(
        genesis=genesis,
        root=(last.number, last.id) if last else (0, bytes(32)),
        held=held,
        words=words,
        judged=settled,
        pairs=dict(sorted(pairs.items(), key=lambda item: (item[0][1], item[0][0]))),
        counting=counting(words, settled),
    )


def all_words(statements: Sequence[RootStatement], held: Held) -> list[Word]:
    """Return every well-formed word: items of statements, linked entries of the AUTH lane."""
    items = [
        (item.kind, item.body, statement.id, None, (statement.number, index))
        for statement in statements
        for index, item in enumerate(statement.items)
    ]
    linked = [
        (entry.kind, entry.body, entry.id, entry, (0, 0))
        for entry in held.entries.values()
        if entry.lane == Lane.AUTH and entry.id in held.linked
    ]
    return [
        Word(kind, read, id_, entry, order)
        for kind, body, id_, entry, order in items + linked
        if kind in bodies.READERS and (read := bodies.READERS[kind](body)) is not None
    ]


def speakers(word: Word, settled: dict[Pair, Judged]) -> set[Pair]:
    """Return the pairs for which a word's entry survives, whatever they may say."""
    if word.entry is None:
        return {ROOT}
    return {pair for pair, judged in settled.items() if word.id in judged.decisions.surviving}


def judge(
    stratum: int, settled: dict[Pair, Judged], words: list[Word], held: Held
) -> dict[Pair, Judged]:
    """Return the granted pairs of one stratum, all strata below it being settled."""
    taken = {name for _, name in settled}
    issuers = {
        index: {
            issuer
            for issuer in speakers(word, settled)
            if settled[issuer].holds("grant", word.body["name"])
            and word.body["epoch"] < 2 ** (48 - 6 * settled[issuer].stratum)
        }
        for index, word in enumerate(words)
        if word.kind == "grant"
        and word.body["stratum"] == stratum
        and word.body["name"] not in taken
    }
    granting = {index: found for index, found in issuers.items() if found}
    pairs = {(words[index].body["pk"], words[index].body["name"]) for index in granting}
    shown = {pair: shown_grant(pair, granting, words, settled) for pair in pairs}
    decisions = {
        pair: decide(
            held,
            pair[0],
            shown[pair]["capabilities"],
            cuts=[
                *revocations(pair, words, settled),
                *replacement(pair, shown[pair]["epoch"], [words[i].body for i in granting], held),
            ],
            pins=pins(pair, words, settled),
        )
        for pair in pairs
    }
    revoked = {pair for pair in pairs if revocations(pair, words, settled)}
    winning = {
        pair
        for pair in pairs
        if shown[pair]["epoch"]
        == max(shown[other]["epoch"] for other in pairs if other[1] == pair[1])
    }
    standing = winning - revoked
    contested = {pair for pair in standing if [name for _, name in standing].count(pair[1]) > 1}
    return {
        pair: Judged(
            stratum,
            shown[pair]["capabilities"],
            decisions[pair],
            {
                "stratum": stratum,
                "epoch": shown[pair]["epoch"],
                "capabilities": in_order(shown[pair]["capabilities"]),
                "dropped": in_order(shown[pair]["dropped"]),
                "place": shown[pair]["place"],
                "winning": pair in winning,
                "contested": pair in contested,
                "revoked": pair in revoked,
                "undecided": decisions[pair].undecided,
                "current": pair in standing and not decisions[pair].undecided,
            },
        )
        for pair in pairs
    }


def shown_grant(
    pair: Pair, granting: dict[int, set[Pair]], words: list[Word], settled: dict[Pair, Judged]
) -> dict:
    """Return epoch, capabilities held and dropped, and place of a granted pair.

    A capability is held if, in some grant, a single capability of one of its issuers covers it. The
    place is the one that the grants of the pair's epoch name; of several different ones, none.
    """
    grants = {
        index: words[index].body
        for index in granting
        if (words[index].body["pk"], words[index].body["name"]) == pair
    }
    listed = {capability for body in grants.values() for capability in body["caps"]}
    held = frozenset(
        capability
        for index, body in grants.items()
        for capability in body["caps"]
        for issuer in granting[index]
        if issuer == ROOT
        or any(covers(outer, capability) for outer in settled[issuer].capabilities or ())
    )
    epoch = max(body["epoch"] for body in grants.values())
    places = {body["place"] for body in grants.values() if body["epoch"] == epoch}
    return {
        "epoch": epoch,
        "capabilities": held,
        "dropped": listed - held,
        "place": places.pop() if len(places) == 1 else None,
    }


def revocations(pair: Pair, words: list[Word], settled: dict[Pair, Judged]) -> list[dict]:
    """Return the cut of each revocation that counts on a pair."""
    return [
        {place: [item] for place, item in word.body["cut"].items()}
        for word in words
        if word.kind == "revoke"
        and word.body["pk"] == pair[0]
        and any(
            means(word.body["name"], pair[1], issuer == ROOT)
            and settled[issuer].holds("revoke", word.body["name"].removesuffix("/*"))
            for issuer in speakers(word, settled)
        )
    ]


def means(written: str, name: str, by_root: bool) -> bool:
    """Whether the name written in a revocation means a pair's name."""
    if written == "*":
        return by_root
    if written.endswith("/*"):
        return is_at_or_under(name, written.removesuffix("/*"))
    return written == name


def replacement(pair: Pair, epoch: int, grants: list[dict], held: Held) -> list[dict]:
    """Return the cut that retires a pair, or nothing where no grant above it lists it.

    Only the highest grants above it that list it give one; of several each place has several items.
    """
    key, name = pair
    above = [
        body
        for body in grants
        if body["name"] == name and body["epoch"] > epoch and key in body["replaces"]
    ]
    highest = [
        body["replaces"][key]
        for body in above
        if body["epoch"] == max(other["epoch"] for other in above)
    ]
    places = {place for cut in highest for place in cut}
    if not highest:
        return []
    return [{place: [cut[place] for cut in highest if place in cut] for place in places}]


def pins(pair: Pair, words: list[Word], settled: dict[Pair, Judged]) -> list[tuple[int, dict]]:
    """Return (stratum of its author's pair, pin) of each pin that speaks to a pair."""
    return [
        (settled[issuer].stratum, word.body)
        for word in words
        if word.kind == "pin" and word.body["pk"] == pair[0]
        for issuer in speakers(word, settled)
        if settled[issuer].holds("pin", pair[1])
    ]


def in_order(capabilities: Iterable[Capability]) -> list[Capability]:
    """Return capabilities in the order of their encodings."""
    return sorted(capabilities, key=lambda capability: encode(capability.to_value()))


def authorises(judged: Judged, word: Word) -> bool:
    """Whether a pair holds what a grant, revocation or pin needs, whomever it then reaches."""
    may: dict[str, Callable[[], bool]] = {
        "grant": lambda: judged.holds("grant", word.body["name"]),
        "revoke": lambda: (
            word.body["name"] != "*"
            and judged.holds("revoke", word.body["name"].removesuffix("/*"))
        ),
        "pin": lambda: any(held.verb == "pin" for held in judged.capabilities or ()),
    }
    return word.kind in may and may[word.kind]()


def counting(words: list[Word], settled: dict[Pair, Judged]) -> dict[bytes, list[Pair]]:
    """Return the pairs under which each grant, revocation and pin counts, by name, then key."""
    found = {
        word.id: sorted(
            (pair for pair in speakers(word, settled) if authorises(settled[pair], word)),
            key=lambda pair: (pair[1], pair[0]),
        )
        for word in words
        if word.entry is not None
    }
    return {id_: pairs for id_, pairs in sorted(found.items()) if pairs}
