"""GossipSub as a pure state machine: bytes, commands and `now` in, effects out.

`Router` decides, `OutQueue` waits for one peer's stream; a shell owns the streams and the clock.
"""

from mesh.gossip.effects import (
    Deliver,
    Effect,
    Judgement,
    Offence,
    Penalise,
    Priority,
    Send,
    StrictSign,
    Validate,
    Verdict,
)
from mesh.gossip.errors import (
    GossipError,
    MessageTooLargeError,
    ParamsError,
    RpcError,
    TopicError,
)
from mesh.gossip.params import Params, ScoreParams
from mesh.gossip.queue import OutQueue
from mesh.gossip.router import Router
from mesh.gossip.statistics import Counters, Statistics

__all__ = [
    "Counters",
    "Deliver",
    "Effect",
    "GossipError",
    "Judgement",
    "MessageTooLargeError",
    "Offence",
    "OutQueue",
    "Params",
    "ParamsError",
    "Penalise",
    "Priority",
    "Router",
    "RpcError",
    "ScoreParams",
    "Send",
    "Statistics",
    "StrictSign",
    "TopicError",
    "Validate",
    "Verdict",
]
