"""Writing signed entries by hand: fleets, keys and feeds for histories and generated worlds.

Every key is a digest of its label, every clock a counter: the same calls give the same bytes.
Nothing here knows the rules: it signs what it is told to, wherever in a feed it is told to.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from hashlib import sha256

from crdt.entry import Entry, Lane, make_entry
from identity.genesis import (
    Genesis,
    RootItem,
    RootStatement,
    make_genesis,
    make_root_statement,
    sign_root,
)
from identity.keys import SecretKey

Head = Entry | None
"""Where to write: after this entry, or at seq 0."""

DAWN_MS = 1_700_000_000_000
"""The wall clock of the first entry of every fleet, ms."""

Clock = Callable[[int], int]
"""The wall clock, ms, when the n-th entry of a fleet is written."""


def by_number(number: int) -> int:
    """Return a clock that ticks once an entry, so that no two entries are the same."""
    return DAWN_MS + number


@cache
def key_of(label: str) -> SecretKey:
    """Return the key pair that a label stands for."""
    return SecretKey.from_seed(sha256(label.encode()).digest())


def public(label: str) -> bytes:
    """Return the public key that a label stands for."""
    return key_of(label).public


def capability(verb: str, names: str, **fields: object) -> dict[str, object]:
    """Return the value of a capability."""
    return {"verb": verb, "names": names, **fields}


ADMINISTRATIVE = ("grant", "revoke", "pin", "put", "place")


def steward_of(*prefixes: str) -> list[dict[str, object]]:
    """Return what an organisation or a steward holds over its prefixes."""
    over = [capability(verb, prefix) for prefix in prefixes for verb in ADMINISTRATIVE]
    wide = {"events": ["*"], "area": "*"}
    return [
        *over,
        *(capability("approve", prefix, **wide) for prefix in prefixes),
        *(capability("publish", prefix, **wide) for prefix in prefixes),
        *(capability("state", prefix) for prefix in prefixes),
    ]


def box_of(name: str) -> list[dict[str, object]]:
    """Return what a box holds: its own status and its own incidents."""
    return [
        capability("state", name),
        capability("publish", name, events=["traffic.*"], area="*"),
    ]


def grant(
    label: str,
    name: str,
    stratum: int,
    epoch: int,
    caps: list[dict[str, object]],
    *,
    replaces: dict[str, list[list[object]]] | None = None,
    place: str | None = None,
) -> tuple[str, dict[str, object]]:
    """Return the kind and body of a grant; `replaces` maps a label to a cut."""
    body: dict[str, object] = {
        "pk": public(label),
        "name": name,
        "stratum": stratum,
        "epoch": epoch,
        "caps": caps,
        "replaces": [{"pk": public(old), "cut": items} for old, items in (replaces or {}).items()],
    }
    return "grant", body | ({"place": place} if place is not None else {})


def revoke(
    label: str, name: str, cut: list[list[object]], mode: str = "compromise"
) -> tuple[str, dict[str, object]]:
    """Return the kind and body of a revocation."""
    return "revoke", {"pk": public(label), "name": name, "mode": mode, "cut": cut}


def pin(entry: Entry) -> tuple[str, dict[str, object]]:
    """Return the kind and body of a pin on an entry."""
    return "pin", {"pk": entry.author, "lane": entry.lane, "inc": entry.inc, **_place(entry)}


def put(key: str, value: object, *supersedes: Entry) -> tuple[str, dict[str, object]]:
    """Return the kind and body of a put."""
    return "put", {"key": key, "value": value, "supersedes": [entry.id for entry in supersedes]}


def cut_at(*heads: Entry) -> list[list[object]]:
    """Return a cut that ends each feed at an entry."""
    return [[head.lane, head.inc, head.seq, head.id] for head in heads]


def _place(entry: Entry) -> dict[str, object]:
    return {"seq": entry.seq, "id": entry.id}


class Fleet:
    """A genesis, its root statements and the entries written so far.

    Attributes:
        genesis: roots `root-0` … , each of which signs every statement.
        statements: the accepted root statements, in order.
        offered: these, and what was offered and must not be accepted.
        entries: what was written, in order.
    """

    def __init__(self, *, roots: int = 1, clock: Clock = by_number) -> None:
        self._clock = clock
        self._roots = [key_of(f"root-{number}") for number in range(roots)]
        self.genesis: Genesis = make_genesis([key.public for key in self._roots], roots)
        self.statements: list[RootStatement] = []
        self.offered: list[RootStatement] = []
        self.entries: list[Entry] = []

    def declare(self, *items: tuple[str, object]) -> RootStatement:
        """Append a root statement."""
        statement = self._signed(items, self.statements, len(self._roots))
        self.statements.append(statement)
        self.offered.append(statement)
        return statement

    def offer(self, *items: tuple[str, object], signers: int, twin: bool = False) -> None:
        """Offer what may not be accepted: too few sign it, or it is a twin of the last."""
        before = self.statements[:-1] if twin else self.statements
        self.offered.append(self._signed(items, before, signers))

    def _signed(
        self, items: Iterable[tuple[str, object]], before: Sequence[RootStatement], signers: int
    ) -> RootStatement:
        statement = make_root_statement(
            self.genesis,
            [RootItem(kind, body) for kind, body in items],
            number=len(before) + 1,
            prev=before[-1].id if before else bytes(32),
        )
        for key in self._roots[:signers]:
            statement = sign_root(statement, key)
        return statement

    def write(
        self,
        label: str,
        said: tuple[str, object],
        *,
        after: Head = None,
        inc: int = 0,
        lane: Lane = Lane.AUTH,
        t: int | None = None,
    ) -> Entry:
        """Sign one entry after another, or at seq 0 of an incarnation."""
        entry = make_entry(
            key_of(label),
            ns=self.genesis.ns,
            lane=Lane(after.lane) if after else lane,
            inc=after.inc if after else inc,
            seq=after.seq + 1 if after else 0,
            prev=after.id if after else bytes(32),
            t=self._clock(len(self.entries)) if t is None else t,
            kind=said[0],
            body=said[1],
        )
        self.entries.append(entry)
        return entry

    def write_all(
        self, label: str, said: Iterable[tuple[str, object]], *, after: Head = None, inc: int = 0
    ) -> list[Entry]:
        """Sign several entries, one after the other."""
        written: list[Entry] = []
        for one in said:
            written.append(self.write(label, one, after=written[-1] if written else after, inc=inc))
        return written

    @property
    def history(self) -> tuple[Genesis, Sequence[RootStatement], Sequence[Entry]]:
        """What a fold is a function of."""
        return self.genesis, tuple(self.statements), tuple(self.entries)


def two_banks(clock: Clock = by_number, *, roots: int = 1) -> Fleet:
    """Return a fleet whose two organisations both act under `city`, and each under its own name.

    Organisations have stratum 1, stewards 2, boxes 3, agents 4.
    """
    fleet = Fleet(roots=roots, clock=clock)
    fleet.declare(
        grant("bank-a", "a", 1, 1, steward_of("a", "city")),
        grant("bank-b", "b", 1, 1, steward_of("b", "city")),
    )
    return fleet


STEWARD = [*steward_of("city"), capability("grant", "a"), capability("revoke", "a")]
"""What a steward of these cities holds."""
