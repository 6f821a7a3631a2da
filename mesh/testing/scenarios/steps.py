"""The steps of a scenario file, as types: what each verb takes.

`Step` has one field a verb; a file sets exactly one of them, and perhaps `at`. What the verbs do is
in `scenarios.deeds`.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mesh.testing.scenarios import rollout_steps as rs
from mesh.testing.scenarios.parts import (
    Count,
    Duration,
    Part,
    Several,
    Share,
    Text,
    Who,
    seconds,
)
from mesh.testing.simulator.simulated_node import SLOWNESS_MAX

__all__ = [
    "Backup", "CheckTrust", "Clock", "Count", "Cut", "Disk", "Duration", "Grant", "Hole", "Links",
    "OneWay", "Part", "Pin", "PowerCut", "Publish", "Put", "Revoke", "Several", "Share", "Slow",
    "Step", "Swap", "Text", "Turn", "seconds",
]  # fmt: skip

PUBLISH_MAX = 100_000
"""Most events of one step and one box."""


InVain = Annotated[bool, Meta(description="Signed without the right to: nobody is to heed it.")]


class Cut(Part, frozen=True, kw_only=True):
    """Nothing passes between a side and all others."""

    side: Several
    label: Text = "cut"


class OneWay(Part, frozen=True, kw_only=True):
    """What the first send to the second is lost; the other way it passes."""

    senders: Annotated[Several, Meta(description="Who is not heard.")] = msgspec.field(name="from")
    receivers: Several = msgspec.field(name="to")
    label: Text = "one-way"


class Hole(Part, frozen=True, kw_only=True):
    """All that each of these sends and is sent is lost."""

    who: Several
    label: Text = "hole"


class Links(Part, frozen=True, kw_only=True):
    """What links are like from now on; what is left out stays."""

    latency_ms: Annotated[float, Meta(ge=0, le=10_000)] | None = None
    jitter_ms: Annotated[float, Meta(ge=0, le=10_000)] | None = None
    loss: Share | None = None
    duplication: Share | None = None
    reordering: Share | None = None
    kbit_s: Annotated[float, Meta(ge=1, le=10_000_000)] | None = None
    between: Annotated[tuple[Who, ...], Meta(min_length=2, max_length=2)] | None = None

    def changes(self) -> dict[str, float]:
        """Return what changes, by the name of the field."""
        named = {field: getattr(self, field) for field in self.__struct_fields__}
        return {
            field: value
            for field, value in named.items()
            if field != "between" and value is not None
        }


class PowerCut(Part, frozen=True, kw_only=True):
    """Boxes lose power at the same moment, and with it what their disks had not synced."""

    who: Several
    keep: Annotated[int, Meta(ge=0, le=1000, description="Unsynced writes that stay.")] = 0


class Slow(Part, frozen=True, kw_only=True):
    """Boxes take so many times longer for whatever reaches them."""

    who: Several
    factor: Annotated[float, Meta(ge=1, le=SLOWNESS_MAX)]


class Disk(Part, frozen=True, kw_only=True):
    """What becomes of disks."""

    who: Several
    full: bool | None = None
    sync_ms: Annotated[float, Meta(ge=0, le=60_000)] | None = None


class Backup(Part, frozen=True, kw_only=True):
    """A copy of a disk is taken, or put back while the box is down."""

    name: Who
    label: Text = "backup"


class Clock(Part, frozen=True, kw_only=True):
    """A wall clock is set wrong, or goes wrong from now on."""

    who: Several
    ahead: Duration | None = None
    behind: Duration | None = None
    drift_ppm: Annotated[float, Meta(ge=-100_000, le=100_000)] | None = None


class Turn(Part, frozen=True, kw_only=True):
    """A box lies from now on, in one way."""

    name: Who
    behaviour: Literal[
        "back_date", "eclipse", "equivocate", "flood", "forge", "poison", "replay", "withhold"
    ]


class Swap(Part, frozen=True, kw_only=True):
    """The hardware behind a name is replaced.

    The old box stays in the world as "NAME (old)", what is replaced after it as "NAME (old 2)".
    """

    name: Who
    by: Who


class Revoke(Part, frozen=True, kw_only=True):
    """A name is revoked."""

    name: Who
    by: Who = "centre"
    in_vain: InVain = False


class Grant(Part, frozen=True, kw_only=True):
    """A name is granted to a key whose box is not here, or to that of a box."""

    name: Who
    by: Who = "centre"
    to: Annotated[Who, Meta(description="Whose key; else one that nobody has.")] | None = None
    role: Literal["box", "steward"] = "box"
    in_vain: InVain = False


class Pin(Part, frozen=True, kw_only=True):
    """What who holds a name signed twice is settled: the line that the signer holds counts."""

    name: Who
    by: Who = "centre"


class CheckTrust(Part, frozen=True, kw_only=True):
    """A name is current in every view now, or in none, or the scenario is broken."""

    name: Who
    current: bool
    who: Several = "*"


class Put(Part, frozen=True, kw_only=True):
    """A register is written."""

    key: Annotated[str, Meta(min_length=1, max_length=128)]
    value: str | int
    by: Who = "centre"
    in_vain: InVain = False


class Publish(Part, frozen=True, kw_only=True):
    """Boxes see near misses and say so, each of them `count` times, each with its updates."""

    who: Several
    count: Annotated[int, Meta(ge=1, le=PUBLISH_MAX)] = 1
    every: Duration = "1s"
    updates: Annotated[int, Meta(ge=0, le=100)] = 0


class Step(Part, frozen=True, kw_only=True):
    """One thing that happens, and when: once the time `at` has come, else at once."""

    at: Duration | UnsetType = UNSET
    run: Duration | UnsetType = UNSET
    settle: Duration | UnsetType = UNSET
    cut: Cut | UnsetType = UNSET
    cut_one_way: OneWay | UnsetType = UNSET
    blackhole: Hole | UnsetType = UNSET
    heal: Text | UnsetType = UNSET
    links: Links | UnsetType = UNSET
    behind_nat: Several | UnsetType = UNSET
    crash: Several | UnsetType = UNSET
    power_cut: PowerCut | UnsetType = UNSET
    reboot_all: Several | UnsetType = UNSET
    restart: Several | UnsetType = UNSET
    slow: Slow | UnsetType = UNSET
    disk: Disk | UnsetType = UNSET
    backup: Backup | UnsetType = UNSET
    restore: Backup | UnsetType = UNSET
    clock: Clock | UnsetType = UNSET
    swap_hardware: Swap | UnsetType = UNSET
    revoke: Revoke | UnsetType = UNSET
    grant: Grant | UnsetType = UNSET
    pin: Pin | UnsetType = UNSET
    put: Put | UnsetType = UNSET
    publish: Publish | UnsetType = UNSET
    check_trust: CheckTrust | UnsetType = UNSET
    turn: Turn | UnsetType = UNSET
    release: rs.Release | UnsetType = UNSET
    apply: rs.Apply | UnsetType = UNSET
    pause: rs.Order | UnsetType = UNSET
    resume: rs.Order | UnsetType = UNSET
    promote: rs.Promote | UnsetType = UNSET
    undo: rs.Order | UnsetType = UNSET
    abort: rs.Order | UnsetType = UNSET
    approve_model: rs.Approve | UnsetType = UNSET
    check_runs: rs.Running | UnsetType = UNSET

    @property
    def at_s(self) -> float | None:
        """When it happens at the earliest, seconds after the fleet stood."""
        return None if isinstance(self.at, UnsetType) else seconds(self.at)

    @property
    def verbs(self) -> tuple[str, ...]:
        """What it does; one word, once the file was checked."""
        return tuple(
            field
            for field in self.__struct_fields__
            if field != "at" and getattr(self, field) is not UNSET
        )

    @property
    def verb(self) -> str:
        """What it does."""
        return self.verbs[0]

    @property
    def deed(self) -> object:
        """The value of its verb."""
        return getattr(self, self.verb)
