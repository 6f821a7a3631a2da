"""What a router has done, as numbers for people and for metrics."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Totals since the router was made."""

    published: int = 0
    """Own messages."""
    received: int = 0
    """Messages in joined topics seen for the first time, whatever the verdict."""
    duplicates: int = 0
    """Messages whose id was seen before."""
    delivered: int = 0
    """Messages handed to the application."""
    forwarded: int = 0
    """Copies sent on to mesh peers."""
    spared: int = 0
    """Copies not sent because the author told us that the peer has it."""
    ignored: int = 0
    """Verdict IGNORE."""
    parked: int = 0
    """Verdict PARK."""
    rejected: int = 0
    """Verdict REJECT."""
    signature_policy: int = 0
    """Messages against the signature policy."""
    oversize: int = 0
    """Messages over `MESSAGE_SIZE_MAX`, dropped unread."""
    not_joined: int = 0
    """Messages in topics we are not in."""
    malformed: int = 0
    """RPCs that did not decode."""
    graylisted: int = 0
    """RPCs dropped because of the sender's score."""
    unknown_peer: int = 0
    """RPCs of peers that were never added, or are gone."""
    ihave_sent: int = 0
    """IHAVE RPCs sent."""
    ihave_refused: int = 0
    """IHAVE RPCs received over the budget of a heartbeat."""
    iwant_sent: int = 0
    """Ids asked for."""
    iwant_served: int = 0
    """Messages sent on an IWANT."""
    iwant_retries: int = 0
    """Ids asked for again."""
    broken_promises: int = 0
    """Heartbeats in which a peer left an IWANT unanswered."""
    declined: int = 0
    """Copies not sent because the peer declined by IDONTWANT."""
    grafted: int = 0
    """Peers taken into a mesh, by either end."""
    pruned: int = 0
    """Peers taken out of a mesh, by either end."""
    grafts_refused: int = 0
    """GRAFTs answered by PRUNE."""
    heartbeats: int = 0
    """Heartbeats that had something to do."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """A router at one moment.

    Attributes:
        peers: connected peers.
        topics: joined topics.
        mesh_links: mesh peers, summed over topics.
        seen: ids remembered.
        cached: messages kept for IWANT.
        cached_bytes: their frames' bytes.
        asked: ids asked for and not yet here.
        backoffs: back-offs remembered.
        scores_retained: scores kept of departed peers.
        counters: totals, a copy.
    """

    peers: int
    topics: int
    mesh_links: int
    seen: int
    cached: int
    cached_bytes: int
    asked: int
    backoffs: int
    scores_retained: int
    counters: Counters
