"""How much one sync session may cost, whatever the peer sends.

A session that spends its budget ends in order and says so; what it brought is kept, so the next one
begins where it ended. Memory of a session is one page of leaves, one root statement being put
together, and at most `REFUSED_MAX` ids that were asked for in vain, in this round and before it;
nothing else grows with what a peer sends.
"""

from dataclasses import dataclass

__all__ = ["ROUNDS_MAX", "SyncLimits", "SyncStatistics"]

ROUNDS_MAX = 32
"""Most rounds of a session; each round but the last brings something or settles a lane."""
REFUSED_MAX = 4096
"""Ids remembered as offered by the peer and not kept by us; the oldest are asked for again.

Also most ids asked for in vain in one round, after which it asks for nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncLimits:
    """Budgets of one session; presets for the two kinds of peer.

    Attributes:
        bytes_in_max: bytes of entries after which no more is asked for.
        pages_max: pages of leaves read, some 2,500 feeds each.
        bytes_out_max: bytes of entries and root statements (≤ 1 MiB each) after which requests are
            refused.
        entries_in_max: new entries (a signature check of 60 µs each) after which likewise.
        requests_max: requests answered.
        steps_max: links followed and feeds listed while answering; at least a whole feed (65,536).
        segment_size_max: bytes of entries asked for at once; 64 KiB ≈ 200 entries ≈ 15 ms work. An
            eighth of the others or less: the search for where two branches part takes a few.
    """

    bytes_in_max: int = 32 << 20
    pages_max: int = 256
    bytes_out_max: int = 32 << 20
    entries_in_max: int = 50_000
    requests_max: int = 8192
    steps_max: int = 1 << 20
    segment_size_max: int = 64 << 10

    @classmethod
    def member(cls) -> "SyncLimits":
        """Return the budget of a current member: a whole fleet's AUTH in one session."""
        return cls()

    @classmethod
    def known(cls) -> "SyncLimits":
        """Return the budget of a known author that is no member: enough to learn its revocation."""
        return cls(
            bytes_in_max=2 << 20,
            pages_max=64,
            bytes_out_max=8 << 20,
            entries_in_max=4096,
            requests_max=1024,
            steps_max=1 << 18,
            segment_size_max=32 << 10,
        )


@dataclass(frozen=True, slots=True)
class SyncStatistics:
    """What a session did so far."""

    rounds: int
    bytes_in: int
    bytes_out: int
    requests_made: int
    requests_answered: int
    entries_received: int
    entries_added: int
    entries_served: int
    roots_added: int
    root_twins: int
    refused: int
