"""Records of a small fleet without its network: what a box may hold, and the view that it gives.

Authority is settled by hand here (each pair granted, current unless revoked), so that thousands of
views cost little. What replicas make of real entries is tests/unit/orchestration/test_tables.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from crdt.registers import Contender, Register
from crdt.standing import Authority, Pair, RootHead, Standing
from identity.genesis import make_genesis
from mesh.coordination.models import parse_model
from mesh.orchestration.blob_tree import Reference, reference_of
from mesh.orchestration.cohort import encode_names
from mesh.orchestration.command import COMMAND_PREFIX, Command, Verb, command_key, parse_command
from mesh.orchestration.conductor import Conductor
from mesh.orchestration.halt import Halt
from mesh.orchestration.intent import INTENT_PREFIX, Gate, Intent, Stage, intent_key
from mesh.orchestration.intent_checks import parse_intent
from mesh.orchestration.memory import Memory
from mesh.orchestration.records import SignedHalt
from mesh.orchestration.report import (
    Metrics,
    Outcome,
    Report,
    parse_report,
    report_topic,
    report_value,
    seal_report,
)
from mesh.orchestration.rollouts import Rollouts, fold_rollouts
from tests.laws.rollouts.oracle import Facts, SaidHalt
from tests.laws.writing import key_of, public

GENESIS = make_genesis([public("root")], 1)
SLOT = "model/detector"
CENTRE = Pair(public("centre"), "centre")
DELIVERED = sha256(b"delivered").digest()
GATE = Gate(min_reports_ppm=900_000, success_ppm=990_000)
STAGES = (Stage(100_000, 1000), Stage(500_000, 1000), Stage(1_000_000))


def digest_of(label: str) -> bytes:
    """The digest that a label stands for."""
    return sha256(label.encode()).digest()


def names(count: int, scope: str = "city") -> tuple[str, ...]:
    """The first names of a scope."""
    return tuple(f"{scope}/box-{number:03d}" for number in range(count))


def list_of(listed: tuple[str, ...]) -> Reference:
    """The reference of a list of names."""
    return reference_of(encode_names(listed))


def intent_of(label: str, listed: tuple[str, ...], **changes: object) -> Intent:
    """An intent over listed names, with three stages unless told otherwise."""
    cohort = list_of(listed)
    intent = Intent(
        title=label,
        scope="city",
        slot=SLOT,
        artefact=digest_of(label),
        size=1000,
        tree=digest_of(f"tree of {label}"),
        cohort=cohort.digest,
        cohort_size=cohort.size,
        cohort_tree=cohort.tree,
        count=len(listed),
        within="city",
        stages=STAGES,
        gate=GATE,
    )
    return replace(intent, **changes)


def report_of(
    intent: Intent,
    name: str,
    outcome: Outcome,
    *,
    attempt: int = 1,
    metrics: Metrics | None = None,
    label: str | None = None,
    reason: str = "",
) -> Report:
    """A signed report of a box, whose key has its name for label."""
    key = key_of(label or name)
    report = Report(
        ns=GENESIS.ns,
        key=key.public,
        intent=intent.id,
        name=name,
        attempt=attempt,
        outcome=outcome,
        artefact=intent.artefact,
        metrics=metrics or Metrics(),
        reason=reason,
    )
    return seal_report(report, key)


def command_of(verb: Verb, intent: Intent, number: int = 0, **fields: object) -> Command:
    """A command; `number` tells those of one content apart."""
    command = Command(verb=verb, intent=intent.id, nonce=number.to_bytes(8))
    return replace(command, **fields)


def conductor_of(
    name: str, *, memory: Memory | None = None, labels: Mapping[str, str] | None = None
) -> Conductor:
    """The conductor of a box that was delivered with something in its slot."""
    conductor = Conductor(
        ns=GENESIS.ns, secret=key_of(name), name=name, labels=labels, memory=memory
    )
    conductor.deliver(SLOT, DELIVERED)
    return conductor


def report_in(value: object) -> Report | None:
    """The report that a statement shows, if it is one."""
    match value:
        case {"report": bytes(wire)}:
            return parse_report(wire)
        case _:
            return None


@dataclass(frozen=True)
class Put:
    """A put of the centre, or of somebody of another stratum."""

    key: str
    value: object
    id: bytes
    stratum: int = 1
    number: int = 0


@dataclass(frozen=True)
class Statement:
    """What a key states under a topic; the highest number shows."""

    pair: Pair
    topic: str
    number: int
    value: object


@dataclass(frozen=True)
class HaltEntry:
    """A halt that a pair wrote."""

    pair: Pair
    halt: Halt

    @property
    def id(self) -> bytes:
        ids = b"".join(report.id for report in self.halt.reports)
        return sha256(self.pair.key + self.halt.intent + bytes([self.halt.stage]) + ids).digest()


@dataclass(frozen=True)
class Revoked:
    """A steward's word that a pair is gone; `voids` are the halts that its cut leaves out."""

    pair: Pair
    voids: tuple[bytes, ...] = ()


Record = Put | Statement | HaltEntry | Revoked


def stated(report: Report, number: int) -> Statement:
    """What a box states to report; of one topic the highest number shows."""
    topic = report_topic(report.intent, report.name)
    return Statement(Pair(report.key, report.name), topic, number, report_value(report))


def proposed(intent: Intent) -> Put:
    """The record of an intent."""
    return Put(intent_key(intent.scope, intent.id), intent.to_value(), digest_of(intent.id.hex()))


def commanded(intent: Intent, command: Command, stratum: int = 1) -> Put:
    """The record of a command."""
    key = command_key(intent.scope, command)
    return Put(key, command.to_value(), digest_of(command.id.hex()), stratum)


def model(artefact: bytes, state: str, number: int = 0) -> Put:
    """A model record; a later number of the same digest supersedes an earlier one."""
    value = {"digest": artefact, "state": state, "events": ["*"], "area": "*"}
    identifier = digest_of(f"{state}{number}{artefact.hex()}")
    return Put(f"model/{artefact.hex()[:16]}", value, identifier, number=number)


@dataclass(frozen=True)
class View:
    """What a set of records amounts to."""

    authority: Authority
    registers: dict[str, Register]
    fleet: dict[Pair, dict[str, object]]
    halts: tuple[SignedHalt, ...]

    def fold(self, lists: dict[bytes, tuple[str, ...]]) -> Rollouts:
        """The product's answer."""
        return fold_rollouts(self.authority, self.registers, self.fleet, self.halts, lists)


def view_of(records: Iterable[Record], pairs: Iterable[Pair]) -> View:
    """The views of a set of records, over pairs that were all granted."""
    held = list(records)
    revoked = {record.pair for record in held if isinstance(record, Revoked)}
    voided = {void for record in held if isinstance(record, Revoked) for void in record.voids}
    granted = [CENTRE, *pairs]
    standings = {
        pair: Standing(
            pair, 3, 1, (), (), None,
            winning=True, contested=False, revoked=pair in revoked, undecided=False,
        )
        for pair in sorted(granted, key=lambda pair: (pair.name, pair.key))
    }  # fmt: skip
    halts = {
        record.id: SignedHalt(record.id, (record.pair,), record.halt)
        for record in held
        if isinstance(record, HaltEntry) and record.id not in voided
    }
    surviving = {identifier: signed.pairs for identifier, signed in halts.items()}
    authority = Authority(GENESIS, RootHead(0, bytes(32)), standings, {}, surviving, {})
    fleet: dict[Pair, dict[str, tuple[int, object]]] = {}
    for record in held:
        if isinstance(record, Statement) and record.pair not in revoked:
            topics = fleet.setdefault(record.pair, {})
            if record.topic not in topics or topics[record.topic][0] < record.number:
                topics[record.topic] = (record.number, record.value)
    shown = {
        pair: {topic: topics[topic][1] for topic in sorted(topics)}
        for pair, topics in sorted(fleet.items())
    }
    return View(authority, _registers(held), shown, tuple(halts[each] for each in sorted(halts)))


def _registers(held: list[Record]) -> dict[str, Register]:
    found: dict[str, list[Put]] = {}
    for record in held:
        if isinstance(record, Put):
            found.setdefault(record.key, []).append(record)
    registers: dict[str, Register] = {}
    for key in sorted(found):
        latest = max(put.number for put in found[key])
        last = [put for put in found[key] if put.number == latest]
        standing = tuple(
            Contender(put.value, CENTRE, put.stratum, put.id)
            for put in sorted(last, key=lambda put: put.id)
        )
        registers[key] = Register(key, standing[0].value, len(standing) > 1, standing, ())
    return registers


_SEVERITY = ("approved", "superseded", "candidate", "withdrawn")


def facts_of(view: View, lists: dict[bytes, tuple[str, ...]]) -> Facts:
    """The same for the oracle."""
    intents = {}
    commands = []
    models: dict[bytes, str] = {}
    for key, register in view.registers.items():
        for contender in register.standing:
            if key.startswith(INTENT_PREFIX):
                intent = parse_intent(contender.value)
                assert intent is not None
                intents[intent.id] = intent
            elif key.startswith(COMMAND_PREFIX):
                commands.append((parse_command(contender.value), contender.stratum))
            elif (record := parse_model(contender.value)) is not None:
                before = models.get(record.digest, "approved")
                models[record.digest] = max(before, str(record.state), key=_SEVERITY.index)
    said = [report_in(value) for topics in view.fleet.values() for value in topics.values()]
    return Facts(
        granted={
            tuple(pair): standing.current for pair, standing in view.authority.standings.items()
        },
        intents=intents,
        commands=tuple(commands),
        reports=tuple(report for report in said if report is not None),
        halts=tuple(
            SaidHalt(
                each.id, tuple(each.pairs), each.halt.intent, each.halt.stage, each.halt.reports
            )
            for each in view.halts
        ),
        models=models,
        lists=lists,
    )
