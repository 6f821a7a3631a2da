"""Links: hello, sorting, admission, suspension, and what a peer learns of it."""

from crdt.entry import Lane, make_entry
from crdt.sync import Reach
from mesh.choreography.topics import auth_topic
from mesh.coordination.hello import HELLO_PROTOCOL, HELLO_SIZE_MAX, Answer, Clock, Head, Hello
from mesh.coordination.trust import PeerClass
from mesh.mind import GOSSIP_PROTOCOL, SYNC_PROTOCOL
from mesh.mind import effects as fx
from mesh.mind.links import LINKS_MAX
from tests.laws.writing import box_of, cut_at, grant, key_of, public, put, revoke
from tests.unit.mind.driving import (
    Driven,
    Town,
    answers,
    began_sync,
    frames,
    of,
    said,
    subscriptions,
)
from tests.unit.mind.test_syncing import Far


def test_a_link_begins_with_a_hello_that_carries_the_chain_and_the_peers_own_heads():
    town = Town()
    note = town.fleet.write("box-1", put("note", 1), inc=5)
    driven = Driven(town)
    (hello,) = said(driven.connect("box-1"), "box-1")
    assert isinstance(hello, Hello)
    assert hello.ns == town.fleet.genesis.ns
    assert hello.root == (1, town.statements[0].id)
    assert hello.name == "city/0"
    assert hello.wall_ms == driven.now.wall_ms
    chain = [entry for entry in town.known if entry.body.get("pk") == public("box-0")]
    assert list(hello.grants) == [entry.wire for entry in chain]
    assert hello.heads == (Head(Lane.AUTH, 5, 0, note.id),)


def test_a_member_is_answered_admitted_and_compared_with():
    driven = Driven(Town())
    effects = driven.connect("box-1") + driven.hello("box-1", "city/1")
    assert answers(effects, "box-1") == [("member", "")]
    assert fx.Admit(public("box-1")) in effects
    assert began_sync(effects, "box-1")
    (link,) = driven.mind.statistics().links
    assert (link.name, link.outbound, link.peer_class, link.answered) == (
        "city/1", True, "member", "",
    )  # fmt: skip


def test_who_was_dialled_does_not_begin_to_compare_as_well():
    driven = Driven(Town())
    assert not began_sync(driven.meet("box-1", outbound=False), "box-1")


def test_a_stranger_is_told_so_and_gets_nothing():
    driven = Driven(Town())
    effects = driven.meet("stranger")
    assert answers(effects, "stranger") == [("stranger", "unknown_author")]
    assert not of(fx.Admit, effects)
    assert not frames(effects, "stranger", SYNC_PROTOCOL)
    before = driven.mind.replica.authority.digest
    topic = auth_topic(driven.town.fleet.genesis.ns)
    assert not of(fx.Persist, driven.gossip("stranger", topic, b"x"))
    assert not of(fx.Send, driven.hear("stranger", SYNC_PROTOCOL, bytes((0, 1)) + b"\x83"))
    driven.mind.stream_opened(public("stranger"), GOSSIP_PROTOCOL, driven.now)
    assert driven.mind.replica.authority.digest == before
    assert driven.mind.statistics().gossip.counters.unknown_peer == 1


def test_a_chain_of_grants_in_a_hello_makes_a_stranger_a_member_at_once():
    town = Town()
    driven = Driven(town)
    added = town.enrol("newcomer", "city/9")
    effects = driven.meet("newcomer", name="city/9", grants=[added])
    assert answers(effects, "newcomer") == [("member", "")]
    (persist,) = of(fx.Persist, effects)
    assert persist.entries == (added,)
    assert not persist.own
    assert fx.Changed() in effects


def test_whose_chain_does_not_link_yet_is_known_and_brings_what_is_missing():
    """It was enrolled where we could not hear it; only its invite holds what lies before."""
    town = Town()
    driven = Driven(town)
    for number in range(3):
        town.write(put(f"place/city/x-{number}", 1))
    granted = town.enrol("newcomer", "city/9")
    effects = driven.meet("newcomer", name="city/9", grants=[granted])
    assert answers(effects, "newcomer") == [("known", "not_granted")]
    assert not of(fx.Admit, effects)
    Far(driven, "newcomer", Reach.known()).answer(effects)
    assert answers(driven.effects, "newcomer")[-1] == ("member", "")
    assert fx.Admit(public("newcomer")) in driven.effects


def test_a_chain_of_somebody_else_or_of_nobody_makes_nobody_known():
    town = Town()
    driven = Driven(town)
    town.write(put("place/city/x", 1))
    granted = town.enrol("newcomer", "city/9")
    overreach = town.fleet.write("box-1", grant("puppet", "city/8", 4, 1, box_of("city/8")), inc=9)
    for label, chain in (("thief", [granted]), ("puppet", [overreach]), ("newcomer", [town.last])):
        expected = ("stranger", "unknown_author")
        if label == "newcomer":
            expected = ("known", "not_granted")
        assert answers(driven.meet(label, grants=chain), label) == [expected]


def test_a_peer_that_was_revoked_is_known_and_told_why():
    town = Town()
    town.write(revoke("box-2", "city/2", []))
    driven = Driven(town)
    effects = driven.meet("box-2", name="city/2")
    assert answers(effects, "box-2") == [("known", "revoked")]
    assert not of(fx.Admit, effects)
    assert began_sync(effects, "box-2"), "the revoked have to be able to learn it"


def test_another_fleet_is_hung_up_on():
    driven = Driven(Town())
    driven.connect("box-1")
    (effect,) = of(fx.Disconnect, driven.hello("box-1", ns=bytes(16)))
    assert effect.peer == public("box-1")
    assert "another fleet" in effect.reason


def test_a_chain_that_is_none_is_hung_up_on():
    town = Town()
    driven = Driven(town)
    genuine = town.enrol("newcomer", "city/9")
    state = town.fleet.write("box-1", ("status", {"topic": "a", "value": 1}), lane=Lane.STATE)
    for wire, complaint in (
        (b"junk", "no entry"),
        (bytes(64) + genuine.raw, "signature"),
        (state.wire, "lane"),
    ):
        driven.connect("box-1")
        hello = Hello(genuine.ns, (0, bytes(32)), 0, (), "", (wire,), ())
        (effect,) = of(fx.Disconnect, driven.hear("box-1", HELLO_PROTOCOL, hello.encode()))
        assert complaint in effect.reason
        assert not driven.mind.links.members()
        driven.disconnect("box-1")


def test_a_revocation_ends_a_membership_in_the_middle_of_a_conversation():
    town = Town()
    driven = Driven(town)
    driven.meet("box-1", name="city/1")
    driven.meet("box-2", name="city/2")
    effects = driven.fact("box-1", town.write(revoke("box-2", "city/2", [])))
    assert answers(effects, "box-2") == [("known", "revoked")]
    assert fx.Suspend(public("box-2")) in effects
    assert fx.Suspend(public("box-1")) not in effects
    assert [link.peer for link in driven.mind.links.members()] == [public("box-1")]
    more = driven.fact("box-2", town.write(put("place/city/x", 1)))
    assert not of(fx.Persist, more), "what the revoked gossips is not read"


def test_a_grant_heard_of_later_admits():
    town = Town()
    driven = Driven(town)
    driven.meet("box-1", name="city/1")
    driven.meet("newcomer", outbound=False)
    effects = driven.fact("box-1", town.enrol("newcomer", "city/9"))
    assert answers(effects, "newcomer") == [("member", "")]
    assert fx.Admit(public("newcomer")) in effects
    assert began_sync(effects, "newcomer"), "whoever sorts another again begins to compare"


def test_a_swapped_key_is_known_by_its_reason_and_the_new_one_a_member():
    town = Town()
    driven = Driven(town)
    driven.meet("box-1", name="city/1")
    driven.meet("box-2", name="city/2")
    body = grant("spare", "city/2", 3, 2, box_of("city/2"), replaces={"box-2": []})
    effects = driven.fact("box-1", town.write(body))
    assert answers(effects, "box-2") == [("known", "superseded_key")]
    assert answers(driven.meet("spare"), "spare") == [("member", "")]


def test_an_answer_and_a_clock_are_noted():
    driven = Driven(Town())
    driven.meet("box-1", name="city/1")
    driven.hear("box-1", HELLO_PROTOCOL, Answer(PeerClass.KNOWN, "revoked").encode())
    (link,) = driven.mind.statistics().links
    assert (link.answered, link.answered_reason) == ("known", "revoked")
    driven.hear("box-1", HELLO_PROTOCOL, Clock(driven.now.wall_ms + 9).encode())
    assert driven.mind.statistics().clock_offset_ms == 9


def test_only_members_have_a_say_about_the_time():
    driven = Driven(Town())
    hour = 3_600_000
    for number in range(5):
        label = f"stranger-{number}"
        driven.connect(label)
        driven.hello(label, wall_ms=driven.now.wall_ms + hour)
        driven.hear(label, HELLO_PROTOCOL, Clock(driven.now.wall_ms + hour).encode())
    assert driven.mind.statistics().clock_trusted
    assert driven.mind.statistics().clock_offset_ms == 0
    driven.connect("box-1")
    driven.hello("box-1", wall_ms=driven.now.wall_ms + hour)
    assert not driven.mind.statistics().clock_trusted


def test_whoever_is_revoked_loses_their_say_about_the_time():
    town = Town()
    driven = Driven(town)
    driven.meet("box-1", name="city/1")
    driven.connect("box-2")
    driven.hello("box-2", wall_ms=driven.now.wall_ms + 10_000)
    assert driven.mind.statistics().clock_offset_ms == 0, "the lower of two is the median"
    driven.disconnect("box-1")
    assert not driven.mind.statistics().clock_trusted
    driven.connect("centre")
    town.write(revoke("box-2", "city/2", []))
    assert town.last is not None
    driven.hello("centre", grants=[town.last])
    assert driven.mind.statistics().clock_trusted


def test_the_same_peer_twice_and_one_too_many_are_hung_up_on():
    driven = Driven(Town())
    driven.connect("box-1")
    (effect,) = of(fx.Disconnect, driven.connect("box-1"))
    assert effect.peer == public("box-1")
    for number in range(LINKS_MAX - 1):
        assert driven.mind.links.connected(number.to_bytes(32), outbound=False)
    (effect,) = of(fx.Disconnect, driven.connect("box-2"))
    assert effect.peer == public("box-2")


def test_who_comes_and_goes_with_ever_new_keys_leaves_nothing_behind():
    driven = Driven(Town())
    driven.meet("box-1", name="city/1")
    for number in range(20):
        driven.meet(f"stranger-{number}")
        driven.disconnect(f"stranger-{number}")
        driven.disconnect(f"never-here-{number}")
    driven.disconnect("box-1")
    assert list(driven.mind.heard_ns) == [public("box-1")], "a known author was heard"
    assert not driven.mind.statistics().links
    assert driven.mind.receive(public("stranger-1"), HELLO_PROTOCOL, b"", driven.now) == []


def test_a_gossip_stream_begins_with_our_topics_and_only_for_a_member():
    driven = Driven(Town())
    driven.meet("box-1", name="city/1")
    driven.meet("stranger")
    topics = [
        topic
        for subscribed, topic in subscriptions(
            driven.mind.stream_opened(public("box-1"), GOSSIP_PROTOCOL, driven.now), "box-1"
        )
        if subscribed
    ]
    prefix = f"/{driven.town.fleet.genesis.ns.hex()}/"
    assert topics == [prefix + "auth", prefix + "fleet", prefix + "d/city/state"]
    for label, protocol in (("stranger", GOSSIP_PROTOCOL), ("nobody", GOSSIP_PROTOCOL)):
        effects = driven.mind.stream_opened(public(label), protocol, driven.now)
        assert not of(fx.Send, effects)


def test_a_hello_that_was_lost_with_its_stream_is_said_again():
    driven = Driven(Town())
    driven.connect("box-1")
    again = driven.mind.stream_opened(public("box-1"), HELLO_PROTOCOL, driven.now)
    assert [type(what) for what in said(again, "box-1")] == [Hello]
    driven.hello("box-1", "city/1")
    again = driven.mind.stream_opened(public("box-1"), HELLO_PROTOCOL, driven.now)
    assert [type(what) for what in said(again, "box-1")] == [Hello, Answer]
    assert not driven.mind.stream_opened(public("nobody"), HELLO_PROTOCOL, driven.now)


def test_a_chain_too_long_for_a_hello_is_left_to_sync():
    town = Town(boxes=0)
    caps = [{"verb": "grant", "names": "city"}, {"verb": "state", "names": "city"}]
    issuer = "centre"
    for level, label in enumerate(("first", "second", "third", "fourth")):
        kind, body = grant(label, f"city/{label}", 2 + level, 1, caps)
        padded = kind, {**body, "padding": bytes(15_000)}
        if issuer == "centre":
            town.write(padded)
        else:
            town.fleet.write(issuer, padded)
        issuer = label
        (hello,) = said(Driven(town, label, f"city/{label}").connect("centre"), "centre")
        assert isinstance(hello, Hello)
        assert len(hello.grants) == (level + 1 if level < 2 else 0)
        assert len(hello.encode()) <= HELLO_SIZE_MAX


def test_a_bootstrap_peer_is_in_the_topic_of_auth_alone():
    town = Town()
    caps = [{"verb": "none", "names": "boot"}]
    town.enrol("boot", "boot", caps=caps)
    driven = Driven(town, "boot", "boot", caches_only=True)
    driven.meet("box-1", name="city/1")
    effects = driven.mind.stream_opened(public("box-1"), GOSSIP_PROTOCOL, driven.now)
    assert subscriptions(effects, "box-1") == [(True, auth_topic(town.fleet.genesis.ns))]
    assert not of(fx.Persist, driven.wait(5)), "it states nothing of itself"


def test_what_looks_at_a_mind_shows_it():
    driven = Driven(Town())
    assert "city/0" in repr(driven.mind)
    assert "not enrolled" in repr(Driven(Town(), "nobody", "").mind)
    assert driven.mind.config.name == "city/0"
    assert driven.mind.public == public("box-0")
    assert driven.mind.presence == driven.mind.statistics().presence
    member = driven.mind.views.membership.of_key(public("box-0"))
    assert [one.name for one in member] == ["city/0"]


def test_cut_at_a_head_keeps_what_the_revoked_wrote_before():
    town = Town()
    caps = [{"verb": "put", "names": "city"}]
    town.enrol("writer", "city/9", caps=caps)
    note = town.fleet.write("writer", put("city/plan", 1))
    town.write(revoke("writer", "city/9", cut_at(note)))
    driven = Driven(town)
    assert driven.mind.replica.registers["city/plan"].value == 1
    later = make_entry(
        key_of("writer"), ns=note.ns, lane=Lane.AUTH, inc=0, seq=1, prev=note.id, t=0,
        kind="put", body=put("city/plan", 2)[1],
    )  # fmt: skip
    driven.meet("box-1", name="city/1")
    driven.fact("box-1", later)
    assert driven.mind.replica.registers["city/plan"].value == 1
