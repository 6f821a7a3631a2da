"""Every bound of the network layer, with its unit and where it comes from.

A peer can make us hold at most: one handshake for `HANDSHAKE_TIMEOUT_S`, then on a connection
`INBOUND_STREAMS_MAX` streams, `CONNECTION_UNREAD_MAX` unread bytes, `CONTROL_QUEUE_MAX` bytes of
answers that it does not read and `CONNECTION_UNSENT_MAX` bytes of ours that it does not take. One
address can hold `CONNECTIONS_PER_ADDRESS_MAX` connections, all addresses together
`CONNECTIONS_MAX`.
"""

__all__ = [
    "ACCEPT_PAUSE_S",
    "CLOSE_TIMEOUT_S",
    "CONNECTIONS_MAX",
    "CONNECTIONS_PER_ADDRESS_MAX",
    "CONNECTION_UNREAD_MAX",
    "CONNECTION_UNSENT_MAX",
    "CONTROL_QUEUE_MAX",
    "DIALS_AT_ONCE_MAX",
    "DIAL_STAGGER_S",
    "DIAL_TIMEOUT_S",
    "DUPLICATE_GRACE_S",
    "FRAME_BODY_MAX",
    "HANDSHAKES_MAX",
    "HANDSHAKES_PER_ADDRESS_MAX",
    "HANDSHAKE_TIMEOUT_S",
    "INBOUND_STREAMS_MAX",
    "KEEPALIVE_S",
    "LISTEN_BACKLOG",
    "NEGOTIATION_LINES_MAX",
    "NEGOTIATION_LINE_SIZE_MAX",
    "NEGOTIATION_TIMEOUT_S",
    "PLAINTEXT_MAX",
    "PONG_TIMEOUT_S",
    "READ_SIZE",
    "READ_TURNS_MAX",
    "STREAM_WINDOW",
    "UNACKNOWLEDGED_TIMEOUT_MS",
    "VANISHED_AFTER_S",
]

CONNECTIONS_MAX = 512
"""Connections of one host, both directions. Twice the degree that any topology of ours asks for;
go-libp2p's connection manager starts to trim at 192."""

CONNECTIONS_PER_ADDRESS_MAX = 256
"""Inbound connections from one IP address. Generous: a whole city can sit behind one NAT."""

HANDSHAKES_MAX = 128
"""Inbound connections that have not proved a key yet. go-libp2p's resource manager: 128 transient
connections."""

HANDSHAKES_PER_ADDRESS_MAX = 48
"""Of those, from one IP address."""

HANDSHAKE_TIMEOUT_S = 10.0
"""Seconds from accepted to authenticated and multiplexed. Takes 15 ms, but not on a machine where
fifteen processes start at once."""

DIAL_TIMEOUT_S = 10.0
"""Seconds for one `connect`, over all addresses."""

DIAL_STAGGER_S = 0.25
"""Seconds before the next address is tried beside one that has not answered (RFC 8305)."""

DIALS_AT_ONCE_MAX = 8
"""Dials of the redialer in flight; each costs about 15 ms of processor time at either end."""

DUPLICATE_GRACE_S = 5.0
"""Seconds for which two connections to one peer may live side by side. Two boxes that dial each
other at the same moment must not each hang up on the other's; a peer that rebooted without a word
must replace its old connection."""

KEEPALIVE_S = 5.0
"""Seconds of silence after which the other side is asked whether it lives."""

PONG_TIMEOUT_S = 5.0
"""Seconds that it has for any answer before the connection is closed."""

VANISHED_AFTER_S = KEEPALIVE_S + PONG_TIMEOUT_S
"""Seconds after which a peer that vanished without a word is disconnected, at the latest."""

UNACKNOWLEDGED_TIMEOUT_MS = 10_000
"""Milliseconds for which the kernel retries unacknowledged bytes (TCP_USER_TIMEOUT, RFC 5482)."""

CLOSE_TIMEOUT_S = 2.0
"""Seconds that closing may take before what is left is cut."""

NEGOTIATION_TIMEOUT_S = 10.0
"""Seconds to agree on a stream's protocol."""

NEGOTIATION_LINE_SIZE_MAX = 1024
"""Bytes of one multistream-select message (go-multistream: 1024)."""

NEGOTIATION_LINES_MAX = 64
"""Proposals of one peer in one negotiation."""

INBOUND_STREAMS_MAX = 256
"""Streams that one peer may have open on one connection (go-yamux: 256 unaccepted)."""

STREAM_WINDOW = 256 * 1024
"""Bytes that may be in flight unread on one stream (yamux specification: initial window)."""

CONNECTION_UNREAD_MAX = 4 * 1024 * 1024
"""Bytes of one connection that nobody has read; the stream that goes beyond is reset."""

CONNECTION_UNSENT_MAX = 256 * 1024
"""Bytes queued on one connection above which senders wait."""

CONTROL_QUEUE_MAX = 64 * 1024
"""Bytes of answers (pongs, window updates, refusals) queued for a peer that does not read them;
beyond, the connection is closed."""

PLAINTEXT_MAX = 65_519
"""Bytes in one noise message (Noise specification: 65535, less the authentication tag)."""

FRAME_BODY_MAX = PLAINTEXT_MAX - 12
"""Bytes in one data frame of ours, so that header and body make one noise message."""

READ_SIZE = 64 * 1024
"""Bytes asked of the kernel at once."""

READ_TURNS_MAX = 4
"""Reads in a row that found bytes waiting before other tasks get a turn: about 3 ms of decryption
at worst, so that a bulk transfer does not show in anybody's reaction time."""

LISTEN_BACKLOG = 128
"""Connections that the kernel holds for us unaccepted."""

ACCEPT_PAUSE_S = 0.1
"""Seconds to wait when the process has no descriptor left for another connection."""
