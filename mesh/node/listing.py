"""The listing of a fleet, as `mesh get nodes` shows it: one map a member, from one node's view.

    {name, did, place, district, stratum, epoch, state, presence, heard_s, models: [{digest, name}]}

`state` is what the signed facts say: current, contested, revoked or quarantined. `presence` is what
this node sees: self, seen, dark or unknown; "" where nobody looks, as in a store that is only read.
A model has the name of the approved record that its digest stands in, or "".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from crdt.entry import Lane
from crdt.registers import Register
from crdt.replica import Replica
from mesh.coordination.membership import fold_membership, node_rows
from mesh.coordination.models import MODEL_PREFIX
from mesh.units import Instant

__all__ = ["Sight", "list_nodes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a running node sees of the others.

    Attributes:
        me: its key.
        seen: keys connected with it.
        dark: keys that everybody lost.
        heard_ns: key → monotonic time at which something of it came in last.
    """

    me: bytes
    seen: tuple[bytes, ...]
    dark: tuple[bytes, ...]
    heard_ns: Mapping[bytes, int] = field(default_factory=dict[bytes, int])

    def presence(self, key: bytes) -> str:
        """Return how a member stands, seen from here."""
        if key == self.me:
            return "self"
        if key in self.seen:
            return "seen"
        return "dark" if key in self.dark else "unknown"


def list_nodes(replica: Replica, now: Instant, sight: Sight | None) -> list[dict[str, object]]:
    """Return every member of a view, sorted by name and key.

    Args:
        replica: the view.
        now: both clocks.
        sight: what the node sees; None where nobody looks.
    """
    membership = fold_membership(
        replica.authority,
        replica.registers,
        replica.status(Lane.FLEET),
        district_depth=replica.chain.genesis.district_depth,
    )
    names = _model_names(replica.registers)
    rows = node_rows(membership, sight.heard_ns if sight else {}, now)
    return [
        {
            "name": row.name,
            "did": row.did,
            "place": row.place,
            "district": row.district,
            "stratum": member.stratum,
            "epoch": member.epoch,
            "state": row.state,
            "presence": sight.presence(member.key) if sight and member.current else "",
            "heard_s": row.heard_s,
            "models": [{"digest": digest, "name": names.get(digest, "")} for digest in row.models],
        }
        for row, member in zip(rows, membership.all(), strict=True)
    ]


def _model_names(registers: Mapping[str, Register]) -> dict[str, str]:
    """Return digest, hexadecimal → the name of the model record that holds it."""
    names: dict[str, str] = {}
    for key, register in registers.items():
        if key.startswith(MODEL_PREFIX) and isinstance(register.value, Mapping):
            digest = cast("Mapping[str, object]", register.value).get("digest")
            if isinstance(digest, bytes):
                names[digest.hex()] = key.removeprefix(MODEL_PREFIX)
    return names
