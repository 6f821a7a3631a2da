"""What goes into the router's judgement and what comes out of its calls.

The router answers every call with a list of effects and performs none of them. They are named
tuples and not dataclasses because a forwarded event makes up to a dozen of them on the hot path, a
named tuple being built three times faster than a frozen dataclass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import NamedTuple

from identity.keys import SecretKey


class Priority(IntEnum):
    """Order in which a peer's queue is drained; the lowest number goes out first."""

    CONTROL = 0
    """Subscriptions, GRAFT, PRUNE: few, small, and their order is their meaning."""
    EVENT = 1
    """Worthless after two seconds."""
    FACT = 2
    """Repaired by anti-entropy when lost."""
    GOSSIP = 3
    """IHAVE, IWANT, IDONTWANT: said again when one was dropped."""


class Verdict(Enum):
    """What a validator decides about a message, before it is forwarded."""

    ACCEPT = "accept"
    """Forward and deliver."""
    FORWARD = "forward"
    """Forward, do not deliver: right, but of no use here (late)."""
    IGNORE = "ignore"
    """Neither; remembered as seen, nobody's fault."""
    PARK = "park"
    """Neither, and not remembered: it may be right once our view has grown."""
    REJECT = "reject"
    """Wrong in every view: the sender is penalised and the id is not remembered."""


class Judgement(NamedTuple):
    """A verdict and who wrote the message.

    Attributes:
        verdict: what to do with it.
        author: verified public key of the author, 32 bytes; None where none was verified.
    """

    verdict: Verdict
    author: bytes | None


Validate = Callable[[str, bytes, bytes], Judgement]
"""(topic, data, peer) → judgement; pure, synchronous, asked before a message is forwarded."""


class Offence(StrEnum):
    """Why a peer is penalised."""

    MALFORMED_RPC = "malformed_rpc"
    """Bytes that are no RPC. The shell resets the stream."""
    REJECTED_MESSAGE = "rejected_message"
    """A message the validator rejected (P4)."""
    SIGNATURE_POLICY = "signature_policy"
    """A message with fields our signature policy forbids, or a wrong signature (P4)."""
    GRAFT_IN_BACKOFF = "graft_in_backoff"
    """A GRAFT before the agreed back-off had passed (P7)."""
    BROKEN_PROMISE = "broken_promise"
    """Advertised by IHAVE, asked for, never sent (P7)."""


class Send(NamedTuple):
    """Write one length-delimited RPC to a peer's outbound stream.

    What is sent arrives, whole and in order, until `peer_removed`. Whoever cannot keep that calls
    `Router.lost` (a queue was full) or `Router.hello` (the stream was opened again).

    Attributes:
        peer: public key of the peer, 32 bytes.
        frame: uvarint-delimited RPC bytes.
        priority: place in the peer's queue.
    """

    peer: bytes
    frame: bytes
    priority: Priority


class Deliver(NamedTuple):
    """Hand an accepted message to the application.

    Attributes:
        topic: where it was published.
        data: message data, as judged.
        peer: who sent it to us (not who wrote it).
        message_id: SHA-256 of the data, 32 bytes.
    """

    topic: str
    data: bytes
    peer: bytes
    message_id: bytes


class Penalise(NamedTuple):
    """A peer did what no honest peer does; its score has already been lowered.

    Attributes:
        peer: public key of the peer, 32 bytes.
        reason: what it did.
    """

    peer: bytes
    reason: Offence


Effect = Send | Deliver | Penalise


@dataclass(frozen=True, slots=True)
class StrictSign:
    """Signature policy of a foreign mesh: every message carries author, number and signature.

    Attributes:
        key: the key own messages are signed with.
        first_seqno: number of the first own message, 0 ≤ n < 2^63. Receivers may refuse a number
            they have seen, so it must grow across restarts: wall-clock nanoseconds do.
    """

    key: SecretKey
    first_seqno: int
