"""Ways in which a scenario can be made smaller; whether one still shows what it showed is asked.

Each reduction is a generator that yields smaller scenarios and is told of each whether to go on
from it: `is_kept = yield smaller`. It knows nothing of running them. A step that waits for the
fleet to settle is never made shorter than the fleet may take: that would be another failure.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain
from typing import cast

import msgspec
from msgspec import NODEFAULT, UNSET

from mesh.files.durations import DURATION
from mesh.testing.checkers.liveness_after_heal import ALIVE_S
from mesh.testing.fleets.town import banks, held_by
from mesh.testing.scenarios.scenario import Scenario
from mesh.testing.scenarios.steps import Step, seconds
from mesh.testing.scenarios.writing import fields_said

__all__ = ["REDUCTIONS", "Reduction", "renamed"]

Reduction = Callable[[Scenario], Generator[Scenario, bool, None]]

BOXES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)
"""Fleets that are tried, smallest first."""
NUMBERS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
"""Counts, factors and milliseconds that are tried, smallest first."""
LENGTHS = ("1s", "2s", "5s", "10s", "15s", "20s", "30s", "45s", "1m", "2m", "5m", "10m", "30m",
           "1h", "6h", "1d")  # fmt: skip
"""Durations that are tried, smallest first."""
NAMES_MAX = 12
"""Names that are tried one by one in the place of a pattern."""
KEPT_FIELDS = frozenset({"label", "name", "key", "model", "rollout", "value"})
"""What is only called something: leaving it out makes nothing smaller."""
EVERYBODY_UNSAID = KEPT_FIELDS | {"who"}
"""And who it is about: without that it is about everybody, and grew."""
TIMES = frozenset({"run", "settle"})
"""Steps that only let time pass."""
OTHERS = ("centre", "north/steward", "south/steward")

Part = msgspec.Struct


def fewer_steps(scenario: Scenario) -> Generator[Scenario, bool, None]:
    """Leave steps out: the last half, quarters, …, single ones, from the end."""
    steps = scenario.steps
    size = max(len(steps) // 2, 1)
    while size:
        end = len(steps)
        while end > 0:
            rest = steps[: max(end - size, 0)] + steps[end:]
            if rest and (yield _with(scenario, steps=rest)):
                steps = rest
            end -= size
        size //= 2


def fewer_pairs(scenario: Scenario) -> Generator[Scenario, bool, None]:
    """Leave out a step together with the next that speaks of the same: a cut and its healing."""
    steps, first = scenario.steps, len(scenario.steps) - 2
    while first >= 0:
        words = _words(steps[first])
        for second in range(first + 1, len(steps)):
            if not words & _words(steps[second]):
                continue
            rest = steps[:first] + steps[first + 1 : second] + steps[second + 1 :]
            if rest and (yield _with(scenario, steps=rest)):
                steps = rest
            break
        first -= 1


def smaller_fleet(scenario: Scenario) -> Generator[Scenario, bool, None]:
    """Try smaller fleets; boxes that a step names are called as they are called there."""
    for boxes in BOXES:
        if boxes >= scenario.fleet.boxes:
            return
        names = renamed(scenario, boxes)
        if names is not None:
            fleet = msgspec.structs.replace(scenario.fleet, boxes=boxes)
            steps = tuple(cast("Step", _replaced(step, names)) for step in scenario.steps)
            if (yield _with(scenario, fleet=fleet, steps=steps)):
                return


def plainer_fleet(scenario: Scenario) -> Generator[Scenario, bool, None]:
    """Let the fleet's links and ears be as usual."""
    fleet = scenario.fleet
    for smaller in _plainer(fleet, frozenset({"boxes"})):
        if (yield _with(scenario, fleet=smaller)):
            return


def shorter_times(scenario: Scenario) -> Generator[Scenario, bool, None]:
    """Let less time pass, and do at once what waits for its hour."""
    steps = list(scenario.steps)
    for number in reversed(range(len(scenario.steps))):
        step = steps[number]
        for smaller in _sooner(step):
            steps[number] = smaller
            if (yield _with(scenario, steps=tuple(steps))):
                break
            steps[number] = step


def plainer_steps(scenario: Scenario) -> Generator[Scenario, bool, None]:
    """Do less in each step: to fewer, less often, less strongly, in fewer ways."""
    steps = list(scenario.steps)
    known = [*OTHERS, *chain.from_iterable(banks(scenario.fleet.boxes).values())]
    for number in range(len(steps)):
        is_smaller = steps[number].verb not in TIMES
        while is_smaller:
            is_smaller, step = False, steps[number]
            for deed in _lesser(step.deed, known):
                steps[number] = msgspec.structs.replace(step, **{step.verb: deed})
                if (yield _with(scenario, steps=tuple(steps))):
                    is_smaller = True
                    break
                steps[number] = step


REDUCTIONS: Sequence[Reduction] = (
    smaller_fleet, fewer_steps, fewer_pairs, shorter_times, plainer_steps, plainer_fleet,
)  # fmt: skip
"""In the order in which they are tried: first what makes every later try faster."""


def renamed(scenario: Scenario, boxes: int) -> Mapping[str, str] | None:
    """Return what boxes that steps name are called in a smaller fleet; None if they do not fit."""
    said = set(chain.from_iterable(_words(step) for step in scenario.steps))
    held = {held_by(word) for word in said}
    names: dict[str, str] = {}
    small = banks(boxes)
    for bank, large in banks(scenario.fleet.boxes).items():
        corners = [corner for corner, name in enumerate(large) if name in held]
        if len(corners) > len(small[bank]):
            return None
        if corners and corners[-1] < len(small[bank]):
            places = corners
        else:
            places = list(range(len(corners)))
        for corner, place in zip(corners, places, strict=True):
            names[large[corner]] = small[bank][place]
    return {word: names[name] + word.removeprefix(name)
            for word in said if (name := held_by(word)) in names}  # fmt: skip


# ------------------------------------------------------------------------------------- inside


def _with(scenario: Scenario, **changes: object) -> Scenario:
    return msgspec.structs.replace(scenario, **changes)


def _words(value: object) -> set[str]:
    """Every text in a step; `all` cuts are spoken of wherever one is made."""
    if isinstance(value, Part):
        verb = value.verb if isinstance(value, Step) else ""
        every = {"all"} if verb in {"cut", "cut_one_way", "blackhole"} else set[str]()
        fields = value.__struct_fields__
        return every.union(*(_words(getattr(value, field)) for field in fields if field != "at"))
    if isinstance(value, tuple):
        return set[str]().union(*map(_words, cast("tuple[object, ...]", value)))
    return {value} if isinstance(value, str) else set()


def _replaced(value: object, names: Mapping[str, str]) -> object:
    """Return a value with every name in it replaced."""
    if isinstance(value, Part):
        changes = {field: _replaced(getattr(value, field), names)
                   for field in value.__struct_fields__}  # fmt: skip
        return msgspec.structs.replace(value, **changes)
    if isinstance(value, tuple):
        return tuple(_replaced(inner, names) for inner in cast("tuple[object, ...]", value))
    return names.get(value, value) if isinstance(value, str) else value


def _sooner(step: Step) -> Iterator[Step]:
    if step.at is not UNSET:
        yield msgspec.structs.replace(step, at=UNSET)
        for length in _shorter(str(step.at)):
            yield msgspec.structs.replace(step, at=length)
    if isinstance(step.run, str):
        for length in _shorter(step.run):
            yield msgspec.structs.replace(step, run=length)
    elif isinstance(step.settle, str) and seconds(step.settle) > ALIVE_S:
        yield msgspec.structs.replace(step, settle=f"{ALIVE_S:.0f}s")


def _shorter(duration: str) -> Iterator[str]:
    length_s = seconds(duration)
    return (length for length in LENGTHS if seconds(length) < length_s)


def _lesser(value: object, known: Sequence[str]) -> Iterator[object]:
    """Yield lesser values in the place of one."""
    if isinstance(value, Part):
        yield from _plainer(value, EVERYBODY_UNSAID)
        for field in value.__struct_fields__:
            if field in KEPT_FIELDS or getattr(value, field) is UNSET:
                continue
            for inner in _lesser(getattr(value, field), known):
                yield msgspec.structs.replace(value, **{field: inner})
    elif isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        for number in range(len(items)) if len(items) > 1 else ():
            yield items[:number] + items[number + 1 :]
        for number, item in enumerate(items):
            for inner in _lesser(item, known):
                yield (*items[:number], inner, *items[number + 1 :])
    elif isinstance(value, str):
        yield from _fewer_names(value, known)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from (type(value)(number) for number in NUMBERS if number < value)


def _fewer_names(text: str, known: Sequence[str]) -> Iterator[str]:
    if re.fullmatch(DURATION, text):
        yield from _shorter(text)
    elif any(sign in text for sign in "*?["):
        yield from [name for name in known if fnmatchcase(name, text)][:NAMES_MAX]


def _plainer(part: Part, kept: frozenset[str]) -> Iterator[Part]:
    """Yield a mapping with one of its fields as usual."""
    said = fields_said(part)
    for field in msgspec.structs.fields(type(part)):
        if field.encode_name not in said or field.name in kept or field.required:
            continue
        usual = field.default
        if field.default_factory is not NODEFAULT:
            usual = field.default_factory()
        yield msgspec.structs.replace(part, **{field.name: usual})
