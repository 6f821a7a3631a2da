"""Membership, the path of a message, and the calls a shell makes."""

import pytest

from identity.keys import SecretKey
from mesh.framing import frame
from mesh.gossip import (
    MessageTooLargeError,
    Params,
    ParamsError,
    Priority,
    ScoreParams,
    StrictSign,
    TopicError,
    Verdict,
)
from mesh.gossip.decoding import decode_rpc
from mesh.gossip.messages import (
    MESSAGE_SIZE_MAX,
    PUBLISH_SIZE_MAX,
    Message,
    encode_message,
    message_frame,
    subscription_frames,
)
from tests.unit.gossip.lone import Lone, T, controls_to, delivered, id_of, penalties, recipients
from tests.unit.gossip.network import key_of, rpcs_to, sends, tag_of, unframed

# ---------------------------------------------------------------------------------- membership

D = Params().degree


def test_hello_is_the_whole_list_in_frames_of_a_hundred() -> None:
    lone = Lone(joined=False)
    names = [f"/fleet/e/{n}" for n in range(230)]
    for name in names:
        lone.router.join(name, lone.now_ns)
    lone.add(1)
    rpcs = [decode_rpc(unframed(one)) for one in lone.router.hello(key_of(1))]
    assert [len(rpc.subscriptions) for rpc in rpcs] == [100, 100, 30]
    assert [pair for rpc in rpcs for pair in rpc.subscriptions] == [(True, name) for name in names]


def test_hello_restates_the_meshes_the_peer_is_in() -> None:
    lone = Lone(1)
    rpcs = [decode_rpc(unframed(one)) for one in lone.router.hello(key_of(1))]
    assert rpcs[0].subscriptions == [(True, T)]
    assert rpcs[1].control is not None
    assert rpcs[1].control.graft == [T]
    assert lone.router.hello(key_of(99)) == lone.router.hello(key_of(1))[:1]


def test_hello_of_nothing_is_nothing() -> None:
    assert Lone(joined=False).router.hello(key_of(1)) == []


def test_join_announces_to_all_and_grafts_known_subscribers_at_once() -> None:
    lone = Lone(joined=False)
    for number in range(1, 10):
        lone.add(number)
    for number in range(1, 9):
        lone.hears(number, *subscription_frames([T], subscribe=True))
    effects = lone.router.join(T, lone.now_ns)
    assert recipients(effects)[:9] == list(range(1, 10))
    assert len(effects) == 9 + D
    assert all(send.priority is Priority.CONTROL for send in sends(effects))
    assert lone.router.join(T, lone.now_ns) == []


@pytest.mark.parametrize("topic", ["", "x" * 257, "é" * 129])
def test_topics_that_cannot_go_on_the_wire(topic: str) -> None:
    lone = Lone()
    with pytest.raises(TopicError):
        lone.router.join(topic, lone.now_ns)
    with pytest.raises(TopicError):
        lone.router.publish(topic, b"", lone.now_ns)


def test_one_topic_too_many() -> None:
    lone = Lone(params=Params(topics_max=2))
    lone.router.join("b", lone.now_ns)
    with pytest.raises(TopicError, match="'c'"):
        lone.router.join("c", lone.now_ns)


def test_leave_prunes_first_in_an_rpc_of_its_own() -> None:
    lone = Lone(2)
    lone.add(3)
    effects = lone.router.leave(T, lone.now_ns)
    for number in (1, 2):
        first, second = rpcs_to(effects, key_of(number))
        assert first.control is not None
        assert (first.control.prune, first.subscriptions) == ([(T, 10)], [])
        assert (second.control, second.subscriptions) == (None, [(False, T)])
    (only,) = rpcs_to(effects, key_of(3))
    assert (only.control, only.subscriptions) == (None, [(False, T)])
    assert lone.router.leave(T, lone.now_ns) == []
    assert delivered(lone.message(1, b"late")) == []
    assert lone.router.statistics().counters.not_joined == 1


def test_peers_are_known_once_limited_and_named_by_four_bytes() -> None:
    lone = Lone(params=Params(peers_max=2))
    for number in (1, 1, 2, 3):
        lone.add(number)
    assert lone.router.statistics().peers == 2
    lone.remove(3)
    lone.remove(2)
    assert lone.router.statistics().peers == 1
    with pytest.raises(ParamsError, match="4 bytes"):
        lone.router.peer_added(key_of(9), outbound=True, tag=b"abc", now_ns=lone.now_ns)


def test_a_stranger_is_not_heard() -> None:
    lone = Lone(1)
    assert lone.message(9, b"data") == []
    assert lone.router.statistics().counters.unknown_peer == 1


def test_a_peer_may_subscribe_to_so_much_and_no_more() -> None:
    lone = Lone(params=Params(peer_topics_max=3))
    lone.add(1)
    names = ["", "x" * 257, "a", "a", "b", "c", T]
    lone.hears(1, *subscription_frames(names, subscribe=True))
    lone.unsubscribe(1, "never heard of")
    assert recipients(lone.router.publish("c", b"1", lone.now_ns)) == [1]
    assert recipients(lone.router.publish(T, b"2", lone.now_ns)) == []
    assert recipients(lone.router.publish("x", b"3", lone.now_ns)) == []
    lone.graft(1)  # would be an implied subscription, over the limit as well
    assert lone.router.statistics().mesh_links == 0


def test_repr_and_statistics_are_for_people() -> None:
    lone = Lone(2)
    lone.message(1, b"data")
    assert repr(lone.router) == "Router(2 peers, 1 topics)"
    statistics = lone.router.statistics()
    assert (statistics.peers, statistics.topics, statistics.mesh_links) == (2, 1, 2)
    assert (statistics.seen, statistics.cached) == (1, 1)
    lone.message(2, b"more")
    assert statistics.counters.received == 1  # a copy


# --------------------------------------------------------------------------- path of a message


def test_accepted_is_forwarded_then_delivered_once() -> None:
    lone = Lone(4)
    effects = lone.message(1, b"data")
    assert recipients(effects) == [2, 3, 4]
    assert [send.priority for send in sends(effects)] == [Priority.EVENT] * 3
    assert effects[-1] == (T, b"data", key_of(1), id_of(b"data"))
    assert rpcs_to(effects, key_of(2))[0].messages == [Message(T, b"data")]
    assert lone.message(2, b"data") == []
    assert lone.judged == [b"data"]


def test_forward_is_not_delivered_and_ignore_is_neither() -> None:
    lone = Lone(3)
    lone.judge(b"late", Verdict.FORWARD)
    lone.judge(b"stale", Verdict.IGNORE)
    late = lone.message(1, b"late")
    assert (recipients(late), delivered(late)) == ([2, 3], [])
    assert lone.message(2, b"late") == []
    assert delivered(lone.message(1, b"x")) == [b"x"]
    assert lone.message(1, b"stale") == []
    assert lone.message(2, b"stale") == []
    assert lone.judged.count(b"stale") == 1


def test_park_is_judged_again() -> None:
    lone = Lone(3)
    lone.judge(b"early", Verdict.PARK)
    assert lone.message(1, b"early") == []
    lone.judge(b"early", Verdict.ACCEPT)
    assert delivered(lone.message(2, b"early")) == [b"early"]
    assert lone.router.score(key_of(1), lone.now_ns) >= 0


def test_rejected_is_not_marked_seen_and_its_sender_pays() -> None:
    lone = Lone(3)
    lone.judge(b"forged", Verdict.REJECT)
    assert penalties(lone.message(1, b"forged")) == ["rejected_message"]
    lone.judge(b"forged", Verdict.ACCEPT)
    assert delivered(lone.message(2, b"forged")) == [b"forged"]
    assert lone.router.score(key_of(1), lone.now_ns) < -10
    assert lone.router.score(key_of(2), lone.now_ns) > 0


def test_two_rejections_graylist_and_the_mesh_closes() -> None:
    lone = Lone(3)
    for data in (b"forged 1", b"forged 2"):
        lone.judge(data, Verdict.REJECT)
        lone.message(1, data)
    assert lone.message(1, b"good now") == []
    assert lone.router.statistics().counters.graylisted == 1
    effects = lone.wait(1)
    assert controls_to(effects, 1).prune == [(T, 60)]
    assert 1 not in lone.mesh()


def test_never_sent_back_to_the_author() -> None:
    lone = Lone(4)
    lone.judge(b"data", Verdict.ACCEPT, author=3)
    assert recipients(lone.message(1, b"data")) == [2, 4]
    assert sends(lone.iwant(3, id_of(b"data"))) == []
    assert controls_to(lone.wait(3), 3).ihave == []


def test_told_is_honoured_from_the_author_alone() -> None:
    lone = Lone(5)
    lone.judge(b"mine", Verdict.ACCEPT, author=1)
    assert recipients(lone.message(1, b"mine", told=[2, 4])) == [3, 5]
    assert lone.router.statistics().counters.spared == 2
    lone.judge(b"not mine", Verdict.ACCEPT, author=9)
    assert recipients(lone.message(1, b"not mine", told=[2, 4])) == [2, 3, 4, 5]
    assert recipients(lone.message(1, b"nobody's", told=[2, 4])) == [2, 3, 4, 5]


def test_nothing_is_forwarded_to_who_advertised_it() -> None:
    lone = Lone(4)
    wanted = lone.ihave(2, id_of(b"data"))
    assert controls_to(wanted, 2).iwant == [id_of(b"data")]
    lone.ihave(3, id_of(b"data"))
    assert recipients(lone.message(2, b"data")) == [1, 4]


def test_junk_in_a_message_is_not_forwarded() -> None:
    lone = Lone(2)
    padded = encode_message(Message(T, b"data")) + b"\x7a" + frame(bytes(5000))
    (send,) = sends(lone.hears(1, message_frame(padded)))
    assert send.frame == message_frame(encode_message(Message(T, b"data")))


def test_what_kills_other_streams_is_dropped_unread() -> None:
    lone = Lone(2)
    assert lone.message(1, bytes(MESSAGE_SIZE_MAX + 1)) == []
    assert lone.judged == []
    assert lone.router.statistics().counters.oversize == 1
    assert recipients(lone.message(1, bytes(MESSAGE_SIZE_MAX)))[-1:] == [2]


def test_bytes_that_are_no_rpc_cost_the_peer_and_nobody_else() -> None:
    lone = Lone(2)
    assert penalties(lone.hears(1, frame(b"\xff\xff"))) == ["malformed_rpc"]
    for _ in range(20):
        lone.hears(1, frame(b"\x0b"))
    assert lone.message(1, b"data") == []
    assert delivered(lone.message(2, b"data")) == [b"data"]
    lone.wait(600)
    assert delivered(lone.message(1, b"forgiven")) == [b"forgiven"]


# ---------------------------------------------------------------------------------- publishing


def test_flood_goes_to_every_subscriber_and_names_them() -> None:
    lone = Lone(9)
    lone.add(10)
    effects = lone.router.publish(T, b"event", lone.now_ns, flood=True)
    assert recipients(effects) == list(range(1, 10))
    (rpc,) = rpcs_to(effects, key_of(5))
    assert rpc.told == b"".join(tag_of(key_of(number)) for number in range(1, 10))
    assert lone.router.publish(T, b"event", lone.now_ns, flood=True) == []
    assert lone.message(1, b"event") == []


def test_a_flood_to_one_peer_names_nobody() -> None:
    lone = Lone(1)
    effects = lone.router.publish(T, b"event", lone.now_ns, flood=True)
    assert rpcs_to(effects, key_of(1))[0].told == b""


def test_a_flood_without_told() -> None:
    lone = Lone(3, params=Params(told=False))
    effects = lone.router.publish(T, b"event", lone.now_ns, flood=True)
    assert rpcs_to(effects, key_of(1))[0].told == b""


def test_only_small_messages_are_flooded() -> None:
    lone = Lone(9)
    assert len(lone.router.publish(T, bytes(2048), lone.now_ns, flood=True)) == 9
    assert len(lone.router.publish(T, bytes(2049), lone.now_ns, flood=True)) == D
    assert len(lone.router.publish(T, b"fact", lone.now_ns)) == D


def test_a_flood_leaves_out_who_is_below_the_publish_threshold() -> None:
    lone = Lone(3)
    lone.router.set_opinion(key_of(2), -50.0, lone.now_ns)
    assert recipients(lone.router.publish(T, b"event", lone.now_ns, flood=True)) == [1, 3]


def test_an_own_message_too_large_is_our_own_fault() -> None:
    lone = Lone(1)
    with pytest.raises(MessageTooLargeError, match="48001 bytes"):
        lone.router.publish(T, bytes(PUBLISH_SIZE_MAX + 1), lone.now_ns)
    assert len(lone.router.publish(T, bytes(PUBLISH_SIZE_MAX), lone.now_ns)) == 1


def test_publishing_without_joining_keeps_to_the_same_few_peers() -> None:
    lone = Lone(joined=False, params=Params(fanout_max=1))
    for number in range(1, 11):
        lone.add(number)
        lone.hears(number, *subscription_frames([T, "other", "third"], subscribe=True))
    first = recipients(lone.router.publish(T, b"1", lone.now_ns))
    assert len(first) == D
    assert recipients(lone.router.publish(T, b"2", lone.now_ns)) == first
    lone.remove(first[0])
    third = recipients(lone.router.publish(T, b"3", lone.now_ns))
    assert third[: D - 1] == first[1:]
    assert len(third) == D
    lone.wait(61)
    assert recipients(lone.router.publish(T, b"4", lone.now_ns)) != third
    lone.router.publish("other", b"5", lone.now_ns)
    assert recipients(lone.router.publish(T, b"6", lone.now_ns)) != third
    lone.router.join(T, lone.now_ns)
    assert len(recipients(lone.router.publish(T, b"7", lone.now_ns))) == D


def test_a_message_published_to_nobody_is_still_advertised_to_who_comes() -> None:
    lone = Lone()
    assert lone.router.publish(T, b"early", lone.now_ns) == []
    lone.add(1)
    lone.hears(1, *subscription_frames([T], subscribe=True))
    assert controls_to(lone.wait(1), 1).ihave == [(T, [id_of(b"early")])]
    assert recipients(lone.iwant(1, id_of(b"early"))) == [1]


# ---------------------------------------------------------------------------- signature policy


def test_no_sign_wants_the_fields_absent_not_empty() -> None:
    for field in ("author", "seqno", "signature", "key"):
        lone = Lone(2)
        dressed = Message(T, b"data")._replace(**{field: b""})
        effects = lone.hears(1, message_frame(encode_message(dressed)))
        assert penalties(effects) == ["signature_policy"]
        assert delivered(lone.message(2, b"data")) == [b"data"]


def strict(seed: int, peers: int = 0) -> Lone:
    return Lone(peers, strict_sign=StrictSign(SecretKey.from_seed(bytes([seed]) * 32), 7 << 60))


def test_strict_sign_signs_what_strict_sign_takes() -> None:
    lone, other = strict(1, 2), strict(2, 2)
    effects = lone.router.publish(T, b"data", lone.now_ns)
    (rpc,) = rpcs_to(effects, key_of(1))
    message = rpc.messages[0]
    assert message.seqno == (7 << 60).to_bytes(8, "big")
    forwarded = other.hears(1, message_frame(encode_message(message)))
    assert delivered(forwarded) == [b"data"]
    assert rpcs_to(forwarded, key_of(2))[0].messages == [message]
    again = rpcs_to(lone.router.publish(T, b"more", lone.now_ns), key_of(1))[0].messages[0]
    assert again.seqno == ((7 << 60) + 1).to_bytes(8, "big")


def test_strict_sign_is_what_libp2p_verifies() -> None:
    from libp2p.pubsub.pb import rpc_pb2
    from libp2p.pubsub.validators import signature_validator

    effects = strict(1, 1).router.publish(T, b"data", 0)
    message = rpc_pb2.RPC.FromString(unframed(sends(effects)[0].frame)).publish[0]
    assert signature_validator(message)
    message.data = b"other"
    assert not signature_validator(message)


@pytest.mark.parametrize("field", ["author", "seqno", "signature", "data"])
def test_strict_sign_refuses_what_is_missing_or_altered(field: str) -> None:
    lone, other = strict(1, 1), strict(2, 2)
    (rpc,) = rpcs_to(lone.router.publish(T, b"data", lone.now_ns), key_of(1))
    for value in (b"", b"short", bytes(38), None):
        if field == "data" and value is None:
            continue
        broken = rpc.messages[0]._replace(**{field: value})
        effects = other.hears(1, message_frame(encode_message(broken)))
        assert delivered(effects) == []
    assert other.router.statistics().counters.graylisted > 0


# --------------------------------------------------------------------------------------- score


def test_a_bad_opinion_closes_every_mesh_at_once_and_outlives_the_connection() -> None:
    lone = Lone(3)
    effects = lone.router.set_opinion(key_of(1), -1000.0, lone.now_ns)
    assert controls_to(effects, 1).prune == [(T, 60)]
    assert lone.message(1, b"data") == []
    assert sends(lone.iwant(1, id_of(b"data"))) == []
    lone.remove(1)
    lone.add(1)
    assert lone.message(1, b"data") == []
    lone.remove(1)
    lone.now_ns += 601 * 10**9
    lone.add(1)
    assert delivered(lone.message(1, b"data")) == [b"data"]


def test_opinions_of_strangers_and_good_ones_change_nothing() -> None:
    lone = Lone(1)
    assert lone.router.set_opinion(key_of(9), -1000.0, lone.now_ns) == []
    assert lone.router.set_opinion(key_of(1), 5.0, lone.now_ns) == []
    assert lone.router.score(key_of(1), lone.now_ns) > 5.0
    assert lone.router.score(key_of(9), lone.now_ns) == 0.0


def test_many_peers_of_one_address_are_too_many_unless_they_are_granted() -> None:
    lone = Lone()
    for number in range(1, 10):
        lone.add(number, group="192.0.2.7" if number < 8 else "")
    assert lone.router.score(key_of(1), lone.now_ns) == -45.0
    assert lone.router.score(key_of(9), lone.now_ns) == 0.0
    for number in range(1, 8):
        lone.remove(number)
    lone.add(1, group="192.0.2.7")
    assert lone.router.score(key_of(1), lone.now_ns) == 0.0


def test_departed_scores_are_bounded() -> None:
    lone = Lone(params=Params(score=ScoreParams(retained_max=2)))
    for number in range(1, 6):
        lone.add(number)
        lone.router.set_opinion(key_of(number), -100.0, lone.now_ns)
        lone.remove(number)
    assert lone.router.statistics().scores_retained == 2


def test_leaving_a_topic_forgets_the_good_and_keeps_the_bad() -> None:
    lone = Lone(2)
    lone.judge(b"forged", Verdict.REJECT)
    lone.message(1, b"forged")
    lone.message(2, b"fine")
    lone.router.leave(T, lone.now_ns)
    assert lone.router.score(key_of(1), lone.now_ns) < 0
    assert lone.router.score(key_of(2), lone.now_ns) == 0.0
