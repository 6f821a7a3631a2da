"""Sync sessions: one a direction, with a budget and an end, and what they bring spreads."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.authority import fold_authority
from crdt.entry import Lane, verify_entry
from crdt.errors import SyncError
from crdt.replica import Replica
from crdt.sync import Reach, SyncSession
from mesh.mind import SYNC_PROTOCOL
from mesh.mind import effects as fx
from mesh.mind.syncing import (
    FIRST_NS,
    HELD_NS,
    KNOWN_SESSIONS,
    PERIOD_S_MAX,
    PERIOD_S_MIN,
    SILENCE_NS,
)
from mesh.units import SECOND
from tests.laws.writing import public, put, revoke
from tests.unit.crdt.worlds import offer_all, replica_of
from tests.unit.mind.driving import Driven, Town, answers, began_sync, frames, of, spread
from tests.unit.mind.mutating import mutate

NEWS = put("place/city/9", {"cell": bytes(8), "position": [0, 0], "edges": []})

FIRST_S = FIRST_NS / SECOND


class Far:
    """The other end of sync sessions with a driven mind."""

    def __init__(self, driven: Driven, label: str, reach: Reach | None = None) -> None:
        self.driven = driven
        self.label = label
        self.replica: Replica = offer_all(replica_of(driven.town.fleet), driven.town.known)
        self.reach = reach or Reach.member(["city"])
        self.sessions: dict[bytes, SyncSession] = {}

    def answer(self, effects: list[fx.Effect]) -> list[fx.Effect]:
        """Answer frames until nothing is left to say; returns all effects of that."""
        found: list[fx.Effect] = []
        waiting = frames(effects, self.label, SYNC_PROTOCOL)
        while waiting:
            body = waiting.pop(0)
            for reply in self.reply(body):
                more = self.driven.hear(self.label, SYNC_PROTOCOL, reply)
                found += more
                waiting += frames(more, self.label, SYNC_PROTOCOL)
        return found

    def reply(self, body: bytes) -> list[bytes]:
        key = bytes((1 - body[0], body[1]))
        session = self.sessions.get(key)
        if session is None:
            session = SyncSession(self.replica, reach=self.reach, initiator=False)
            self.sessions[key] = session
        return [key + frame for frame in session.receive(body[2:])]

    def begin(self, number: int) -> list[fx.Effect]:
        """Begin a session and let it run to its end."""
        return self.answer(self.speak(number))

    def speak(self, number: int) -> list[fx.Effect]:
        """Only say the first word of a session."""
        session = SyncSession(self.replica, reach=self.reach, initiator=True)
        self.sessions[bytes((0, number))] = session
        effects: list[fx.Effect] = []
        for frame in session.start():
            effects += self.driven.hear(self.label, SYNC_PROTOCOL, bytes((0, number)) + frame)
        return effects


def sessions(driven: Driven) -> tuple[int, int, int, int]:
    return tuple(driven.mind.statistics().sync)


def test_a_session_that_we_begin_brings_what_we_lack_and_tells_the_others():
    town = Town()
    driven = Driven(town)
    driven.meet("box-2")
    effects = driven.meet("box-1")
    news = town.write(NEWS)
    effects = Far(driven, "box-1").answer(effects)
    (persist,) = of(fx.Persist, effects)
    assert persist.entries == (news,)
    later = driven.wait(1)
    assert not began_sync(later, "box-1"), "it has it already"
    assert not began_sync(later, "box-2"), "one session with it still runs"
    assert sessions(driven)[1:] == (1, 0, 1)
    later = driven.wait(20)
    assert began_sync(later, "box-2"), "when that one is given up"


def test_a_session_that_the_other_side_begins_brings_news_both_ways():
    town = Town()
    driven = Driven(town)
    driven.meet("box-1", outbound=False)
    driven.meet("box-2", outbound=False)
    far = Far(driven, "box-1")
    ours = town.fleet.write("steward", put("place/city/8", NEWS[1]["value"]))
    driven.fact("box-2", ours)
    theirs = town.write(NEWS)
    far.replica.offer(theirs)
    effects = far.begin(1)
    assert [p.entries for p in of(fx.Persist, effects)] == [(theirs,)]
    assert far.replica.entry(ours.id) == ours
    assert began_sync(driven.wait(1), "box-2")
    assert sessions(driven)[0] == 1


def test_one_session_a_direction_may_run_and_they_do_not_mix():
    town = Town()
    driven = Driven(town)
    effects = driven.meet("box-1")
    town.write(NEWS)
    far = Far(driven, "box-1")
    theirs = far.speak(1)
    found = far.answer(theirs) + far.answer(effects)
    assert sum(len(p.entries) for p in of(fx.Persist, found)) == 1
    assert sessions(driven)[1:3] == (2, 0)
    assert not of(fx.Penalise, driven.effects)


class Pulling:
    """A box in the middle of pulling from box-1, when box-2 begins a session."""

    def __init__(self) -> None:
        self.town = Town()
        self.driven = Driven(self.town)
        self.driven.meet("box-1", outbound=False)
        self.driven.meet("box-2", outbound=False)
        self.driven.wait(0.1)  # nothing else falls due when the wait of box-2 is over
        self.news = self.town.write(NEWS)
        self.first, self.second = Far(self.driven, "box-1"), Far(self.driven, "box-2")
        said = frames(self.first.speak(1), "box-1", SYNC_PROTOCOL)
        self.unsaid = [reply for body in said for reply in self.first.reply(body)]

    def finish(self) -> list[fx.Effect]:
        """Let the session with box-1 come to its end."""
        found = [self.driven.hear("box-1", SYNC_PROTOCOL, body) for body in self.unsaid]
        effects = [effect for each in found for effect in each]
        return effects + self.first.answer(effects)

    def answers(self, effects: list[fx.Effect]) -> list[bytes]:
        return frames(effects, "box-2", SYNC_PROTOCOL)


def test_who_begins_while_we_pull_waits_until_we_are_done_and_then_mostly_has_nothing_more():
    pulling = Pulling()
    assert not pulling.answers(pulling.second.speak(1))
    found = pulling.finish()
    assert [p.entries for p in of(fx.Persist, found)] == [(pulling.news,)]
    (summary,) = [body for body in pulling.answers(found) if body[0] == 1]
    assert not pulling.second.reply(summary), "both hold the same: no page, no request"
    assert pulling.second.sessions[bytes((0, 1))].equal


def test_who_waits_is_answered_in_time_though_the_other_says_no_more():
    pulling = Pulling()
    pulling.second.speak(1)
    again = pulling.driven.wait(HELD_NS / SECOND / 2)
    again += pulling.second.speak(2)
    assert not pulling.answers(again), "nor does asking again help"
    found = pulling.driven.wait(HELD_NS / SECOND / 2)
    assert {body[:2] for body in pulling.answers(found)} == {bytes((1, 2))}
    pulling.second.answer(found)
    assert pulling.driven.mind.replica.entry(pulling.news.id) == pulling.news


def test_who_waits_is_answered_at_once_when_the_other_goes():
    for ending in (_garbage_of_theirs, _departure):
        pulling = Pulling()
        pulling.second.speak(1)
        ending(pulling.driven)
        assert pulling.answers(pulling.driven.effects), ending


def test_a_peer_begins_anew_while_we_pull_from_it():
    pulling = Pulling()
    found = pulling.first.speak(2)
    assert {b[:2] for b in frames(found, "box-1", SYNC_PROTOCOL)} == {bytes((1, 2))}


def test_who_waits_and_goes_is_forgotten():
    pulling = Pulling()
    pulling.second.speak(1)
    pulling.driven.disconnect("box-2")
    found = pulling.finish() + pulling.driven.wait(HELD_NS / SECOND)
    assert not pulling.answers(found)


def _garbage_of_theirs(driven: Driven) -> None:
    driven.hear("box-1", SYNC_PROTOCOL, bytes((0, 1)) + b"junk")


def test_a_silent_session_is_given_up():
    town = Town()
    driven = Driven(town)
    driven.meet("box-1")
    town.write(NEWS)
    Far(driven, "box-1").speak(1)
    assert sessions(driven) == (1, 0, 0, 0)
    driven.wait(SILENCE_NS / SECOND + 0.1)
    assert sessions(driven) == (1, 0, 2, 0)


def test_a_link_is_compared_again_after_a_while():
    driven = Driven(Town())
    driven.meet("box-1", outbound=False)
    Far(driven, "box-1").begin(7)
    assert not began_sync(driven.wait(PERIOD_S_MIN - 1), "box-1")
    assert began_sync(driven.wait(PERIOD_S_MAX - PERIOD_S_MIN + 2), "box-1")


def test_whose_peer_compares_in_time_need_not_begin():
    driven = Driven(Town())
    driven.meet("box-1", outbound=False)
    far = Far(driven, "box-1")
    for number in range(2 * PERIOD_S_MAX // PERIOD_S_MIN):
        far.begin(number)
        driven.wait(PERIOD_S_MIN - 1)
    assert sessions(driven)[0] == 0
    assert began_sync(driven.wait(PERIOD_S_MAX - PERIOD_S_MIN + 2), "box-1"), "it fell silent"


def test_a_session_that_is_wanted_is_not_put_off_by_one_of_the_peer():
    town = Town()
    driven = Driven(town)
    far = Far(driven, "box-1")
    far.answer(driven.meet("box-1"))
    missing = town.fleet.write("steward", put("place/city/7", 1), after=town.last)
    driven.fact("box-1", town.fleet.write("steward", put("x", 1), after=missing))
    far.begin(2)
    assert sessions(driven)[:2] == (1, 2), "the next one has to wait a little"
    assert began_sync(driven.wait(1), "box-1")


def test_a_frame_of_a_session_that_ended_is_nobodys_fault():
    town = Town()
    driven = Driven(town)
    effects = driven.meet("box-1")
    town.write(NEWS)
    far = Far(driven, "box-1")
    (first,) = frames(effects, "box-1", SYNC_PROTOCOL)
    replies = far.reply(first)
    driven.wait(SILENCE_NS / SECOND + 1)
    for reply in replies:
        driven.hear("box-1", SYNC_PROTOCOL, reply)
    opening = far.speak(9)
    driven.wait(SILENCE_NS / SECOND + 1)
    for reply in [r for body in frames(opening, "box-1", SYNC_PROTOCOL) for r in far.reply(body)]:
        driven.hear("box-1", SYNC_PROTOCOL, reply)
    assert not of(fx.Penalise, driven.effects)


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"\x02\x01\x80", b"\x00\x01junk", b"\x00\x01", b"\x00\x01" + b"\x81" * 99],
)
def test_what_no_honest_peer_sends_is_penalised_and_costs_only_the_session(body):
    town = Town()
    driven = Driven(town)
    effects = driven.meet("box-1")
    (penalty,) = of(fx.Penalise, driven.hear("box-1", SYNC_PROTOCOL, body))
    assert penalty.peer == public("box-1")
    assert penalty.reason.startswith("sync: ")
    town.write(NEWS)
    assert of(fx.Persist, Far(driven, "box-1").answer(effects)), "ours goes on"


def test_what_a_session_brought_spreads_although_it_failed():
    for ending in (_garbage, _silence, _departure):
        town = Town()
        driven = Driven(town)
        driven.meet("box-2", outbound=False)
        Far(driven, "box-2").begin(7)
        effects = driven.meet("box-1")
        town.write(NEWS)
        far = Far(driven, "box-1")
        waiting = frames(effects, "box-1", SYNC_PROTOCOL)
        while not sessions(driven)[3]:
            for reply in far.reply(waiting.pop(0)):
                more = driven.hear("box-1", SYNC_PROTOCOL, reply)
                waiting += frames(more, "box-1", SYNC_PROTOCOL)
        assert sessions(driven)[1] == 1, "that with box-2 alone has ended"
        ending(driven)
        assert began_sync(driven.wait(1), "box-2"), ending


def _garbage(driven: Driven) -> None:
    running = driven.mind.statistics().sync.begun
    driven.hear("box-1", SYNC_PROTOCOL, bytes((1, running)) + b"junk")


def _silence(driven: Driven) -> None:
    driven.now_ns += SILENCE_NS
    driven.take(driven.mind.tick(driven.now))


def _departure(driven: Driven) -> None:
    driven.disconnect("box-1")


def test_a_session_broken_off_by_a_new_sorting_is_followed_by_a_whole_one():
    """The session itself brings what the peer is sorted by, and the peer knows nothing of that."""
    town = Town()
    town.enrol("newcomer", "city/9")
    cut = town.write(revoke("newcomer", "city/9", []))
    driven = Driven(town, entries=town.known[:-2])
    effects = driven.meet("newcomer", name="city/9", grants=[town.known[-2]])
    assert answers(effects, "newcomer") == [("member", "")]
    far = Far(driven, "newcomer")
    far.answer(effects)
    assert ("known", "revoked") in answers(driven.effects, "newcomer")
    assert driven.mind.replica.entry(cut.id) == cut
    assert not of(fx.Penalise, driven.effects)
    begun, finished, failed, _ = sessions(driven)
    assert (begun, finished, failed) == (2, 1, 0), "the second one ran to its end"


def test_a_known_peer_learns_its_revocation_but_gets_no_more():
    town = Town()
    status = town.fleet.write("box-1", ("status", {"topic": "a", "value": 1}), lane=Lane.STATE)
    cut = town.write(revoke("box-2", "city/2", []))
    driven = Driven(town)
    effects = driven.meet("box-2", name="city/2")
    far = Far(driven, "box-2")
    far.replica = offer_all(
        replica_of(town.fleet), [e for e in town.known if e not in (cut, status)]
    )
    far.answer(effects)
    assert far.replica.entry(cut.id) == cut
    assert far.replica.entry(status.id) is None


def test_whoever_begins_sessions_without_end_is_not_heard_out():
    town = Town()
    town.write(revoke("box-2", "city/2", []))
    driven = Driven(town)
    driven.meet("box-2", outbound=False)
    far = Far(driven, "box-2", Reach.known())
    heard = sum(bool(frames(far.speak(n), "box-2", SYNC_PROTOCOL)) for n in range(100))
    assert heard == KNOWN_SESSIONS.burst
    driven.now_ns += 2 * SECOND
    assert frames(far.speak(200), "box-2", SYNC_PROTOCOL)
    driven.disconnect("box-2")
    driven.meet("box-2", outbound=False)
    again = sum(bool(frames(far.speak(n), "box-2", SYNC_PROTOCOL)) for n in range(100))
    assert again <= KNOWN_SESSIONS.burst // 2, "coming back refills nothing"


def test_our_sessions_with_one_peer_keep_their_distance():
    town = Town()
    driven = Driven(town)
    driven.meet("box-1")
    driven.meet("box-2")
    for label in ("box-1", "box-2"):
        Far(driven, label).answer(list(driven.effects))
    begun = sessions(driven)[0]
    last = town.last
    for number in range(20):
        orphan = town.fleet.write("steward", put(f"place/city/{number}", 1), after=last)
        driven.fact("box-1", town.fleet.write("steward", put("x", number), after=orphan))
        driven.wait(0.01)
    assert sessions(driven)[0] <= begun + 1


def test_a_budget_spent_is_gone_on_with_in_the_next_session(monkeypatch: pytest.MonkeyPatch):
    town = Town()
    driven = Driven(town)
    small = _limits(entries_in_max=3, segment_size_max=700)
    monkeypatch.setattr("mesh.mind.syncing.SyncLimits.member", small)
    effects = driven.meet("box-1")
    for number in range(9):
        town.write(put(f"place/city/{number}", NEWS[1]["value"]))
    far = Far(driven, "box-1")
    for _ in range(9):
        far.answer(effects)
        effects = driven.wait(0.3)
    assert driven.mind.replica.entry(town.known[-1].id) is not None
    assert sessions(driven)[0] > 2


def _limits(**limits: int) -> Callable[[], object]:
    from crdt.sync import SyncLimits

    return staticmethod(lambda: SyncLimits(**limits))


@given(seed=st.integers(0, 2**64))
def test_a_peer_that_spoils_a_session_anywhere_makes_nobody_believe_anything(seed: int):
    rng = Random(seed)
    town = Town(boxes=1)
    town.enrol("box-1", "city/1")
    driven = Driven(town)
    effects = driven.meet("box-1", outbound=rng.random() < 0.5)
    for number in range(3):
        town.write(put(f"place/city/{number}", NEWS[1]["value"]))
    town.fleet.declare(put("place/city/9", 1))
    far = Far(driven, "box-1")
    effects += far.speak(1)
    waiting = frames(effects, "box-1", SYNC_PROTOCOL)
    while waiting:
        try:
            replies = far.reply(waiting.pop(0))
        except SyncError:
            continue  # it has spoilt its own session as well
        for reply in replies:
            said = mutate(rng, reply) if rng.random() < 0.3 else reply
            waiting += frames(driven.hear("box-1", SYNC_PROTOCOL, said), "box-1", SYNC_PROTOCOL)
    driven.wait(400)
    folded = fold_authority(
        town.fleet.genesis, driven.mind.replica.chain.statements, driven.mind.replica.entries()
    )
    assert driven.mind.replica.authority.digest == folded.digest
    assert all(verify_entry(entry) for entry in driven.mind.replica.entries())


def test_a_root_statement_by_sync_is_stored_and_told_to_the_others():
    town = Town()
    driven = Driven(town)
    driven.meet("box-2", outbound=False)
    effects = driven.meet("box-1")
    statement = town.fleet.declare(put("place/city/9", 1))
    found = Far(driven, "box-1").answer(effects)
    assert [p.roots for p in of(fx.Persist, found) if p.roots] == [(statement,)]
    assert began_sync(driven.wait(1), "box-2")
    assert not spread(driven.effects, "box-2")


def test_a_side_that_waits_for_a_first_session_begins_it_if_none_comes():
    town = Town()
    driven = Driven(town)
    assert not began_sync(driven.meet("box-1", outbound=False), "box-1")
    driven.wait(FIRST_S - 0.5)
    assert sessions(driven)[0] == 0
    effects = driven.wait(0.5)
    assert began_sync(effects, "box-1")
    Far(driven, "box-1").answer(effects)
    driven.wait(2 * FIRST_S)
    assert sessions(driven)[:2] == (1, 1)


def test_a_side_whose_peer_began_need_not():
    town = Town()
    driven = Driven(town)
    driven.meet("box-1", outbound=False)
    Far(driven, "box-1").begin(7)
    driven.wait(2 * FIRST_S)
    assert sessions(driven)[0] == 0


def test_a_first_session_that_was_silent_is_tried_again_soon():
    town = Town()
    driven = Driven(town)
    driven.meet("box-1")
    driven.wait(SILENCE_NS / SECOND)
    assert sessions(driven)[:3] == (1, 0, 1)
    assert began_sync(driven.wait(FIRST_S), "box-1")
