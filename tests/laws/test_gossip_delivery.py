"""Every message reaches every subscriber of a connected graph, losses or not; and at what price."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.gossip import Params
from mesh.units import SECOND
from tests.unit.gossip.network import Network, random_graph

TOPIC = "/fleet/e/all"


def build(size: int, degree: float, seed: int, params: Params | None = None) -> Network:
    network = Network(size, seed=seed, params=params)
    for number in range(size):
        network.join(number, TOPIC)
    for a, b in random_graph(size, degree, seed):
        network.link(a, b)
    network.run(5)
    return network


def publish_some(network: Network, count: int, *, flood: bool) -> dict[bytes, int]:
    published: dict[bytes, int] = {}
    for number in range(count):
        author = network.rng.randrange(len(network.routers))
        data = network.publish(author, TOPIC, b"%d" % number, flood=flood)
        published[data] = network.now_ns
        network.run(0.1 + network.rng.random() * 0.2)
    network.run(4)
    return published


def receivers_within(network: Network, published: dict[bytes, int], seconds: float) -> int:
    pairs = {
        (me, data) for at, me, data in network.delivered if at - published[data] <= seconds * SECOND
    }
    assert len(network.delivered) == len({(me, data) for _, me, data in network.delivered})
    return len(pairs)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    degree=st.sampled_from([4.0, 6.0]),
    flood=st.booleans(),
    loss=st.sampled_from([0.0, 0.05]),
)
def test_all_delivered_within_three_seconds(
    seed: int, degree: float, flood: bool, loss: float
) -> None:
    network = build(16, degree, seed)
    network.loss = loss
    published = publish_some(network, 12, flood=flood)
    assert receivers_within(network, published, 3.0) == 12 * 15


def test_without_cover_a_sparse_mesh_does_not_repair_itself() -> None:
    delivered = {}
    for cover in (False, True):
        delivered[cover] = 0
        for seed in range(4):
            network = build(20, 4.0, seed, Params(cover=cover, told=False))
            network.loss = 0.15
            published = publish_some(network, 12, flood=False)
            delivered[cover] += receivers_within(network, published, 4.0)
    assert delivered[True] == 4 * 12 * 19
    assert delivered[False] < delivered[True]


def test_told_spares_the_full_mesh_its_copies() -> None:
    sent = {}
    for told in (False, True):
        network = Network(8, params=Params(told=told))
        for a in range(8):
            network.join(a, TOPIC)
            for b in range(a):
                network.link(a, b)
        network.run(5)
        before = network.rpcs
        network.publish(0, TOPIC, b"event", flood=True)
        network.run(0.2)
        sent[told] = network.rpcs - before
        assert len(network.delivered) == 7
    assert sent[True] <= 7 + 20  # 7 copies; the rest is gossip of one heartbeat
    assert sent[False] > 2 * sent[True]


def test_a_quiet_network_does_nothing_at_all() -> None:
    network = build(16, 6.0, 3)
    publish_some(network, 3, flood=True)
    network.run(120)
    assert network.run(3600) == 0


def test_one_seed_one_trace() -> None:
    traces = set()
    for _ in range(2):
        network = build(12, 4.0, 7)
        network.loss = 0.1
        publish_some(network, 6, flood=True)
        traces.add(network.trace.hexdigest())
    assert len(traces) == 1


def test_honest_peers_are_not_graylisted_on_a_lossy_network() -> None:
    network = build(12, 4.0, 11)
    network.loss = 0.1
    publish_some(network, 40, flood=True)
    scores = [
        router.score(other, network.now_ns)
        for router in network.routers
        for other in [number.to_bytes(32, "big") for number in range(12)]
    ]
    assert min(scores) > -10
    assert all(router.statistics().counters.graylisted == 0 for router in network.routers)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), flood=st.booleans(), deaths=st.integers(1, 4))
def test_what_was_under_way_when_links_died_arrives_when_they_are_made_again(
    seed: int, flood: bool, deaths: int
) -> None:
    network = build(12, 4.0, seed)
    links = network.rng.sample(random_graph(12, 4.0, seed), deaths)
    network.cut.update(links)
    author = links[0][0]
    published = {network.publish(author, TOPIC, b"said", flood=flood): network.now_ns}
    network.run(0.5)
    network.cut.clear()
    for a, b in links:
        network.unlink(a, b)
        network.link(a, b)
    network.run(3)
    assert receivers_within(network, published, 3.0) == 11


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), reached=st.sets(st.integers(1, 7), min_size=1))
def test_a_flood_that_its_author_did_not_live_to_finish_reaches_all(
    seed: int, reached: set[int]
) -> None:
    """All were named as told, and are left to one another: each watches the next."""
    network = Network(8, seed=seed)
    for a in range(8):
        network.join(a, TOPIC)
        for b in range(a):
            network.link(a, b)
    network.run(5)
    network.cut.update((0, other) for other in range(1, 8) if other not in reached)
    published = {network.publish(0, TOPIC, b"last words", flood=True): network.now_ns}
    network.run(0.02)
    for other in range(1, 8):
        network.unlink(0, other)
    network.run(3)
    assert receivers_within(network, published, 3.0) == 7


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_over_links_that_lose_nothing_an_id_is_said_once(seed: int) -> None:
    network = build(16, 6.0, seed)
    publish_some(network, 6, flood=True)
    counters = [router.statistics().counters for router in network.routers]
    said = sum(each.ihave_sent for each in counters)
    assert said <= 6 * sum(router.statistics().peers for router in network.routers) / 2
    assert sum(each.iwant_sent for each in counters) == 0
