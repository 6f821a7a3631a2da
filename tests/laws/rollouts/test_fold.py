"""The fold of rollouts against the oracle, on every set of records that a strategy can think of."""

from dataclasses import replace

from hypothesis import event, given
from hypothesis import strategies as st

from crdt.standing import Pair
from mesh.orchestration.command import Command, Verb
from mesh.orchestration.gate import read_gate
from mesh.orchestration.halt import Halt
from mesh.orchestration.halting import halt_due
from mesh.orchestration.intent import Gate, Intent, Stage
from mesh.orchestration.opening import is_cut, read_gates
from mesh.orchestration.report import Metrics, Outcome, Report, report_topic, report_value
from mesh.orchestration.sight import Sight
from tests.laws.rollouts import oracle
from tests.laws.rollouts.world import (
    HaltEntry,
    Record,
    Revoked,
    Statement,
    View,
    command_of,
    commanded,
    digest_of,
    facts_of,
    intent_of,
    list_of,
    model,
    names,
    proposed,
    report_of,
    stated,
    view_of,
)
from tests.laws.writing import public

Lists = dict[bytes, tuple[str, ...]]

SCOPES = ("", "city", "city/north")
METRICS = (Metrics(), Metrics(40_000, 800_000, 50_000), Metrics(40_001, 900_000, 0))
GATES = (
    Gate(min_reports_ppm=900_000, success_ppm=990_000),
    Gate(min_reports_ppm=500_000, success_ppm=700_000, p95_us_max=40_000),
    Gate(min_reports_ppm=0, success_ppm=1_000_000, map50_ppm_min=800_001),
    Gate(min_reports_ppm=900_000, success_ppm=700_000, disagreement_ppm_max=49_999),
)


@st.composite
def intents(draw: st.DrawFn, listed: tuple[str, ...]) -> list[Intent]:
    """Up to three intents; later ones may name earlier ones."""
    found: list[Intent] = []
    for number in range(draw(st.integers(1, 3))):
        shares = sorted(draw(st.sets(st.integers(1, 1_000_000), min_size=1, max_size=3)))
        named = (
            draw(st.lists(st.sampled_from(found), unique_by=lambda each: each.id)) if found else []
        )
        found.append(
            intent_of(
                draw(st.sampled_from(("x", "y"))),
                listed,
                scope=draw(st.sampled_from(("city", "city", ""))),
                slot=draw(st.sampled_from(("model/detector", "model/detector", "agent/a"))),
                stages=tuple(Stage(share, 1000) for share in shares),
                gate=draw(st.sampled_from(GATES)),
                on_partition=draw(st.sampled_from(("hold", "continue"))),
                on_failure=draw(st.sampled_from(("rollback", "pause"))),
                supersedes=tuple(each.id for each in named),
                nonce=number.to_bytes(8),
            )
        )
    return found


@st.composite
def histories(draw: st.DrawFn) -> tuple[View, Lists, Sight, list[Pair]]:
    count = draw(st.sampled_from((1, 2, 3, 5, 8, 8, 55)))
    listed = names(count)
    pairs = [Pair(public(name), name) for name in listed]
    others = [Pair(public("late"), "city/late"), Pair(public("twin"), listed[0])]
    held = draw(intents(listed))
    records: list[Record] = [proposed(intent) for intent in held]
    reports: list[Report] = []
    for intent in held:
        shown = listed[: draw(st.integers(0, count))] if count < 10 else listed
        for name in shown:
            label = draw(st.sampled_from((name, name, name, "twin"))) if name == listed[0] else name
            outcome = draw(st.sampled_from(tuple(Outcome)))
            metrics = draw(st.sampled_from(METRICS))
            attempt = draw(st.integers(1, 2))
            reports.append(
                report_of(intent, name, outcome, attempt=attempt, metrics=metrics, label=label)
            )
            if draw(st.booleans()):
                other = report_of(intent, name, Outcome.FAILED, reason="again", label=label)
                reports.append(other)
    for report in reports:
        topic = report_topic(report.intent, report.name)
        pair = Pair(report.key, report.name)
        records.append(Statement(pair, topic, draw(st.integers(0, 3)), report_value(report)))
    ids = [report.id for report in reports] or [digest_of("none")]
    said: list[Command] = []
    for number in range(draw(st.integers(0, 6))):
        intent = draw(st.sampled_from(held))
        verb = draw(st.sampled_from((*Verb, Verb.PAUSE, Verb.RESUME, Verb.RESUME, Verb.PROMOTE)))
        fields: dict[str, object] = {}
        if verb is Verb.RESUME:
            fields["forgives"] = tuple(
                draw(st.lists(st.sampled_from(ids), max_size=6, unique=True))
            )
        if verb in (Verb.RESUME, Verb.PROMOTE) and said:
            known = draw(st.lists(st.sampled_from(said), max_size=4, unique_by=lambda c: c.id))
            fields["names"] = tuple(each.id for each in known)
        if verb is Verb.PROMOTE:
            fields["stage"] = draw(st.integers(0, 3))
        command = command_of(verb, intent, number, **fields)
        said.append(command)
        records.append(commanded(intent, command, draw(st.integers(1, 2))))
    for _ in range(draw(st.integers(0, 3))):
        intent = draw(st.sampled_from(held))
        about = {report.name: report for report in reports if report.intent == intent.id}
        chosen = sorted(draw(st.sets(st.sampled_from(sorted(about)), max_size=8))) if about else []
        if chosen:
            halt = Halt(intent.id, draw(st.integers(0, 3)), tuple(about[name] for name in chosen))
            records.append(HaltEntry(draw(st.sampled_from([*pairs[:4], *others])), halt))
    gone = draw(st.lists(st.sampled_from([*pairs[:4], *others]), max_size=2, unique=True))
    records += [Revoked(pair) for pair in gone]
    for artefact in ("x", "y"):
        state = draw(st.sampled_from((None, None, "candidate", "approved", "withdrawn")))
        if state is not None:
            records.append(model(digest_of(artefact), state))
    lists = {list_of(listed).digest: listed} if draw(st.integers(0, 9)) else {}
    seen = draw(st.sets(st.sampled_from(listed)))
    dark = draw(st.sets(st.sampled_from(listed))) - seen
    sight = Sight(seen=frozenset(seen), dark=frozenset(dark))
    records = draw(st.permutations(records)) if len(records) < 30 else records
    return view_of(records, [*pairs, *others]), lists, sight, [*pairs, *others]


@given(histories())
def test_the_fold_is_what_the_oracle_says(history: tuple[View, Lists, Sight, list[Pair]]):
    view, lists, sight, _ = history
    folded = view.fold(lists)
    facts = facts_of(view, lists)
    seen, dark = set(sight.seen), set(sight.dark)
    assert set(folded.by_id) == set(facts.intents)
    assert list(folded.by_id) == sorted(folded.by_id)
    for identifier, intent in facts.intents.items():
        rollout = folded.by_id[identifier]
        assert set(rollout.halts) == oracle.halts(facts, intent, counting=True)
        assert set(rollout.holds) == oracle.halts(facts, intent, counting=False)
        assert rollout.forgiven == oracle.forgiven(facts, intent)
        assert set(rollout.era) == oracle.era(facts, intent)
        assert set(rollout.resumes) == oracle.resumes(facts, intent)
        assert set(rollout.pauses) == oracle.pauses(facts, intent)
        assert rollout.promoted == oracle.promoted(facts, intent)
        assert (rollout.dead is not None) == oracle.dead(facts, intent)
        assert set(rollout.superseded_by) == oracle.superseded_by(facts, intent)
        assert set(rollout.rivals) == oracle.rivals(facts, intent)
        event("halt" if rollout.halts else "held" if rollout.holds else "no halt")
        event("rivals" if rollout.rivals else "no rivals")
        ranked = oracle.names_of(facts, intent)
        assert (rollout.cohort is None) == (ranked is None)
        if rollout.cohort is None or ranked is None:
            continue
        assert list(rollout.cohort.ranked) == ranked
        assert is_cut(rollout, sight) == oracle.partitioned(facts, intent, seen, dark)
        for number, gate in enumerate(read_gates(rollout, sight)):
            shown = oracle.gate(facts, intent, number, seen, dark)
            assert set(rollout.cohort.stage(number)) == oracle.stage(facts, intent, number)
            assert (gate.base, set(gate.good), set(gate.bad)) == (shown.base, shown.good, shown.bad)
            assert gate.passes == shown.passes
            event("gate passes" if gate.passes else "gate holds")


@given(histories())
def test_a_halt_that_is_due_counts_for_everybody_who_hears_it(
    history: tuple[View, Lists, Sight, list[Pair]],
):
    view, lists, _, pairs = history
    for rollout in view.fold(lists).by_id.values():
        halt = halt_due(rollout)
        if halt is None or rollout.cohort is None:
            continue
        event("due")
        signer = next((pair for pair in pairs if pair.name in rollout.current), None)
        if signer is None or not view.authority.current(signer):
            continue
        facts = facts_of(view, lists)
        said = oracle.SaidHalt(b"due", (signer,), halt.intent, halt.stage, halt.reports)
        heard = replace(facts, halts=(*facts.halts, said))
        intent = facts.intents[rollout.id]
        assert b"due" in oracle.halts(heard, intent, counting=True)
        fewer = replace(said, reports=said.reports[1:])
        heard = replace(facts, halts=(*facts.halts, fewer))
        assert b"due" not in oracle.halts(heard, intent, counting=True), "no more than needed"


def test_five_bad_of_five_hundred_make_no_halt():
    listed = names(500)
    intent = intent_of("x", listed, stages=(Stage(1_000_000),))
    bad = [report_of(intent, name, Outcome.FAILED) for name in listed[:6]]
    pairs = [Pair(public(name), name) for name in listed[:6]]
    lists = {intent.cohort: listed}

    def fold(count: int):
        said = [stated(each, 0) for each in bad[:count]]
        everything = HaltEntry(pairs[0], Halt(intent.id, 0, tuple(bad[:count])))
        return view_of([proposed(intent), *said, everything], pairs).fold(lists).by_id[intent.id]

    five, six = fold(5), fold(6)
    assert halt_due(replace(five, halts=())) is None
    assert not five.halts
    assert six.halts


def test_a_gate_reads_no_mean():
    listed = names(3)
    gate = Gate(min_reports_ppm=1_000_000, success_ppm=500_000, p95_us_max=40_000)
    intent = intent_of("x", listed, gate=gate)
    told = {name: report_of(intent, name, Outcome.GOOD, metrics=Metrics(1)) for name in listed[:2]}
    liar = report_of(intent, listed[2], Outcome.GOOD, metrics=Metrics(3_600_000_000))
    shown = read_gate(
        intent,
        listed,
        current=listed,
        sight=Sight(seen=frozenset(listed)),
        reports={**told, listed[2]: liar},
        forgiven=(),
    )
    assert (shown.good, shown.bad, shown.passes) == (listed[:2], listed[2:], True)


@given(st.integers(1, 30), st.integers(0, 8), st.integers(0, 16))
def test_a_box_counts_itself_partitioned_as_the_oracle_says(count: int, unknown: int, dark: int):
    listed = names(count)
    intent = intent_of("x", listed)
    away = listed[1:][: unknown + dark]
    gone, lost = set(away[:dark]), set(away[dark:])
    seen = set(listed) - gone - lost
    view = view_of([proposed(intent)], [Pair(public(name), name) for name in listed])
    lists = {intent.cohort: listed}
    cut = oracle.partitioned(facts_of(view, lists), intent, seen, gone)
    sight = Sight(seen=frozenset(seen), dark=frozenset(gone))
    assert is_cut(view.fold(lists).by_id[intent.id], sight) is cut
    event(f"partitioned: {cut}")
    event(f"by few unknown: {cut and 2 * len(gone | lost) < count}")


def test_who_is_revoked_neither_proves_nor_signs_a_halt():
    listed = names(3)
    intent = intent_of("x", listed)
    first = intent_first(intent, listed)
    pairs = [Pair(public(name), name) for name in listed]
    bad = report_of(intent, first, Outcome.FAILED)
    signer = next(pair for pair in pairs if pair.name != first)
    entry = HaltEntry(signer, Halt(intent.id, 0, (bad,)))
    for gone, counts in ((None, True), (Pair(bad.key, first), False), (signer, False)):
        records: list[Record] = [proposed(intent), entry]
        records += [Revoked(gone)] if gone is not None else []
        rollout = view_of(records, pairs).fold({intent.cohort: listed}).by_id[intent.id]
        assert bool(rollout.halts) is counts
        assert bool(rollout.holds) is not counts
    stranger = HaltEntry(Pair(public("late"), "city/late"), entry.halt)
    view = view_of([proposed(intent), stranger], [*pairs, stranger.pair])
    rollout = view.fold({intent.cohort: listed}).by_id[intent.id]
    assert (rollout.halts, rollout.holds) == ((), ()), "no name of the cohort signed it"


def intent_first(intent: Intent, listed: tuple[str, ...]) -> str:
    return oracle.ranked(intent, listed)[0]


def test_a_resume_lifts_the_pauses_that_it_names_and_only_of_equals_and_juniors():
    listed = names(3)
    intent = intent_of("x", listed)
    known, unheard = (command_of(Verb.PAUSE, intent, number) for number in range(2))
    for stratum, lifted in ((1, True), (2, True), (3, False)):
        resume = command_of(Verb.RESUME, intent, 3, names=(known.id,))
        said = [
            commanded(intent, known, 2),
            commanded(intent, unheard, 2),
            commanded(intent, resume, stratum),
        ]
        rollout = view_of([proposed(intent), *said], []).fold({}).by_id[intent.id]
        assert unheard.id in rollout.pauses, "what it did not know of"
        assert (known.id not in rollout.pauses) is lifted


def test_a_promote_of_before_a_halt_is_void_after_its_resume():
    listed = names(3)
    intent = intent_of("x", listed)
    first = intent_first(intent, listed)
    pair = Pair(public(first), first)
    bad = report_of(intent, first, Outcome.FAILED)
    early = command_of(Verb.PROMOTE, intent, 1, stage=2)
    resume = command_of(Verb.RESUME, intent, 2, forgives=(bad.id,))
    late = command_of(Verb.PROMOTE, intent, 3, stage=1, names=(resume.id,))
    records: list[Record] = [proposed(intent), HaltEntry(pair, Halt(intent.id, 0, (bad,)))]
    for command, promoted in ((early, 2), (resume, -1), (late, 1)):
        records.append(commanded(intent, command))
        rollout = view_of(records, [pair]).fold({intent.cohort: listed}).by_id[intent.id]
        assert rollout.promoted == promoted
