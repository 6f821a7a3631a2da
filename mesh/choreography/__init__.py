"""The dance floor: events, and who reacts to them, with no one in charge.

An event is sealed by one box (`event`), travels on the topic of its scope and cell (`topics`), is
judged before it is forwarded (`admission`), and is handed to whoever asked for it, with a deadline
(`reactions`). Direction is decided by the graph of places (`places`). Everything here is pure:
bytes, commands and `now` go in, judgements and deliveries come out.

The decorator `@mesh.event` and its look-up live in `mesh.choreography.event_type`; they are not
exported here, where they would hide the modules of the same names.
"""

from mesh.choreography.admission import Admission, AdmissionLimits
from mesh.choreography.event import (
    EventError,
    InvalidEventError,
    SealedEvent,
    parse_event,
    seal_event,
    to_cloudevent,
    verify_event,
)
from mesh.choreography.event_type import EventType, EventTypeError, InvalidDataError
from mesh.choreography.places import Place, Places
from mesh.choreography.rates import Rate
from mesh.choreography.reactions import Delivery, Disc, Interest, Reactions, RequestDecision
from mesh.choreography.scope import Reach, Scope
from mesh.choreography.trace import Stage, Trace, TraceRecorder
from mesh.choreography.verdict import AdmissionStatistics, Admitted, Outcome, Reason, Refusal

__all__ = [
    "Admission",
    "AdmissionLimits",
    "AdmissionStatistics",
    "Admitted",
    "Delivery",
    "Disc",
    "EventError",
    "EventType",
    "EventTypeError",
    "Interest",
    "InvalidDataError",
    "InvalidEventError",
    "Outcome",
    "Place",
    "Places",
    "Rate",
    "Reach",
    "Reactions",
    "Reason",
    "Refusal",
    "RequestDecision",
    "Scope",
    "SealedEvent",
    "Stage",
    "Trace",
    "TraceRecorder",
    "parse_event",
    "seal_event",
    "to_cloudevent",
    "verify_event",
]
