"""The steps of a scenario file that are about rollouts: what people sign, and how many run what.

Stages and gates are those of a rollout file (`mesh.orchestration.rollout_file`), with the same
numbers and the same sentences for what is wrong with them.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from mesh.files.form import Filled
from mesh.orchestration.rollout_file import STAGES_MAX as ROLLOUT_STAGES_MAX
from mesh.orchestration.rollout_file import Gate, Name, Stage, check_numbers
from mesh.testing.scenarios.parts import Part, Several, Text, Who

__all__ = [
    "EXPECTED_OF_ROLLOUTS", "PARTS_OF_ROLLOUTS", "Apply", "Approve", "Order", "Promote", "Release",
    "Running", "check_rollout_step",
]  # fmt: skip

Filling = TypeVar("Filling")

BOXES_COUNT_MAX = 100_000
"""Most boxes that a check may name."""

Boxes = Annotated[int, Meta(ge=0, le=BOXES_COUNT_MAX)]


class Release(Part, frozen=True, kw_only=True):
    """A model is built and signed, and what it does to boxes."""

    model: Text
    by: Who = "centre"
    does: Literal["good", "fails", "kills", "blind", "slow"] = "good"
    on: Annotated[Several, Meta(description="On these boxes; else on all.")] | None = None


class Apply(Part, frozen=True, kw_only=True):
    """A model is rolled out; the other fields are those of a rollout file.

    Attributes:
        refused: words of the sentence with which it must be refused; None if it must not be.
        may_be_refused: whether either is right, where nobody can know what will be the case.
    """

    model: Text
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1, max_length=ROLLOUT_STAGES_MAX)]
    name: Text | None = None
    by: Who = "centre"
    within: Name = ""
    gate: Gate = Gate()
    on_partition: Literal["hold", "continue"] = "hold"
    on_failure: Literal["rollback", "pause"] = "rollback"
    refused: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    may_be_refused: bool = False


class Order(Part, frozen=True, kw_only=True):
    """A rollout is paused, resumed, undone or aborted."""

    rollout: Text
    by: Who = "centre"
    may_be_refused: bool = False


class Promote(Part, frozen=True, kw_only=True):
    """A rollout is opened up to a stage, the next one if none is named."""

    rollout: Text
    by: Who = "centre"
    percent: Annotated[float, Meta(gt=0, le=100)] | None = None
    may_be_refused: bool = False


class Approve(Part, frozen=True, kw_only=True):
    """A model is put on record."""

    model: Text
    state: Literal["approved", "superseded", "candidate", "withdrawn"] = "approved"
    by: Who = "centre"


class Running(Part, frozen=True, kw_only=True):
    """So many boxes run a model now, or the scenario is broken."""

    model: Text
    who: Several = "*"
    boxes: Boxes | None = None
    at_least: Boxes | None = None
    at_most: Boxes | None = None

    @property
    def is_a_check(self) -> bool:
        """Whether it asks for any number."""
        return (self.boxes, self.at_least, self.at_most) != (None, None, None)


def check_rollout_step(filled: Filled[Filling], where: str, deed: object) -> None:
    """Refuse stages that do not ascend, what no whole number stands for, and checks of nothing.

    Raises:
        MistakeError: the first that is wrong.
    """
    if isinstance(deed, Apply):
        check_numbers(filled, f"{where}.apply", deed.stages, deed.gate)
        if deed.refused is not None and deed.may_be_refused:
            told = "expected refused or may_be_refused, not both"
            raise filled.wrong(f"{where}.apply", told)
    elif isinstance(deed, Running) and not deed.is_a_check:
        raise filled.wrong(f"{where}.check_runs", "expected boxes, at_least or at_most")


PARTS_OF_ROLLOUTS: Mapping[str, type[msgspec.Struct]] = {
    "steps[].release": Release,
    "steps[].apply": Apply,
    "steps[].apply.stages[]": Stage,
    "steps[].apply.gate": Gate,
    "steps[].pause": Order,
    "steps[].resume": Order,
    "steps[].promote": Promote,
    "steps[].undo": Order,
    "steps[].abort": Order,
    "steps[].approve_model": Approve,
    "steps[].check_runs": Running,
}
"""The mappings of these steps by their path."""

_LABEL = "1 to 63 characters of text"
_NAME = "a name such as centre"
_COUNT = "a whole number from 0"
_ORDERS = {
    f"steps[].{verb}{field}": expected
    for verb in ("pause", "resume", "promote", "undo", "abort")
    for field, expected in (
        ("", "a mapping such as {rollout: v2}"),
        (".rollout", "what the rollout is called, as v2"),
        (".by", _NAME),
        (".may_be_refused", "true or false"),
    )
}
EXPECTED_OF_ROLLOUTS: Mapping[str, str] = {
    **_ORDERS,
    "steps[].release": "a mapping such as {model: v2, does: blind}",
    "steps[].release.model": _LABEL,
    "steps[].release.by": _NAME,
    "steps[].release.does": "good, fails, kills, blind or slow",
    "steps[].release.on": "a name or a pattern such as north/*, or a list of them",
    "steps[].release.on[]": "a name or a pattern such as north/*",
    "steps[].apply": "a mapping such as {model: v2, stages: [{percent: 10, soak: 1m}]}",
    "steps[].apply.model": "a model that was released, as v2",
    "steps[].apply.name": _LABEL,
    "steps[].apply.by": _NAME,
    "steps[].apply.within": 'a prefix of names such as north, or ""',
    "steps[].apply.stages": "a list of 1 to 16 stages such as {percent: 10, soak: 1m}",
    "steps[].apply.stages[]": "a mapping such as {percent: 10, soak: 1m}",
    "steps[].apply.stages[].percent": "a number above 0 and at most 100",
    "steps[].apply.stages[].soak": "a whole number from 0 to 999999 and ms, s, m, h or d, as 30s",
    "steps[].apply.gate": 'a mapping such as {map50: ">= 0.8"}',
    "steps[].apply.gate.min_reports": "a number from 0 to 1",
    "steps[].apply.gate.success": 'a threshold in quotes such as ">= 0.99"',
    "steps[].apply.gate.p95_ms": 'a threshold in quotes such as "<= 40"',
    "steps[].apply.gate.map50": 'a threshold in quotes such as ">= 0.80"',
    "steps[].apply.gate.disagreement": 'a threshold in quotes such as "<= 0.05"',
    "steps[].apply.on_partition": "hold or continue",
    "steps[].apply.on_failure": "rollback or pause",
    "steps[].apply.refused": "1 to 200 characters of the sentence with which it is refused",
    "steps[].apply.may_be_refused": "true or false",
    "steps[].promote.percent": "a number above 0 and at most 100",
    "steps[].approve_model": "a mapping such as {model: v2, state: approved}",
    "steps[].approve_model.model": "a model that was released, as v2",
    "steps[].approve_model.state": "approved, superseded, candidate or withdrawn",
    "steps[].approve_model.by": _NAME,
    "steps[].check_runs": "a mapping such as {model: v2, boxes: 2}",
    "steps[].check_runs.model": "a model that was released, as v2, or delivered",
    "steps[].check_runs.who": "a name or a pattern such as north/*, or a list of them",
    "steps[].check_runs.who[]": "a name or a pattern such as north/*",
    "steps[].check_runs.boxes": _COUNT,
    "steps[].check_runs.at_least": _COUNT,
    "steps[].check_runs.at_most": _COUNT,
}
"""What is expected at a path, in a person's words."""
