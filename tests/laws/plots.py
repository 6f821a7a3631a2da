"""Plots: deeds that mean something only together, such as a swap and then the successor's fall.

Drawn one by one, the deeds of a plot rarely meet; done at once, each rule of authority has a
subject in a good part of all worlds. The numbers of a deed choose whom it is done to and how, and
what is done before, between and after may spoil a plot: that is as good a world as any.
"""

from collections.abc import Callable

from crdt.entry import Entry, Lane

from .deeds import Deed, World, highest_epoch, holders_of
from .writing import box_of, capability, cut_at, grant, pin, put, revoke, steward_of

BANKS = ("bank-a", "bank-b")
STEWARDS = (("north", "city/n"), ("south", "city/s"))
ENROLLED = (*STEWARDS, ("east", "a/e"), ("box-0", "city/n/0"))
"""Who has something to lose: a key that writes, and its name."""
FRESH = ("spare-0", "spare-1", "spare-2")


def say(world: World, label: str, said: tuple[str, object]) -> Entry:
    """Write at a key's head."""
    return world.write(label, 0, said, Lane.AUTH)


def enrolled(world: World, deed: Deed) -> tuple[str, str]:
    """Return a key and the name that it was granted, here if it was not."""
    label, name = ENROLLED[deed.a % len(ENROLLED)]
    if label not in holders_of(world, name):
        senior = "bank-a" if name != "city/s" else "bank-b"
        say(world, senior, grant(label, name, stratum_of(name), 1, steward_of(name)))
    return label, name


def stratum_of(name: str) -> int:
    """Return the stratum that a name of these cities usually has."""
    return 1 + name.count("/")


def bank(deed: Deed) -> str:
    """Return who decides."""
    return BANKS[deed.who % 2]


def child(name: str, number: int) -> str:
    """Return a name below a name."""
    return f"{name}/{number % 3}"


def enrol(world: World, label: str, name: str, number: int) -> Entry:
    """Let a key grant a box below its name."""
    box = ("box-1", "box-2")[number % 2]
    below = child(name, number)
    return say(world, label, grant(box, below, stratum_of(below), 1, box_of(below)))


def end(world: World, deed: Deed, label: str, name: str, heads: list[Entry]) -> None:
    """Cut a key off: by a revocation, or by a successor."""
    if deed.d % 2:
        say(world, bank(deed), revoke(label, name, cut_at(*heads)))
        return
    fresh, epoch = FRESH[deed.b % 3], highest_epoch(world, name) + 1
    listed = {label: cut_at(*heads)}
    caps = steward_of(name)
    say(world, bank(deed), grant(fresh, name, stratum_of(name), epoch, caps, replaces=listed))


def do_two_names(world: World, deed: Deed) -> None:
    """Give a key a name of another bank, at its own rank or above, and revoke its first."""
    label, name = enrolled(world, deed)
    other = f"b/{deed.b % 2}"
    say(world, "bank-b", grant(label, other, 2, 1, box_of(other)))
    say(world, "bank-a" if name != "city/s" else "bank-b", revoke(label, name, world.cut(label, 1)))


def do_succeed(world: World, deed: Deed) -> None:
    """Swap a key and revoke the successor."""
    _, name = enrolled(world, deed)
    listed = {each: world.cut(each, 1) for each in holders_of(world, name)}
    fresh = FRESH[deed.b % 3]
    listed.pop(fresh, None)
    epoch = highest_epoch(world, name) + 1
    caps = steward_of(name)
    say(world, bank(deed), grant(fresh, name, stratum_of(name), epoch, caps, replaces=listed))
    if deed.c % 2:
        enrol(world, fresh, name, deed.b)
    say(world, bank(deed), revoke(fresh, name, world.cut(fresh, deed.c % 3)))


def do_rivals(world: World, deed: Deed) -> None:
    """Let both banks give one name to two fresh keys at one epoch."""
    _, name = enrolled(world, deed)
    epoch = highest_epoch(world, name) + 1
    for step, issuer in enumerate(BANKS):
        fresh = FRESH[(deed.b + step) % 3]
        listed = {each: world.cut(each, deed.c % 4) for each in holders_of(world, name)}
        listed.pop(fresh, None)
        caps = steward_of(name)
        say(world, issuer, grant(fresh, name, stratum_of(name), epoch, caps, replaces=listed))


def do_cut_a_fork(world: World, deed: Deed) -> None:
    """Fork a key's feed, and end the key with a cut on one of the branches."""
    label, name = enrolled(world, deed)
    trunk = world.here.get((label, Lane.AUTH))
    branch = [enrol(world, label, name, deed.b + step) for step in range(2)]
    if trunk is None:
        world.here.pop((label, Lane.AUTH))
        world.write(label, 3, put("city/n/plan", deed.c), Lane.AUTH)
    else:
        world.here[label, Lane.AUTH] = trunk
        enrol(world, label, name, deed.b + 2)
    end(world, deed, label, name, [branch[deed.c % 2]])


def do_cut_beside(world: World, deed: Deed) -> None:
    """Let a key write in two incarnations, and end it with a cut that lists one."""
    label, name = enrolled(world, deed)
    head = enrol(world, label, name, deed.b)
    world.write(label, 1 + deed.c % 2, put("city/n/plan", deed.c), Lane.AUTH)
    enrol(world, label, name, deed.b + 1)
    end(world, deed, label, name, [head])


def do_cut_twice(world: World, deed: Deed) -> None:
    """Cut one feed at two lengths, by two revocations or in the lists of two successors."""
    label, name = enrolled(world, deed)
    heads = [enrol(world, label, name, deed.b + step) for step in range(3)]
    for place in (2, 0) if deed.c % 2 else (1, 2):
        end(world, deed, label, name, [heads[place]])


def do_peer(world: World, deed: Deed) -> None:
    """Let a steward revoke another, whose name its verb covers."""
    place = deed.a % 2
    for step in (0, 1):
        enrolled(world, Deed("", 0, 0, (place + step) % 2, 0, 0, 0))
    (one, own), (other, name) = STEWARDS[place], STEWARDS[1 - place]
    wide = steward_of("city")
    say(world, bank(deed), grant(one, own, 2, highest_epoch(world, own), wide))
    say(world, one, revoke(other, name, world.cut(other, deed.c % 5)))


def do_usurp(world: World, deed: Deed) -> None:
    """Let a steward give a key of its own a name that is held at a steward's rank."""
    label, _ = enrolled(world, Deed("", 0, 0, deed.a % 2, 0, 0, 0))
    taken = STEWARDS[deed.b % 2][1]
    epoch = highest_epoch(world, taken) + deed.c % 3
    say(world, label, grant("thief", taken, 3, max(epoch, 1), steward_of(taken)))


def do_peak(world: World, deed: Deed) -> None:
    """Grant at the highest epoch that an issuer can write, or just above it."""
    label, name = enrolled(world, deed)
    bound = 2 ** (48 - 6 * stratum_of(name))
    below = child(name, deed.b)
    said = grant("thief", below, stratum_of(below), bound - deed.c % 2, box_of(below))
    say(world, label, said)


def do_every_name(world: World, deed: Deed) -> None:
    """Let one who may revoke everywhere write the name that only roots may write."""
    label, _ = enrolled(world, deed)
    caps = [capability("revoke", ""), capability("pin", "")]
    world.fleet.declare(grant("spare-2", "b/0", 1, 1, caps))
    say(world, "spare-2", revoke(label, "*", world.cut(label, deed.c % 3)))


def do_pin_a_fork(world: World, deed: Deed) -> None:
    """Fork a key's feed, mostly again above, and pin one branch or several, by equals or not."""
    label, name = enrolled(world, deed)
    pinner = "bank-a"
    if deed.who % 3 == 0:
        pinner, _ = enrolled(world, Deed("", 0, 0, 2, 0, 0, 0))
        label, name = enrolled(world, Deed("", 0, 0, 3, 0, 0, 0))
    trunk = enrol(world, label, name, deed.b)
    tips: list[Entry] = []
    for step in range(2):
        world.here[label, Lane.AUTH] = trunk
        tips.append(enrol(world, label, name, deed.b + 1 + step))
    if deed.c % 3:
        for step in range(2):
            world.here[label, Lane.AUTH] = tips[0]
            enrol(world, label, name, deed.b + step)
    say(world, pinner, pin(tips[0]))
    if deed.d % 4 == 2:
        say(world, "bank-b", pin(tips[1]))
    elif deed.d % 4 == 3:
        world.fleet.declare(pin(tips[1]))


def do_pin_and_prune(world: World, deed: Deed) -> None:
    """Fork a key's status, pin one branch, state a snapshot above, mostly fork and state again."""
    label, _ = enrolled(world, deed)
    place = (label, Lane.STATE)
    lamp = ("status", {"topic": "lamp", "value": deed.b})
    snap = ("snap", {"map": {"lamp": deed.c}})
    trunk = world.write(label, 0, lamp, Lane.STATE)
    tips: list[Entry] = []
    for _ in range(2):
        world.here[place] = trunk
        tips.append(world.write(label, 0, lamp, Lane.STATE))
    say(world, bank(deed), pin(tips[deed.d % 2]))
    top = world.write(label, 0, snap, Lane.STATE)
    if deed.c % 3:
        for _ in range(2):
            world.here[place] = top
            tips.append(world.write(label, 0, lamp, Lane.STATE))
        world.write(label, 0, snap, Lane.STATE)
    if deed.c % 3 == 2:
        say(world, bank(deed), pin(tips[2]))


def do_forge(world: World, deed: Deed) -> None:
    """Offer what too few roots signed, or a twin of what was accepted."""
    said = grant("thief", "b/0", 1, 9, steward_of("b", "city"))
    world.fleet.offer(said, signers=1 + deed.b % 2, twin=bool(deed.b % 2))


def do_lose(world: World, deed: Deed) -> None:
    """Lose an entry in the middle of a feed that goes on."""
    label, name = enrolled(world, deed)
    lost = enrol(world, label, name, deed.b)
    enrol(world, label, name, deed.b + 1)
    world.withheld.append(lost)


def do_borrow(world: World, deed: Deed) -> None:
    """Give a key a second pair that may grant nothing, and let it grant what that one holds."""
    label, name = enrolled(world, deed)
    other = f"b/{deed.b % 2}"
    held = [capability("act", child(name, 0))]
    world.fleet.declare(grant(label, other, 2, 1, held))
    say(world, label, grant("thief", child(name, 0), stratum_of(name) + 1, 1, held))


PLOTS: dict[str, Callable[[World, Deed], None]] = {
    "two names": do_two_names,
    "succeed": do_succeed,
    "rivals": do_rivals,
    "cut a fork": do_cut_a_fork,
    "cut beside": do_cut_beside,
    "cut twice": do_cut_twice,
    "peer": do_peer,
    "usurp": do_usurp,
    "peak": do_peak,
    "every name": do_every_name,
    "pin a fork": do_pin_a_fork,
    "pin and prune": do_pin_and_prune,
    "forge": do_forge,
    "lose": do_lose,
    "borrow": do_borrow,
}
