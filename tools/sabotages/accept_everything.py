"""An admission that accepts whatever parses."""

from mesh.choreography.admission import Admission
from mesh.choreography.event import InvalidEventError, parse_event
from mesh.choreography.verdict import Admitted, Outcome
from mesh.units import Instant

_judge = Admission._judge


def judge(self: Admission, topic: str, wire: bytes, link_peer: bytes, now: Instant) -> Admitted:
    """Accept."""
    try:
        event = parse_event(wire)
    except InvalidEventError:
        return _judge(self, topic, wire, link_peer, now)
    return Admitted(Outcome.ACCEPT, None, event, event.author)


Admission._judge = judge
