"""A scenario as the text of a file that people read, change and keep.

What is read back is the same scenario; a step is one line, and what has its usual value is left
out. So a run that was found or cut down by a machine becomes a file like any other.
"""

import re
import textwrap
from decimal import Decimal
from typing import cast

import msgspec
from msgspec import NODEFAULT, UNSET

from mesh.files.durations import DURATION
from mesh.testing.scenarios.scenario import Scenario

__all__ = ["fields_said", "scenario_text", "step_text"]

WIDTH = 96
"""Columns of a folded text."""
_WORD = re.compile(r"[A-Za-z_][\w./-]*( [\w./-]+)*", re.ASCII)
_AMBIGUOUS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def scenario_text(scenario: Scenario) -> str:
    """Return a scenario as YAML."""
    said = fields_said(scenario)
    said.pop("why")
    said.pop("name")
    steps = cast("tuple[msgspec.Struct, ...]", said.pop("steps"))
    lines = [
        f"name: {_text(scenario.name)}",
        f"why: {_folded(scenario.why)}",
        f"seed: {scenario.seed}",
    ]
    said.pop("seed", None)
    fleet = said.pop("fleet", None)
    lines += [] if fleet is None else [f"fleet: {_flow(fleet)}"]
    lines += ["steps:", *(f"  - {step_text(step)}" for step in steps)]
    lines += [f"{name}: {_flow(value)}" for name, value in said.items()]
    return "\n".join(lines) + "\n"


def fields_said(part: msgspec.Struct) -> dict[str, object]:
    """Return the fields of a mapping that have another value than the usual, as they are spelt."""
    said: dict[str, object] = {}
    for field in msgspec.structs.fields(type(part)):
        value = getattr(part, field.name)
        usual = field.default
        if field.default_factory is not NODEFAULT:
            usual = field.default_factory()
        if value is not UNSET and value != usual:
            said[field.encode_name] = value
    return said


def step_text(step: msgspec.Struct) -> str:
    """Return a step as the line of a file says it."""
    said = _flow(step)
    return said if len(fields_said(step)) > 1 else said[1:-1]


def _flow(value: object) -> str:
    """Write a value in one line."""
    if isinstance(value, msgspec.Struct):
        value = fields_said(value)
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return f"{{{', '.join(f'{_text(key)}: {_flow(inner)}' for key, inner in pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_flow(inner) for inner in cast('tuple[object, ...]', value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    return "null" if value is None else str(value) if isinstance(value, int) else _text(str(value))


def _text(text: str) -> str:
    if re.fullmatch(DURATION, text) and "\n" not in text:
        return text
    if _WORD.fullmatch(text) and text.lower() not in _AMBIGUOUS:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isascii() and character.isprintable():
        return character
    return f"\\U{ord(character):08x}"


def _folded(text: str) -> str:
    """Write a longer text over several lines, where that keeps it as it is."""
    if not text.isprintable() or " ".join(text.split()) != text or len(text) < WIDTH // 2:
        return _text(text)
    lines = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    return ">-\n" + "\n".join(f"  {line}" for line in lines)
