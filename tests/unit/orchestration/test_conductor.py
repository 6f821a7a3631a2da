"""One conductor alone: what it decides, says and remembers, case by case."""

from dataclasses import dataclass, field, replace

from crdt.standing import Pair
from mesh.coordination.presence import Presence
from mesh.orchestration.command import Verb
from mesh.orchestration.conductor import Conductor
from mesh.orchestration.explain import explain, forgivable
from mesh.orchestration.goals import (
    Effect,
    Failed,
    Fetch,
    Good,
    Keep,
    Run,
    Say,
    Sign,
    Started,
    Unsay,
    Waiting,
    Wake,
)
from mesh.orchestration.halt import Halt
from mesh.orchestration.intent import Gate, Stage
from mesh.orchestration.memory import IntentMemory, Memory, Phase, Running
from mesh.orchestration.report import Metrics, Outcome, report_topic, report_value
from mesh.orchestration.rollouts import Rollouts
from mesh.orchestration.sight import Sight, is_partitioned, sight_of
from mesh.units import MS
from tests.laws.rollouts import oracle
from tests.laws.rollouts.world import (
    DELIVERED,
    GENESIS,
    SLOT,
    HaltEntry,
    Put,
    Record,
    Revoked,
    Statement,
    command_of,
    commanded,
    intent_of,
    model,
    names,
    proposed,
    report_of,
    view_of,
)
from tests.laws.writing import key_of, public

LISTED = names(4)
GATE = Gate(min_reports_ppm=1_000_000, success_ppm=700_000, p95_us_max=40_000)
INTENT = intent_of("x", LISTED, gate=GATE, stages=(Stage(500_000, 1000), Stage(1_000_000)))
RANKED = oracle.ranked(INTENT, LISTED)
ME, OTHER = RANKED[0], RANKED[1]


@dataclass
class Bench:
    """A conductor with what it holds."""

    name: str = ME
    memory: Memory | None = None
    linked: bool = True
    records: list[Record] = field(default_factory=lambda: [proposed(INTENT)])
    lists: dict[bytes, tuple[str, ...]] = field(default_factory=lambda: {INTENT.cohort: LISTED})
    labels: dict[str, str] = field(default_factory=dict)
    now_ns: int = 0

    def __post_init__(self) -> None:
        self.conductor = Conductor(
            ns=GENESIS.ns, secret=key_of(self.name), name=self.name, labels=self.labels,
            memory=self.memory,
        )  # fmt: skip
        self.conductor.deliver(SLOT, DELIVERED)

    @property
    def rollouts(self) -> Rollouts:
        pairs = [Pair(public(name), name) for name in dict.fromkeys((*LISTED, self.name))]
        return view_of(self.records, pairs).fold(self.lists)

    def look(self, **sight: object) -> list[Effect]:
        fields = {"seen": frozenset(LISTED), "linked": self.linked, **sight}
        effects = self.conductor.look(self.rollouts, Sight(**fields), self.now_ns)  # pyright: ignore
        return self.heard(effects)

    def answer(self, answer, artefact: bytes = INTENT.artefact) -> list[Effect]:
        return self.heard(self.conductor.answer(SLOT, artefact, answer, self.now_ns))

    def heard(self, effects: tuple[Effect, ...]) -> list[Effect]:
        for number, effect in enumerate(effects):
            if isinstance(effect, Say):
                self.state(effect.report)
            assert number == 0 or not isinstance(effect, Keep), "memory first"
        return list(effects)

    def state(self, report) -> None:
        pair = Pair(report.key, report.name)
        self.records.append(
            Statement(pair, report_topic(report.intent, report.name), len(self.records),
                      report_value(report))
        )  # fmt: skip

    @property
    def held(self) -> IntentMemory:
        return self.conductor.memory.intents[INTENT.id]

    @property
    def runs(self) -> bytes | None:
        return self.conductor.goals[SLOT].artefact

    def up(self) -> "Bench":
        """Run the intent's artefact."""
        self.linked = False
        self.look()
        self.answer(Started())
        self.answer(Good(Metrics(10_000)))
        assert self.held.report is not None
        assert self.held.report.outcome is Outcome.GOOD
        return self


def said(effects: list[Effect]) -> list[Outcome]:
    return [effect.report.outcome for effect in effects if isinstance(effect, Say)]


def test_an_attempt_from_the_goal_to_the_good_report():
    bench = Bench()
    effects = bench.look()
    assert isinstance(effects[0], Keep)
    assert [each for each in effects if isinstance(each, Fetch)] == [
        Fetch(INTENT.artefact_reference)
    ]
    goal = bench.conductor.goals[SLOT]
    assert (goal.artefact, goal.intent, goal.swap) == (INTENT.artefact, INTENT.id, False)
    assert said(bench.answer(Waiting("no room"))) == [Outcome.WAITING]
    assert said(bench.answer(Waiting("no room"))) == []
    assert said(bench.answer(Good())) == [], "it may not swap yet"
    assert said(bench.answer(Started())) == [Outcome.STARTED]
    assert not bench.conductor.goals[SLOT].swap
    assert said(bench.answer(Waiting("late"))) == []
    assert said(bench.answer(Started())) == []
    bench.conductor.report_held(bytes(32), 0)
    assert bench.held.phase is Phase.STARTED
    (awaited,) = bench.conductor.awaited
    effects = bench.heard(bench.conductor.report_held(awaited, 0))
    assert [each.goal.swap for each in effects if isinstance(each, Run)] == [True]
    assert said(bench.answer(Good(Metrics(10_000)))) == [Outcome.GOOD]
    assert bench.conductor.memory.slots[SLOT].current == Running(INTENT.artefact, INTENT.id)
    assert bench.answer(Good(Metrics(10_000))) == []
    assert "1 slots" in repr(bench.conductor)


def test_a_pause_before_the_swap_takes_the_started_report_back_and_after_it_does_not():
    bench = Bench()
    bench.look()
    bench.answer(Started())
    pause = command_of(Verb.PAUSE, INTENT)
    bench.records.append(commanded(INTENT, pause))
    assert said(bench.look()) == [Outcome.BACK]
    assert bench.runs == DELIVERED
    assert not bench.conductor.awaited
    bench.records.append(commanded(INTENT, command_of(Verb.RESUME, INTENT, names=(pause.id,))))
    bench.look()
    assert bench.held.attempt == 2
    bench.linked = False
    bench.answer(Started())
    bench.look()
    assert bench.held.phase is Phase.SWAPPING
    bench.records.append(commanded(INTENT, command_of(Verb.PAUSE, INTENT, 9)))
    bench.look()
    assert bench.runs == INTENT.artefact, "a freeze is no rollback"


def test_a_failure_stays_bad_and_is_tried_again_only_when_it_is_forgiven():
    bench = Bench(records=[proposed(INTENT)]).up()
    assert said(bench.answer(Failed("no\ninference"))) == [Outcome.FAILED]
    report = bench.held.report
    assert report is not None
    assert report.reason == "no inference"
    assert bench.runs == DELIVERED
    assert said(bench.answer(Good(Metrics(10_000)), DELIVERED)) == []
    bench.look()
    rollout = bench.rollouts.by_id[INTENT.id]
    assert forgivable(rollout, Sight(seen=frozenset(LISTED))) == (report.id,)
    bench.records.append(commanded(INTENT, command_of(Verb.RESUME, INTENT)))
    bench.look()
    assert bench.held.phase is None, "that resume forgives nothing"
    resume = command_of(Verb.RESUME, INTENT, 2, forgives=(report.id,))
    bench.records.append(commanded(INTENT, resume))
    bench.look()
    assert (bench.held.phase, bench.held.attempt) == (Phase.PREPARING, 2)


def test_a_report_that_turns_bad_stays_bad_though_the_box_measures_well_again():
    bench = Bench().up()
    assert said(bench.answer(Good(Metrics(50_000)))) == [Outcome.GOOD]
    assert bench.held.report is not None
    assert bench.held.report.metrics.p95_us == 50_000
    assert said(bench.answer(Good(Metrics(10_000)))) == []
    assert bench.runs == INTENT.artefact
    bench.look()
    failed = bench.answer(Failed("died"))
    assert said(failed) == [], "bad is said already"
    assert bench.runs == DELIVERED
    bench.records.append(commanded(INTENT, command_of(Verb.ABORT, INTENT)))
    assert said(bench.look()) == []


def test_a_bad_attempt_is_not_made_good_by_a_later_word_of_the_same_attempt():
    bench = Bench()
    bench.look()
    bench.answer(Started())
    bench.linked = False
    bench.look()
    bench.answer(Good(Metrics(50_000)))
    before = bench.held.report
    bench.conductor._hear_of_trial(bench.rollouts.by_id[INTENT.id], Waiting("x"))
    assert bench.held.report == before
    saying = bench.conductor._reporting
    rollout = bench.rollouts.by_id[INTENT.id]
    assert saying.say(bench.held, rollout, Outcome.GOOD, Metrics(1)) == bench.held


def test_a_box_that_lost_its_memory_holds_what_its_own_report_forbids():
    bench = Bench(linked=False)
    bench.state(report_of(INTENT, ME, Outcome.BACK, attempt=3))
    bench.look()
    assert (bench.held.phase, bench.held.attempt) == (None, 3)
    bench.records.append(commanded(INTENT, command_of(Verb.RESUME, INTENT)))
    bench.look()
    assert bench.held.attempt == 4
    running = Bench()
    running.state(report_of(INTENT, ME, Outcome.GOOD, attempt=3, metrics=Metrics(1)))
    running.look()
    assert running.held.attempt == 4


def test_a_crash_recovers_to_the_phase_that_was_written_down():
    bench = Bench(linked=False)
    bench.look()
    bench.answer(Started())
    again = Bench(memory=Memory.parse(bench.conductor.memory.encode()), records=bench.records)
    again.look()
    assert again.conductor.goals[SLOT].swap
    assert again.held.attempt == 1
    assert said(again.answer(Good(Metrics(1)))) == [Outcome.GOOD]


def test_an_intent_that_vanished_is_dead_once_everybody_was_asked():
    bench = Bench().up()
    bench.records = []
    bench.look(whole=False)
    assert bench.runs == INTENT.artefact
    bench.look()
    assert bench.runs == DELIVERED
    preparing = Bench()
    preparing.look()
    preparing.records = []
    preparing.look(whole=False)
    preparing.look()
    assert preparing.held.phase is None
    assert preparing.answer(Failed("late")) == []


def test_with_nothing_to_go_back_to_a_slot_runs_nothing():
    bench = Bench(linked=False)
    bench.conductor = Conductor(ns=GENESIS.ns, secret=key_of(ME), name=ME)
    bench.look()
    assert SLOT not in bench.conductor.goals, "a slot that it has not is none of its business"
    bench.conductor.deliver(SLOT, None)
    bench.look()
    bench.answer(Started())
    bench.answer(Good(Metrics(1)))
    bench.records.append(commanded(INTENT, command_of(Verb.UNDO, INTENT)))
    bench.look()
    assert bench.conductor.goals[SLOT].artefact is None


def test_a_soak_wakes_the_box_and_begins_anew_when_the_gate_stops_passing():
    bench = Bench().up()
    bench.state(report_of(INTENT, OTHER, Outcome.GOOD, metrics=Metrics(1)))
    assert Wake(1000 * MS) in bench.look()
    assert bench.conductor.soak_began_ns(INTENT.id, 0) == 0
    rollout = bench.rollouts.by_id[INTENT.id]
    told = explain(
        rollout, Sight(seen=frozenset(LISTED)), bench.held, now_ns=500 * MS, soaks={0: 0}
    )
    assert told.needs == ("1 s more without a change",)
    bench.now_ns = 500 * MS
    good = bench.records.pop()
    bench.look()
    assert bench.conductor.soak_began_ns(INTENT.id, 0) is None
    bench.records.append(good)
    bench.look()
    bench.now_ns = 1200 * MS
    bench.look()
    assert not bench.held.is_open(1)
    bench.now_ns = 1500 * MS
    bench.look()
    assert bench.held.is_open(1)
    assert len(bench.held.latches[-1].reports) == 2


def test_stages_open_anew_from_the_first_where_halt_and_resume_come_together():
    bench = Bench(name=RANKED[3])
    for name in (ME, OTHER):
        bench.state(report_of(INTENT, name, Outcome.GOOD, metrics=Metrics(1)))
    bench.look()
    bench.now_ns = 1000 * MS
    bench.look()
    assert bench.held.is_open(1)
    bad = report_of(INTENT, ME, Outcome.FAILED, attempt=2)
    resume = command_of(Verb.RESUME, INTENT, forgives=(bad.id,))
    entry = HaltEntry(Pair(public(OTHER), OTHER), Halt(INTENT.id, 0, (bad,)))
    bench.records += [entry, commanded(INTENT, resume)]
    bench.look()
    assert [latch.stage for latch in bench.held.latches] == [0], "another era, another soak"
    assert bench.held.latches[0].era == (resume.id,)
    bench.now_ns = 2000 * MS
    bench.look()
    assert bench.held.is_open(1)
    bench.records = [each for each in bench.records if not isinstance(each, Statement)]
    other = Bench(name=RANKED[3], records=bench.records)
    other.look()
    assert [latch.stage for latch in other.held.latches] == [0]


def test_a_halt_is_signed_once_by_a_current_name():
    bench = Bench(name=RANKED[3])
    bench.state(report_of(INTENT, ME, Outcome.FAILED))
    (halt,) = [each.halt for each in bench.look() if isinstance(each, Sign)]
    assert (halt.stage, [report.name for report in halt.reports]) == (0, [ME])
    assert not [each for each in bench.look() if isinstance(each, Sign)]
    late = Bench(name=RANKED[2], records=list(bench.records))
    late.records.append(HaltEntry(Pair(public(RANKED[3]), RANKED[3]), halt))
    assert not [each for each in late.look() if isinstance(each, Sign)], "one counts"
    paused = replace(INTENT, on_failure="pause")
    bad = report_of(paused, ME, Outcome.FAILED)
    late = Bench(name=RANKED[2], records=[proposed(paused)])
    late.state(bad)
    late.records.append(HaltEntry(Pair(public(ME), ME), Halt(paused.id, 0, (bad,))))
    assert not [each for each in late.look() if isinstance(each, Sign)], "one counts"
    revoked = Bench(name=RANKED[3], records=list(bench.records))
    revoked.records.append(Revoked(Pair(public(RANKED[3]), RANKED[3])))
    assert not [each for each in revoked.look() if isinstance(each, Sign)]


def test_a_box_enrolled_later_needs_the_labels():
    intent = replace(INTENT, labels=(("camera", "true"),))
    for labels, starts in (({"camera": "true", "x": "y"}, True), ({"camera": "no"}, False)):
        bench = Bench(name="city/late", labels=labels, records=[proposed(intent)])
        bench.records.append(commanded(intent, command_of(Verb.PROMOTE, intent, stage=1)))
        bench.look()
        assert (bench.conductor.goals[SLOT].intent == intent.id) is starts
    far = Bench(name="town/late", records=[proposed(INTENT)])
    far.look()
    assert far.conductor.goals[SLOT].artefact == DELIVERED


def test_without_the_list_it_is_fetched_and_nothing_opens():
    bench = Bench(lists={})
    assert Fetch(INTENT.cohort_reference) in bench.look()
    told = explain(
        bench.rollouts.by_id[INTENT.id], Sight(seen=frozenset(LISTED)), IntentMemory(),
        now_ns=0, soaks={},
    )  # fmt: skip
    assert told.needs == ("the list, from a neighbour",)
    wrong = Bench(lists={INTENT.cohort: LISTED[:3]})
    assert Fetch(INTENT.cohort_reference) in wrong.look()


def test_reports_of_an_approved_model_are_taken_out_once():
    bench = Bench().up()
    bench.records.append(model(INTENT.artefact, "approved"))
    assert Unsay(report_topic(INTENT.id, ME)) in bench.look()
    assert not [each for each in bench.look() if isinstance(each, Unsay)]


def test_a_returning_box_jumps_to_the_newest():
    newer = intent_of("y", LISTED, gate=GATE, supersedes=(INTENT.id,), stages=INTENT.stages)
    bench = Bench(name=LISTED[0], records=[proposed(INTENT), proposed(newer)])
    for intent in (INTENT, newer):
        bench.records.append(commanded(intent, command_of(Verb.PROMOTE, intent, stage=1)))
    bench.look()
    assert bench.runs == newer.artefact
    assert bench.rollouts.by_id[INTENT.id].obstacle == f"superseded by {newer.id.hex()[:8]}"


def test_a_swap_that_ends_after_its_goal_changed_is_no_news():
    bench = Bench()
    bench.look()
    effects = bench.answer(Good(), b"\7" * 32)
    assert effects == [Fetch(INTENT.artefact_reference)], "what is wanted is said each time"


def test_explain_names_what_holds():
    bench = Bench(name=RANKED[3])
    bench.state(report_of(INTENT, ME, Outcome.FAILED, reason="night"))
    bench.state(report_of(INTENT, OTHER, Outcome.STARTED))
    bench.look()

    def told(**sight: object):
        fields = {"seen": frozenset(LISTED), **sight}
        rollout = bench.rollouts.by_id[INTENT.id]
        return explain(rollout, Sight(**fields), bench.held, now_ns=0, soaks={})  # pyright: ignore

    assert told().why == (
        "stage 0: 1 of 2 reports, base 2",
        f"stage 0: 1 bad of 1, 0 allowed; {ME}: night",
    )
    assert told(whole=False).why[0].startswith("not every linked peer")
    cut = told(seen=frozenset((RANKED[3],)))
    assert cut.why[0].startswith("this side counts itself partitioned: 3 names")
    assert (cut.stages[0].failed, cut.stages[0].unknown, cut.stages[1].unknown) == (2, 0, 1)
    lost = told(seen=frozenset(LISTED) - {OTHER})
    assert f"{ME}: night" in lost.why[-1]
    bench.records[1] = bench.records[2]
    assert "started and was not seen again" in told(seen=frozenset(LISTED) - {OTHER}).why[-1]
    for verb, need in ((Verb.PAUSE, "`resume`"), (Verb.ABORT, "another intent")):
        bench.records.append(commanded(INTENT, command_of(verb, INTENT)))
        assert need in told().needs[0]
    halted = Bench(name=RANKED[3])
    bad = report_of(INTENT, ME, Outcome.FAILED)
    halted.records.append(HaltEntry(Pair(public(OTHER), OTHER), Halt(INTENT.id, 0, (bad,))))
    halted.look()
    rollout = halted.rollouts.by_id[INTENT.id]
    shown = explain(rollout, Sight(seen=frozenset(LISTED)), halted.held, now_ns=0, soaks={})
    assert shown.needs[0].startswith("repair")
    newer = intent_of("y", LISTED, supersedes=(INTENT.id,))
    rival = intent_of("z", LISTED)
    bench.records = [proposed(INTENT), proposed(newer)]
    assert told().needs[0].startswith("nothing")
    bench.records = [proposed(INTENT), proposed(rival)]
    assert told().needs[0].startswith("abort one")
    bench.records = [proposed(INTENT), model(INTENT.artefact, "withdrawn")]
    assert told().state == "its model is withdrawn"


def test_sight_is_by_name_and_of_current_keys():
    pairs = [Pair(public(name), name) for name in LISTED]
    twin = Pair(public("twin"), LISTED[1])
    authority = view_of([Revoked(pairs[3])], [*pairs, twin]).authority
    keys = [public(name) for name in LISTED]
    presence = Presence(seen=(keys[3],), dark=(keys[1], keys[2]), unknown=(twin.key,))
    sight = sight_of(authority, presence, me=LISTED[0], linked=[keys[3]], synced=[])
    assert (sight.seen, sight.dark) == (frozenset(LISTED[:1]), frozenset(LISTED[2:3]))
    assert sight.is_unknown(LISTED[1])
    assert sight.linked
    assert not sight.whole
    assert is_partitioned(LISTED, sight)
    assert not is_partitioned(LISTED[:2], sight)
    assert isinstance(proposed(INTENT), Put)


def test_who_went_back_waits_for_a_resume_though_the_halt_is_void_now():
    bench = Bench().up()
    liar = Pair(public(OTHER), OTHER)
    entry = HaltEntry(liar, Halt(INTENT.id, 0, (report_of(INTENT, OTHER, Outcome.FAILED),)))
    bench.records.append(entry)
    assert said(bench.look()) == [Outcome.BACK]
    assert bench.runs == DELIVERED
    bench.records.append(Revoked(liar, voids=(entry.id,)))
    bench.look()
    assert bench.rollouts.by_id[INTENT.id].obstacle is None
    assert (bench.held.is_open(0), bench.held.phase) == (True, None)
    bench.records.append(commanded(INTENT, command_of(Verb.RESUME, INTENT)))
    bench.look()
    assert (bench.held.phase, bench.held.attempt) == (Phase.PREPARING, 2)


def test_what_was_delivered_is_left_and_not_gone_back_to_when_it_is_withdrawn():
    bench = Bench().up()
    bench.records += [model(DELIVERED, "withdrawn")]
    bench.records.append(commanded(INTENT, command_of(Verb.UNDO, INTENT)))
    bench.look()
    assert bench.runs is None
    alone = Bench(records=[model(DELIVERED, "withdrawn")])
    alone.look()
    assert alone.conductor.memory.slots[SLOT].current is None
