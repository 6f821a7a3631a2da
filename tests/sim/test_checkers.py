"""Each checker bites: it holds for the real code, and a bug in the real code breaks it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from crdt.authority import _Fold
from crdt.entry import Entry
from crdt.standing import Standing
from mesh.choreography import reactions
from mesh.choreography.admission import Admission
from mesh.choreography.reactions import Reactions
from mesh.choreography.verdict import Admitted, Outcome, Reason
from mesh.coordination import trust
from mesh.coordination.trust import Refused
from mesh.mind import hearing
from mesh.mind.links import Links
from mesh.mind.mind import Mind
from mesh.mind.syncing import Syncing
from mesh.orchestration import conductor, opening
from mesh.orchestration.rollouts import Rollout
from tests.sim.playing import play, scenario

Patch = pytest.MonkeyPatch


class Case(NamedTuple):
    """A checker, a story that it judges, the bug, and what it then says."""

    checker: str
    steps: str
    bug: Callable[[Patch], None]
    told: str
    fleet: str = "{boxes: 2}"


def deaf_sync(patch: Patch) -> None:
    """What others hold is never asked for: a cut is not made good."""
    patch.setattr(Syncing, "receive", lambda *_: None)


def any_signature(patch: Patch) -> None:
    """Admission takes every signature."""
    begin = Admission.__init__

    def trust(self: Admission, *given: Any, **more: Any) -> None:
        begin(self, *given, **{**more, "verify": lambda _: True})

    patch.setattr(Admission, "__init__", trust)


def a_no_is_taken_for_a_yes(patch: Patch) -> None:
    """What the store could not take is taken for durable."""
    patch.setattr(Mind, "persist_failed", lambda self, ticket, _, now: self.persisted(ticket, now))


def written_before_it_is_durable(patch: Patch) -> None:
    """Whoever writes a fact is told at once that it is durable."""
    persist = Mind._persist_own

    def tell(self: Mind, ticket: int, entry: Entry) -> None:
        persist(self, ticket, entry)
        self._wrote(ticket, entry, "")

    patch.setattr(Mind, "_persist_own", tell)


def revoked_may_speak(patch: Patch) -> None:
    """A revocation is seen, and changes nothing of what its holder may do."""
    patch.setattr(Standing, "current", property(lambda self: self.winning))
    patch.setattr(trust, "refusal_of", lambda standing: None)


def replaced_may_speak(patch: Patch) -> None:
    """A replaced key is as good as the one that replaced it."""
    refusal_of = trust.refusal_of

    def lenient(standing: Standing | None) -> Refused | None:
        reason = refusal_of(standing)
        return None if reason is Refused.SUPERSEDED_KEY else reason

    patch.setattr(Standing, "current", property(lambda self: not self.revoked))
    patch.setattr(trust, "refusal_of", lenient)


def a_contest_is_not_marked(patch: Patch) -> None:
    """Two keys at one epoch are both taken for the one that holds the name."""
    patch.setattr(_Fold, "contest", lambda *_: None)


def nobody_is_replaced(patch: Patch) -> None:
    """The fold lets two keys win one name."""
    patch.setattr(_Fold, "retire", lambda *_: None)


def who_lost_a_peer_takes_none(patch: Patch) -> None:
    """After the first lost link no other is taken."""
    connected, disconnected = Links.connected, Links.disconnected
    bereft: dict[int, Links] = {}  # they are kept, so that no other gets the id of one

    def lose(self: Links, peer: bytes):
        bereft[id(self)] = self
        return disconnected(self, peer)

    def take(self: Links, peer: bytes, *, outbound: bool) -> bool:
        return id(self) not in bereft and connected(self, peer, outbound=outbound)

    patch.setattr(Links, "disconnected", lose)
    patch.setattr(Links, "connected", take)


def ids_are_kept_for_ever(patch: Patch) -> None:
    """What was consumed is remembered, and nothing forgotten."""

    def consume(self: Admission, event, now) -> None:
        self._seen[event.id] = now.mono_ns
        self._replay.consume(event.author, event.boot, event.n, event.id)

    patch.setattr(Admission, "_consume", consume)


def a_partition_goes_unnoticed(patch: Patch) -> None:
    """Nobody counts itself partitioned, however few it sees."""
    patch.setattr(opening, "is_partitioned", lambda *_: False)


def every_stage_is_open(patch: Patch) -> None:
    """A box starts what is rolled out whether its stage is open or not."""
    patch.setattr(conductor, "is_open", lambda *_: True)


def withdrawn_goes_on(patch: Patch) -> None:
    """A withdrawn model kills no rollout, and nobody goes back from it."""
    dead = Rollout.dead.fget

    def lives(self: Rollout) -> str | None:
        why = dead(self)
        return None if why == "its model is withdrawn" else why

    patch.setattr(Rollout, "dead", property(lives))
    patch.setattr(
        conductor, "is_over", lambda view, ran, **_: bool(ran.intent) and view.is_dead(ran.intent)
    )


def any_entry_is_signed(patch: Patch) -> None:
    """A fact that comes by gossip is taken whatever its signature."""
    patch.setattr(hearing, "verify_entry", lambda _: True)


def every_update_is_an_incident(patch: Patch) -> None:
    """What was answered is not remembered: each update of an incident is answered again."""
    patch.setattr(reactions.Once, "claim", lambda *_: True)


def an_event_never_ends(patch: Patch) -> None:
    """Neither admission nor who reacts asks whether an event still lives."""
    judge, match = Admission._judge, Reactions.match

    def admit(self: Admission, *message) -> Admitted:
        found = judge(self, *message)
        is_late = found.reason is Reason.LATE
        return Admitted(Outcome.ACCEPT, None, found.event, found.author) if is_late else found

    patch.setattr(Admission, "_judge", admit)
    patch.setattr(
        Reactions,
        "match",
        lambda self, event, now: match(self, event, replace(now, wall_ms=event.time_ms)),
    )


def everybody_is_concerned(patch: Patch) -> None:
    """Whatever reaches a box is handed to its handlers, from however far."""
    patch.setattr(reactions.Reactions, "_wants", lambda *_: True)


CUT = """
    cut: {label: river, side: "north/*"}
    run: 12s
    revoke: {name: south/box-1}
    run: 30s
    heal: river
    settle: 20s
"""
ROLLOUT = """
    release: {model: v2}
    apply: {model: v2, stages: [{percent: 10, soak: 20s}, {percent: 100}]}
    run: 10s
    cut: {side: "north/*"}
    run: 40s
"""
UPDATES = """
    publish: {who: "*/box-*", count: 2, updates: 2}
    run: 8s
"""
CASES = [
    Case("Convergence", CUT, deaf_sync, "views differ: "),
    Case(
        "NoForgery",
        """
        turn: {name: south/box-1, behaviour: forge}
        publish: {who: south/box-1, count: 3}
        run: 4s
        """,
        any_signature,
        " never published",
    ),
    Case(
        "NothingLost",
        """
        cut: {side: centre}
        run: 12s
        disk: {who: centre, full: true}
        put: {key: limit, value: 30}
        run: 1s
        crash: centre
        disk: {who: centre, full: false}
        restart: centre
        put: {key: other, value: 30}
        heal: all
        settle: 30s
        """,
        a_no_is_taken_for_a_yes,
        "that centre wrote at 12.0 s",
    ),
    Case(
        "NothingLost",
        """
        put: {key: first, value: 1}
        run: 1s
        disk: {who: centre, sync_ms: 5000}
        put: {key: limit, value: 30}
        run: 1s
        power_cut: {who: centre}
        restart: centre
        run: 12s
        settle: 30s
        """,
        written_before_it_is_durable,
        "that centre wrote at 1.0 s",
    ),
    Case(
        "NoActionAfterRevocation",
        """
        revoke: {name: south/box-1}
        settle: 20s
        publish: {who: south/box-1, count: 3}
        run: 4s
        """,
        revoked_may_speak,
        "heard south/box-1 although it held that this key is revoked or replaced",
    ),
    Case(
        "NoActionAfterRevocation",
        """
        swap_hardware: {name: south/box-1, by: south/steward}
        run: 15s
        publish: {who: "south/box-1 (old)", count: 5}
        run: 6s
        """,
        replaced_may_speak,
        "heard south/box-1 although it held that this key is revoked or replaced",
    ),
    Case(
        "NoSplitBrainNames",
        """
        cut: {side: "north/*"}
        run: 12s
        grant: {name: north/box-0, by: north/steward}
        grant: {name: north/box-0, by: centre}
        heal: all
        settle: 30s
        """,
        a_contest_is_not_marked,
        "(epoch 2), which is no contest",
    ),
    Case(
        "NoSplitBrainNames",
        """
        swap_hardware: {name: south/box-1, by: centre}
        settle: 20s
        """,
        nobody_is_replaced,
        "south/box-1 is held by ",
    ),
    Case(
        "LivenessAfterHeal",
        """
        cut: {side: "north/*"}
        run: 15s
        heal: all
        run: 125s
        """,
        who_lost_a_peer_takes_none,
        "s of calm it does not see ",
    ),
    Case(
        "BoundedMemory",
        "publish: {who: south/box-1, count: 12}\nrun: 13s",
        ids_are_kept_for_ever,
        "ids of events; at most",
    ),
    Case(
        "NoForgery",
        """
        turn: {name: south/box-1, behaviour: forge}
        run: 4s
        put: {key: after, value: 1}
        """,
        any_entry_is_signed,
        "which its author's key did not sign",
    ),
    Case(
        "ReactionSafety",
        UPDATES,
        every_update_is_an_incident,
        "s it asked again for a reaction to one incident of ",
    ),
    Case(
        "ReactionSafety",
        UPDATES,
        everybody_is_concerned,
        "212 m away; it is concerned with 200 m",
        "{boxes: 4, listen_m: 200}",
    ),
    Case(
        "ReactionSafety",
        """
        slow: {who: north/box-0, factor: 2500}
        publish: {who: south/box-1, count: 12, every: 200ms}
        run: 6s
        """,
        an_event_never_ends,
        "s after that was over",
    ),
    Case(
        "RolloutSafety",
        """
        release: {model: v2}
        apply: {model: v2, stages: [{percent: 10, soak: 10s}, {percent: 100}]}
        run: 8s
        approve_model: {model: v2, state: withdrawn}
        run: 20s
        """,
        withdrawn_goes_on,
        "it swapped to v2, which it knew to be withdrawn",
        "{boxes: 4}",
    ),
    Case(
        "RolloutSafety",
        ROLLOUT,
        a_partition_goes_unnoticed,
        "it opened stage 1 of v2 though it saw 2 of 4 names, 2 unknown, and its rollout holds",
        "{boxes: 4}",
    ),
    Case(
        "RolloutSafety",
        ROLLOUT,
        every_stage_is_open,
        "it swapped to v2, and no view had opened a stage of it that holds this box",
        "{boxes: 4}",
    ),
]


IDS = [f"{case.checker}: {case.bug.__name__}" for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_it_holds_and_a_bug_breaks_it(case: Case, monkeypatch: Patch):
    story = scenario(case.steps, case.checker, fleet=case.fleet)
    sound = play(story)
    assert (sound.word, sound.sentences) == ("held", [])
    case.bug(monkeypatch)
    broken = play(story)
    finding = broken.invariants[case.checker]
    assert (broken.word, finding.word) == ("broken", "broken")
    assert case.told in finding.evidence
    assert finding.who
    assert 0 < finding.at_s <= broken.virtual_s


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_without_its_subject_it_is_vacuous(case: Case):
    quiet = play(scenario("run: 2s\nsettle: 2s", case.checker, fleet="{boxes: 2, listen_m: 0}"))
    assert quiet.invariants[case.checker].word == "vacuous"
    assert quiet.word == "vacuous"


def test_convergence_that_nobody_waited_for_is_vacuous():
    whole = scenario(CUT, "Convergence")
    hasty = scenario(CUT.replace("settle: 20s", "run: 1s"), "Convergence")
    assert play(whole).invariants["Convergence"].word == "held"
    assert play(hasty).invariants["Convergence"].word == "vacuous"
