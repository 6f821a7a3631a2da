"""Writes the golden bytes: `python -m tools.vectors` prints interop/vectors/wire.json.

Every form here is wire. A peer in another language reads this file and must make the same bytes
from the same fields, and a test of ours holds the product to it. It is written once and never
changed; what is added later is added at the end.
"""

import json
import sys

from crdt.entry import GENESIS_LINK, Lane, make_entry
from identity.capability import Capability
from identity.did import did_from_public
from identity.encoding import encode
from identity.genesis import RootItem, make_genesis, make_root_statement, sign_root
from identity.invite import Invite
from identity.keys import SecretKey, peer_id
from mesh.choreography.cells import cell_at
from mesh.choreography.event import seal_event
from mesh.choreography.scope import Reach
from mesh.choreography.topics import (
    auth_topic,
    cell_topic,
    district_topic,
    everyone_topic,
    fleet_topic,
    named_topic,
    state_topic,
)
from mesh.coordination.facts import encode_entry, encode_root
from mesh.coordination.hello import Answer, Clock, Head, Hello
from mesh.coordination.trust import PeerClass
from mesh.mind.cores import tag_of

T_MS = 1_800_000_000_000


def vectors() -> dict[str, object]:
    """Return every vector: fields that people can read, and the bytes in hexadecimal."""
    root, box = SecretKey.from_seed(bytes(32)), SecretKey.from_seed(bytes(range(32)))
    genesis = make_genesis([root.public], 1, policy={"city": "vectors"})
    cell = cell_at(48.0, 11.0, 9)
    capability = Capability(
        verb="publish", names="north/box-1", events=("traffic.*",), area=(cell,), model=True
    )
    grant = {
        "pk": box.public,
        "name": "north/box-1",
        "stratum": 1,
        "epoch": 1,
        "caps": [capability.to_value()],
        "replaces": [],
    }
    statement = sign_root(make_root_statement(genesis, [RootItem("grant", grant)]), root)
    entry = make_entry(
        box, ns=genesis.ns, lane=Lane.AUTH, inc=1 << 16, seq=0, prev=GENESIS_LINK, t=T_MS,
        kind="put", body={"key": "place/north/box-1", "value": None, "supersedes": []},
    )  # fmt: skip
    event = seal_event(
        box, ns=genesis.ns, name="north/box-1", boot=bytes(range(8)), n=1, time_ms=T_MS,
        ttl_ms=1000, scope=Reach.CELL, cell=cell, event_type="traffic.near_miss",
        model=bytes(32), because=(), data={"confidence": 0.5, "kind": "van"},
    )  # fmt: skip
    head = Head(0, 1 << 16, 0, entry.id)
    hello = Hello(
        genesis.ns, (1, statement.id), T_MS, ("/meshsub/1.1.0",), "north/box-1",
        (entry.wire,), (head,),
    )  # fmt: skip
    invite = Invite(genesis, (1, statement.id), (statement,), (entry.wire,), ("/ip4/127.0.0.1",))
    ns = genesis.ns
    return {
        "keys": [
            {
                "seed": secret.seed.hex(),
                "public": secret.public.hex(),
                "peer_id": peer_id(secret.public),
                "did": did_from_public(secret.public),
                "told_tag": tag_of(secret.public).hex(),
            }
            for secret in (root, box)
        ],
        "encoding": [
            {"value": str(value), "bytes": encode(value).hex()}
            for value in (0, 23, 24, -1, 2**53 - 1, "é", [1, [2]], {"b": 1, "aa": 2}, None, True)
        ],
        "floats": [
            {"value": value, "bytes": encode(value).hex()} for value in (0.0, 1.5, 0.1, 100000.0)
        ],
        "genesis": {"raw": genesis.raw.hex(), "ns": ns.hex()},
        "root": {"wire": statement.wire.hex(), "id": statement.id.hex()},
        "entry": {"wire": entry.wire.hex(), "id": entry.id.hex()},
        "event": {"wire": event.wire.hex(), "id": event.id.hex()},
        "hello": hello.encode().hex(),
        "answer": Answer(PeerClass.KNOWN, "superseded_key").encode().hex(),
        "clock": Clock(T_MS).encode().hex(),
        "facts": {"entry": encode_entry(entry).hex(), "root": encode_root(statement).hex()},
        "invite": invite.encode().hex(),
        "topics": [
            auth_topic(ns), fleet_topic(ns), state_topic(ns, "north"), cell_topic(ns, cell),
            district_topic(ns, "north"), everyone_topic(ns), named_topic(ns, "team/a"),
        ],
    }  # fmt: skip


def main() -> int:
    """Print the vectors as JSON."""
    print(json.dumps(vectors(), indent=1, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
