"""A small city of boxes in virtual time: conductors that exchange records over links that fail.

A box is its conductor, what it holds, a disk and a slot. Links join neighbours of a fixed graph
that are alive and on one side. Records flow over synced links only; what is seen follows the links
at once, so presence heals before reports do. A box may lose power after any part of what it decided
to do, and its disk may refuse a statement. Every start, opening, report and halt is checked here
against the oracle the moment it happens; `check` states the invariant, and `unsaid` what is owed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from crdt.standing import Pair
from mesh.orchestration.command import Command, Verb
from mesh.orchestration.conductor import Conductor
from mesh.orchestration.explain import Explanation, explain, forgivable
from mesh.orchestration.goals import (
    Effect,
    Failed,
    Goal,
    Good,
    Keep,
    Run,
    Say,
    Sign,
    Started,
    Unsay,
    Waiting,
)
from mesh.orchestration.intent import Intent
from mesh.orchestration.memory import IntentMemory, Memory
from mesh.orchestration.report import (
    Metrics,
    Outcome,
    Report,
    parse_report,
    report_topic,
)
from mesh.orchestration.rollouts import Rollouts
from mesh.orchestration.sight import Sight
from mesh.units import MS
from tests.laws.rollouts import oracle
from tests.laws.rollouts.world import (
    DELIVERED,
    SLOT,
    HaltEntry,
    Put,
    Record,
    Revoked,
    Statement,
    command_of,
    commanded,
    conductor_of,
    facts_of,
    intent_of,
    list_of,
    model,
    names,
    proposed,
    report_in,
    report_of,
    stated,
    view_of,
)
from tests.laws.writing import public

Fates = Mapping[bytes, Mapping[str, str]]
"""What an artefact does in a box: good (the default), fails, waits, kills, dies later, slow."""


def ident(record: Record) -> tuple[object, ...]:
    """Tells two records apart."""
    match record:
        case Put():
            return ("put", record.key, record.id)
        case Statement():
            return ("said", record.pair, record.topic, record.number)
        case HaltEntry():
            return ("halt", record.id)
        case Revoked():
            return ("revoked", record.pair, record.voids)


@dataclass
class Box:
    """One box.

    Attributes:
        crashes: after how many effects it loses power, of each of the next decisions that it writes
            down; None where it does not. Power comes back with the next round.
        told_alone: whether it had no links when it was told what to run.
        loses: so many of its next statements are refused by the disk.
        left_out: the topics that its next snapshot leaves out; a restart forgets it.
    """

    name: str
    group: int = 0
    alive: bool = True
    records: dict[tuple[object, ...], Record] = field(default_factory=dict)
    disk: bytes | None = None
    running: bytes | None = DELIVERED
    goal: Goal | None = None
    told: tuple[object, ...] = ()
    synced: set[str] = field(default_factory=set)
    tops_at_cut: dict[bytes, int] = field(default_factory=dict)
    swaps: list[bytes | None] = field(default_factory=list)
    rolled_back: dict[bytes, frozenset[bytes]] = field(default_factory=dict)
    crashes: list[int | None] = field(default_factory=list)
    told_alone: bool = False
    loses: int = 0
    left_out: set[str] = field(default_factory=set)
    known: tuple[int, Rollouts, oracle.Facts] | None = None
    conductor: Conductor = field(init=False)

    def __post_init__(self) -> None:
        self.wake()

    @property
    def pair(self) -> Pair:
        return Pair(public(self.name), self.name)

    def wake(self) -> None:
        """Start from the disk alone."""
        self.conductor = conductor_of(self.name, memory=self.durable)
        self.goal, self.told = None, ()
        self.left_out.clear()

    @property
    def durable(self) -> Memory:
        """What a start finds on the disk."""
        return Memory() if self.disk is None else Memory.parse(self.disk)

    def hold(self, record: Record) -> bool:
        """Take in a record; whether it is new."""
        key = ident(record)
        if key in self.records:
            return False
        self.records[key] = record
        return True

    def _stated(self, topic: str) -> list[Statement]:
        said = [each for each in self.records.values() if isinstance(each, Statement)]
        own = [each for each in said if each.topic == topic and each.pair == self.pair]
        return sorted(own, key=lambda each: each.number)

    def state(self, topic: str) -> int:
        """The next number under a topic."""
        return 1 + max((each.number for each in self._stated(topic)), default=0)

    def said(self, topic: str) -> Report | None:
        """The report that it shows under a topic."""
        stated = self._stated(topic)
        return report_in(stated[-1].value) if stated else None


class City:
    """Boxes on a ring with chords, so that each has four neighbours where there are enough."""

    def __init__(self, count: int, fates: Fates | None = None, late: int = 0) -> None:
        self.listed = names(count)
        everybody = names(count + late)
        self.boxes = {name: Box(name) for name in everybody}
        self.neighbours = {
            name: {everybody[(i + d) % len(everybody)] for d in (-2, -1, 1, 2)} - {name}
            for i, name in enumerate(everybody)
        }
        self.pairs = [box.pair for box in self.boxes.values()]
        self.lists = {list_of(self.listed).digest: self.listed}
        self.fates = fates or {}
        self.now_ns = 0
        self.number = 0
        self.widest: dict[bytes, int] = {}
        self.last_open: dict[bytes, bool] = {}
        self.halts_signed = 0
        self.cut_while_open = False
        self.cut_short = 0
        self.refused = 0
        self.spared = 0
        self.started_as_approved = 0
        self.powerless: list[str] = []
        self.silent: set[frozenset[str]] = set()
        self.rollouts: dict[str, Rollouts] = {}
        for one in everybody:
            for other in self.links(self.boxes[one]):
                self.boxes[one].synced.add(other)

    # Links

    def links(self, box: Box) -> list[str]:
        """Who a box is linked to now."""
        return [
            other
            for other in sorted(self.neighbours[box.name])
            if box.alive and self.boxes[other].alive and self.boxes[other].group == box.group
        ]

    def sight(self, box: Box) -> Sight:
        """What a box sees: presence as docs/architecture.md states it."""
        seen, fresh = {box.name}, [box.name]
        while fresh:
            fresh = [n for one in fresh for n in self.links(self.boxes[one]) if n not in seen]
            seen |= set(fresh)
        dark: set[str] = set()
        while more := {
            name
            for name in self.boxes
            if name not in seen and name not in dark and self.neighbours[name] <= seen | dark
        }:
            dark |= more
        linked = self.links(box)
        return Sight(
            seen=frozenset(seen),
            dark=frozenset(dark),
            linked=bool(linked),
            whole=all(peer in box.synced for peer in linked),
        )

    def _drop_links(self) -> None:
        for box in self.boxes.values():
            box.synced &= set(self.links(box))

    def split(self, *sides: Iterable[str]) -> None:
        """Put boxes on sides, the first being side 0."""
        for number, side in enumerate(sides):
            for name in side:
                self.boxes[name].group = number
        self._drop_links()
        self.cut_while_open |= len({box.group for box in self.boxes.values()}) > 1 and any(
            held.latches and max(latch.stage for latch in held.latches) < 2
            for box in self.boxes.values()
            if box.alive
            for held in box.conductor.memory.intents.values()
        )

    def heal(self) -> None:
        """Links come up; nothing is synced yet."""
        for box in self.boxes.values():
            box.group = 0

    def kill(self, name: str) -> None:
        self.boxes[name].alive = False
        self._drop_links()

    def start(self, name: str) -> None:
        box = self.boxes[name]
        if not box.alive:
            box.alive = True
            box.synced = set()
            box.wake()

    def sync(self) -> None:
        """One whole sync over every link, until nobody has news."""
        moved = True
        while moved:
            moved = False
            for box in self.boxes.values():
                for other in self.links(box):
                    box.synced.add(other)
                    self.boxes[other].synced.add(box.name)
                    moved |= self._exchange(box, self.boxes[other])

    def _exchange(self, one: Box, other: Box) -> bool:
        if one.records.keys() == other.records.keys():
            return False
        for record in list(one.records.values()):
            other.hold(record)
        for record in list(other.records.values()):
            one.hold(record)
        return True

    def gossip(self) -> None:
        """Records flow over links that are synced."""
        for box in self.boxes.values():
            for other in self.links(box):
                if other in box.synced:
                    self._exchange(box, self.boxes[other])

    # People

    def say(self, at: str, record: Record) -> None:
        """Somebody signs a record, and a box hears it first."""
        self.boxes[at].hold(record)

    def apply(self, at: str, label: str, *, names_heads: bool = True, **changes: object) -> Intent:
        """Sign an intent; the command line fills in what it supersedes."""
        self.number += 1
        heads = self.fold(at).heads(SLOT, self.listed[0]) if names_heads else ()
        intent = intent_of(
            label,
            self.listed,
            **{
                "supersedes": tuple(head.id for head in heads),
                "nonce": self.number.to_bytes(8),
                **changes,
            },
        )
        self.say(at, proposed(intent))
        self.say(at, model(intent.artefact, "candidate"))
        return intent

    def order(self, at: str, verb: Verb, intent: Intent, *, stage: int | None = None) -> Command:
        """Sign a command as the command line does, from what a box holds."""
        self.number += 1
        rollout = self.fold(at).by_id[intent.id]
        fields: dict[str, object] = {}
        if verb is Verb.RESUME:
            sight = self.sight(self.boxes[at])
            fields = {"names": rollout.pauses, "forgives": forgivable(rollout, sight)}
        elif verb is Verb.PROMOTE:
            fields = {"names": rollout.era, "stage": stage or 0}
        command = command_of(verb, intent, self.number, **fields)
        self.say(at, commanded(intent, command))
        return command

    def lie(self, name: str, intent: Intent) -> None:
        """A box says that it failed, whatever it does."""
        box = self.boxes[name]
        topic = report_topic(intent.id, name)
        held = box.conductor.memory.intents.get(intent.id, IntentMemory())
        lie = report_of(intent, name, Outcome.FAILED, attempt=max(held.attempt, 1), reason="lie")
        box.hold(stated(lie, box.state(topic)))

    def snapshot(self) -> None:
        """Every box sums up what it states: what it leaves out is gone, wherever that is heard."""
        for box in self.boxes.values():
            for topic in box.left_out if box.alive else ():
                if box.said(topic) is not None:
                    box.hold(Statement(box.pair, topic, box.state(topic), None))

    def renew(self, name: str, intent: Intent, fate: str) -> None:
        """New hardware takes a box's place: it remembers nothing, and runs what it came with."""
        box = self.boxes[name]
        self.kill(name)
        box.disk, box.running = None, DELIVERED
        box.rolled_back.clear()
        self.fates = {
            **self.fates,
            intent.artefact: {**self.fates.get(intent.artefact, {}), name: fate},
        }
        self.start(name)

    # Time

    def fold(self, name: str) -> Rollouts:
        """A box's view."""
        return view_of(self.boxes[name].records.values(), self.pairs).fold(self.lists)

    def round(self, times: int = 1, *, wait_ms: int = 0) -> None:
        """Let records flow and every box look and work."""
        for _ in range(times):
            self.now_ns += wait_ms * MS
            powerless, self.powerless = self.powerless, []
            for name in powerless:
                self.start(name)
            self.gossip()
            for box in self.boxes.values():
                for does in (self._look, self._hold_reports, self._work):
                    if box.alive:
                        does(box)
            self.check()

    def settle(self, *, ms: int = 0) -> None:
        """Let the work that is due be done, over some time."""
        for wait_ms in (0, 0, 0, 0, *((ms,) if ms else ()), 0, 0, 0, 0):
            self.round(wait_ms=wait_ms)

    def _look(self, box: Box) -> None:
        if box.known is None or box.known[0] != len(box.records):
            view = view_of(box.records.values(), self.pairs)
            folded = view.fold(self.lists), facts_of(view, self.lists)
            box.known = (len(box.records), *folded)
        (_, rollouts, facts), sight = box.known, self.sight(box)
        self.rollouts[box.name] = rollouts
        for identifier, intent in facts.intents.items():
            cut = oracle.partitioned(facts, intent, set(sight.seen), set(sight.dark))
            held = box.conductor.memory.intents.get(identifier, IntentMemory())
            if not cut:
                box.tops_at_cut.pop(identifier, None)
            else:
                top = max((latch.stage for latch in held.latches), default=-1)
                box.tops_at_cut.setdefault(identifier, top)
            if oracle.proven(facts, intent) and may_open(facts, intent):
                self.spared += oracle.failed(facts, intent)
        before = box.conductor.memory
        self._perform(box, box.conductor.look(rollouts, sight, self.now_ns))
        self._check_changes(box, before, facts, sight)

    def _check_changes(self, box: Box, before: Memory, facts: oracle.Facts, sight: Sight) -> None:
        """Judge what opened and what started by the oracle; of who just died, what it kept."""
        after = box.conductor.memory if box.alive else box.durable
        for identifier, held in after.intents.items():
            intent = facts.intents[identifier]
            earlier = before.intents.get(identifier, IntentMemory())
            top = max((latch.stage for latch in held.latches), default=-1)
            top_before = max((latch.stage for latch in earlier.latches), default=-1)
            proven = oracle.proven(facts, intent)
            opened = len(intent.stages) - 1 if proven and may_open(facts, intent) else top
            if opened >= 0:
                size = oracle.size(intent, opened)
                artefact = intent.artefact
                self.widest[artefact] = max(self.widest.get(artefact, 0), size)
                self.last_open[artefact] = self.last_open.get(artefact, False) or (
                    opened == len(intent.stages) - 1
                )
            promoted = oracle.promoted(facts, intent)
            seen, dark = set(sight.seen), set(sight.dark)
            if top > top_before:
                assert sight.whole, "opened before a whole sync"
                assert may_open(facts, intent), "opened what something holds"
                if top > promoted:
                    cut = oracle.partitioned(facts, intent, seen, dark)
                    assert not (cut and intent.on_partition == "hold"), "opened in a partition"
                    if top > 0:
                        shown = oracle.gate(facts, intent, top - 1, seen, dark)
                        assert shown.passes, "opened though the gate does not pass"
            if held.phase is not None and earlier.phase is None:
                assert may_open(facts, intent), "started what something holds"
                known = box.rolled_back.get(identifier)
                if known is not None:
                    assert oracle.resumes(facts, intent) - known, "started again without a resume"
                own = oracle.counting_report(facts, intent, box.name)
                if own is not None and oracle.is_bad(intent, own):
                    assert own.id in oracle.forgiven(facts, intent), "its bad report stands"
                if box.name in self.listed:
                    place = oracle.ranked(intent, self.listed).index(box.name)
                    stage = next(
                        number
                        for number in range(len(intent.stages))
                        if place < oracle.size(intent, number)
                    )
                    self.started_as_approved += proven and top < stage
                    assert top >= stage or proven, "started before its stage"
                    was_cut = identifier in box.tops_at_cut and intent.on_partition == "hold"
                    if was_cut and not proven:
                        held_open = max(box.tops_at_cut[identifier], promoted)
                        assert held_open >= stage, "started in a partition what was not open"
                box.rolled_back.pop(identifier, None)

    def _perform(self, box: Box, effects: tuple[Effect, ...]) -> None:
        """Do what a conductor wants done, up to where the box loses power."""
        last = None
        if any(isinstance(effect, Keep) for effect in effects):
            last = box.crashes.pop(0) if box.crashes else None
        for effect in effects[:last]:
            match effect:
                case Keep(memory):
                    assert Memory.parse(memory).encode() == memory
                    box.disk = memory
                case Say() if box.loses:
                    box.loses -= 1
                    self.refused += 1
                case Say(report):
                    assert parse_report(report.wire) == report
                    topic = report_topic(report.intent, report.name)
                    box.left_out.discard(topic)
                    box.hold(stated(report, box.state(topic)))
                case Sign(halt):
                    assert box.known is not None
                    facts = box.known[-1]
                    said_of = facts.intents[halt.intent]
                    counting = oracle.halts(facts, said_of, counting=True)
                    assert not counting, "signed a halt where one counts"
                    assert not oracle.proven(facts, said_of), "signed a halt of what is approved"
                    self.halts_signed += 1
                    box.hold(HaltEntry(box.pair, halt))
                case Run(goal):
                    box.goal, box.told_alone = goal, not self.links(box)
                    self._check_trace(box)
                case Unsay(topic):
                    running = box.conductor.memory.intents.items()
                    tried = [each for each, held in running if held.phase is not None]
                    topics = [report_topic(each, box.name) for each in tried]
                    assert topic not in topics, "took out what it still has to say"
                    box.left_out.add(topic)
                case _:
                    pass
        if last is not None:
            self.cut_short += last < len(effects)
            self.kill(box.name)
            self.powerless.append(box.name)

    def _check_trace(self, box: Box) -> None:
        """Who may swap while it has neighbours told one of them what it starts.

        Who was told to swap while it had none goes on though links come up in the meantime.
        """
        goal = box.goal
        assert goal is not None
        held = box.conductor.memory.intents.get(goal.intent or b"", IntentMemory())
        told = [self.boxes[other] for other in self.links(box)]
        if not goal.swap or held.phase is None or box.running == goal.artefact or box.told_alone:
            return
        assert held.report is not None, "swaps without a word"
        assert any(_holds(peer, held.report.id) for peer in told), "swapped without a trace"

    def _hold_reports(self, box: Box) -> None:
        """Tell a box which of its reports a linked peer holds."""
        linked = [self.boxes[other] for other in self.links(box) if other in box.synced]
        for awaited in box.conductor.awaited:
            if box.alive and any(_holds(peer, awaited) for peer in linked):
                self._perform(box, box.conductor.report_held(awaited, self.now_ns))

    def _work(self, box: Box) -> None:
        """What the slots do with a goal."""
        goal = box.goal
        if goal is None:
            return
        held = box.conductor.memory.intents.get(goal.intent or b"", IntentMemory())
        if held.phase is None:
            if box.running != goal.artefact:
                self._swap(box, goal.artefact)
                for identifier, kept in box.conductor.memory.intents.items():
                    if kept.stopped is not None:
                        box.rolled_back.setdefault(identifier, frozenset(kept.stopped))
            return
        artefact = goal.artefact or b""
        fate = self.fates.get(artefact, {}).get(box.name, "good")
        if not goal.swap and box.running != goal.artefact:
            answer = Waiting("no room") if fate == "waits" else Started()
            self._answer(box, artefact, answer)
            return
        if box.running != artefact:
            if all(other in box.synced for other in self.links(box)):
                self._check_trace(box)
            self._swap(box, artefact)
        if fate == "kills":
            self.kill(box.name)
        elif fate == "fails":
            self._swap(box, box.swaps[-2] if len(box.swaps) > 1 else DELIVERED)
            self._answer(box, artefact, Failed("no inference"))
        else:
            self._answer(box, artefact, Good(Metrics(p95_us=90_000 if fate == "slow" else 10_000)))

    def _swap(self, box: Box, artefact: bytes | None) -> None:
        box.running = artefact
        box.swaps.append(artefact)

    def _answer(self, box: Box, artefact: bytes, answer: Waiting | Started | Good | Failed) -> None:
        if box.told != (answer, artefact, self.now_ns):
            box.told = (answer, artefact, self.now_ns)
            self._perform(box, box.conductor.answer(SLOT, artefact, answer, self.now_ns))

    # What holds

    def check(self) -> None:
        """The invariant: no more boxes run an unproven artefact than its widest stage opened."""
        running: dict[bytes, list[str]] = {}
        for box in self.boxes.values():
            if box.running not in (None, DELIVERED):
                running.setdefault(box.running or b"", []).append(box.name)
        for artefact, where in running.items():
            listed = [name for name in where if name in self.listed]
            assert len(listed) <= self.widest.get(artefact, 0), "more boxes than any stage opened"
            if len(listed) < len(where):
                assert self.last_open.get(artefact), "a late box before the last stage"

    def unsaid(self, box: Box) -> list[str]:
        """What a box should have said by now and did not, or should have taken out and did not.

        Whatever it remembers having said has to stand among its statements, unless nobody counts it
        any more: then its snapshots leave it out. Who is revoked owes nothing.
        """
        assert box.known is not None
        _, _, facts = box.known
        found: list[str] = []
        if not facts.granted[tuple(box.pair)]:
            return found
        for identifier, held in box.conductor.memory.intents.items():
            topic = report_topic(identifier, box.name)
            if held.report is None:
                continue
            if is_settled(facts, held.report):
                if held.phase is None and topic not in box.left_out:
                    found.append(f"{topic} is not taken out")
            elif box.said(topic) != held.report:
                found.append(f"{topic} is not said: {held.report.outcome}")
        return found

    def missed(self, name: str) -> list[bytes]:
        """The approved models that a box should run by now and does not.

        Whom its own bad report keeps from it, or who went back and heard no resume since, does not.
        Nor does who is revoked: what it said of itself shows no more, and it remembers it.
        """
        box = self.boxes[name]
        assert box.known is not None
        _, _, facts = box.known
        found: list[bytes] = []
        if not facts.granted[tuple(box.pair)]:
            return found
        for identifier, intent in facts.intents.items():
            own = oracle.counting_report(facts, intent, name)
            stands = own is not None and oracle.is_bad(intent, own)
            held = box.conductor.memory.intents.get(identifier, IntentMemory())
            if not oracle.proven(facts, intent) or not may_open(facts, intent):
                continue
            if held.stopped is not None or (
                stands and own.id not in oracle.forgiven(facts, intent)
            ):
                continue
            if box.running != intent.artefact:
                found.append(intent.artefact)
        return found

    def running(self) -> dict[str, bytes | None]:
        """What every box runs."""
        return {name: box.running for name, box in self.boxes.items()}

    def who_runs(self, intent: Intent) -> set[str]:
        """The boxes that run an intent's artefact."""
        return {name for name, box in self.boxes.items() if box.running == intent.artefact}

    def first(self, intent: Intent, number: int = 0) -> list[str]:
        """The names of a stage, by rank."""
        return oracle.ranked(intent, self.listed)[: oracle.size(intent, number)]

    def tops(self, intent: Intent) -> dict[str, int]:
        """The last stage that each box latched open; -1 for none."""
        found = {}
        for name, box in self.boxes.items():
            held = box.conductor.memory.intents.get(intent.id, IntentMemory())
            found[name] = max((latch.stage for latch in held.latches), default=-1)
        return found

    def explain(self, name: str, intent: Intent) -> Explanation:
        """What a box tells of a rollout."""
        box = self.boxes[name]
        began = {
            number: at
            for number in range(len(intent.stages))
            if (at := box.conductor.soak_began_ns(intent.id, number)) is not None
        }
        return explain(
            self.fold(name).by_id[intent.id],
            self.sight(box),
            box.conductor.memory.intents.get(intent.id, IntentMemory()),
            now_ns=self.now_ns,
            soaks=began,
        )


def may_open(facts: oracle.Facts, intent: Intent) -> bool:
    """Whether nothing holds an intent, by the oracle."""
    return not (
        oracle.dead(facts, intent)
        or oracle.superseded_by(facts, intent)
        or oracle.rivals(facts, intent)
        or oracle.pauses(facts, intent)
        or oracle.halts(facts, intent, counting=True)
        or oracle.halts(facts, intent, counting=False)
        or oracle.names_of(facts, intent) is None
    )


def is_settled(facts: oracle.Facts, report: Report) -> bool:
    """Whether nobody asks for a report any more, by the oracle.

    Its model is withdrawn; or it is approved, and the report says nothing against it that stands.
    """
    intent = facts.intents.get(report.intent)
    if intent is None or facts.models.get(report.artefact) == "withdrawn":
        return intent is not None
    stands = oracle.is_bad(intent, report) and report.id not in oracle.forgiven(facts, intent)
    return oracle.proven(facts, intent) and not stands


def _holds(box: Box, report: bytes) -> bool:
    stated = [each for each in box.records.values() if isinstance(each, Statement)]
    read = [report_in(each.value) for each in stated]
    return any(each is not None and each.id == report for each in read)
