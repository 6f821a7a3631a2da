"""Reading records: from registers, FLEET statements and entries to what they say of rollouts.

What is malformed, under a key that is not its own, or stated by a pair that may not, says nothing.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from crdt.entry import Entry, Lane
from crdt.registers import Register
from crdt.standing import Authority, Pair
from mesh.coordination.models import MODEL_PREFIX, ModelState, parse_model
from mesh.orchestration.cohort import Cohort
from mesh.orchestration.command import COMMAND_PREFIX, Command
from mesh.orchestration.fields import table
from mesh.orchestration.halt import HALT_KIND, Halt, parse_halt
from mesh.orchestration.intent import INTENT_PREFIX, Intent
from mesh.orchestration.report import REPORT_KIND, Report, counting, parse_report
from mesh.orchestration.tables import command_at, intent_at

__all__ = [
    "SignedHalt",
    "cohort_of",
    "commands_in",
    "counting_in",
    "halts_of",
    "intent_in",
    "models_in",
    "reports_in",
]

_COHORTS_CACHED = 64
"""Cohorts whose order is remembered: ranking 500 names is 500 hashes, and as many scopes."""


class SignedHalt(NamedTuple):
    """A halt that survives, and for which pairs of its author; `id` is that of its entry."""

    id: bytes
    pairs: tuple[Pair, ...]
    halt: Halt


def halts_of(authority: Authority, entries: Iterable[Entry]) -> tuple[SignedHalt, ...]:
    """Return the halts that no cut, evidence or limit voids, by entry id.

    Args:
        authority: settled over the same set.
        entries: the set.
    """
    found: dict[bytes, SignedHalt] = {}
    for entry in entries:
        if entry.kind != HALT_KIND or entry.lane != Lane.AUTH:
            continue
        pairs = authority.surviving.get(entry.id)
        halt = parse_halt(entry.body) if pairs else None
        if pairs and halt is not None:
            found[entry.id] = SignedHalt(entry.id, tuple(pairs), halt)
    return tuple(found[identifier] for identifier in sorted(found))


def models_in(registers: Mapping[str, Register]) -> dict[bytes, ModelState]:
    """Return the most restrictive state of each digest, over all records and contenders."""
    found: dict[bytes, ModelState] = {}
    for key, register in registers.items():
        if not key.startswith(MODEL_PREFIX):
            continue
        for contender in register.standing:
            record = parse_model(contender.value)
            if record is not None:
                before = found.get(record.digest, record.state)
                states = (record.state, before)
                found[record.digest] = max(states, key=lambda state: state.severity)
    return found


def reports_in(
    authority: Authority, fleet: Mapping[Pair, Mapping[str, object]]
) -> dict[bytes, dict[str, list[Report]]]:
    """Return what current pairs report, by intent and name."""
    found: dict[bytes, dict[str, list[Report]]] = {}
    for pair, topics in fleet.items():
        for topic, value in topics.items():
            fields = table(value) if topic.startswith(f"{REPORT_KIND}/") else None
            wire = fields.get("report") if fields is not None else None
            report = parse_report(wire) if isinstance(wire, bytes) else None
            if report is None or report.ns != authority.ns:
                continue
            if (report.key, report.name) == pair and authority.current(pair):
                found.setdefault(report.intent, {}).setdefault(report.name, []).append(report)
    return found


def commands_in(
    registers: Mapping[str, Register],
) -> dict[tuple[str, bytes], list[tuple[Command, int]]]:
    """Return the commands with the stratum of their author, by the scope and id of the intent."""
    found: dict[tuple[str, bytes], list[tuple[Command, int]]] = {}
    for key, register in registers.items():
        if not key.startswith(COMMAND_PREFIX):
            continue
        for contender in register.standing:
            read = command_at(key, contender.value)
            if read is not None:
                scope, command = read
                found.setdefault((scope, command.intent), []).append((command, contender.stratum))
                break
    return found


def intent_in(key: str, register: Register) -> Intent | None:
    """Return the intent that a register holds, or None."""
    if not key.startswith(INTENT_PREFIX):
        return None
    read = (intent_at(key, contender.value) for contender in register.standing)
    return next((intent for intent in read if intent is not None), None)


def cohort_of(intent: Intent, cohorts: Mapping[bytes, tuple[str, ...]]) -> Cohort | None:
    """Return the cohort if its list is held, is as long as the intent says and within its scope."""
    names = cohorts.get(intent.cohort)
    if names is None or len(names) != intent.count:
        return None
    return _ranked(intent.artefact, names, intent.shares_ppm, intent.scope)


@lru_cache(_COHORTS_CACHED)
def _ranked(
    artefact: bytes, names: tuple[str, ...], shares_ppm: tuple[int, ...], scope: str
) -> Cohort | None:
    cohort = Cohort.of(artefact, names, shares_ppm)
    return cohort if cohort.is_within(scope) else None


def counting_in(intent: Intent, reports: Mapping[str, list[Report]]) -> dict[str, Report]:
    """Return the one report that counts of each name, by name."""
    found: dict[str, Report] = {}
    for name in sorted(reports):
        about = [report for report in reports[name] if report.artefact == intent.artefact]
        if about:
            found[name] = counting(about, intent.gate)
    return found
