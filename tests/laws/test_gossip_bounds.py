"""Whatever peers and application do, everything the router keeps stays within its bounds."""

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mesh.gossip import (
    Deliver,
    Effect,
    Judgement,
    Params,
    Penalise,
    Router,
    ScoreParams,
    Send,
    Verdict,
)
from mesh.gossip.decoding import decode_rpc
from mesh.gossip.messages import (
    CONTROL_SIZE_MAX,
    Message,
    control_frames,
    encode_message,
    graft_item,
    id_piece,
    idontwant_item,
    ihave_items,
    iwant_items,
    message_frame,
    prune_item,
    subscription_frames,
)
from mesh.units import MS
from tests.unit.gossip.lone import id_of
from tests.unit.gossip.network import key_of, tag_of, unframed

PARAMS = Params(
    degree=3,
    degree_low=2,
    degree_high=4,
    degree_outbound=1,
    degree_score=2,
    cache_bytes_max=600,
    seen_max=8,
    backoff_max=6,
    ihave_ids_max=4,
    asked_max=5,
    parked_max=3,
    idontwant_max=2,
    idontwant_size_min=30,
    peers_max=6,
    peer_topics_max=2,
    topics_max=3,
    fanout_max=1,
    cover_peers_max=3,
    score=ScoreParams(retained_max=2),
)
NAMES = ["a", "b", "c"]
peers = st.integers(0, 7)
topics = st.sampled_from([*NAMES, "d", "x" * 300])
datas = st.integers(0, 20).map(lambda number: b"%d" % number + bytes(number * 4))
id_lists = st.lists(datas.map(id_of) | st.binary(max_size=40), max_size=8)
VERDICTS = list(Verdict)


def judge(_topic: str, data: bytes, peer: bytes) -> Judgement:
    verdict = VERDICTS[len(data) % len(VERDICTS)]
    return Judgement(verdict, peer if data.startswith(b"1") else key_of(2))


class RouterMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 0
        self.present: dict[int, None] = {}
        self.seen_deliveries: list[bytes] = []
        self.router = Router(rng=Random(1), validate=judge, params=PARAMS)

    def check(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                assert int.from_bytes(effect.peer, "big") in self.present
                rpc = decode_rpc(unframed(effect.frame))
                assert len(rpc.messages) <= 1
                if not rpc.messages:
                    assert len(effect.frame) <= CONTROL_SIZE_MAX
            elif isinstance(effect, Deliver):
                assert id_of(effect.data) == effect.message_id
            else:
                assert isinstance(effect, Penalise)

    def hears(self, number: int, frames: list[bytes]) -> None:
        for frame in frames:
            self.check(self.router.receive(unframed(frame), key_of(number), self.now_ns))

    @rule(number=peers, outbound=st.booleans(), group=st.sampled_from(["", "here"]))
    def comes(self, number: int, outbound: bool, group: str) -> None:
        key = key_of(number)
        if number in self.present or len(self.present) < PARAMS.peers_max:
            self.present[number] = None
        self.check(
            self.router.peer_added(
                key,
                outbound=outbound,
                tag=tag_of(key),
                now_ns=self.now_ns,
                address_group=group,
            )
        )
        for frame in self.router.hello(key):
            decode_rpc(unframed(frame))

    @rule(number=peers)
    def goes(self, number: int) -> None:
        self.present.pop(number, None)
        self.check(self.router.peer_removed(key_of(number), self.now_ns))

    @rule(topic=st.sampled_from(NAMES))
    def joins(self, topic: str) -> None:
        self.check(self.router.join(topic, self.now_ns))

    @rule(topic=st.sampled_from(NAMES))
    def leaves(self, topic: str) -> None:
        self.check(self.router.leave(topic, self.now_ns))

    @rule(topic=st.sampled_from([*NAMES, "d"]), data=datas, flood=st.booleans())
    def publishes(self, topic: str, data: bytes, flood: bool) -> None:
        self.check(self.router.publish(topic, data, self.now_ns, flood=flood))

    @rule(number=peers, names=st.lists(topics, max_size=4), subscribe=st.booleans())
    def subscribes(self, number: int, names: list[str], subscribe: bool) -> None:
        self.hears(number, subscription_frames(names, subscribe=subscribe))

    @rule(number=peers, topic=topics, data=datas, told=st.lists(peers, max_size=3))
    def says(self, number: int, topic: str, data: bytes, told: list[int]) -> None:
        tags = b"".join(tag_of(key_of(other)) for other in told)
        self.hears(number, [message_frame(encode_message(Message(topic, data)), tags)])

    @rule(number=peers, topic=topics, seconds=st.integers(0, 100), graft=st.booleans())
    def grafts_or_prunes(self, number: int, topic: str, seconds: int, graft: bool) -> None:
        item = graft_item(topic) if graft else prune_item(topic, seconds)
        self.hears(number, control_frames([item]))

    @rule(number=peers, topic=topics, ids=id_lists)
    def advertises(self, number: int, topic: str, ids: list[bytes]) -> None:
        self.hears(number, control_frames(ihave_items(topic, [id_piece(i) for i in ids])))

    @rule(number=peers, ids=id_lists, want=st.booleans())
    def wants(self, number: int, ids: list[bytes], want: bool) -> None:
        items = iwant_items(ids) if want else [idontwant_item(i) for i in ids]
        self.hears(number, control_frames(items))

    @rule(number=peers, raw=st.binary(max_size=30))
    def babbles(self, number: int, raw: bytes) -> None:
        self.check(self.router.receive(raw, key_of(number), self.now_ns))

    @rule(number=peers, opinion=st.sampled_from([-1000.0, -20.0, 0.0, 5.0]))
    def is_judged(self, number: int, opinion: float) -> None:
        self.check(self.router.set_opinion(key_of(number), opinion, self.now_ns))

    @rule(ms=st.integers(1, 90_000))
    def time_passes(self, ms: int) -> None:
        until_ns = self.now_ns + ms * MS
        beats = 0
        while True:
            due_ns = self.router.next_heartbeat_ns(self.now_ns)
            if due_ns is None or due_ns > until_ns:
                break
            self.now_ns = max(self.now_ns, due_ns)
            self.check(self.router.heartbeat(self.now_ns))
            beats += 1
            assert beats < 100, "an idle router beats"
        self.now_ns = until_ns

    @precondition(lambda self: not self.present)
    @rule()
    def alone_it_falls_silent(self) -> None:
        self.time_passes(3_700_000)
        assert self.router.next_heartbeat_ns(self.now_ns) is None

    @invariant()
    def everything_is_bounded(self) -> None:
        statistics = self.router.statistics()
        assert statistics.peers == len(self.present)
        assert statistics.topics <= PARAMS.topics_max
        assert statistics.mesh_links <= statistics.topics * PARAMS.peers_max
        assert statistics.seen <= PARAMS.seen_max
        assert statistics.cached_bytes <= PARAMS.cache_bytes_max
        assert statistics.asked <= PARAMS.asked_max
        assert statistics.backoffs <= PARAMS.backoff_max
        assert statistics.scores_retained <= PARAMS.score.retained_max

    @invariant()
    def a_mesh_is_within_those_who_want_the_topic(self) -> None:
        subscribers = self.router._table.subscribers
        for topic, mesh in self.router._meshes.joined.items():
            assert set(mesh.peers) <= set(subscribers.get(topic, {}))
        for state in self.router._peers.values():
            assert len(state.topics) <= PARAMS.peer_topics_max
            assert len(state.unwanted) <= PARAMS.idontwant_max
        bits = [state.bit for state in self.router._peers.values()]
        assert len(set(bits)) == len(bits)
        assert max(bits, default=0) < 1 << PARAMS.peers_max


RouterMachine.TestCase.settings = settings(stateful_step_count=60)
TestRouter = RouterMachine.TestCase
