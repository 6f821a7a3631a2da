"""The bytes that travel never change: what is made today is what the vectors say."""

import json
from pathlib import Path

import pytest

from crdt.entry import parse_entry, verify_entry
from identity.genesis import parse_genesis, parse_root_statement
from identity.invite import parse_invite
from mesh.choreography.event import parse_event, verify_event
from mesh.coordination.facts import parse_fact
from mesh.coordination.hello import parse_hello_frame
from tools.vectors import vectors

WRITTEN = json.loads((Path(__file__).parents[2] / "interop/vectors/wire.json").read_text())


@pytest.mark.parametrize("form", WRITTEN)
def test_what_is_made_is_what_was_written(form):
    assert json.loads(json.dumps(vectors()[form])) == WRITTEN[form]


def test_what_was_written_is_read():
    def raw(text: str) -> bytes:
        return bytes.fromhex(text)

    genesis = parse_genesis(raw(WRITTEN["genesis"]["raw"]))
    assert genesis.ns.hex() == WRITTEN["genesis"]["ns"]
    statement = parse_root_statement(raw(WRITTEN["root"]["wire"]))
    assert statement.signers(genesis.roots) == 1
    entry = parse_entry(raw(WRITTEN["entry"]["wire"]))
    assert verify_entry(entry)
    event = parse_event(raw(WRITTEN["event"]["wire"]))
    assert verify_event(event)
    assert parse_fact(raw(WRITTEN["facts"]["entry"])).entries == (entry,)
    assert parse_fact(raw(WRITTEN["facts"]["root"])).root == statement
    assert parse_invite(raw(WRITTEN["invite"])).entries == (entry.wire,)
    for form in ("hello", "answer", "clock"):
        assert parse_hello_frame(raw(WRITTEN[form])).encode() == raw(WRITTEN[form])
