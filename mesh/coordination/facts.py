"""How facts ride on gossip: the payload of the fact topics.

    [0, entry wire] · [1, entry wire, entry wire] (evidence) · [2, root statement wire]

Larger ones than `FACT_SIZE_MAX` go by sync only: other implementations kill a stream over them. See
docs/network.md, "Topics".
"""

from dataclasses import dataclass

from crdt.entry import Entry, parse_entry
from crdt.errors import InvalidEntryError
from identity.encoding import decode, encode
from identity.errors import EncodingError, InvalidRootError
from identity.genesis import RootStatement, parse_root_statement

__all__ = ["FACT_SIZE_MAX", "Fact", "FactError", "encode_entry", "encode_root", "parse_fact"]

FACT_SIZE_MAX = 48_000
"""Largest payload on a fact topic, bytes."""


class FactError(Exception):
    """A payload that no honest peer publishes on a fact topic."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What one payload carries: one entry, the two of an evidence, or a root statement."""

    entries: tuple[Entry, ...]
    root: RootStatement | None = None


def encode_entry(entry: Entry) -> bytes:
    """Return the payload that spreads one entry."""
    return encode([0, entry.wire])


def encode_root(statement: RootStatement) -> bytes:
    """Return the payload that spreads a root statement."""
    return encode([2, statement.wire])


def parse_fact(data: bytes) -> Fact:
    """Return what a payload carries; signatures are not checked here. Total.

    Raises:
        FactError: it is none of the three forms.
    """
    if len(data) > FACT_SIZE_MAX:
        raise FactError(f"{len(data)} bytes: expected at most {FACT_SIZE_MAX}")
    try:
        value = decode(data)
        match value:
            case [int(tag), bytes(wire)] if tag == 0 and not isinstance(tag, bool):
                return Fact((parse_entry(wire),))
            case [int(tag), bytes(one), bytes(two)] if tag == 1 and not isinstance(tag, bool):
                return Fact((parse_entry(one), parse_entry(two)))
            case [2, bytes(wire)]:
                return Fact((), parse_root_statement(wire))
            case _:
                raise FactError("expected [0, entry], [1, entry, entry] or [2, root statement]")
    except (EncodingError, InvalidEntryError, InvalidRootError) as error:
        raise FactError(str(error)) from None
