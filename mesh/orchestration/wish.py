"""A rollout as it is asked for, before anybody looked whether it can be.

It comes from the file that a person wrote, its shares and times in whole numbers. It crosses from
the command line to a running node as a map, and is read there like anything from outside: any value
gives a wish or a `CannotApplyError`.
"""

from dataclasses import dataclass
from typing import Literal, cast

from identity.encoding import Value
from mesh.orchestration.errors import CannotApplyError
from mesh.orchestration.fields import MILLION, integer, table
from mesh.orchestration.intent import DIGEST_SIZE, LATENCY_US_MAX, Gate, Stage
from mesh.orchestration.rollout_file import RolloutFile

__all__ = ["Wish", "parse_wish", "wish_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for; the fields are those of an `Intent`.

    Attributes:
        title: its name for people.
        artefact: digest of what shall run, 32 bytes.
        slot: what it replaces; "" where the artefact's kind says it.
        within: where, a prefix of names; "" is the whole fleet.
        labels: what a box must carry, ascending by key.
        stages: strictly ascending.
        gate: the thresholds.
        on_partition: hold or continue.
        on_failure: rollback or pause.
    """

    title: str
    artefact: bytes
    slot: str = ""
    within: str
    labels: tuple[tuple[str, str], ...] = ()
    stages: tuple[Stage, ...]
    gate: Gate
    on_partition: Literal["hold", "continue"] = "hold"
    on_failure: Literal["rollback", "pause"] = "rollback"

    def to_value(self) -> dict[str, Value]:
        """Return it as a value that can be encoded; absent thresholds are left out."""
        asked: dict[str, int | None] = {
            "min_reports": self.gate.min_reports_ppm,
            "success": self.gate.success_ppm,
            "p95_us": self.gate.p95_us_max,
            "map50": self.gate.map50_ppm_min,
            "disagreement": self.gate.disagreement_ppm_max,
        }
        return {
            "title": self.title,
            "artefact": self.artefact,
            "slot": self.slot,
            "within": self.within,
            "labels": dict(self.labels),
            "stages": [[stage.share_ppm, stage.soak_ms] for stage in self.stages],
            "gate": {name: value for name, value in asked.items() if value is not None},
            "on_partition": self.on_partition,
            "on_failure": self.on_failure,
        }


def wish_in(file: RolloutFile) -> Wish:
    """Return what a file asks for."""
    spec, asked = file.spec, file.spec.gate.counted()
    return Wish(
        title=file.metadata.name,
        artefact=spec.digest,
        slot=spec.slot,
        within=spec.cohort.within,
        labels=tuple(sorted(spec.cohort.labels.items())),
        stages=tuple(Stage(stage.share_ppm, stage.soak_ms) for stage in spec.stages),
        gate=Gate(
            min_reports_ppm=asked["min_reports"],
            success_ppm=asked["success"],
            p95_us_max=asked.get("p95_us"),
            map50_ppm_min=asked.get("map50"),
            disagreement_ppm_max=asked.get("disagreement"),
        ),
        on_partition=spec.on_partition,
        on_failure=spec.on_failure,
    )


def parse_wish(value: object) -> Wish:
    """Return the wish in a decoded value. Total.

    Raises:
        CannotApplyError: it is none; whether it means something is for the plan to check.
    """
    wish = _read(value)
    if wish is None or wish.to_value() != value or len(wish.artefact) != DIGEST_SIZE:
        raise CannotApplyError("expected a rollout as `mesh apply` sends it: use the same version")
    return wish


def _read(value: object) -> Wish | None:
    match table(value):
        case {
            "title": str(title),
            "artefact": bytes(artefact),
            "slot": str(slot),
            "within": str(within),
            "labels": dict(labels),
            "stages": list(stages),
            "gate": {"min_reports": int(min_reports), "success": int(success), **asked},
            "on_partition": "hold" | "continue" as on_partition,
            "on_failure": "rollback" | "pause" as on_failure,
        }:
            pass
        case _:
            return None
    if not all(isinstance(text, str) for text in labels.values()):
        return None
    return Wish(
        title=title,
        artefact=artefact,
        slot=slot,
        within=within,
        labels=tuple(sorted(cast("dict[str, str]", labels).items())),
        stages=tuple(stage for each in stages if (stage := _stage(each)) is not None),
        gate=Gate(
            min_reports_ppm=min_reports,
            success_ppm=success,
            p95_us_max=integer(asked.get("p95_us"), 0, LATENCY_US_MAX),
            map50_ppm_min=integer(asked.get("map50"), 0, MILLION),
            disagreement_ppm_max=integer(asked.get("disagreement"), 0, MILLION),
        ),
        on_partition=on_partition,
        on_failure=on_failure,
    )


def _stage(value: Value) -> Stage | None:
    match value:
        case [int(share_ppm), int(soak_ms)]:
            return Stage(share_ppm, soak_ms)
        case _:
            return None
