"""The box that is attacked: a process of its own that tells how it is."""

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import trio

from identity.invite import parse_invite
from identity.keys import SecretKey
from mesh.config import NodeConfig
from mesh.mind.effects import Effect
from mesh.node import Node, open_prepared_node
from mesh.node.processes import Parent
from mesh.units import Instant
from tests.live.founded import NearMiss


def run_box(parent: Parent, config: Mapping[str, object], seed: bytes, invite: bytes) -> None:
    """Run a node until told to stop; tell each event seen, and how it is whenever asked.

    Whoever asks says which spoilt frames come next, by their SHA-256.
    """
    trio.run(_run, parent, config, seed, invite)


async def _run(parent: Parent, config: Mapping[str, object], seed: bytes, invite: bytes) -> None:
    opened = open_prepared_node(
        NodeConfig(**config),
        SecretKey.from_seed(seed),
        parse_invite(invite),
    )
    async with opened as node, trio.open_nursery() as nursery:
        expected: set[bytes] = set()
        spoilt = _count(node, expected)
        nursery.start_soon(_tell_incidents, parent, node)
        parent.tell(("ready", node.addresses))
        async for bodies in parent:
            expected.update(bodies)
            parent.tell(("state", _state(node, spoilt)))
        nursery.cancel_scope.cancel()


def _count(node: Node, expected: set[bytes]) -> Counter[str]:
    """Count the expected frames that reach the mind, by protocol."""
    spoilt: Counter[str] = Counter()
    receive = node.mind.receive

    def counted(peer: bytes, protocol: str, body: bytes, now: Instant) -> list[Effect]:
        spoilt[protocol] += sha256(body).digest() in expected
        return receive(peer, protocol, body, now)

    node.mind.receive = counted
    return spoilt


async def _tell_incidents(parent: Parent, node: Node) -> None:
    async with node.nearby(NearMiss, within=600) as incidents:
        async for seen in incidents:
            parent.tell(("seen", seen.value.kind))


def _state(node: Node, spoilt: Counter[str]) -> dict[str, object]:
    statistics = node.statistics()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    gossip = statistics.mind.gossip.counters
    return {
        "rss_kib": int(status.partition("VmRSS:")[2].split()[0]),
        "spoilt": dict(spoilt),
        "graylisted": gossip.graylisted,
        "malformed": gossip.malformed,
        "sync_failed": statistics.mind.sync.failed,
        "penalties": statistics.penalties,
        "handler_failures": statistics.network.handler_failures,
        "digest": node.mind.replica.authority.digest,
        "members": sorted(
            link.name for link in statistics.mind.links if link.peer_class == "member"
        ),
    }
