"""The errors of the gossip core, one tree.

    GossipError
    ├── RpcError               a peer's bytes that are no RPC; the stream is reset, nothing else
    ├── ParamsError            parameters that contradict each other; ours to fix
    ├── TopicError             a topic we asked for that cannot go on the wire; ours to fix
    └── MessageTooLargeError   a message of ours that other implementations would choke on

Only `RpcError` can be caused by a peer, and `Router.receive` turns it into an effect.
"""


class GossipError(Exception):
    """Base of every error raised by `mesh.gossip`."""


class RpcError(GossipError):
    """Bytes of a peer that do not decode as an RPC."""


class ParamsError(GossipError):
    """Router parameters that contradict each other."""


class TopicError(GossipError):
    """A topic name that is empty or too long, or one topic too many."""


class MessageTooLargeError(GossipError):
    """An own message over the size that gossip carries; send it by sync."""
