"""Which scenarios can be played on wires, and at what pace: decided before anything is started.

Real processes on one machine share its clock and its disk, and run the code as it is shipped. What
a step asks beyond that is refused by its name and the reason; nothing is left out silently. The
same for time: on wires a second is a second. Where a scenario tells of a day, its file may say that
on wires it goes so many times faster:

    wires: {faster: 720}

That divides the lengths of `run`, `at` and `publish.every`, and what is expected in seconds. The
product's own times (a silent link is closed after ten seconds) and the most that `settle` may take
stay what they are.
"""

import math
from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import UNSET

from mesh.testing.scenarios.scenario import Scenario
from mesh.testing.scenarios.steps import Publish, Slow, Step, seconds
from mesh.testing.wires.slices import SLOW_MAX
from mesh.testing.wires.switch import SIDES_MAX

__all__ = ["BOXES_MAX", "REFUSED", "UnfitForWiresError", "check_wires", "on_wires"]

BOXES_MAX = 40
"""Most boxes on wires, each a process of about 40 MB of its own."""
LENGTH_S_MAX = 3600.0
"""Longest scenario on wires, settling apart, seconds."""
TIMED = ("seconds_cut", "unseen_s", "views_differed_s")
"""What is expected in seconds."""
REFUSED = {
    "clock": "all processes of a machine read its one wall clock",
    "disk": "all processes of a machine write to its one disk, and it is neither full nor slow",
    "turn": "processes run the code as it is shipped, which does not lie",
}
"""Steps that cannot be done on wires, and why."""


class UnfitForWiresError(Exception):
    """A scenario cannot be played on wires; the message names each step and says why."""


def check_wires(scenario: Scenario, done: Collection[str]) -> None:
    """Refuse a scenario that cannot be played on wires.

    Args:
        scenario: as its file has it.
        done: the verbs that can be done.

    Raises:
        UnfitForWiresError: it asks for something that cannot be done.
    """
    told: list[str] = []
    if scenario.fleet.boxes > BOXES_MAX:
        told.append(
            f"fleet.boxes is {scenario.fleet.boxes}: expected at most {BOXES_MAX}, for each is a "
            "process"
        )
    swaps = sum(step.verb == "swap_hardware" for step in scenario.steps)
    if scenario.fleet.boxes + 3 + swaps > SIDES_MAX:
        told.append(f"{swaps} times hardware is replaced: there are {SIDES_MAX} namespaces in all")
    length_s = sum(seconds(step.run) for step in on_wires(scenario).steps if step.run is not UNSET)
    if length_s > LENGTH_S_MAX:
        told.append(
            f"it runs for {length_s:g} s of real time: expected at most {LENGTH_S_MAX:g}; say "
            "`wires: {faster: N}` in its file"
        )
    for number, step in enumerate(scenario.steps, start=1):
        why = _why_not(step, done)
        if why:
            told.append(f"step {number} ({step.verb}): {why}")
    if told:
        raise UnfitForWiresError(f"{scenario.name} cannot be played on wires: {'; '.join(told)}")


def on_wires(scenario: Scenario) -> Scenario:
    """Return a scenario at the pace that it declares for wires."""
    faster = 1.0 if scenario.wires is None else scenario.wires.faster
    if faster == 1:
        return scenario
    expected = {
        name: max(1, math.floor(wanted / faster))
        for name in TIMED
        if (wanted := getattr(scenario.expect, name)) is not None
    }
    return msgspec.structs.replace(
        scenario,
        steps=tuple(_at_pace(step, faster) for step in scenario.steps),
        expect=msgspec.structs.replace(scenario.expect, **expected),
    )


def _at_pace(step: Step, faster: float) -> Step:
    changes: dict[str, Any] = {}
    for word in ("at", "run"):
        length = getattr(step, word)
        if length is not UNSET:
            changes[word] = _divided(length, faster)
    if isinstance(step.publish, Publish):
        every = _divided(step.publish.every, faster)
        changes["publish"] = msgspec.structs.replace(step.publish, every=every)
    return msgspec.structs.replace(step, **changes)


def _divided(length: str, faster: float) -> str:
    return f"{max(1, round(seconds(length) * 1000 / faster))}ms"


def _why_not(step: Step, done: Collection[str]) -> str:
    """Say why a step cannot be done on wires; "" if it can."""
    if step.verb in REFUSED:
        return REFUSED[step.verb]
    if isinstance(step.slow, Slow) and step.slow.factor > SLOW_MAX:
        return (
            f"factor is {step.slow.factor:g}: expected at most {SLOW_MAX:g}, for a real process "
            "that is slower keeps no link alive"
        )
    if isinstance(step.publish, Publish) and step.publish.updates:
        return f"updates is {step.publish.updates}: on wires every event is an incident of its own"
    if step.verb not in done and step.verb not in ("run", "settle"):
        return "it is done in simulation alone"
    return ""
