"""A scenario as people write it: what happens to a fleet, what must hold, what must have happened.

    name: river-cut
    why: The bridges are down; each bank goes on with what it holds, and both agree again.
    seed: 1
    fleet: {boxes: 8, latency_ms: 5}
    steps:
      - cut: {label: river, side: "north/*"}
      - publish: {who: "*/box-*"}
      - run: 2m
      - heal: river
      - settle: 2m
    invariants: [Convergence, LivenessAfterHeal]
    expect: {seconds_cut: 100, deliveries: 4}

The types below are the schema; `scenario_schema` exports them as JSON Schema for editors. A step
does one thing, and `at` says when, counted from the moment at which the fleet stood. Everything
virtual is exact: the same file and seed give the same run. See docs/scenarios.md.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mesh.choreography.verdict import Reason
from mesh.files.durations import DURATION, milliseconds
from mesh.files.form import Filled, Form, MistakeError, nearest
from mesh.files.yaml_tree import Node
from mesh.testing.scenario_words import EXPECTED

__all__ = [
    "Clock", "Cut", "Disk", "Expect", "FleetPlan", "Grant", "Impersonation", "Links", "Publish",
    "Put", "Revoke", "Scenario", "ScenarioFileError", "Step", "Swap", "parse_scenario",
    "scenario_schema",
]  # fmt: skip

BOXES_MAX = 1000
"""Most boxes of a scenario."""
STEPS_MAX = 400
"""Most steps of a scenario."""
SELECTORS_MAX = 64
"""Most names and patterns of one selection."""
TIME_S_MAX = 90 * 86_400
"""Longest time of a step: a quarter, seconds."""
PUBLISH_MAX = 100_000
"""Most events of one step and one box."""

Duration = Annotated[str, Meta(pattern=DURATION, examples=["10s", "2m"])]
Text = Annotated[str, Meta(min_length=1, max_length=63)]
Who = Annotated[str, Meta(min_length=1, max_length=200, examples=["north/*", "centre"])]
Several = Who | Annotated[tuple[Who, ...], Meta(min_length=1, max_length=SELECTORS_MAX)]
Share = Annotated[float, Meta(ge=0, lt=1)]
Count = Annotated[int, Meta(ge=1, le=1 << 40)]


class ScenarioFileError(MistakeError):
    """A scenario file that cannot be used."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file; a misspelt key would be silently ignored, so it is refused."""


class FleetPlan(_Part, frozen=True, kw_only=True):
    """The town: half of its boxes on each bank, a steward for each, one centre."""

    boxes: Annotated[int, Meta(ge=1, le=BOXES_MAX)] = 8
    latency_ms: Annotated[float, Meta(ge=0, le=10_000, description="One way.")] = 5.0
    loss: Annotated[Share, Meta(description="Of gossip frames.")] = 0.0
    listen_m: Annotated[
        float, Meta(ge=0, le=50_000, description="Around every box; 0 for nobody.")
    ] = 600.0


class Cut(_Part, frozen=True, kw_only=True):
    """Nothing passes between a side and all others."""

    side: Several
    label: Text = "cut"


class Links(_Part, frozen=True, kw_only=True):
    """What the links are like from now on; what is left out stays."""

    loss: Share | None = None


class Disk(_Part, frozen=True, kw_only=True):
    """What becomes of disks."""

    who: Several
    full: bool


class Clock(_Part, frozen=True, kw_only=True):
    """A wall clock is set wrong."""

    who: Several
    ahead: Duration | None = None
    behind: Duration | None = None


class Swap(_Part, frozen=True, kw_only=True):
    """The hardware behind a name is replaced; the old box stays in the world as "NAME (old)"."""

    name: Who
    by: Who


class Revoke(_Part, frozen=True, kw_only=True):
    """A name is revoked."""

    name: Who
    by: Who = "centre"


class Grant(_Part, frozen=True, kw_only=True):
    """A name is granted to a key whose box is not here."""

    name: Who
    by: Who = "centre"


class Put(_Part, frozen=True, kw_only=True):
    """A register is written."""

    key: Annotated[str, Meta(min_length=1, max_length=128)]
    value: str | int
    by: Who = "centre"


class Publish(_Part, frozen=True, kw_only=True):
    """Boxes see near misses and say so, each of them `count` times."""

    who: Several
    count: Annotated[int, Meta(ge=1, le=PUBLISH_MAX)] = 1
    every: Duration = "1s"


class Impersonation(_Part, frozen=True, kw_only=True):
    """A box sends an event that says another name, sealed with its own key."""

    by: Who
    name: Who


class Step(_Part, frozen=True, kw_only=True):
    """One thing that happens, and when: once the time `at` has come, else at once."""

    at: Duration | UnsetType = UNSET
    run: Duration | UnsetType = UNSET
    settle: Duration | UnsetType = UNSET
    cut: Cut | UnsetType = UNSET
    heal: Text | UnsetType = UNSET
    links: Links | UnsetType = UNSET
    crash: Several | UnsetType = UNSET
    restart: Several | UnsetType = UNSET
    disk: Disk | UnsetType = UNSET
    clock: Clock | UnsetType = UNSET
    swap_hardware: Swap | UnsetType = UNSET
    revoke: Revoke | UnsetType = UNSET
    grant: Grant | UnsetType = UNSET
    put: Put | UnsetType = UNSET
    publish: Publish | UnsetType = UNSET
    impersonate: Impersonation | UnsetType = UNSET

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


class Expect(_Part, frozen=True, kw_only=True):
    """What must have happened at least, for the scenario to have shown anything."""

    seconds_cut: Count | None = None
    crashes: Count | None = None
    published: Count | None = None
    deliveries: Count | None = None
    requests: Count | None = None
    entries_exchanged: Count | None = None
    views_differed_s: Count | None = None
    refused: dict[str, Count] = {}

    def wanted(self) -> dict[str, int]:
        """Return the least counts, by name; refusals as `refused.REASON`."""
        plain = {
            field: count
            for field in self.__struct_fields__
            if field != "refused" and (count := getattr(self, field)) is not None
        }
        return plain | {f"refused.{reason}": count for reason, count in self.refused.items()}


class Scenario(_Part, frozen=True, kw_only=True):
    """A whole file."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    why: Annotated[str, Meta(min_length=1, max_length=1000)]
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=STEPS_MAX)]
    invariants: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=16)]
    expect: Expect
    seed: Annotated[int, Meta(ge=0, lt=1 << 32)] = 0
    fleet: FleetPlan = FleetPlan()


def seconds(duration: str) -> float:
    """Return a duration in seconds."""
    return milliseconds(duration) / 1000


def parse_scenario(data: bytes, name: str, *, checkers: tuple[str, ...]) -> Scenario:
    """Return the scenario in bytes. Total.

    Args:
        data: what the file holds.
        name: of the file, for messages.
        checkers: the names of invariants that there are.

    Raises:
        ScenarioFileError: it is no YAML, or something in it is not what was expected.
    """
    try:
        filled = _FORM.read(data, name)
        _check_steps(filled)
        _check_words(filled, checkers)
    except MistakeError as error:
        raise ScenarioFileError(error.name, error.line, error.column, error.told) from None
    return filled.value


def scenario_schema() -> bytes:
    """Return the JSON Schema (2020-12) of a scenario file, indented."""
    return _FORM.schema("A scenario, as `mesh sim run` reads it")


# ------------------------------------------------------------------------- what no type says


def _check_steps(filled: Filled[Scenario]) -> None:
    """Refuse steps that do nothing or several things, and times that have passed."""
    now_s = 0.0
    for number, step in enumerate(filled.value.steps):
        where = f"$.steps[{number}]"
        if len(step.verbs) != 1:
            found = f"it does {', '.join(step.verbs)}" if step.verbs else "it does nothing"
            raise filled.wrong(where, f"{found}; expected {EXPECTED['steps[]']}")
        if step.at_s is not None:
            if step.at_s < now_s:
                told = f"expected {now_s:g}s or later, where the steps before it end"
                raise filled.wrong(f"{where}.at", told)
            now_s = step.at_s
        for field in ("run", "settle"):
            length = getattr(step, field)
            if length is not UNSET and seconds(length) > TIME_S_MAX:
                raise filled.wrong(f"{where}.{field}", f"expected at most {TIME_S_MAX // 86400}d")
        if not isinstance(step.run, UnsetType):
            now_s += seconds(step.run)
        clock = step.clock
        if isinstance(clock, Clock) and (clock.ahead is None) == (clock.behind is None):
            raise filled.wrong(f"{where}.clock", "expected either ahead or behind")


def _check_words(filled: Filled[Scenario], checkers: tuple[str, ...]) -> None:
    """Refuse invariants nobody checks, and counts of nothing."""
    scenario = filled.value
    for number, invariant in enumerate(scenario.invariants):
        where = f"$.invariants[{number}]"
        if invariant not in checkers:
            raise filled.wrong(where, nearest(invariant, list(checkers)))
        if invariant in scenario.invariants[:number]:
            raise filled.wrong(where, "it is there twice; expected each once")
    reasons = [reason.value for reason in Reason]
    for reason in scenario.expect.refused:
        if reason not in reasons:
            told = f"no event is refused as {reason!r:.60}: {nearest(reason, reasons)}"
            raise filled.wrong("$.expect.refused", told)
    if not scenario.expect.wanted():
        raise filled.wrong("$.expect", f"expected {EXPECTED['expect']}")


def _is_count(_key: str, node: Node) -> bool:
    value = node.value
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1 << 40


_FORM = Form(
    Scenario,
    {
        "": Scenario,
        "fleet": FleetPlan,
        "steps[]": Step,
        "steps[].cut": Cut,
        "steps[].links": Links,
        "steps[].disk": Disk,
        "steps[].clock": Clock,
        "steps[].swap_hardware": Swap,
        "steps[].revoke": Revoke,
        "steps[].grant": Grant,
        "steps[].put": Put,
        "steps[].publish": Publish,
        "steps[].impersonate": Impersonation,
        "expect": Expect,
    },
    EXPECTED,
    {"expect.refused": _is_count},
)
