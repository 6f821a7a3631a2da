"""Topic names: built in one place, parsed in one place, and nothing between.

    /<ns>/auth                   everyone        grants, evidence, root statements
    /<ns>/fleet                  everyone        rollout reports, links, inventory
    /<ns>/d/<district>/state     the district    its boxes' status
    /<ns>/e/<cell>               who listens     events of every type in one H3 cell
    /<ns>/e/d/<district>         the district    events of that scope
    /<ns>/e/all                  everyone        events of that scope
    /<ns>/n/<name>               who asked       an agent's or an organisation's own topic

`<ns>` is 32 hexadecimal digits and `<cell>` 15, lower case; a district and a name are written as
they are and may hold `/`, which stays unambiguous because each prefix, and the final `/state`, is
fixed. The parser is total and exact: `parse_topic(text)` is None, or a topic whose `text` is `text`
again, so two spellings can never name one topic. See docs/network.md, "Topics".
"""

from dataclasses import dataclass
from enum import Enum

from identity.capability import is_name
from mesh.choreography.cells import cell_at, cell_from_text, cell_text, cells_covering
from mesh.choreography.scope import Reach, Scope

__all__ = [
    "Topic",
    "TopicKind",
    "auth_topic",
    "cell_at",
    "cell_topic",
    "cells_covering",
    "district_of",
    "district_topic",
    "event_topic",
    "everyone_topic",
    "fleet_topic",
    "named_topic",
    "parse_topic",
    "state_topic",
]

NAMESPACE_SIZE = 16
"""Bytes of a fleet's namespace."""
_PREFIX_SIZE = 2 * NAMESPACE_SIZE + 2
_HEX_DIGITS = frozenset("0123456789abcdef")


class TopicKind(Enum):
    """The seven kinds of topic; the value says what the subject is."""

    AUTH = "auth"
    FLEET = "fleet"
    STATE = "state of a district"
    CELL = "events of a cell"
    DISTRICT = "events of a district"
    EVERYONE = "events for everyone"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class Topic:
    """One parsed topic.

    Attributes:
        namespace: the fleet's 16 bytes.
        kind: which of the seven.
        subject: the district or name; the 8-byte cell of a `CELL`; None where the kind says all.
    """

    namespace: bytes
    kind: TopicKind
    subject: str | bytes | None = None

    @property
    def text(self) -> str:
        """The topic as it goes over the wire."""
        prefix = f"/{self.namespace.hex()}/"
        if isinstance(self.subject, bytes):
            return f"{prefix}e/{cell_text(self.subject)}"
        return (
            prefix
            + {
                TopicKind.AUTH: "auth",
                TopicKind.FLEET: "fleet",
                TopicKind.STATE: f"d/{self.subject}/state",
                TopicKind.DISTRICT: f"e/d/{self.subject}",
                TopicKind.EVERYONE: "e/all",
                TopicKind.NAMED: f"n/{self.subject}",
            }[self.kind]
        )


def auth_topic(namespace: bytes) -> str:
    """Where AUTH entries, evidence and root statements travel."""
    return Topic(namespace, TopicKind.AUTH).text


def fleet_topic(namespace: bytes) -> str:
    """Where FLEET entries travel."""
    return Topic(namespace, TopicKind.FLEET).text


def state_topic(namespace: bytes, district: str) -> str:
    """Where the STATE entries of one district travel."""
    return Topic(namespace, TopicKind.STATE, district).text


def cell_topic(namespace: bytes, cell: bytes) -> str:
    """Where the events of one H3 cell (8 bytes) travel.

    Raises:
        CellError: the bytes are no H3 cell.
    """
    return Topic(namespace, TopicKind.CELL, cell).text


def district_topic(namespace: bytes, district: str) -> str:
    """Where the events for one district travel."""
    return Topic(namespace, TopicKind.DISTRICT, district).text


def everyone_topic(namespace: bytes) -> str:
    """Where the events for everyone travel."""
    return Topic(namespace, TopicKind.EVERYONE).text


def named_topic(namespace: bytes, name: str) -> str:
    """An agent's or an organisation's own topic."""
    return Topic(namespace, TopicKind.NAMED, name).text


def event_topic(namespace: bytes, scope: Scope, cell: bytes, district: str | None) -> str | None:
    """The one topic on which an event of this scope and cell may travel.

    Args:
        namespace: the fleet's 16 bytes.
        scope: a `Reach`, its integer, or a name.
        cell: the H3 cell where it happened, 8 bytes.
        district: the speaker's district, `district_of(name, depth)`.

    Returns:
        The topic; None for a number that is no reach, and for a district's event whose speaker has
        no district.

    Raises:
        CellError: the scope is the cell and the bytes are no H3 cell.
    """
    if isinstance(scope, str):
        return named_topic(namespace, scope)
    if scope == Reach.CELL:
        return cell_topic(namespace, cell)
    if scope == Reach.EVERYONE:
        return everyone_topic(namespace)
    if scope == Reach.DISTRICT and district is not None:
        return district_topic(namespace, district)
    return None


def district_of(name: str, depth: int) -> str | None:
    """The district of a name: its first `depth` segments; None for a name that has fewer."""
    segments = name.split("/")
    if depth < 1 or len(segments) < depth:
        return None
    return "/".join(segments[:depth])


def parse_topic(text: str) -> Topic | None:
    """The topic that `text` spells exactly, or None; total over text."""
    namespace, rest = text[1 : _PREFIX_SIZE - 1], text[_PREFIX_SIZE:]
    framed = text[:1] == "/" and text[_PREFIX_SIZE - 1 : _PREFIX_SIZE] == "/"
    if not framed or not _HEX_DIGITS.issuperset(namespace):
        return None
    kind, subject = _parse_rest(rest)
    return None if kind is None else Topic(bytes.fromhex(namespace), kind, subject)


def _parse_rest(rest: str) -> tuple[TopicKind | None, str | bytes | None]:
    """Kind and subject of what follows the namespace."""
    for word, kind in _WHOLE.items():
        if rest == word:
            return kind, None
    for prefix, suffix, kind in _FRAMED:
        subject = rest[len(prefix) : len(rest) - len(suffix)]
        if rest == prefix + subject + suffix and is_name(subject):
            return kind, subject
    cell = cell_from_text(rest[2:]) if rest.startswith("e/") else None
    return (None, None) if cell is None else (TopicKind.CELL, cell)


_WHOLE = {"auth": TopicKind.AUTH, "fleet": TopicKind.FLEET, "e/all": TopicKind.EVERYONE}
_FRAMED = (
    ("d/", "/state", TopicKind.STATE),
    ("e/d/", "", TopicKind.DISTRICT),
    ("n/", "", TopicKind.NAMED),
)
