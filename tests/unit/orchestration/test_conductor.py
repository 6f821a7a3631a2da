"""One conductor alone: what it decides, says and remembers, case by case."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.standing import Pair
from mesh.coordination.presence import Presence
from mesh.orchestration.chores import REPORTS_MAX
from mesh.orchestration.command import Verb
from mesh.orchestration.conductor import Conductor
from mesh.orchestration.explain import counted, explain, forgivable
from mesh.orchestration.goals import (
    Answer,
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
from mesh.orchestration.intent import Gate, Intent, Stage
from mesh.orchestration.memory import IntentMemory, Memory, Phase, Running, SlotMemory
from mesh.orchestration.report import Metrics, Outcome, Report, report_topic
from mesh.orchestration.reporting import AGAIN_NS
from mesh.orchestration.rollouts import Rollouts
from mesh.orchestration.sight import Sight, is_partitioned, sight_of
from mesh.units import MS
from tests.laws.rollouts import oracle, world
from tests.laws.rollouts.world import (
    DELIVERED,
    GENESIS,
    SLOT,
    HaltEntry,
    Put,
    Record,
    Revoked,
    command_of,
    commanded,
    conductor_of,
    digest_of,
    intent_of,
    model,
    names,
    proposed,
    report_of,
    stated,
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
    refuses: bool = False

    def __post_init__(self) -> None:
        self.pairs = [Pair(public(name), name) for name in dict.fromkeys((*LISTED, self.name))]
        self.conductor = conductor_of(self.name, labels=self.labels, memory=self.memory)

    @property
    def rollouts(self) -> Rollouts:
        return view_of(self.records, self.pairs).fold(self.lists)

    def look(self, **sight: object) -> list[Effect]:
        seen = replace(Sight(seen=frozenset(LISTED), linked=self.linked), **sight)
        return self.heard(self.conductor.look(self.rollouts, seen, self.now_ns))

    def answer(self, answer: Answer, artefact: bytes = INTENT.artefact) -> list[Effect]:
        return self.heard(self.conductor.answer(SLOT, artefact, answer, self.now_ns))

    def heard(self, effects: tuple[Effect, ...]) -> list[Effect]:
        for number, effect in enumerate(effects):
            if isinstance(effect, Say) and not self.refuses:
                self.state(effect.report)
            assert number == 0 or not isinstance(effect, Keep), "memory first"
        return list(effects)

    def state(self, report: Report) -> None:
        self.records.append(stated(report, len(self.records)))

    def again(self, **changes: object) -> "Bench":
        """The next life of the box, from what is on its disk."""
        memory = Memory.parse(self.conductor.memory.encode())
        return replace(self, memory=memory, records=list(self.records), **changes)

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
    assert bench.answer(Good(Metrics(10_000))) == [Wake(AGAIN_NS)], "to see whether it shows"
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
    again = bench.again()
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
    bench.records = [each for each in bench.records if not isinstance(each, world.Statement)]
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


@pytest.mark.parametrize(("said_by", "lacks"), [(0, "2 more reports"), (1, "1 more report")])
def test_explain_counts_as_people_do(said_by: int, lacks: str):
    bench = Bench(name=RANKED[3])
    for name in RANKED[:said_by]:
        bench.state(report_of(INTENT, name, Outcome.GOOD, metrics=Metrics(1)))
    bench.look()
    sight = Sight(seen=frozenset(LISTED))
    told = explain(bench.rollouts.by_id[INTENT.id], sight, bench.held, now_ns=0, soaks={})
    assert told.needs == (lacks,)
    assert told.why == (f"stage 0: {said_by} of 2 reports, base 2",)


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 boxes"), (1, "1 box"), (2, "2 boxes"), (11, "11 boxes")]
)
def test_what_is_counted_is_one_or_several(count: int, told: str):
    assert counted(count, "box", "boxes") == told
    assert counted(count, "name") == told.replace("boxes", "names").replace("box", "name")


def test_explain_names_what_holds():
    bench = Bench(name=RANKED[3])
    bench.state(report_of(INTENT, ME, Outcome.FAILED, reason="night"))
    bench.state(report_of(INTENT, OTHER, Outcome.STARTED))
    bench.look()

    def told(**sight: object):
        seen = replace(Sight(seen=frozenset(LISTED)), **sight)
        return explain(bench.rollouts.by_id[INTENT.id], seen, bench.held, now_ns=0, soaks={})

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
    together = tuple(sorted((keys[0], keys[3])))
    presence = Presence(me=keys[0], together=together, dark=(keys[1], keys[2]), unknown=(twin.key,))
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


@pytest.mark.parametrize(
    "shown",
    [
        report_of(INTENT, ME, Outcome.FAILED),
        report_of(INTENT, ME, Outcome.BACK, attempt=2),
        report_of(INTENT, ME, Outcome.FAILED, attempt=3),
    ],
)
@pytest.mark.parametrize("answers", [0, 1, 2])
def test_a_memory_older_than_its_own_word_gives_way_to_it(shown: Report, answers: int):
    bench = Bench()
    for answer in (Waiting("no room"), Started())[:answers]:
        bench.look()
        bench.answer(answer)
    bench.state(shown)
    bench = bench.again()
    assert not said(bench.look())
    assert (bench.held.phase, bench.held.report) == (None, shown)
    assert bench.runs == DELIVERED
    assert not bench.conductor.awaited
    bench.records.append(commanded(INTENT, command_of(Verb.RESUME, INTENT, forgives=(shown.id,))))
    bench.look()
    assert (bench.held.phase, bench.held.attempt) == (Phase.PREPARING, shown.attempt + 1)


def test_who_told_two_failures_of_one_attempt_starts_again_with_both_forgiven():
    one, other = (report_of(INTENT, ME, Outcome.FAILED, reason=reason) for reason in "ab")
    resume = command_of(Verb.RESUME, INTENT, forgives=(one.id,))
    bench = Bench(memory=Memory({}, {INTENT.id: IntentMemory(1, None, one)}))
    bench.records.append(commanded(INTENT, resume))
    bench.state(other)
    bench.look()
    assert bench.held.phase is None
    more = command_of(Verb.RESUME, INTENT, 2, forgives=(other.id,))
    bench.records.append(commanded(INTENT, more))
    bench.look()
    assert bench.held.phase is Phase.PREPARING


def test_a_running_attempt_goes_on_over_the_word_of_an_earlier_one():
    bench = Bench(memory=Memory({}, {INTENT.id: IntentMemory(2, Phase.SWAPPING)}))
    bench.state(report_of(INTENT, ME, Outcome.BACK))
    bench.look()
    assert (bench.held.phase, bench.held.attempt) == (Phase.SWAPPING, 2)


def test_who_was_alone_before_it_lost_power_leaves_a_trace_now():
    bench = Bench(linked=False, refuses=True)
    bench.look()
    bench.answer(Started())
    bench.look()
    assert bench.held.phase is Phase.SWAPPING
    again = bench.again(linked=True, refuses=False)
    assert said(again.look()) == [Outcome.STARTED]
    assert (again.held.phase, again.conductor.goals[SLOT].swap) == (Phase.SWAPPING, False)
    again.records.append(commanded(INTENT, command_of(Verb.PAUSE, INTENT)))
    again.look()
    assert again.runs == INTENT.artefact, "it may have swapped already"
    swapped = again.again()
    swapped.look()
    assert said(swapped.answer(Good(Metrics(1)))) == [Outcome.GOOD], "as it now says"
    (awaited,) = again.conductor.awaited
    effects = again.heard(again.conductor.report_held(awaited, 0))
    assert [each.goal.swap for each in effects if isinstance(each, Run)] == [True]
    assert not again.conductor.awaited


@pytest.mark.parametrize("answers", [1, 2, 3])
def test_what_was_kept_and_never_said_is_said_in_the_next_life(answers: int):
    bench = Bench(linked=False)
    bench.look()
    for number, answer in enumerate((Waiting("no room"), Started(), Good(Metrics(1)))[:answers]):
        bench.refuses = number == answers - 1
        bench.answer(answer)
    kept = bench.held.report
    again = bench.again(refuses=False, linked=True)
    effects = again.look()
    assert [each.report for each in effects if isinstance(each, Say)] == [kept]
    assert not said(again.look()), "once it shows it is not said again"
    assert not said(again.again().look()), "nor in another life"
    if again.conductor.awaited:
        (awaited,) = again.conductor.awaited
        again.heard(again.conductor.report_held(awaited, 0))
        assert again.held.phase is Phase.SWAPPING


def test_what_the_disk_refused_is_said_again_after_a_while_and_not_before():
    bench = Bench(refuses=True)
    bench.look()
    assert Wake(AGAIN_NS) in bench.answer(Started())
    bench.now_ns = AGAIN_NS - 1
    effects = bench.look()
    assert not said(effects)
    assert Wake(AGAIN_NS) in effects
    bench.now_ns = AGAIN_NS
    assert said(bench.look()) == [Outcome.STARTED]
    bench.refuses, bench.now_ns = False, 2 * AGAIN_NS
    assert said(bench.look()) == [Outcome.STARTED]
    assert not [each for each in bench.look() if isinstance(each, Wake)]


@pytest.mark.parametrize(
    "shown",
    [
        report_of(INTENT, ME, Outcome.FAILED),
        report_of(INTENT, ME, Outcome.GOOD, metrics=Metrics(50_000)),
        report_of(INTENT, ME, Outcome.BACK),
        report_of(INTENT, ME, Outcome.WAITING, attempt=2),
        report_of(INTENT, ME, Outcome.FAILED, label="twin"),
    ],
)
def test_no_earlier_or_better_word_is_said_over_what_the_view_shows(shown: Report):
    bench = Bench().up()
    bench.state(shown)
    bench.pairs.append(Pair(shown.key, ME))
    bench.now_ns = AGAIN_NS
    assert not said(bench.look())


def test_a_twin_that_reports_less_hides_nothing_and_silences_nobody():
    bench = Bench(refuses=True).up()
    bench.refuses = False
    twin = report_of(INTENT, ME, Outcome.STARTED, label="twin")
    bench.pairs.append(Pair(twin.key, ME))
    bench.state(twin)
    bench.now_ns = AGAIN_NS
    assert said(bench.look()) == [Outcome.GOOD]
    bench.now_ns *= 2
    assert not said(bench.look())


def test_who_is_revoked_says_nothing_again():
    bench = Bench(refuses=True).up()
    bench.records.append(Revoked(Pair(public(ME), ME)))
    bench.now_ns = AGAIN_NS
    assert not said(bench.look())


def test_a_box_that_starts_an_approved_model_takes_out_its_last_report_too():
    bench = Bench(records=[proposed(INTENT), model(INTENT.artefact, "approved")])
    bench.look()
    for answer in (Waiting("no room"), Started()):
        effects = bench.answer(answer)
        assert not [each for each in effects if isinstance(each, Unsay)], "more is to come"
        bench.look()
    (awaited,) = bench.conductor.awaited
    bench.heard(bench.conductor.report_held(awaited, 0))
    gone = Unsay(report_topic(INTENT.id, ME))
    assert gone in bench.answer(Good(Metrics(1)))
    assert gone not in bench.look()
    assert gone in bench.again().look(), "a snapshot of before the restart was never written"
    bench.records.append(commanded(INTENT, command_of(Verb.ABORT, INTENT)))
    effects = bench.look()
    assert said(effects) == [Outcome.BACK]
    assert gone in effects, "another word, taken out as well"


def test_what_stands_against_an_approved_model_is_said_until_it_is_forgiven():
    bench = Bench().up()
    bench.records.append(model(INTENT.artefact, "approved"))
    gone = Unsay(report_topic(INTENT.id, ME))
    assert gone in bench.look()
    effects = bench.answer(Failed("died"))
    assert said(effects) == [Outcome.FAILED]
    assert gone not in effects
    assert bench.runs == DELIVERED, "it goes back by itself"
    assert not [each for each in bench.look() if isinstance(each, Sign | Unsay)]
    assert gone not in bench.again().look()
    (bad,) = forgivable(bench.rollouts.by_id[INTENT.id], Sight(seen=frozenset(LISTED)))
    resume = command_of(Verb.RESUME, INTENT, forgives=(bad,))
    bench.records.append(commanded(INTENT, resume))
    paused = bench.again()
    paused.records.append(commanded(INTENT, command_of(Verb.PAUSE, INTENT)))
    assert gone in paused.look(), "nothing stands, and nothing starts"
    bench.look()
    assert bench.held.phase is Phase.PREPARING, "it tries again"
    assert bench.held.attempt == 2


def test_one_bad_report_halts_a_candidate_and_no_approved_model():
    bad = report_of(INTENT, OTHER, Outcome.FAILED)
    for state, signs in (("candidate", True), ("approved", False), ("superseded", False)):
        bench = Bench(records=[proposed(INTENT), model(INTENT.artefact, state)])
        bench.state(bad)
        assert bool([each for each in bench.look() if isinstance(each, Sign)]) is signs


@pytest.mark.parametrize("state", ["candidate", "approved", "superseded"])
def test_every_stage_of_an_approved_model_is_open_before_the_sync_and_in_a_cut(state: str):
    records = [proposed(INTENT), model(INTENT.artefact, state)]
    last = RANKED[-1]
    bench = Bench(name=last, records=records)
    alone = frozenset((last,))
    bench.look(whole=False, seen=alone)
    assert (bench.runs == INTENT.artefact) is (state != "candidate")
    told = explain(
        bench.rollouts.by_id[INTENT.id],
        Sight(seen=alone, whole=False),
        IntentMemory(),
        now_ns=0,
        soaks={},
    )
    assert [stage.open for stage in told.stages] == [state != "candidate"] * 2
    assert (told.state == "complete") is (not told.why) is (state != "candidate")


def test_a_record_that_counts_no_more_opens_nothing():
    bench = Bench(name=RANKED[-1], records=[proposed(INTENT)])
    bench.records.append(model(INTENT.artefact, "approved"))
    bench.look()
    assert bench.held.phase is Phase.PREPARING
    bench.records.append(model(INTENT.artefact, "candidate", 1))
    bench.look()
    assert (bench.held.phase, bench.runs) == (None, DELIVERED)


def test_of_what_stands_against_approved_models_so_many_words_are_kept():
    intents = many(REPORTS_MAX + 3)
    held = {each.id: IntentMemory(1, None, report_of(each, ME, Outcome.FAILED)) for each in intents}
    records = [proposed(intent) for intent in intents]
    records += [model(intent.artefact, "approved") for intent in intents]
    bench = Bench(memory=Memory({}, held), records=records)
    assert len([each for each in bench.look() if isinstance(each, Unsay)]) == 3


def test_what_two_intents_name_by_one_digest_is_fetched_under_both_references():
    other = intent_of("y", LISTED, cohort_tree=digest_of("false"), slot="model/other")
    fetched = Bench(lists={}, records=[proposed(INTENT), proposed(other)]).look()
    assert {Fetch(INTENT.cohort_reference), Fetch(other.cohort_reference)} <= {*fetched}
    other = replace(INTENT, tree=digest_of("false"), slot="model/other")
    bench = Bench(records=[proposed(INTENT), proposed(other)])
    bench.conductor.deliver("model/other", DELIVERED)
    assert {Fetch(INTENT.artefact_reference), Fetch(other.artefact_reference)} <= {*bench.look()}


def many(count: int) -> list[Intent]:
    return [intent_of(f"x{number}", LISTED, scope="city") for number in range(count)]


def remembering(intents: list[Intent]) -> Bench:
    """A box that remembers a good report of each of some intents, and holds none of them."""
    held = {
        intent.id: IntentMemory(1, None, report_of(intent, ME, Outcome.GOOD, metrics=Metrics(1)))
        for intent in intents
    }
    return Bench(memory=Memory({}, held), records=[])


def test_before_everybody_was_asked_no_report_is_given_up():
    bench = remembering(many(REPORTS_MAX + 8))
    assert not [each for each in bench.look(whole=False) if isinstance(each, Unsay)]
    assert len(bench.conductor.memory.intents) == REPORTS_MAX + 8
    taken = [each for each in bench.look() if isinstance(each, Unsay)]
    assert len(taken) == 8
    assert len(bench.conductor.memory.intents) == REPORTS_MAX + 8, "taken out before forgotten"
    bench.look()
    assert len(bench.conductor.memory.intents) == REPORTS_MAX


@given(st.lists(st.tuples(st.sets(st.integers(0, 5)), st.booleans()), min_size=1, max_size=12))
def test_nothing_is_kept_of_what_vanished_but_what_runs_ran_or_is_still_said(
    views: list[tuple[set[int], bool]],
):
    bench, intents = Bench(linked=False, lists={}), many(6)
    bench.conductor.deliver("model/other", DELIVERED)
    for number, intent in enumerate(intents):
        bench.lists |= {intent.cohort: LISTED}
        if number % 2:
            intents[number] = replace(intent, scope="city", slot="model/other")
    for shown, whole in views:
        bench.records = [each for each in bench.records if isinstance(each, world.Statement)]
        bench.records += [proposed(intents[number]) for number in sorted(shown)]
        bench.now_ns += 700 * MS
        bench.look(whole=whole)
        for goal in bench.conductor.goals.values():
            if goal.artefact is not None:
                bench.heard(bench.conductor.answer(goal.slot, goal.artefact, Started(), 0))
                bench.heard(bench.conductor.answer(goal.slot, goal.artefact, Good(), 0))
        memory, in_view = bench.conductor.memory, bench.rollouts.by_id
        named = {
            each.intent
            for slot in memory.slots.values()
            for each in (slot.current, *slot.past)
            if each is not None
        }
        for identifier, held in memory.intents.items():
            kept = identifier in in_view or identifier in named or held.report is not None
            assert kept or not whole, "remembered for ever"
        soaks = {
            intent.id
            for intent in intents
            if bench.conductor.soak_began_ns(intent.id, 0) is not None
        }
        assert soaks <= set(in_view), "a soak of what is not there"


def test_what_a_slot_runs_or_ran_is_remembered_with_who_brought_it():
    ran, gone = many(2)
    past = SlotMemory(Running(DELIVERED), (Running(ran.artefact, ran.id),))
    held = {intent.id: IntentMemory(attempt=3) for intent in (ran, gone)}
    bench = Bench(memory=Memory({SLOT: past}, held), records=[])
    bench.look()
    assert bench.conductor.memory.intents == {ran.id: IntentMemory(attempt=3)}


def test_an_intent_that_vanished_and_returns_finds_no_old_soak():
    bench = Bench().up()
    bench.state(report_of(INTENT, OTHER, Outcome.GOOD, metrics=Metrics(1)))
    bench.look()
    assert bench.conductor.soak_began_ns(INTENT.id, 0) == 0
    intent = bench.records.pop(0)
    bench.look(whole=False)
    bench.records.insert(0, intent)
    bench.now_ns = 1000 * MS
    bench.look()
    assert bench.conductor.soak_began_ns(INTENT.id, 0) == 1000 * MS
    assert not bench.held.is_open(1)
