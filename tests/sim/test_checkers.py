"""Each checker bites: it holds for the real code, and a bug in the real code breaks it."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from crdt.authority import _Fold
from crdt.standing import Standing
from mesh.choreography import admission, reactions
from mesh.choreography.admission import Admission
from mesh.coordination import trust
from mesh.mind import hearing
from mesh.mind.links import Links
from mesh.mind.syncing import Syncing
from mesh.orchestration import conductor, opening
from mesh.testing.simulator.disk import SimulatedDisk
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
    patch.setattr(admission, "verify_event", lambda _: True)


def no_own_facts_on_disk(patch: Patch) -> None:
    """The store says of own facts that they are durable, and keeps none."""
    append = SimulatedDisk.append
    patch.setattr(
        SimulatedDisk, "append", lambda self, batch: None if batch.own else append(self, batch)
    )


def revoked_may_speak(patch: Patch) -> None:
    """A revocation is seen, and changes nothing of what its holder may do."""
    patch.setattr(Standing, "current", property(lambda self: self.winning))
    patch.setattr(trust, "refusal_of", lambda standing: None)


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


def any_entry_is_signed(patch: Patch) -> None:
    """A fact that comes by gossip is taken whatever its signature."""
    patch.setattr(hearing, "verify_entry", lambda _: True)


def every_update_is_an_incident(patch: Patch) -> None:
    """What was answered is not remembered: each update of an incident is answered again."""
    patch.setattr(reactions.Once, "claim", lambda *_: True)


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
        put: {key: limit, value: 30}
        run: 1s
        crash: centre
        restart: centre
        heal: all
        settle: 30s
        """,
        no_own_facts_on_disk,
        "that centre wrote at 12.0 s",
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


@pytest.mark.parametrize("case", CASES, ids=[case.checker for case in CASES])
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


@pytest.mark.parametrize("case", CASES, ids=[case.checker for case in CASES])
def test_without_its_subject_it_is_vacuous(case: Case):
    quiet = play(scenario("run: 2s\nsettle: 2s", case.checker, fleet="{boxes: 2, listen_m: 0}"))
    assert quiet.invariants[case.checker].word == "vacuous"
    assert quiet.word == "vacuous"


def test_convergence_that_nobody_waited_for_is_vacuous():
    whole = scenario(CUT, "Convergence")
    hasty = scenario(CUT.replace("settle: 20s", "run: 1s"), "Convergence")
    assert play(whole).invariants["Convergence"].word == "held"
    assert play(hasty).invariants["Convergence"].word == "vacuous"
