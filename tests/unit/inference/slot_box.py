"""A box with slots: a disk that can die in any write, and a host that keeps a diary."""

from collections.abc import Callable
from dataclasses import dataclass, field

from inference.errors import RunError
from inference.slot_events import Go, Outcome, OutcomeKind, Seen, Tick, Want
from inference.slot_record import METRICS_MAX, Key
from inference.slot_store import Disk, SlotKeeper, SlotStore
from tests.unit.inference.artifacts import a_configuration

SECOND = 1_000_000_000

ARTIFACTS = {made.digest: made.raw for made in map(a_configuration, range(6))}
DIGESTS = tuple(ARTIFACTS)


class Crash(BaseException):
    """The process is gone; nothing after it happens."""


class DyingDisk:
    """A disk in memory; a write may die before, in the middle of, or right after it.

    A full one fails a write after a share of it, which may be all: then only its fsync failed.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.writes = 0
        self.is_full = False
        self.written_when_full = 0.5
        self.unreadable = ""
        self.die_in: tuple[int, float] | None = None

    def read(self, name: str) -> bytes | None:
        if name == self.unreadable:
            raise OSError(5, "Input/output error")
        return self.files.get(name)

    def write(self, name: str, data: bytes) -> None:
        self.writes += 1
        if self.die_in is not None and self.writes == self.die_in[0]:
            share = self.die_in[1]
            if share >= 0:
                self.files[name] = data[: round(len(data) * share)]
            raise Crash
        if self.is_full:
            self.files[name] = data[: round(len(data) * self.written_when_full)]
            raise OSError(28, "No space left on device")
        self.files[name] = data


@dataclass
class World:
    """What does not change when a box restarts."""

    disk: DyingDisk = field(default_factory=DyingDisk)
    now_ns: int = 0
    here: dict[bytes, bytes] = field(default_factory=lambda: dict(ARTIFACTS))
    problems: dict[bytes, str] = field(default_factory=dict)
    unloadable: dict[bytes, str] = field(default_factory=dict)
    kills_in_test: tuple[bytes, ...] = ()
    kills_when_run: tuple[bytes, ...] = ()
    figures: dict[bytes, int] = field(default_factory=lambda: {DIGESTS[2]: METRICS_MAX})
    live: dict[str, int] = field(default_factory=dict)
    factory_problem: str | None = None
    ever_activated: list[bytes | None] = field(default_factory=list)


class Box:
    """One run of the process: a keeper over the world's disk, and what it did."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.running: bytes | None = None
        self.is_blind = False
        self.outcomes: list[Outcome] = []
        self.tested: list[bytes] = []
        self.activated: list[bytes | None] = []
        self.candidate: bytes | None = None
        self.keeper = SlotKeeper(SlotStore(world.disk), self, lambda: world.now_ns)

    def start(self) -> "Box":
        self.keeper.start()
        return self

    def fetch(self, digest: bytes) -> bytes | None:
        return self.world.here.get(digest)

    def test(self, data: bytes) -> tuple[str | None, dict[str, int]]:
        digest = digest_of(data)
        self.tested.append(digest)
        if digest in self.world.kills_in_test:
            raise Crash
        self.candidate = digest
        figures = {f"figure {n}": len(data) for n in range(self.world.figures.get(digest, 1))}
        return self.world.problems.get(digest), figures

    def activate(self, data: bytes | None) -> None:
        digest = None if data is None else digest_of(data)
        if digest is None and self.world.factory_problem is not None:
            self.is_blind = True
            raise RunError(self.world.factory_problem)
        if digest in self.world.unloadable:
            raise RunError(self.world.unloadable[digest])
        if digest in self.world.kills_when_run:
            raise Crash
        self.running, self.is_blind = digest, False
        self.activated.append(digest)
        self.world.ever_activated.append(digest)

    def live_figures(self) -> dict[str, int]:
        assert self.candidate == self.keeper.slots.ready, "only what is in shadow is asked about"
        return dict(self.world.live)

    def forget(self) -> None:
        self.candidate = None

    def report(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def want(self, digest: bytes | None, attempt: int = 1) -> Key:
        key = Key(digest, b"intent", attempt)
        self.keeper.handle(Want(key))
        return key

    def go(self, digest: bytes) -> None:
        self.keeper.handle(Go(digest))

    def frame(self, problem: str | None = None) -> None:
        """A live frame is looked at by what runs."""
        self.keeper.handle(Seen(self.running, problem))

    def later(self, seconds: float) -> None:
        self.world.now_ns += round(seconds * SECOND)
        self.keeper.handle(Tick())

    def kinds(self) -> list[OutcomeKind]:
        return [outcome.kind for outcome in self.outcomes]

    def roll_out(self, digest: bytes) -> None:
        """All of it: wanted, tested, swapped in, seen to work."""
        self.want(digest)
        self.go(digest)
        self.frame()


def digest_of(data: bytes) -> bytes:
    return next(digest for digest, raw in ARTIFACTS.items() if raw == data)


def survives(act: Callable[[], object]) -> bool:
    """Whether the process is still there after this."""
    try:
        act()
    except Crash:
        return False
    return True


def refuge(disk: Disk) -> bytes | None:
    """What a box with this disk runs at the latest when everything on trial has failed."""
    record, intact = SlotStore(disk).load()
    held = record.side(record.active)
    if held is not None and held.vouched:
        assert intact[record.active or 0], "what is vouched for is whole"
        return held.digest
    if record.active is None:
        return None
    other = record.side(1 - record.active)
    if other is None or not other.vouched:
        return None
    assert intact[1 - record.active], "what is to be fallen back to is whole"
    return other.digest
