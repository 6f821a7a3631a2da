"""What a mind asks its shell to do. A mind performs nothing; it returns these, in order.

Named tuples, not dataclasses: an event that passes through makes several of them.
"""

from typing import NamedTuple

from crdt.entry import Entry
from identity.genesis import RootStatement
from mesh.coordination.displaced import Displaced
from mesh.coordination.trust import Refused
from mesh.gossip.effects import Priority
from mesh.orchestration.blob_tree import Reference
from mesh.orchestration.goals import Goal

__all__ = [
    "Admit",
    "Apply",
    "Changed",
    "Deliver",
    "Disconnect",
    "Effect",
    "Fetch",
    "OwnStanding",
    "Penalise",
    "Persist",
    "Send",
    "SetTimer",
    "Suspend",
    "Unheard",
    "Want",
    "Wanted",
    "Wrote",
]


class Send(NamedTuple):
    """Write framed bytes to our outbound stream of a protocol to a peer, opening it if need be."""

    peer: bytes
    protocol: str
    data: bytes
    priority: Priority


class Persist(NamedTuple):
    """Write to the store, all or nothing; answer `persisted(ticket)` or `persist_failed(ticket)`.

    Own entries come alone, and are not published before the answer. `memory` takes the place of the
    one before: what the conductor of this box must not forget.
    """

    ticket: int
    entries: tuple[Entry, ...] = ()
    roots: tuple[RootStatement, ...] = ()
    dropped: tuple[Entry, ...] = ()
    own: bool = False
    memory: bytes | None = None


class Deliver(NamedTuple):
    """Something waits in these subscriptions: wake whoever reads them."""

    subscriptions: tuple[int, ...]


class Admit(NamedTuple):
    """The peer is a member: open a gossip stream to it and read the ones it opened."""

    peer: bytes


class Suspend(NamedTuple):
    """The peer is a member no longer: close our gossip stream and stop reading its own."""

    peer: bytes


class Disconnect(NamedTuple):
    """Hang up; the reason is for the log."""

    peer: bytes
    reason: str


class Want(NamedTuple):
    """One peer to keep a link with; `near` ones are redialled sooner."""

    peer: bytes
    addresses: tuple[str, ...]
    near: bool


class Wanted(NamedTuple):
    """Keep links with exactly these from now on; links that others opened stay."""

    peers: tuple[Want, ...]


class SetTimer(NamedTuple):
    """Call `tick` at this monotonic time; it replaces the timer set before."""

    at_ns: int


class Penalise(NamedTuple):
    """A peer did what no honest peer does; for the log and for the link limits."""

    peer: bytes
    reason: str


class Fetch(NamedTuple):
    """Get these bytes from neighbours and keep them; see `Mind.conduct` for what to say then."""

    reference: Reference


class Apply(NamedTuple):
    """This is what a slot shall run from now on; say what became of it."""

    goal: Goal


class Changed(NamedTuple):
    """A view changed: wake whoever watches the views."""


class OwnStanding(NamedTuple):
    """Our own pair counts no more in our view, and why; or it does again. To be told to people."""

    displaced: Displaced | None


class Unheard(NamedTuple):
    """Our own view refuses an event of ours, so others will; told once a reason and model."""

    reason: Refused
    name: str
    type: str
    model: bytes | None
    detail: str


class Wrote(NamedTuple):
    """A fact of ours is durable and spread; or it is not, and why."""

    handle: int
    entry: Entry | None
    reason: str = ""


Effect = (
    Send
    | Persist
    | Deliver
    | Admit
    | Suspend
    | Disconnect
    | Wanted
    | SetTimer
    | Penalise
    | Changed
    | OwnStanding
    | Unheard
    | Wrote
    | Fetch
    | Apply
)
