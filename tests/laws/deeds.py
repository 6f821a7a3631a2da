"""Deeds: what anyone may do to a small city, rightfully or not.

A deed is a tuple of small numbers, read modulo whatever the world holds when it is done, so that
every list of deeds performs and any of them can be left out. Nobody here obeys the rules: keys sign
for names they do not hold, on forks, in lower incarnations, with cuts of branches and ids that
nobody holds. The choices are weighted towards the rightful and the nearly rightful, so that most
worlds hold something to judge.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from crdt.entry import Entry, Lane

from .writing import (
    Fleet,
    box_of,
    capability,
    grant,
    pin,
    public,
    put,
    revoke,
    steward_of,
)

ISSUERS = ("bank-a", "bank-b", "north", "south", "east", "box-0", "spare-0", "spare-1")
"""Keys that write words; the first are the most senior."""
KEYS = (*ISSUERS, "box-1", "box-2", "spare-2", "thief")
"""Keys that are granted names, swapped in, revoked and pinned."""

NAMES = (
    ("a", 1),
    ("b", 1),
    ("city/n", 2),
    ("city/s", 2),
    ("a/e", 2),
    ("city/n/0", 3),
    ("city/n/1", 3),
    ("city/s/0", 3),
    ("a/e/0", 3),
    ("city/n/0/x", 4),
)
"""Names with the stratum they usually have."""

PREFIXES = ("", "city", "city/n", "city/s", "a", "b", "a/e", "city/n/0")
VERBS = ("grant", "revoke", "pin", "put", "place", "state", "approve", "publish", "none")
REGISTERS = ("city/n/plan", "city/n/plan", "place/city/n/0", "model/city/n", "a/e/plan")
SENIORS = ("bank-a", "bank-b", "bank-a", "north", "south")
"""Who decides about others when a deed is meant to succeed."""
STATES = ("approved", "candidate", "superseded", "withdrawn")


@dataclass(frozen=True)
class Deed:
    """One deed: what, by whom, where in its feed, and numbers that choose the rest."""

    what: str
    who: int
    where: int
    a: int
    b: int
    c: int
    d: int


@dataclass
class World:
    """A fleet in the making.

    Attributes:
        fleet: what is signed.
        feeds: a key's label and lane, its incarnations, each with what was written in it.
        here: a key's label and lane, the entry after which it writes next.
        withheld: entries that nobody received.
    """

    fleet: Fleet
    feeds: dict[tuple[str, Lane], dict[int, list[Entry]]] = field(default_factory=dict)
    here: dict[tuple[str, Lane], Entry] = field(default_factory=dict)
    withheld: list[Entry] = field(default_factory=list)

    @property
    def entries(self) -> list[Entry]:
        """What a reader holds."""
        return [entry for entry in self.fleet.entries if entry not in self.withheld]

    def write(self, label: str, where: int, said: tuple[str, object], lane: Lane) -> Entry:
        """Write after the head, or, for some `where`, on a fork or in another incarnation.

        Banks fork seldom: where one did, most of what it says is void, and there is less to judge.
        """
        if where >= 3 and label.startswith("bank"):
            where = (0, 0, 0, 4)[where % 4]
        feeds = self.feeds.setdefault((label, lane), {})
        head = self.here.get((label, lane))
        inc = head.inc if head else 1000
        written = feeds.get(inc, [])
        if where == 1:
            head, inc = None, max(feeds, default=1000) + 7
        elif where == 2:
            head, inc = None, max(min(feeds, default=1000) - 7, 0)
        elif where == 3:
            head = None
        elif where >= 4 and written:
            head = written[-1 - where % len(written)]
        entry = self.fleet.write(label, said, after=head, inc=inc, lane=lane)
        feeds.setdefault(entry.inc, []).append(entry)
        self.here[label, lane] = entry
        return entry

    def cut(self, label: str, choice: int) -> list[list[object]]:
        """Return a cut of a key's feeds: whole, shortened, of a branch, of ids nobody holds."""
        feeds = self.feeds.get((label, Lane.AUTH), {})
        if choice == 0:
            return []
        items: list[list[object]] = []
        for place, (inc, written) in enumerate(sorted(feeds.items())):
            if choice == 5 and place == 0:
                continue
            back = {2: 1, 3: 2, 4: len(written) // 2}.get(choice, 0)
            entry = written[max(len(written) - 1 - back, 0)]
            id_ = bytes(31) + b"\1" if choice == 6 else entry.id
            seq = entry.seq + 1 if choice == 7 else entry.seq
            items.append([0, inc, seq, id_])
        return items


def capabilities(choice: int, name: str) -> list[dict[str, object]]:
    """Return a list of capabilities: usual ones first, then narrow, wide and ill-formed ones."""
    prefix = PREFIXES[choice % len(PREFIXES)]
    verb = VERBS[choice % len(VERBS)]
    usual = [
        steward_of(name),
        steward_of("city", "a"),
        box_of(name),
        [*steward_of(prefix), *box_of(name)],
        [capability(verb, prefix), capability("put", name)],
        [capability("grant", prefix), capability("pin", ""), capability("revoke", prefix)],
        [
            capability("approve", prefix, events=["traffic.*"], area="*"),
            capability("publish", name, events=["traffic.van"], area="*", model=True),
            capability("grant", name, events=["*"]),
            {"verb": "fly", "names": name},
        ],
    ]
    return usual[choice % len(usual)]


def do_grant(world: World, deed: Deed) -> None:
    """Grant a key a name, often its usual stratum, at some epoch, listing some keys."""
    body = grant_body(world, deed)
    issuer = ISSUERS[deed.who % len(ISSUERS)]
    world.write(issuer, deed.where, body, Lane.AUTH)


def grant_body(world: World, deed: Deed) -> tuple[str, object]:
    """Return a grant that a deed means."""
    name, usual = NAMES[deed.a % len(NAMES)]
    stratum = (usual, usual, usual, usual, usual + 1, max(usual - 1, 0), 3)[deed.d % 7]
    tops = [2 ** (48 - 6 * issuer) - 1 for issuer in range(3)]
    epochs = [1, 1, 2, 2, 3, 2, 4, *tops, tops[1] + 1, tops[2] + 1]
    listed = {
        KEYS[(deed.b + step) % len(KEYS)]: world.cut(KEYS[(deed.b + step) % len(KEYS)], deed.c % 8)
        for step in range(1, deed.c % 4 + 1)
    }
    holders = holders_of(world, name)
    if deed.c % 3:
        listed |= {label: world.cut(label, (deed.c + deed.b) % 8) for label in holders}
    label = KEYS[deed.b % len(KEYS)]
    place = (None, None, "here", "there")[deed.d % 4]
    caps = capabilities(deed.c + deed.d, name)
    epoch = epochs[deed.d % len(epochs)]
    return grant(label, name, stratum, epoch, caps, replaces=listed, place=place)


def holders_of(world: World, name: str) -> list[str]:
    """Return the labels of the keys that anything ever granted a name."""
    bodies = [entry.body for entry in world.fleet.entries if entry.kind == "grant"]
    bodies += [
        item.body
        for statement in world.fleet.statements
        for item in statement.items
        if item.kind == "grant"
    ]
    keys = {body["pk"] for body in bodies if body["name"] == name}
    return [label for label in KEYS if public(label) in keys]


SWAPPED = (2, 2, 2, 3, 3, 4, 5, 5, 6, 7)
"""Which of the names are swapped: stewards', mostly."""


def do_swap(world: World, deed: Deed) -> None:
    """Grant a name to a fresh key above, or beside, its holders, listing all or some of them."""
    name, stratum = NAMES[SWAPPED[deed.a % len(SWAPPED)]]
    epoch = highest_epoch(world, name) + (1, 1, 1, 0)[deed.d % 4]
    holders = holders_of(world, name)
    listed = {label: world.cut(label, (deed.c + place) % 8) for place, label in enumerate(holders)}
    label = ("spare-0", "spare-1", "spare-2", "thief")[deed.b % 4]
    listed.pop(label, None)
    if deed.c == 11:
        listed.clear()
    said = grant(label, name, stratum, epoch, capabilities(deed.b % 3, name), replaces=listed)
    world.write(SENIORS[deed.who % len(SENIORS)], deed.where, said, Lane.AUTH)


def highest_epoch(world: World, name: str) -> int:
    """Return the highest epoch that anything written grants a name at, 0 if nothing does."""
    bodies = [entry.body for entry in world.fleet.entries if entry.kind == "grant"]
    return max((body["epoch"] for body in bodies if body["name"] == name), default=0) % 2**20


def do_split(world: World, deed: Deed) -> None:
    """Write twice after one head, as a restored backup does, and more on one of the branches."""
    label = (*ISSUERS[2:], *ISSUERS[2:], *ISSUERS)[deed.who % 12]
    lane = (Lane.AUTH, Lane.AUTH, Lane.AUTH, Lane.STATE)[deed.a % 4]
    plan = (
        put("city/n/plan", deed.b),
        grant("box-2", "city/n/1", 3, 1 + deed.b % 2, box_of("city/n/1")),
        grant("thief", "city/s/0", 3, 2, steward_of("city/s/0")),
    )
    lamp = ("status", {"topic": "lamp", "value": deed.c})
    head = world.here.get((label, lane))
    for step in range(2 + deed.c % 3):
        if step in (1, 3) and head is not None:
            world.here[label, lane] = head
        said = plan[(deed.d + step) % len(plan)] if lane == Lane.AUTH else lamp
        world.write(label, 0, said, lane)


def do_revoke(world: World, deed: Deed) -> None:
    """Revoke a key's pair, a prefix of its pairs or all of them, with some cut."""
    issuer = (SENIORS if deed.d % 3 else ISSUERS)[deed.who % 5]
    world.write(issuer, deed.where, revoke_body(world, deed), Lane.AUTH)


def revoke_body(world: World, deed: Deed) -> tuple[str, object]:
    """Return a revocation that a deed means: of a pair someone was granted, mostly of a writer."""
    pairs = [(label, name) for name, _ in NAMES for label in holders_of(world, name)]
    lower = [pair for pair in pairs if pair[1] not in "ab"]
    writers = [pair for pair in lower if (pair[0], Lane.AUTH) in world.feeds]
    fresh = [pair for pair in lower if pair[0].startswith("spare")]
    choice = (pairs, writers, fresh)[deed.d % 3] or pairs or [(KEYS[deed.b], "city/n")]
    label, name = choice[deed.a % len(choice)]
    prefix = name.split("/")[0]
    written = (name, name, name, f"{name}/*", f"{prefix}/*", "*")[deed.b % 6]
    return revoke(
        label, written, world.cut(label, deed.c % 8), ("compromise", "retire")[deed.d % 2]
    )


def do_pin(world: World, deed: Deed) -> None:
    """Pin an entry, most often one of a feed that forked."""
    said = pin_body(world, deed)
    if said is not None:
        issuer = (SENIORS if deed.d % 3 else ISSUERS)[deed.who % 5]
        world.write(issuer, deed.where, said, Lane.AUTH)


def pin_body(world: World, deed: Deed) -> tuple[str, object] | None:
    """Return a pin that a deed means, or nothing while nothing is written."""
    written = world.fleet.entries
    places = [(entry.feed, entry.seq) for entry in written]
    forked = [entry for entry in written if places.count((entry.feed, entry.seq)) > 1]
    choice = forked if forked and deed.d % 4 else written
    if not choice:
        return None
    entry = choice[-1 - deed.a % len(choice)]
    return pin(entry)


def do_put(world: World, deed: Deed) -> None:
    """Write a register, superseding some of the puts written before."""
    issuer = (ISSUERS[2:] if deed.d % 3 else KEYS)[deed.who % 6]
    world.write(issuer, deed.where, put_body(world, deed), Lane.AUTH)


def put_body(world: World, deed: Deed) -> tuple[str, object]:
    """Return a put that a deed means."""
    key = REGISTERS[deed.a % len(REGISTERS)]
    earlier = [
        entry
        for entry in world.fleet.entries
        if entry.kind == "put" and (entry.body["key"] == key or deed.d % 5 == 0)
    ]
    values: dict[str, object] = {
        "place": {"cell": bytes(8), "position": [deed.b, -deed.b], "edges": [{"to": "city/n"}]},
        "model": {
            "digest": bytes([deed.b % 2]) * 32,
            "state": STATES[deed.c % len(STATES)],
            "events": (["traffic.van"], ["*"])[deed.d % 2],
            "area": "*",
        },
    }
    value = values.get(key.split("/")[0], deed.b % 4)
    count = max(deed.b % 5 - 2, 0)
    return put(key, 7 if deed.d == 11 else value, *earlier[len(earlier) - count :])


def do_status(world: World, deed: Deed) -> None:
    """Write STATE or FLEET: a topic, links, runs, or a snapshot of anything."""
    label = KEYS[deed.who % len(KEYS)]
    digest = {"digest": bytes(32), "since": deed.c}
    fleet = [
        ("links", {"peers": sorted(public(key) for key in KEYS[: deed.b % 3])}),
        ("runs", {"models": [digest], "agents": [], "config": []}),
        ("snap", {"map": {"links": {"peers": []}}}),
        ("status", {"topic": "lamp", "value": deed.b}),
    ]
    state = [
        ("status", {"topic": ("lamp", "door", "fan")[deed.b % 3], "value": deed.c}),
        ("status", {"topic": "lamp", "value": deed.c}),
        ("snap", {"map": {"lamp": deed.c, "heat": deed.b}}),
        ("links", {"peers": []}),
    ]
    said, lane = (fleet, Lane.FLEET) if deed.a % 3 == 0 else (state, Lane.STATE)
    world.write(label, deed.where, said[deed.d % 4], lane)


def do_declare(world: World, deed: Deed) -> None:
    """Let the roots state something."""
    said = (
        grant_body(world, deed),
        revoke_body(world, deed),
        pin_body(world, deed),
        put_body(world, deed),
    )[deed.where % 4]
    if said is not None:
        world.fleet.declare(said)


def do_withhold(world: World, deed: Deed) -> None:
    """Lose an entry: what follows it is held and does not link."""
    written = world.fleet.entries
    if written:
        world.withheld.append(written[-1 - deed.a % len(written)])


DEEDS: dict[str, Callable[[World, Deed], None]] = {
    "grant": do_grant,
    "swap": do_swap,
    "split": do_split,
    "revoke": do_revoke,
    "pin": do_pin,
    "put": do_put,
    "status": do_status,
    "declare": do_declare,
    "withhold": do_withhold,
}
