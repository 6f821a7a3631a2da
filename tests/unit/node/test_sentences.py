"""The sentences that a node says of itself: whole, and with something to do, for any fact."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.standing import Pair
from identity.did import did_from_public
from mesh.coordination.displaced import Displaced
from mesh.coordination.trust import Refused
from mesh.mind.effects import Unheard
from mesh.node.sentences import displaced_sentence, unheard_sentence
from tests.laws.writing import public

OLD, NEW = public("old"), public("new")
NOT_CURRENT = (
    Refused.REVOKED, Refused.SUPERSEDED_KEY, Refused.QUARANTINED, Refused.NOT_GRANTED
)  # fmt: skip
LEFT_OPEN = re.compile(r"None|\{|\}|Refused|<")


@given(
    st.sampled_from(NOT_CURRENT),
    st.sampled_from([(), ("centre",), ("north/steward", "centre")]),
    st.none() | st.integers(min_value=0, max_value=2**52 - 1),
)
def test_a_displaced_box_is_told_who_what_and_what_to_do(
    reason: Refused, by: tuple[str, ...], when_ms: int | None
):
    holder = NEW if reason is Refused.SUPERSEDED_KEY else None
    found = Displaced(Pair(OLD, "north/box-1"), reason, holder, 2, by, when_ms)
    said = displaced_sentence(found)
    assert "north/box-1" in said
    assert did_from_public(OLD) in said
    assert "what this key says is refused everywhere" in said
    assert not LEFT_OPEN.search(said)
    if holder is not None:
        assert did_from_public(NEW) in said
    if reason in (Refused.REVOKED, Refused.SUPERSEDED_KEY):
        assert (" or ".join(by) or "the root") in said
        assert ("by its clock" in said) == (when_ms is not None)
    if reason is not Refused.NOT_GRANTED:
        assert "`mesh " in said
    assert "\n" not in said


def test_a_swap_reads_as_people_say_it():
    pair = Pair(OLD, "north/box-1")
    found = Displaced(pair, Refused.SUPERSEDED_KEY, NEW, 2, ("centre",), 1_800_000_000_000)
    old, new = did_from_public(OLD), did_from_public(NEW)
    assert displaced_sentence(found) == (
        f"north/box-1 was given to other hardware, {new} (epoch 2), by centre (at 2027-01-15 "
        "08:00:00 UTC by its clock); what this key says is refused everywhere. If that was meant, "
        "stop this node; if not, have it granted again: `mesh authority grant "
        f"{old} --name north/box-1 --config AUTHORITY.toml`"
    )


@pytest.mark.parametrize("reason", list(Refused))
@pytest.mark.parametrize("model", [None, bytes(32)])
@pytest.mark.parametrize("detail", ["", "have=none want=0123"])
def test_an_unheard_speaker_is_told_why(reason: Refused, model: bytes | None, detail: str):
    said = unheard_sentence(Unheard(reason, "north/box-1", "traffic.near_miss", model, detail))
    assert "north/box-1 publishes traffic.near_miss" in said
    assert reason.value in said
    assert detail in said
    assert not LEFT_OPEN.search(said)
    if reason is Refused.MODEL_NOT_APPROVED:
        assert f"approve-model sha256:{bytes(32).hex() if model else 'DIGEST'}" in said
