"""Intents, commands, reports and halts as real entries in a real replica."""

import pytest

from crdt.entry import Entry, Lane
from crdt.replica import Offer, Replica
from mesh.coordination.models import Models
from mesh.orchestration.candidates import Candidates
from mesh.orchestration.command import Verb, command_key
from mesh.orchestration.errors import InvalidHaltError
from mesh.orchestration.halt import Halt, check_halt
from mesh.orchestration.halting import halt_due
from mesh.orchestration.intent import Intent, intent_key
from mesh.orchestration.records import halts_of
from mesh.orchestration.report import Outcome, Report, report_topic, report_value, seal_report
from mesh.orchestration.rollouts import Rollouts, fold_rollouts
from mesh.orchestration.tables import ROLLOUT_KEY_RULES, ROLLOUT_KINDS
from tests.laws.rollouts.world import command_of, intent_of
from tests.laws.writing import Fleet, box_of, capability, grant, key_of, put, revoke

LISTED = tuple(f"city/box-{number}" for number in range(4))


class Desk:
    """A fleet with a steward that may roll out over city, and a replica of it."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        caps = [capability("rollout", "city"), capability("rollout", "other")]
        wide = {"events": ["*"], "area": "*"}
        caps += [capability("approve", "city", **wide), capability("put", "")]
        self.fleet.declare(
            grant("steward", "city", 1, 1, caps),
            grant("clerk", "clerk", 1, 1, [capability("put", "")]),
            *(grant(name, name, 3, 1, box_of(name)) for name in LISTED),
        )
        self.heads: dict[tuple[str, Lane], Entry] = {}
        self.replica = Replica(self.fleet.genesis, ROLLOUT_KEY_RULES, kinds=ROLLOUT_KINDS)
        for statement in self.fleet.statements:
            self.replica.offer_root(statement)

    def write(self, label: str, said: tuple[str, object], lane: Lane = Lane.AUTH) -> Entry:
        entry = self.fleet.write(label, said, after=self.heads.get((label, lane)), lane=lane)
        self.heads[label, lane] = entry
        assert self.replica.offer(entry) is Offer.STORED
        return entry

    def propose(self, intent: Intent, label: str = "steward") -> Entry:
        return self.write(label, put(intent_key(intent.scope, intent.id), intent.to_value()))

    def report(self, intent: Intent, name: str, outcome: Outcome) -> Report:
        report = Report(
            ns=self.fleet.genesis.ns,
            key=key_of(name).public,
            intent=intent.id,
            name=name,
            attempt=1,
            outcome=outcome,
            artefact=intent.artefact,
        )
        return seal_report(report, key_of(name))

    def fold(self) -> Rollouts:
        replica = self.replica
        return fold_rollouts(
            replica.authority,
            replica.registers,
            replica.status(Lane.FLEET),
            halts_of(replica.authority, replica.entries()),
            {intent_of("x", LISTED).cohort: LISTED},
        )


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_intent_counts_under_the_verb_over_its_scope(desk: Desk):
    mine = intent_of("x", LISTED)
    desk.propose(mine)
    desk.propose(intent_of("y", LISTED), label="clerk")
    desk.propose(intent_of("z", LISTED, scope="", within=""))
    assert set(desk.fold().by_id) == {mine.id}


def test_no_other_value_takes_the_place_of_an_intent(desk: Desk):
    mine, other = intent_of("x", LISTED), intent_of("y", LISTED)
    first = desk.propose(mine)
    desk.write("steward", put(intent_key("city", mine.id), other.to_value(), first))
    desk.write("steward", put(intent_key("city", mine.id), "junk", first))
    desk.write("steward", put(intent_key("other", mine.id), mine.to_value()))
    assert desk.fold().by_id[mine.id].intent == mine
    assert list(desk.fold().by_id) == [mine.id]


def test_an_abort_outlives_a_later_resume_of_the_same_author(desk: Desk):
    mine = intent_of("x", LISTED)
    desk.propose(mine)
    for number, verb in enumerate((Verb.PAUSE, Verb.ABORT, Verb.RESUME, Verb.UNDO)):
        command = command_of(verb, mine, number)
        desk.write("steward", put(command_key("city", command), command.to_value()))
    rollout = desk.fold().by_id[mine.id]
    assert (rollout.ended, rollout.dead) == (Verb.ABORT, "aborted")
    assert len(rollout.pauses) == 1


def test_a_command_under_another_scope_or_key_says_nothing(desk: Desk):
    mine = intent_of("x", LISTED)
    desk.propose(mine)
    command = command_of(Verb.ABORT, mine)
    desk.write("steward", put(command_key("other", command), command.to_value()))
    desk.write("clerk", put(command_key("city", command), command.to_value()))
    wrong = command_key("city", command_of(Verb.PAUSE, mine))
    desk.write("steward", put(wrong, command.to_value()))
    assert desk.fold().by_id[mine.id].ended is None


def test_reports_show_alone_and_in_snapshots_and_a_halt_proves_them(desk: Desk):
    mine = intent_of("x", LISTED)
    desk.propose(mine)
    failed = desk.report(mine, LISTED[0], Outcome.FAILED)
    topic = report_topic(mine.id, LISTED[0])
    desk.write(LISTED[0], ("report", report_value(failed)), Lane.FLEET)
    assert desk.fold().by_id[mine.id].reports == {LISTED[0]: failed}
    desk.write(LISTED[0], ("snap", {"map": {topic: report_value(failed)}}), Lane.FLEET)
    rollout = desk.fold().by_id[mine.id]
    assert rollout.reports == {LISTED[0]: failed}
    halt = halt_due(rollout)
    if halt is None:  # the box is not in the first stage, and the halt is of a later one
        pytest.fail("one of four that fails is a halt in some stage")
    check_halt(halt)
    entry = desk.write(LISTED[1], ("halt", halt.to_value()))
    assert desk.fold().by_id[mine.id].halts == (entry.id,)
    assert desk.fold().by_id[mine.id].dead == "halted"
    cut = [[Lane.AUTH, 0, entry.seq, entry.id]]
    desk.fleet.declare(revoke(LISTED[1], LISTED[1], cut))
    desk.replica.offer_root(desk.fleet.statements[-1])
    assert not desk.fold().by_id[mine.id].halts
    assert desk.fold().by_id[mine.id].holds == (entry.id,)


def test_a_report_under_anothers_name_or_key_says_nothing(desk: Desk):
    mine = intent_of("x", LISTED)
    desk.propose(mine)
    theirs = desk.report(mine, LISTED[0], Outcome.FAILED)
    desk.write(LISTED[1], ("report", report_value(theirs)), Lane.FLEET)
    desk.write(LISTED[2], ("report", {"report": b"junk"}), Lane.FLEET)
    topic = report_topic(mine.id, LISTED[3])
    desk.write(LISTED[3], ("snap", {"map": {topic: report_value(theirs)}}), Lane.FLEET)
    assert not desk.fold().by_id[mine.id].reports


def test_a_halt_of_malformed_or_unsigned_reports_folds_as_nothing(desk: Desk):
    mine = intent_of("x", LISTED)
    desk.propose(mine)
    bad = desk.report(mine, LISTED[0], Outcome.FAILED)
    forged = {"intent": mine.id, "stage": 0, "reports": [bytes(64) + bad.raw]}
    twice = {"intent": mine.id, "stage": 0, "reports": [bad.wire, bad.wire]}
    for body in (forged, twice, {"intent": mine.id}, {**forged, "stage": True}, "x",
                 {**forged, "reports": []}, {**forged, "reports": [1]}):  # fmt: skip
        desk.write(LISTED[1], ("halt", body))
    assert not halts_of(desk.replica.authority, desk.replica.entries())
    with pytest.raises(InvalidHaltError, match="ascending by name"):
        check_halt(Halt(mine.id, 0, (bad, bad)))


def test_a_candidate_is_heard_from_the_intent_until_it_is_withdrawn(desk: Desk):
    mine = intent_of("x", LISTED)

    def heard() -> bool:
        registers = desk.replica.registers
        candidates = Candidates(registers, Models(registers))
        assert "digests" in repr(candidates)
        return candidates.accepts(
            mine.artefact, "traffic.near_miss", bytes.fromhex("0891f1d48177ffff")
        )

    def record(state: str) -> dict[str, object]:
        return {"digest": mine.artefact, "state": state, "events": ["traffic.*"], "area": "*"}

    desk.write("steward", put("model/city/x", record("candidate")))
    assert not heard(), "an intent is wanted too"
    desk.propose(mine)
    assert heard()
    command = command_of(Verb.ABORT, mine)
    desk.write("steward", put(command_key("city", command), command.to_value()))
    assert heard(), "what boxes run is one thing, what they hear another"
    desk.write("steward", put("model/city/x", record("withdrawn")))
    assert not heard()
