"""Whoever is silent proves nothing, and a refusal counts only for the link the lie came over."""

import pytest

from identity.encoding import Value
from mesh.demo.acts.trust_verdict import (
    accepters,
    holders_epoch,
    link_classes,
    record_accepters,
    record_holders,
    refusers,
    same_view,
    unlinked,
)

BOXES = ("a", "b")
EVENT, LIAR, HONEST = b"event", b"liar", b"honest"


def test_a_refusal_counts_for_this_event_reason_and_link() -> None:
    answers: dict[str, dict[str, Value]] = {
        "a": {"refused": [[b"other", "stale", LIAR], [EVENT, "stale", LIAR]]},
        "b": {"refused": [[EVENT, "stale", HONEST], [EVENT, "future", LIAR]]},
        "c": {"refused": [[b"other", "stale", LIAR]]},
    }
    assert refusers(answers, EVENT, "stale", LIAR) == ["a"]


def test_who_was_handed_an_event_accepted_it() -> None:
    answers: dict[str, dict[str, Value]] = {"a": {"accepted": [EVENT]}, "b": {"accepted": []}}
    assert accepters(answers, [EVENT, b"another"]) == ["a"]


def test_a_record_is_accepted_where_it_counts_or_gives_a_name() -> None:
    nothing: dict[str, Value] = {"holders": [], "entry_counts": False, "entry_held": True}
    answers = {
        "a": nothing,
        "b": nothing | {"holders": [[b"key", 1, True]]},
        "c": nothing | {"entry_counts": True},
        "d": nothing | {"entry_held": False},
    }
    assert record_accepters(answers) == ["b", "c"]
    assert record_holders(answers) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("holders", "epoch"),
    [
        ([[b"new", 2, True]], 2),
        ([[b"new", 3, True]], 3),
        ([[b"new", 2, False]], 0),
        ([[b"old", 2, True]], 0),
        ([[b"old", 1, False], [b"new", 2, True]], 0),
        ([], 0),
        (None, 0),
    ],
)
def test_the_epoch_is_that_at_which_the_key_alone_holds_the_name(
    holders: Value, epoch: int
) -> None:
    assert holders_epoch({"holders": holders}, b"new") == epoch


def test_views_are_equal_if_every_box_shows_the_same() -> None:
    assert same_view({"a": {"digest": b"1"}, "b": {"digest": b"1"}}, BOXES)
    assert not same_view({"a": {"digest": b"1"}, "b": {"digest": b"2"}}, BOXES)
    assert not same_view({"a": {"digest": b"1"}}, BOXES)
    assert not same_view({}, BOXES)


def linked(*peers: bytes) -> dict[str, Value]:
    return {"links": [{"peer": peer, "class": "member"} for peer in peers]}


def test_the_dead_are_unlinked_if_every_box_says_so() -> None:
    assert unlinked({"a": linked(HONEST), "b": linked()}, BOXES, {b"centre"})
    assert not unlinked({"a": linked(b"centre"), "b": linked()}, BOXES, {b"centre"})
    assert not unlinked({"a": linked()}, BOXES, {b"centre"})
    assert not unlinked({}, BOXES, {b"centre"})


def test_what_a_box_without_a_link_says_of_a_peer_is_nothing() -> None:
    answers = {"a": linked(LIAR, HONEST), "b": linked(HONEST)}
    assert link_classes(answers, LIAR) == {"a": "member"}
