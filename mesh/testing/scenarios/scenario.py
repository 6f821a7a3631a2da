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
from mesh.files.form import Filled, Form, MistakeError, nearest
from mesh.files.yaml_tree import Node
from mesh.testing.scenarios.rollout_steps import PARTS_OF_ROLLOUTS, check_rollout_step
from mesh.testing.scenarios.steps import (
    Backup,
    CheckTrust,
    Clock,
    Count,
    Cut,
    Disk,
    Grant,
    Hole,
    Links,
    OneWay,
    Part,
    Pin,
    PowerCut,
    Publish,
    Put,
    Revoke,
    Share,
    Slow,
    Step,
    Swap,
    Text,
    Turn,
    seconds,
)
from mesh.testing.scenarios.words import EXPECTED

__all__ = [
    "SEED_MAX",
    "STEPS_MAX",
    "Expect",
    "FleetPlan",
    "Scenario",
    "ScenarioFileError",
    "parse_scenario",
    "scenario_schema",
]

BOXES_MAX = 1000
"""Most boxes of a scenario."""
STEPS_MAX = 400
"""Most steps of a scenario."""
SEED_MAX = 1 << 32
"""Seeds are below it."""
TIME_S_MAX = 90 * 86_400
"""Longest time of a step: a quarter, seconds."""


class ScenarioFileError(MistakeError):
    """A scenario file that cannot be used."""


class FleetPlan(Part, frozen=True, kw_only=True):
    """The town: half of its boxes on each bank, a steward for each, one centre."""

    boxes: Annotated[int, Meta(ge=1, le=BOXES_MAX)] = 8
    latency_ms: Annotated[float, Meta(ge=0, le=10_000, description="One way.")] = 5.0
    loss: Annotated[Share, Meta(description="Of packets.")] = 0.0
    listen_m: Annotated[
        float, Meta(ge=0, le=50_000, description="Around every box; 0 for nobody.")
    ] = 600.0
    acquainted: Annotated[
        bool,
        Meta(description="Disks hold who was linked to whom, as after a night without power."),
    ] = False


class Expect(Part, frozen=True, kw_only=True):
    """What must have happened at least, for the scenario to have shown anything."""

    seconds_cut: Count | None = None
    crashes: Count | None = None
    restarts: Count | None = None
    facts: Count | None = None
    published: Count | None = None
    deliveries: Count | None = None
    requests: Count | None = None
    entries_exchanged: Count | None = None
    views_differed_s: Count | None = None
    unseen_s: Count | None = None
    packets_lost: Count | None = None
    writes_refused: Count | None = None
    writes_lost: Count | None = None
    stages_opened: Count | None = None
    swaps: Count | None = None
    went_back: Count | None = None
    refused_by_plan: Count | None = None
    poison_caught: Count | None = None
    checks: Count | None = None
    refused: dict[str, Count] = msgspec.field(default_factory=dict[str, int])

    def wanted(self) -> dict[str, int]:
        """Return the least counts, by name; refusals as `refused.REASON`."""
        plain = {
            field: count
            for field in self.__struct_fields__
            if field != "refused" and (count := getattr(self, field)) is not None
        }
        return plain | {f"refused.{reason}": count for reason, count in self.refused.items()}


class Wires(Part, frozen=True, kw_only=True):
    """It is one of those that `make scenarios-live` plays on wires, and at what pace."""

    faster: Annotated[float, Meta(ge=1, le=10_000, description="Than the file says.")] = 1.0


class Scenario(Part, frozen=True, kw_only=True):
    """A whole file."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    why: Annotated[str, Meta(min_length=1, max_length=1000)]
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=STEPS_MAX)]
    invariants: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=16)]
    expect: Expect
    seed: Annotated[int, Meta(ge=0, lt=SEED_MAX)] = 0
    fleet: FleetPlan = FleetPlan()
    wires: Wires | None = None


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
        _check_deed(filled, where, step.deed)


def _check_deed(filled: Filled[Scenario], where: str, deed: object) -> None:
    """Refuse what would change nothing."""
    if isinstance(deed, Clock):
        if deed.ahead is not None and deed.behind is not None:
            raise filled.wrong(f"{where}.clock", "expected either ahead or behind")
        if (deed.ahead, deed.behind, deed.drift_ppm) == (None, None, None):
            raise filled.wrong(f"{where}.clock", "expected ahead, behind or drift_ppm")
    elif isinstance(deed, Disk) and (deed.full, deed.sync_ms) == (None, None):
        raise filled.wrong(f"{where}.disk", "expected full or sync_ms")
    elif isinstance(deed, Links) and not deed.changes():
        raise filled.wrong(f"{where}.links", "expected something that changes, as loss")
    check_rollout_step(filled, where, deed)


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
        "wires": Wires,
        "steps[]": Step,
        "steps[].cut": Cut,
        "steps[].cut_one_way": OneWay,
        "steps[].blackhole": Hole,
        "steps[].links": Links,
        "steps[].power_cut": PowerCut,
        "steps[].slow": Slow,
        "steps[].backup": Backup,
        "steps[].restore": Backup,
        "steps[].disk": Disk,
        "steps[].clock": Clock,
        "steps[].swap_hardware": Swap,
        "steps[].revoke": Revoke,
        "steps[].grant": Grant,
        "steps[].pin": Pin,
        "steps[].check_trust": CheckTrust,
        "steps[].put": Put,
        "steps[].publish": Publish,
        "steps[].turn": Turn,
        **PARTS_OF_ROLLOUTS,
        "expect": Expect,
    },
    EXPECTED,
    {"expect.refused": _is_count},
)
