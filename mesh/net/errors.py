"""What can go wrong between two peers, as one tree.

```
NetworkError
├── AddressError               ours: the text is no address we can listen on or dial
├── ListenError                ours: the address cannot be bound (in use, not this machine's)
├── NetworkFailedError         ours: the network's own tasks died; the cause is chained
├── DialError                  theirs or the wire's: no address led to that peer
├── NotConnectedError          ours: a stream was asked for, and there is no connection
├── ProtocolRefusedError       theirs: the peer does not speak the protocol, or did not answer
└── StreamError
    ├── StreamResetError       theirs or the wire's: what was in flight is lost
    └── StreamClosedError      ours: this end had already closed its direction
```

`DialError`, `StreamResetError` and `ProtocolRefusedError` are indefinite: the other side may have
seen what we sent.
"""

__all__ = [
    "AddressError",
    "DialError",
    "ListenError",
    "NetworkError",
    "NetworkFailedError",
    "NotConnectedError",
    "ProtocolRefusedError",
    "StreamClosedError",
    "StreamError",
    "StreamResetError",
]


class NetworkError(Exception):
    """Base of everything the network layer raises on purpose."""


class AddressError(NetworkError):
    """An address cannot be read, or names another peer than the one meant."""


class ListenError(NetworkError):
    """A listening address cannot be bound."""


class NetworkFailedError(NetworkError):
    """The network's background tasks died; the network is closed."""


class DialError(NetworkError):
    """No address led to an authenticated connection with the peer."""


class NotConnectedError(NetworkError):
    """There is no connection to the peer."""


class ProtocolRefusedError(NetworkError):
    """The peer does not speak the protocol, or did not answer the proposal in time."""


class StreamError(NetworkError):
    """Base of what can happen to one stream; the connection may well live on."""


class StreamResetError(StreamError):
    """The stream was torn down in both directions; bytes in flight are lost."""


class StreamClosedError(StreamError):
    """Bytes were given to a stream whose sending direction this end had closed."""
