"""A rollout as people write it: YAML with kubectl's habits, every mistake with its line.

    apiVersion: mesh/v1
    kind: Rollout
    metadata: {name: pedestrian-v1.4}
    spec:
      artifact: sha256:9c1e…
      cohort: {labels: {camera: "true"}, within: city}
      stages: [{percent: 10, soak: 30m}, {percent: 50, soak: 2h}, {percent: 100}]
      gate: {min_reports: 0.9, success: ">= 0.99", p95_ms: "<= 40", map50: ">= 0.80"}
      on_partition: hold
      on_failure: rollback

The types below are the schema: they check the file, and `rollout_schema` exports them as JSON
Schema for editors. msgspec says what is wrong at which path; the tree says on which line that path
is. What travels holds no fraction: shares are parts per million, latencies microseconds, soaks
milliseconds, each exactly what was written or refused. See docs/rollouts.md.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mesh.orchestration.errors import RolloutFileError
from mesh.orchestration.yaml_tree import Node, YamlError, plain, read_tree

__all__ = [
    "Cohort",
    "Gate",
    "Metadata",
    "RolloutFile",
    "Spec",
    "Stage",
    "parse_rollout_file",
    "rollout_schema",
]

STAGES_MAX = 16
"""Most stages of a rollout."""
SOAK_S_MAX = 90 * 86_400
"""Longest soak of one stage: a quarter, seconds."""
LABELS_MAX = 16
"""Most labels that a cohort asks for."""
PPM = 1_000_000
"""A share is counted in parts per million."""
US_PER_MS = 1000
"""Latencies are counted in microseconds."""

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SOAK = r"^\d{1,6}(ms|s|m|h|d)$"
_AT_LEAST = r"^\s*>=\s*\d{1,9}(\.\d{1,9})?\s*$"
_AT_MOST = r"^\s*<=\s*\d{1,9}(\.\d{1,9})?\s*$"

Share = Annotated[float, Meta(ge=0, le=1, examples=[0.9])]
AtLeast = Annotated[str, Meta(pattern=_AT_LEAST, examples=[">= 0.99"])]
AtMost = Annotated[str, Meta(pattern=_AT_MOST, examples=["<= 40"])]
Text = Annotated[str, Meta(min_length=1, max_length=63)]
Name = Annotated[str, Meta(max_length=200)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file; a misspelt key would be silently ignored, so it is refused."""


class Stage(_Part, frozen=True, kw_only=True):
    """One stage: how much of the cohort, and how long its gate must hold before the next."""

    percent: Annotated[float, Meta(gt=0, le=100, description="Of the cohort; strictly ascending.")]
    soak: Annotated[str, Meta(pattern=_SOAK, examples=["30m"])] = "0s"

    @property
    def share_ppm(self) -> int:
        """Its share, parts per million."""
        return int(Decimal(str(self.percent)) * (PPM // 100))

    @property
    def soak_ms(self) -> int:
        """Its soak, milliseconds."""
        digits = self.soak.rstrip("mshd")
        return int(digits) * _UNITS_MS[self.soak.removeprefix(digits)]


class Gate(_Part, frozen=True, kw_only=True):
    """What must hold before the next stage opens; what is left out of the last three is not asked.

    All are of one box's own report, and no mean over boxes.
    """

    min_reports: Share = 0.9
    success: AtLeast = ">= 0.99"
    p95_ms: AtMost | None = None
    map50: AtLeast | None = None
    disagreement: AtMost | None = None

    def counted(self) -> dict[str, int]:
        """Return the thresholds in whole numbers, as an intent has them."""
        asked = {
            "min_reports": _scaled(str(self.min_reports), PPM),
            "success": _scaled(self.success, PPM),
            "p95_us": _scaled(self.p95_ms, US_PER_MS),
            "map50": _scaled(self.map50, PPM),
            "disagreement": _scaled(self.disagreement, PPM),
        }
        return {name: int(value) for name, value in asked.items() if value is not None}


class Cohort(_Part, frozen=True, kw_only=True):
    """Whom it is for: names at or under a prefix, "" for the whole fleet, that carry labels."""

    within: Name
    labels: Annotated[dict[Text, Text], Meta(max_length=LABELS_MAX)] = {}


class Spec(_Part, frozen=True, kw_only=True):
    """What is rolled out, to whom, how."""

    artifact: Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$")]
    cohort: Cohort
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1, max_length=STAGES_MAX)]
    slot: Annotated[str, Meta(description="What it replaces; else the artefact's kind says.")] = ""
    gate: Gate = Gate()
    on_partition: Literal["hold", "continue"] = "hold"
    on_failure: Literal["rollback", "pause"] = "rollback"

    @property
    def digest(self) -> bytes:
        """Of the artefact, 32 bytes."""
        return bytes.fromhex(self.artifact.removeprefix("sha256:"))


class Metadata(_Part, frozen=True, kw_only=True):
    """How people call it."""

    name: Text


class RolloutFile(_Part, frozen=True, kw_only=True):
    """A whole file."""

    apiVersion: Literal["mesh/v1"]  # noqa: N815  (kubectl's spelling, which people know)
    kind: Literal["Rollout"]
    metadata: Metadata
    spec: Spec


def parse_rollout_file(data: bytes, name: str) -> RolloutFile:
    """Return the rollout in bytes. Total.

    Args:
        data: what the file holds.
        name: of the file, for messages.

    Raises:
        RolloutFileError: it is no YAML, or something in it is not what the schema expects.
    """
    try:
        tree = read_tree(data)
    except YamlError as error:
        raise RolloutFileError(name, error.line, error.column, str(error)) from None
    try:
        found = msgspec.convert(plain(tree), RolloutFile)
    except msgspec.ValidationError as error:
        raise _explained(name, tree, str(error)) from None
    _check_numbers(name, tree, found.spec)
    return found


def rollout_schema() -> bytes:
    """Return the JSON Schema (2020-12) of a rollout file, indented."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A rollout, as `mesh apply -f` reads it",
        **msgspec.json.schema(RolloutFile),
    }
    return msgspec.json.format(msgspec.json.encode(schema), indent=2)


# ------------------------------------------------------------------------------------ numbers


def _scaled(text: str | None, scale: int) -> Decimal | None:
    """Return the number of a share or a threshold such as ">= 0.99" in parts of 1/scale."""
    if text is None:
        return None
    return Decimal(text.strip().lstrip("<>=").strip()) * scale


def _check_numbers(name: str, tree: Node, spec: Spec) -> None:
    """Refuse stages that do not ascend, soaks beyond measure, and what no whole number stands for.

    Raises:
        RolloutFileError: the first that is wrong.
    """
    below = 0
    for number, stage in enumerate(spec.stages):
        where = f"$.spec.stages[{number}]"
        share = Decimal(str(stage.percent)) * (PPM // 100)
        if share != int(share):
            raise _wrong(name, tree, f"{where}.percent", "expected at most 4 digits of a fraction")
        if share <= below:
            told = f"expected more than the {Decimal(below) * 100 / PPM:f} of the stage before"
            raise _wrong(name, tree, f"{where}.percent", told)
        below = int(share)
        if stage.soak_ms > SOAK_S_MAX * 1000:
            raise _wrong(name, tree, f"{where}.soak", f"expected at most {SOAK_S_MAX // 86_400}d")
    gate = spec.gate
    for field, text, scale, most in (
        ("min_reports", str(gate.min_reports), PPM, PPM),
        ("success", gate.success, PPM, PPM),
        ("p95_ms", gate.p95_ms, US_PER_MS, 3_600_000 * US_PER_MS),
        ("map50", gate.map50, PPM, PPM),
        ("disagreement", gate.disagreement, PPM, PPM),
    ):
        value = _scaled(text, scale)
        if value is not None and (value > most or value != int(value)):
            told = f"expected at most {most // scale}, in steps of {1 / Decimal(scale):f}"
            raise _wrong(name, tree, f"$.spec.gate.{field}", told)


# ------------------------------------------------------------------------------------- errors


_COMPLAINT = re.compile(
    r"(?P<what>.*?)(?: - at (?P<key>`key` in )?`(?P<path>\$[^`]*)`)?", re.DOTALL
)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")

_PARTS: Mapping[str, type[_Part]] = {
    "": RolloutFile,
    "metadata": Metadata,
    "spec": Spec,
    "spec.cohort": Cohort,
    "spec.gate": Gate,
    "spec.stages[]": Stage,
}
"""The mappings of a file by their path."""

_EXPECTED = {
    "": "a mapping with apiVersion, kind, metadata and spec",
    "apiVersion": "mesh/v1",
    "kind": "Rollout",
    "metadata": "a mapping with name",
    "metadata.name": "1 to 63 characters of text",
    "spec": "a mapping with artifact, cohort and stages",
    "spec.artifact": "sha256: and 64 hexadecimal digits, as `mesh artifact sign` prints it",
    "spec.slot": "text such as model/detector",
    "spec.cohort": 'a mapping such as {within: city, labels: {camera: "true"}}',
    "spec.cohort.within": "a name such as city/north",
    "spec.cohort.labels": f"a mapping of at most {LABELS_MAX} labels",
    "spec.cohort.labels[]": 'text of 1 to 63 characters, in quotes as "true"',
    "spec.stages": f"a list of 1 to {STAGES_MAX} stages such as {{percent: 10, soak: 30m}}",
    "spec.stages[]": "a mapping such as {percent: 10, soak: 30m}",
    "spec.stages[].percent": "a number above 0 and at most 100",
    "spec.stages[].soak": "a number and ms, s, m, h or d, as 30m",
    "spec.gate": "a mapping such as {min_reports: 0.9}",
    "spec.gate.min_reports": "a number from 0 to 1",
    "spec.gate.success": 'a threshold in quotes such as ">= 0.99"',
    "spec.gate.p95_ms": 'a threshold in quotes such as "<= 40"',
    "spec.gate.map50": 'a threshold in quotes such as ">= 0.80"',
    "spec.gate.disagreement": 'a threshold in quotes such as "<= 0.05"',
    "spec.on_partition": "hold or continue",
    "spec.on_failure": "rollback or pause",
}
"""What is expected at a path, in a person's words."""


def _explained(name: str, tree: Node, complaint: str) -> RolloutFileError:
    """Return msgspec's complaint with the line and the value that it is about."""
    match = _COMPLAINT.fullmatch(complaint)
    assert match is not None, complaint
    where = (match["path"] or "$") + ("[...]" if match["key"] else "")
    what = match["what"]
    node, spelt = _follow(tree, where)
    shape = re.sub(r"\[[^\]]*\]", "[]", spelt)
    part = _PARTS.get(shape)
    unknown, missing = _UNKNOWN.fullmatch(what), _MISSING.fullmatch(what)
    if part is not None and unknown is not None:
        line, column = node.keys.get(unknown[1], (node.line, node.column))
        fields = part.__struct_fields__
        near = get_close_matches(unknown[1], fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(fields)}"
        return RolloutFileError(
            name, line, column, f"{spelt or 'the file'} has no field {unknown[1]!r:.60}: {hint}"
        )
    if part is not None and missing is not None:
        field = f"{shape}.{missing[1]}".lstrip(".")
        told = f"{spelt or 'the file'} lacks {missing[1]}: expected {_EXPECTED[field]}"
        return RolloutFileError(name, node.line, node.column, told)
    return _wrong(name, tree, where, f"expected {_EXPECTED.get(shape, what)}")


def _wrong(name: str, tree: Node, where: str, told: str) -> RolloutFileError:
    node, spelt = _follow(tree, where)
    return RolloutFileError(
        name, node.line, node.column, f"{spelt or 'the file'} is {_shown(node)}: {told}"
    )


def _shown(node: Node) -> str:
    if isinstance(node.value, dict):
        return "a mapping" if node.value else "an empty mapping"
    if isinstance(node.value, tuple):
        return f"a list of {len(node.value)}"
    if node.value is None or isinstance(node.value, bool):
        return {None: "null", True: "true", False: "false"}[node.value]
    return f"{node.value!r:.80}"


def _follow(tree: Node, where: str) -> tuple[Node, str]:
    """Return the node at a path such as $.spec.stages[1].percent, and the path as people say it."""
    node, spelt = tree, ""
    for step in _STEP.finditer(where):
        key, index = step.groups()
        if isinstance(node.value, tuple) and index is not None and index.isdecimal():
            node, spelt = node.value[int(index)], f"{spelt}[{index}]"
        elif isinstance(node.value, dict) and index == "...":
            key = next((key for key, inner in node.value.items() if not _is_label(key, inner)), "")
            spelt = f"{spelt}[{key!r:.60}]"
            node = node.value.get(key, node)
        elif isinstance(node.value, dict) and key in node.value:
            node, spelt = node.value[key], f"{spelt}.{key}".lstrip(".")
    return node, spelt


def _is_label(key: str, node: Node) -> bool:
    return all(isinstance(text, str) and 1 <= len(text) <= 63 for text in (key, node.value))
