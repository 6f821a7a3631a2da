"""What the boxes answered in the second act, compared with what they must answer.

A box that is silent proves nothing: every judgement names the boxes it is about, and each of them
must have answered. A refusal counts only for the link that the lie came over, for an honest
neighbour may offer a box what an attacker sends it too.
"""

from collections.abc import Collection, Mapping

from identity.encoding import Value

__all__ = [
    "accepters",
    "holders_epoch",
    "keys_of",
    "link_classes",
    "record_accepters",
    "record_holders",
    "refusers",
    "same_view",
    "texts_of",
    "unlinked",
]

Answer = Mapping[str, Value]
Answers = Mapping[str, Answer]


def refusers(answers: Answers, event: Value, reason: str, link: bytes) -> list[str]:
    """Return the boxes that refused an event for this reason when it came over this link."""
    wanted: list[Value] = [event, reason, link]
    return [box for box, answer in answers.items() if wanted in _list(answer.get("refused"))]


def accepters(answers: Answers, events: Collection[Value]) -> list[str]:
    """Return the boxes whose application was handed one of these events."""
    return [
        box
        for box, answer in answers.items()
        if any(event in events for event in _list(answer.get("accepted")))
    ]


def record_accepters(answers: Answers) -> list[str]:
    """Return the boxes in whose view a record counts, or gave somebody a name."""
    return [box for box, answer in answers.items() if answer["holders"] or answer["entry_counts"]]


def record_holders(answers: Answers) -> list[str]:
    """Return the boxes that hold a record: those that can have judged it."""
    return [box for box, answer in answers.items() if answer["entry_held"]]


def holders_epoch(answer: Answer, key: bytes) -> int:
    """Return the epoch at which a key, and no other, holds a name now; 0 if it does not."""
    match answer.get("holders"):
        case [[bytes(holder), int(epoch), True]] if holder == key:
            return epoch
        case _:
            return 0


def same_view(answers: Answers, boxes: Collection[str]) -> bool:
    """Whether all these boxes answered, and hold one and the same view."""
    digests = {str(answer["digest"]) for answer in answers.values()}
    return set(answers) == set(boxes) and len(digests) == 1


def unlinked(answers: Answers, boxes: Collection[str], dead: Collection[bytes]) -> bool:
    """Whether all these boxes answered, and none has a link to one of the dead."""
    linked = {peer for answer in answers.values() for peer, _ in _links(answer)}
    return set(answers) == set(boxes) and linked.isdisjoint(dead)


def link_classes(answers: Answers, peer: bytes) -> dict[str, str]:
    """Return as what each box that has a link to a peer sorts it."""
    return {
        box: word for box, answer in answers.items() for key, word in _links(answer) if key == peer
    }


def keys_of(value: Value) -> list[bytes]:
    """Return the byte strings in a list."""
    return [key for key in _list(value) if isinstance(key, bytes)]


def texts_of(value: Value) -> list[str]:
    """Return the texts in a list."""
    return [text for text in _list(value) if isinstance(text, str)]


def _links(answer: Answer) -> list[tuple[bytes, str]]:
    return [
        (peer, str(link["class"]))
        for link in _list(answer.get("links"))
        if isinstance(link, dict) and isinstance(peer := link.get("peer"), bytes)
    ]


def _list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []
