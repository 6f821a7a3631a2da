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

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from mesh.files.durations import DURATION, milliseconds
from mesh.files.form import Filled, Form, MistakeError
from mesh.files.yaml_tree import Node
from mesh.orchestration.errors import RolloutFileError

__all__ = [
    "Cohort",
    "Gate",
    "Metadata",
    "RolloutFile",
    "Spec",
    "Stage",
    "check_numbers",
    "parse_rollout_file",
    "rollout_schema",
]

Filling = TypeVar("Filling")

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
    soak: Annotated[str, Meta(pattern=DURATION, examples=["30m"])] = "0s"

    @property
    def share_ppm(self) -> int:
        """Its share, parts per million."""
        return int(Decimal(str(self.percent)) * (PPM // 100))

    @property
    def soak_ms(self) -> int:
        """Its soak, milliseconds."""
        return milliseconds(self.soak)


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
        filled = _FORM.read(data, name)
        check_numbers(filled, "$.spec", filled.value.spec.stages, filled.value.spec.gate)
    except MistakeError as error:
        raise RolloutFileError(error.name, error.line, error.column, error.told) from None
    return filled.value


def rollout_schema() -> bytes:
    """Return the JSON Schema (2020-12) of a rollout file, indented."""
    return _FORM.schema("A rollout, as `mesh apply -f` reads it")


# ------------------------------------------------------------------------------------ numbers


def _scaled(text: str | None, scale: int) -> Decimal | None:
    """Return the number of a share or a threshold such as ">= 0.99" in parts of 1/scale."""
    if text is None:
        return None
    return Decimal(text.strip().lstrip("<>=").strip()) * scale


def check_numbers(filled: Filled[Filling], where: str, stages: Sequence[Stage], gate: Gate) -> None:
    """Refuse stages that do not ascend, soaks beyond measure, and what no whole number stands for.

    Args:
        filled: a file in which a rollout is described.
        where: the path of what holds its `stages` and `gate`.
        stages: the stages that are there.
        gate: its thresholds.

    Raises:
        MistakeError: the first that is wrong.
    """
    below = 0
    for number, stage in enumerate(stages):
        place = f"{where}.stages[{number}]"
        share = Decimal(str(stage.percent)) * (PPM // 100)
        if share != int(share):
            raise filled.wrong(f"{place}.percent", "expected at most 4 digits of a fraction")
        if share <= below:
            told = f"expected more than the {Decimal(below) * 100 / PPM:f} of the stage before"
            raise filled.wrong(f"{place}.percent", told)
        below = int(share)
        if stage.soak_ms > SOAK_S_MAX * 1000:
            raise filled.wrong(f"{place}.soak", f"expected at most {SOAK_S_MAX // 86_400}d")
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
            raise filled.wrong(f"{where}.gate.{field}", told)


# -------------------------------------------------------------------------------------- form


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
    "spec.gate.map50": 'a threshold in quotes such as ">= 0.80"; only >= is possible',
    "spec.gate.disagreement": 'a threshold in quotes such as "<= 0.05"',
    "spec.on_partition": "hold or continue",
    "spec.on_failure": "rollback or pause",
}
"""What is expected at a path, in a person's words."""


def _is_label(key: str, node: Node) -> bool:
    return all(isinstance(text, str) and 1 <= len(text) <= 63 for text in (key, node.value))


_FORM = Form(RolloutFile, _PARTS, _EXPECTED, {"spec.cohort.labels": _is_label})
