"""IHAVE, IWANT, IDONTWANT and the heartbeats that carry them."""

from collections.abc import Callable

from mesh.gossip import Params, Priority, Verdict
from mesh.gossip.messages import subscription_frames
from mesh.units import MS, SECOND
from tests.unit.gossip.lone import (
    START_NS,
    Lone,
    T,
    controls_to,
    delivered,
    id_of,
    penalties,
    recipients,
)
from tests.unit.gossip.network import key_of, rpcs_to, sends

ALL = range(1, 9)


def advertised_to(effects: list, numbers: range = ALL) -> list[int]:
    return [number for number in numbers if controls_to(effects, number).ihave]


# -------------------------------------------------------------------------------------- advertising


def test_cover_advertises_to_everyone_not_known_to_hold_it() -> None:
    lone = Lone(8)
    lone.judge(b"data", Verdict.ACCEPT, author=2)
    lone.message(1, b"data")
    lone.message(3, b"data")
    lone.ihave(4, id_of(b"data"))
    lone.lose(*ALL)
    effects = lone.wait(1)
    assert advertised_to(effects) == [5, 6, 7, 8]
    assert controls_to(effects, 5).ihave == [(T, [id_of(b"data")])]
    assert all(send.priority is Priority.GOSSIP for send in sends(effects))
    lone.message(5, b"data")
    for _ in range(2):
        lone.lose(*ALL)
        assert advertised_to(lone.wait(1)) == [6, 7, 8]
    lone.lose(*ALL)
    assert advertised_to(lone.wait(1)) == []


def test_whoever_was_sent_a_copy_or_told_the_id_is_told_no_more() -> None:
    lone = Lone(12)
    copies = recipients(lone.message(1, b"data"))
    assert copies
    rest = [number for number in range(2, 13) if number not in copies]
    assert advertised_to(lone.wait(1), range(1, 13)) == rest
    assert sends(lone.wait(10)) == []


def test_an_own_message_is_advertised_to_those_alone_who_were_not_sent_it() -> None:
    for flood in (True, False):
        lone = Lone(12)
        copies = recipients(lone.router.publish(T, b"data", lone.now_ns, flood=flood))
        told = advertised_to(lone.wait(3), range(1, 13))
        assert sorted(copies + told) == list(range(1, 13))
        assert bool(told) is not flood


def test_a_link_in_doubt_is_told_again_and_no_other() -> None:
    hello = subscription_frames([T], subscribe=True)
    doubts: tuple[Callable[[Lone], object], ...] = (
        lambda lone: lone.lose(2),
        lambda lone: lone.router.hello(key_of(2)),
        lambda lone: lone.hears(2, *hello),
        lambda lone: (lone.remove(2), lone.add(2), lone.hears(2, *hello)),
    )
    for number, doubt in enumerate(doubts):
        lone = Lone(3)
        assert recipients(lone.message(1, b"data")) == [2, 3]
        doubt(lone)
        assert advertised_to(lone.wait(1)) == [2], number
        assert advertised_to(lone.wait(1)) == []
        doubt(lone)
        assert advertised_to(lone.wait(1)) == [2], number


def test_a_topic_announced_again_says_nothing_of_others() -> None:
    lone = Lone(2)
    lone.message(1, b"data")
    lone.hears(2, *subscription_frames(["elsewhere"], subscribe=True))
    assert advertised_to(lone.wait(1)) == []


def test_those_whom_the_author_told_are_left_to_one_another() -> None:
    lone = Lone(5, number=9)
    for told, watched in (([2, 9, 3, 4], 3), ([3, 2, 9], 3), ([9, 77, 4, 2], 4), ([9], None)):
        data = b"%d" % lone.now_ns
        lone.judge(data, Verdict.ACCEPT, author=1)
        copies = recipients(lone.message(1, data, told=told))
        assert sorted(copies) == [number for number in range(2, 6) if number not in told]
        assert advertised_to(lone.wait(1)) == ([] if watched is None else [watched])
        assert sends(lone.wait(2)) == []


def test_who_is_not_among_those_told_covers_all_of_them() -> None:
    lone = Lone(5, number=9)
    lone.judge(b"data", Verdict.ACCEPT, author=1)
    lone.message(1, b"data", told=[2, 3])
    assert advertised_to(lone.wait(1)) == [2, 3]


def test_each_peer_is_told_only_what_it_lacks() -> None:
    lone = Lone(3)
    lone.message(1, b"a")
    lone.message(2, b"b")
    lone.lose(1, 2, 3)
    effects = lone.wait(1)
    assert controls_to(effects, 1).ihave == [(T, [id_of(b"b")])]
    assert controls_to(effects, 2).ihave == [(T, [id_of(b"a")])]
    assert controls_to(effects, 3).ihave == [(T, [id_of(b"a"), id_of(b"b")])]


def test_without_cover_gossip_goes_to_a_few_outside_the_mesh() -> None:
    lone = Lone(40, params=Params(cover=False, told=False))
    mesh = lone.mesh()
    audience = advertised_to(lone.wait(1), range(1, 41))
    assert len(audience) == 8
    assert not set(audience) & set(mesh)


def test_many_subscribers_get_a_drawn_share() -> None:
    lone = Lone(20, params=Params(cover_peers_max=5))
    lone.router.publish(T, b"data", lone.now_ns)
    lone.lose(*range(1, 21))
    assert len(advertised_to(lone.wait(1), range(1, 21))) == 5


def test_a_burst_is_advertised_in_rpcs_others_can_take() -> None:
    lone = Lone(1, params=Params(ihave_rpcs_max=3))
    for count in range(2000):
        lone.router.publish(T, b"%d" % count, lone.now_ns)
    lone.lose(1)
    rpcs = rpcs_to(lone.wait(1), key_of(1))
    assert len(rpcs) == 3
    assert max(len(send.frame) for send in sends(lone.wait(1))) <= 12_000
    assert lone.router.statistics().counters.ihave_sent == 6


def test_more_ids_than_one_heartbeat_may_name_are_drawn() -> None:
    lone = Lone(1, params=Params(ihave_ids_max=10))
    for count in range(50):
        lone.router.publish(T, b"%d" % count, lone.now_ns)
    lone.lose(1)
    ((_, ids),) = controls_to(lone.wait(1), 1).ihave
    assert len(set(ids)) == 10
    ((_, others),) = controls_to(lone.wait(1), 1).ihave
    assert not set(ids) & set(others)


def test_no_gossip_with_a_peer_below_the_threshold() -> None:
    lone = Lone(3)
    lone.router.set_opinion(key_of(1), -20.0, lone.now_ns)
    lone.message(2, b"data")
    lone.lose(1, 3)
    assert advertised_to(lone.wait(1)) == [3]
    assert lone.ihave(1, id_of(b"new")) == []
    assert lone.iwant(1, id_of(b"data")) == []


def test_a_bit_given_to_another_peer_says_nothing_of_the_first() -> None:
    lone = Lone(2)
    lone.message(1, b"data")  # a copy goes to 2
    for gone, new in ((1, 3), (2, 4)):
        lone.remove(gone)
        lone.add(new)
        lone.hears(new, *subscription_frames([T], subscribe=True))
    assert advertised_to(lone.wait(1)) == [3, 4]


# ------------------------------------------------------------------------------------------ asking


def test_only_what_is_new_in_joined_topics_is_asked_for() -> None:
    lone = Lone(2)
    lone.message(1, b"old")
    new = id_of(b"new")
    effects = lone.ihave(2, id_of(b"old"), new, b"short", new)
    assert controls_to(effects, 2).iwant == [new]
    assert lone.ihave(2, id_of(b"elsewhere"), topic="elsewhere") == []
    assert lone.ihave(1, new) == []  # asked already


def test_an_unanswered_ask_goes_to_the_next_advertiser_after_a_second_and_a_half() -> None:
    lone = Lone(3)
    new = id_of(b"new")
    for number in (1, 2, 3, 2):
        lone.ihave(number, new)
    assert lone.router.next_heartbeat_ns(lone.now_ns) == lone.now_ns + 1500 * MS
    assert lone.wait(1.4) == []
    effects = lone.wait(0.2)
    assert controls_to(effects, 2).iwant == [new]
    assert penalties(effects) == ["broken_promise"]
    effects = lone.wait(1.5)
    assert controls_to(effects, 3).iwant == [new]
    assert sends(lone.wait(10)) == []
    assert lone.router.statistics().asked == 0
    assert delivered(lone.message(3, b"new")) == [b"new"]


def test_the_same_peer_is_asked_again_where_there_is_no_other() -> None:
    lone = Lone(1)
    new = id_of(b"new")
    lone.ihave(1, new)
    assert controls_to(lone.wait(1.6), 1).iwant == [new]
    assert delivered(lone.message(1, b"new")) == [b"new"]
    assert sends(lone.wait(0.1)) == []
    assert lone.router.statistics().counters.iwant_retries == 1


def test_nobody_is_asked_when_the_advertiser_is_gone() -> None:
    lone = Lone(1)
    lone.ihave(1, id_of(b"new"))
    lone.remove(1)
    assert lone.wait(2) == []
    assert lone.router.next_heartbeat_ns(lone.now_ns) is None


def test_a_stalled_peer_is_penalised_once_a_heartbeat_not_once_an_id() -> None:
    lone = Lone(1)
    for count in range(100):
        lone.ihave(1, id_of(b"%d" % count)) if count < 9 else None
        lone.now_ns += 1
    assert penalties(lone.wait(1.6)) == ["broken_promise"]
    assert lone.router.score(key_of(1), lone.now_ns) >= 0


def test_ihave_budgets() -> None:
    lone = Lone(1, params=Params(ihave_rpcs_max=2, ihave_ids_max=5, asked_max=8))
    ids = [id_of(b"%d" % count) for count in range(30)]
    assert len(controls_to(lone.ihave(1, *ids[:4]), 1).iwant) == 4
    assert len(controls_to(lone.ihave(1, *ids[4:8]), 1).iwant) == 1
    assert lone.ihave(1, *ids[8:]) == []
    assert lone.router.statistics().counters.ihave_refused == 1
    lone.now_ns += SECOND
    assert len(controls_to(lone.ihave(1, *ids[8:]), 1).iwant) == 3  # eight at a time in all


def test_parked_and_rejected_messages_are_not_asked_for_again_soon() -> None:
    lone = Lone(2)
    lone.judge(b"parked", Verdict.PARK)
    lone.judge(b"forged", Verdict.REJECT)
    lone.message(1, b"parked")
    lone.message(1, b"parked")
    lone.message(1, b"forged")
    assert lone.ihave(2, id_of(b"parked"), id_of(b"forged")) == []
    lone.wait(3.1)
    effects = lone.ihave(2, id_of(b"parked"), id_of(b"forged"))
    assert controls_to(effects, 2).iwant == [id_of(b"parked"), id_of(b"forged")]


def test_publishing_what_was_asked_for_answers_the_ask() -> None:
    lone = Lone(1)
    lone.ihave(1, id_of(b"data"))
    lone.router.publish(T, b"data", lone.now_ns)
    assert lone.router.statistics().asked == 0
    assert penalties(lone.wait(3)) == []


# --------------------------------------------------------------------------------------- answering


def test_a_message_is_served_three_times_and_for_five_heartbeats() -> None:
    lone = Lone(2)
    lone.message(1, b"data")
    for _ in range(3):
        effects = lone.iwant(2, id_of(b"data"), id_of(b"unknown"))
        assert recipients(effects) == [2]
        assert sends(effects)[0].priority is Priority.EVENT
    assert lone.iwant(2, id_of(b"data")) == []
    assert recipients(lone.iwant(1, id_of(b"data"))) == [1]
    lone.message(1, b"other")
    lone.wait(5)
    assert lone.iwant(2, id_of(b"other")) == []
    assert lone.router.statistics().cached == 0


def test_answers_have_a_budget() -> None:
    lone = Lone(2, params=Params(ihave_ids_max=3))
    for count in range(5):
        lone.message(1, b"%d" % count)
    ids = [id_of(b"%d" % count) for count in range(5)]
    assert len(lone.iwant(2, *ids)) == 3
    lone.now_ns += SECOND
    assert len(lone.iwant(2, *ids[3:])) == 2


def test_an_id_forgotten_sooner_than_its_message_does_no_harm() -> None:
    lone = Lone(2, params=Params(seen_max=2))
    for data in (b"a", b"b", b"c", b"a"):
        lone.message(1, data)
    assert lone.router.statistics().cached == 3
    lone.wait(10)
    assert lone.router.statistics().cached == 0
    assert lone.ihave(2, id_of(b"a")) == []  # seen, and no longer held


def test_the_cache_is_bounded_in_bytes() -> None:
    lone = Lone(2, params=Params(cache_bytes_max=5000))
    for count in range(20):
        lone.message(1, b"%d" % count + bytes(1000))
    statistics = lone.router.statistics()
    assert statistics.cached == 4
    assert statistics.cached_bytes <= 5000
    lone.lose(2)
    ((_, ids),) = controls_to(lone.wait(1), 2).ihave
    assert len(ids) == 4


# -------------------------------------------------------------------------------------- idontwant


def test_large_messages_are_declined_at_the_others_and_small_ones_are_not() -> None:
    lone = Lone(4)
    large = bytes(4096)
    effects = lone.message(1, large)
    assert [controls_to(effects, number).idontwant for number in (1, 2, 3, 4)] == [
        [],
        *[[id_of(large)]] * 3,
    ]
    assert controls_to(lone.message(1, b"small"), 2).idontwant == []


def test_declined_messages_are_not_forwarded_to_who_declined() -> None:
    lone = Lone(4, params=Params(idontwant_max=2))
    lone.idontwant(2, b"short", id_of(b"data"), id_of(b"b"), id_of(b"c"))
    assert recipients(lone.message(1, b"data")) == [3, 4]
    assert recipients(lone.message(1, b"c")) == [2, 3, 4]
    lone.now_ns += 10 * SECOND
    lone.idontwant(2, id_of(b"d"))
    assert recipients(lone.message(1, b"d")) == [3, 4]
    assert lone.router.statistics().counters.declined == 2


# -------------------------------------------------------------------------------------- heartbeats


def test_nothing_to_do_nothing_beats() -> None:
    lone = Lone()
    lone.add(1)
    assert lone.router.next_heartbeat_ns(lone.now_ns) is None
    assert lone.router.heartbeat(lone.now_ns) == []
    assert lone.router.statistics().counters.heartbeats == 0


def test_one_message_costs_five_heartbeats_on_the_grid() -> None:
    lone = Lone(2)
    lone.message(1, b"data")
    first_ns = lone.router.next_heartbeat_ns(lone.now_ns)
    assert first_ns is not None
    assert lone.now_ns < first_ns <= lone.now_ns + SECOND
    before = lone.router.statistics().counters.heartbeats
    lone.wait(60)
    assert lone.router.statistics().counters.heartbeats == before + 5
    assert lone.router.next_heartbeat_ns(lone.now_ns) is None
    lone.message(1, b"later")
    again_ns = lone.router.next_heartbeat_ns(lone.now_ns)
    assert again_ns is not None
    assert (again_ns - first_ns) % SECOND == 0


def test_a_due_heartbeat_does_not_slip_when_the_shell_is_late() -> None:
    lone = Lone(2)
    lone.message(1, b"data")
    lone.lose(2)
    due_ns = lone.router.next_heartbeat_ns(lone.now_ns)
    assert due_ns is not None
    assert lone.router.next_heartbeat_ns(due_ns + 700 * MS) == due_ns
    assert lone.router.heartbeat(due_ns - 1) == []
    assert lone.router.heartbeat(due_ns + 700 * MS) != []
    after_ns = lone.router.next_heartbeat_ns(due_ns + 700 * MS)
    assert after_ns == due_ns + SECOND


def test_phases_are_drawn_so_that_boxes_do_not_beat_together() -> None:
    phases = set()
    for seed in range(20):
        lone = Lone(1, seed=seed)
        lone.now_ns = START_NS + 100 * SECOND
        lone.message(1, b"data")
        phases.add(lone.router.next_heartbeat_ns(lone.now_ns))
    assert len(phases) == 20
