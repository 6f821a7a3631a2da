"""The halt: proof, by the signed reports in it, that a stage failed.

Body of an AUTH entry of kind `halt`: {intent, stage, reports: [wire…]}. No verb is needed: any
current pair of a name of the cohort may sign one. It counts iff those of its reports that no resume
forgives are more than ⌊(1 - success)·stage⌋, in a stage of 50 names up more than one. Then no
missing report could save the stage, there is nothing to pick, and every box that hears it comes to
the same answer from it alone.

What a revoked pair reported or signed counts no more. A halt that counted but for that *holds* its
intent instead: nothing opens and nobody starts until a resume forgives what is in it. Otherwise
boxes that heard the halt before the revocation would wait for a resume, and those that heard it
after would go on.

A box signs as few reports as prove it, because what it may write is bounded (64 KiB in all). The
reports are of different names and ascend by name, so there is one way to write a halt.
"""

from dataclasses import dataclass
from itertools import pairwise

from crdt.bodies import Status
from identity.encoding import Value, encode
from mesh.orchestration.errors import InvalidHaltError
from mesh.orchestration.fields import integer, of_size, table
from mesh.orchestration.intent import HALT_REPORTS_MAX, INTENT_ID_SIZE, STAGES_MAX
from mesh.orchestration.report import Report, is_signed, parse_report

__all__ = ["HALT_KIND", "Halt", "check_halt", "parse_halt", "parse_halt_body"]

HALT_KIND = "halt"
"""The AUTH kind."""
HALT_SIZE_MAX = 15 << 10
"""Largest body of a halt, bytes: the entry around it takes less than the rest of 16 KiB."""


@dataclass(frozen=True, slots=True)
class Halt:
    """One halt, before anybody asked whether it counts.

    Attributes:
        intent: which rollout, 16 bytes.
        stage: which stage failed, from 0.
        reports: of different names, ascending by name, each with a good signature.
    """

    intent: bytes
    stage: int
    reports: tuple[Report, ...]

    def to_value(self) -> dict[str, object]:
        """Return it as the body of an entry."""
        wires = [report.wire for report in self.reports]
        return {"intent": self.intent, "stage": self.stage, "reports": wires}


def check_halt(halt: Halt) -> None:
    """Check that a halt is worth signing.

    Raises:
        InvalidHaltError: others would read it as nothing; why.
    """
    if parse_halt(halt.to_value()) != halt or len(encode(halt.to_value())) > HALT_SIZE_MAX:
        raise InvalidHaltError(
            f"a halt of stage {halt.stage} with {len(halt.reports)} reports: expected 1 to "
            f"{HALT_REPORTS_MAX} signed ones of different names, ascending by name"
        )


def parse_halt(body: object) -> Halt | None:
    """Return the halt in the body of an entry, or None; total. Signatures are checked."""
    match table(body):
        case {"intent": bytes(intent), "stage": stage, "reports": list(wires)}:
            number = integer(stage, 0, STAGES_MAX - 1)
        case _:
            return None
    if number is None or of_size(intent, INTENT_ID_SIZE) is None:
        return None
    if not 1 <= len(wires) <= HALT_REPORTS_MAX:
        return None
    read = [parse_report(wire) for wire in wires if isinstance(wire, bytes)]
    reports = tuple(report for report in read if report is not None and report.intent == intent)
    if len(reports) != len(wires) or any(a.name >= b.name for a, b in pairwise(reports)):
        return None
    if not all(is_signed(report.wire) for report in reports):
        return None
    return Halt(intent, number, reports)


def parse_halt_body(body: Value) -> Status | None:
    """Return the halt, or None: a row of the table of kinds. No status shows its topic."""
    halt = parse_halt(body)
    return None if halt is None else Status(f"{HALT_KIND}/{halt.intent.hex()}", halt)
