"""A mind that takes part in a rollout, and a disk that refuses: what is not kept is not done."""

from collections.abc import Callable

import pytest

from crdt.entry import Lane
from mesh.mind import effects as fx
from mesh.mind.conducting import AGAIN_NS, HALT_KIND, Conducting
from mesh.orchestration.cohort import encode_names
from mesh.orchestration.goals import Answer, Failed, Goal
from mesh.orchestration.intent import Stage, intent_key
from mesh.orchestration.labels import labels_of
from mesh.units import SECOND
from tests.laws.rollouts.world import SLOT, intent_of
from tests.laws.writing import put
from tests.unit.mind.driving import DIGEST, Driven, Town, of

LISTED = ("city/0",)
INTENT = intent_of("new", LISTED, stages=(Stage(1_000_000, 1000),))
LOOKED_S = 1.0
AGAIN_S = AGAIN_NS / SECOND + LOOKED_S


def approved(digest: bytes, state: str = "approved") -> dict[str, object]:
    return {"digest": digest, "state": state, "events": ["traffic.*"], "area": "*"}


def city(model: str = "candidate") -> Town:
    """A town in which a rollout to one box is proposed."""
    town = Town(boxes=2)
    town.write(put("model/new", approved(INTENT.artefact, model)))
    town.write(put(intent_key(INTENT.scope, INTENT.id), INTENT.to_value()))
    return town


def tell(driven: Driven, said: Callable[[Conducting], None]) -> list[fx.Effect]:
    return driven.take(driven.mind.conduct(said, driven.now))


def fetched(driven: Driven, data: bytes, digest: bytes = INTENT.cohort) -> list[fx.Effect]:
    return tell(driven, lambda conducting: conducting.fetched(digest, data))


def answer(driven: Driven, goal: Goal, said: Answer) -> list[fx.Effect]:
    assert goal.artefact is not None
    artefact = goal.artefact
    return tell(driven, lambda conducting: conducting.answer(SLOT, artefact, said))


def standing(town: Town) -> Driven:
    """A box that was delivered with something and has looked once."""
    driven = Driven(town)
    tell(driven, lambda conducting: conducting.deliver(SLOT, DIGEST))
    driven.persist(driven.wait(LOOKED_S))
    return driven


def goals(effects: list[fx.Effect]) -> list[Goal]:
    return [effect.goal for effect in of(fx.Apply, effects)]


def memories(effects: list[fx.Effect]) -> list[fx.Persist]:
    return [effect for effect in of(fx.Persist, effects) if effect.memory is not None]


def loading(driven: Driven) -> Goal:
    """Hand it the list; return what it is to load once that is kept."""
    fetched(driven, encode_names(LISTED))
    asked = driven.wait(LOOKED_S)
    (goal,) = goals(driven.persist(asked))
    assert goal.intent == INTENT.id
    return goal


def halts(driven: Driven) -> int:
    return len(driven.mind.conducting.rollouts.by_id[INTENT.id].halts)


def halts_asked(effects: list[fx.Effect]) -> int:
    entries = [entry for effect in of(fx.Persist, effects) for entry in effect.entries]
    return sum(entry.kind == HALT_KIND for entry in entries)


# What must not be forgotten


def test_nothing_is_loaded_before_the_attempt_is_on_the_disk():
    driven = standing(city())
    fetched(driven, encode_names(LISTED))
    asked = driven.wait(LOOKED_S)
    assert memories(asked)
    assert not goals(asked + driven.persist(asked, fail="disk full"))
    again = driven.wait(AGAIN_S)
    assert [each.memory for each in memories(again)] == [each.memory for each in memories(asked)]
    assert [goal.attempt for goal in goals(driven.persist(again))] == [1]
    assert not memories(driven.wait(3 * AGAIN_S)), "it is asked until it is kept, and no longer"


def test_a_disk_that_refuses_what_a_later_memory_replaced_is_asked_for_the_later_one_alone():
    driven = standing(city())
    goal = loading(driven)
    first = answer(driven, goal, Failed("no room"))
    (refused,) = memories(first)
    asked = driven.take(driven.mind.persist_failed(refused.ticket - 1, "x", driven.now))
    assert not memories(asked)
    assert goals(driven.persist(first)), "it goes back to what it was delivered with"


def test_what_a_box_attempted_is_known_after_a_start():
    driven = standing(city())
    answer_ = answer(driven, loading(driven), Failed("no room"))
    driven.persist(answer_)
    driven.boot()
    tell(driven, lambda conducting: conducting.deliver(SLOT, DIGEST))
    fetched(driven, encode_names(LISTED))
    found = driven.persist(driven.wait(LOOKED_S))
    assert INTENT.artefact not in {goal.artefact for goal in goals(found)}


# Halts are facts


@pytest.mark.parametrize("refusals", [1, 3])
def test_a_halt_that_the_disk_lost_is_signed_again(refusals):
    driven = standing(city())
    said = answer(driven, loading(driven), Failed("no room"))
    kept = driven.persist(said) + driven.wait(LOOKED_S)
    asked = kept if halts_asked(kept) else driven.wait(AGAIN_S)
    for _ in range(refusals):
        assert halts_asked(asked) == 1
        assert halts(driven) == 0
        driven.persist(asked, fail="disk full")
        asked = driven.wait(AGAIN_S)
    driven.persist(asked)
    assert halts(driven) == 1
    assert not halts_asked(driven.wait(3 * AGAIN_S))


# Lists of names


@pytest.mark.parametrize("data", [b"", b"\x00", encode_names(LISTED)[:-1]])
def test_bytes_that_are_no_list_are_a_list_not_held(data):
    driven = standing(city())
    fetched(driven, data)
    assert not goals(driven.persist(driven.wait(LOOKED_S)))
    assert loading(driven)


def test_a_list_that_nobody_names_is_not_kept():
    driven = standing(city())
    before = driven.mind.conducting.rollouts
    fetched(driven, encode_names(LISTED), digest=bytes(32))
    assert driven.mind.conducting.rollouts is before


# What stays on the disk, and what nobody may run


def test_what_slots_and_live_intents_name_is_needed():
    driven = standing(city())
    assert driven.mind.conducting.needed == {INTENT.artefact, INTENT.cohort, DIGEST}
    loading(driven)
    assert driven.mind.conducting.needed >= {INTENT.artefact, INTENT.cohort, DIGEST}


def test_what_is_withdrawn_is_told_by_digest_and_needed_no_more():
    driven = standing(city("withdrawn"))
    assert driven.mind.conducting.withdrawn == (INTENT.artefact,)
    assert not goals(driven.persist(fetched(driven, encode_names(LISTED)) + driven.wait(LOOKED_S)))


# Who takes no part


def test_a_node_without_a_name_conducts_nothing_and_takes_it_calmly():
    driven = Driven(city(), "stranger", "")
    conducting = driven.mind.conducting
    assert conducting.conductor is None
    for said in (
        lambda told: told.deliver(SLOT, DIGEST),
        lambda told: told.answer(SLOT, DIGEST, Failed("x")),
        lambda told: told.soon(),
        lambda told: told.look(),
    ):
        assert not goals(tell(driven, said) + driven.wait(LOOKED_S))
    assert conducting.needed == {INTENT.artefact, INTENT.cohort}


# Labels


def test_labels_that_the_disk_lost_are_stated_again():
    driven = Driven(city(), labels={"camera": "true"})
    member = driven.mind.conducting
    asked = driven.wait(LOOKED_S)
    driven.persist(asked, fail="disk full")

    def shown() -> dict[str, str]:
        status = driven.mind.replica.status(Lane.FLEET)
        return next((dict(labels_of(status, pair)) for pair in status if pair.name == "city/0"), {})

    assert shown() == {}
    driven.persist(driven.wait(2 * AGAIN_S))
    assert shown() == {"camera": "true"}
    assert member.conductor is not None
