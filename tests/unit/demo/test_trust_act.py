"""The second act believes no box that is silent, and no attacker about whom it reached."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from identity.encoding import Value
from mesh.demo.acts.trust_act import TrustAct
from mesh.demo.city.generator import generate_city, neighbourhood
from mesh.demo.claims import Claims
from mesh.demo.stage.cast import Cast
from mesh.demo.stage.foundation import BOOTSTRAP, CENTRE

EVENT = b"event"
CITY = neighbourhood(generate_city(1), 6)


@dataclass(slots=True)
class Played(Cast):
    """A cast of answers instead of processes; what waits for something looks once."""

    answers: dict[str, dict[str, dict[str, Value]]] = field(default_factory=dict)

    async def ask(self, name: str, request: Mapping[str, object]) -> dict[str, Value]:
        return self.answers[str(request["do"])][name]

    async def ask_all(
        self, names: tuple[str, ...], request: Mapping[str, object]
    ) -> dict[str, dict[str, Value]]:
        answers = self.answers[str(request["do"])]
        return {name: answers[name] for name in names if name in answers}

    async def until(
        self, holds: Callable[[], Awaitable[bool]], seconds: float, period_s: float = 0.2
    ) -> float | None:
        return 0.0 if await holds() else None


class Act(TrustAct):
    """An act that keeps what was claimed."""

    def __init__(self, cast: Played) -> None:
        self.judged: dict[str, bool] = {}
        claims = Claims(True, lambda name, held, sentence: self.judged.update({name: held}))
        super().__init__(cast, claims, lambda text: None)
        self.cast: Any = cast


def played_cast(kind: type[Played] = Played) -> Any:
    """Return a cast of a small city, with a process behind every name."""
    city = CITY
    names = [CENTRE, BOOTSTRAP, f"{city.hero.district}/box-9001", *city.names]
    principals = {name: SimpleNamespace(key=name.encode()) for name in names}
    foundation: Any = SimpleNamespace(principals=principals)
    processes: Any = None
    cast = kind(processes, foundation, city, Path("scene"), Path("model"))
    child: Any = SimpleNamespace(pid=1, exit_code=None)
    cast.running = dict.fromkeys(names, child)
    return cast


@pytest.fixture
def cast() -> Played:
    made: Played = played_cast()
    return made


def linked(*peers: bytes) -> dict[str, Value]:
    return {"links": [{"peer": peer, "class": "member"} for peer in peers]}


async def centre_killed(cast: Played, exit_code: int | None) -> bool:
    dead: Any = SimpleNamespace(exit_code=exit_code)
    cast.running |= {CENTRE: dead, BOOTSTRAP: dead}
    act = Act(cast)
    await act.judge_centre()
    return act.judged["centre_killed"]


async def test_the_centre_is_dead_if_it_was_killed_and_every_box_says_so(cast: Played) -> None:
    cast.answers["links"] = {box: linked(b"somebody") for box in cast.boxes}
    assert await centre_killed(cast, -9)
    assert not await centre_killed(cast, 0)
    assert not await centre_killed(cast, None)
    cast.answers["links"][cast.boxes[0]] = linked(CENTRE.encode())
    assert not await centre_killed(cast, -9)
    del cast.answers["links"][cast.boxes[0]]
    assert not await centre_killed(cast, -9)


def accomplice_of(cast: Played) -> bytes:
    return cast.key(cast.accomplice)


async def attacked(cast: Played, sent: list[str]) -> bool:
    act = Act(cast)
    keys: list[Value] = [cast.key(box) for box in sent]
    await act.judge_attack("forger", "stale", cast.boxes, {"event": EVENT, "sent": keys})
    return act.judged["attack:forger"]


async def test_an_attack_must_reach_every_box_and_each_must_refuse_it(cast: Played) -> None:
    refusal: list[Value] = [EVENT, "stale", accomplice_of(cast)]
    said: dict[str, dict[str, Value]] = {
        box: {"refused": [refusal], "accepted": []} for box in cast.boxes
    }
    cast.answers["refusals"] = dict(said)
    assert await attacked(cast, list(cast.boxes))
    assert not await attacked(cast, list(cast.boxes[1:]))
    assert not await attacked(cast, [])
    one = cast.boxes[0]
    cast.answers["refusals"] = said | {one: {"refused": [], "accepted": []}}
    assert not await attacked(cast, list(cast.boxes))
    cast.answers["refusals"] = said | {one: {"refused": [refusal], "accepted": [EVENT]}}
    assert not await attacked(cast, list(cast.boxes))
    honest: list[Value] = [EVENT, "stale", cast.key(cast.boxes[1])]
    cast.answers["refusals"] = said | {one: {"refused": [honest], "accepted": []}}
    assert not await attacked(cast, list(cast.boxes))


async def test_a_record_must_be_held_by_every_box_and_count_in_none(cast: Played) -> None:
    async def ignored() -> bool:
        act = Act(cast)
        sent: list[Value] = [cast.key(box) for box in cast.boxes]
        answer: dict[str, Value] = {"event": EVENT, "sent": sent, "name": "puppet"}
        await act.judge_attack("back_dated_record", "invisible", cast.boxes, answer)
        return act.judged["attack:back_dated_record"]

    view: dict[str, Value] = {"holders": [], "entry_counts": False, "entry_held": True}
    cast.answers["view"] = dict.fromkeys(cast.boxes, view)
    assert await ignored()
    cast.answers["view"] |= {cast.boxes[0]: view | {"entry_held": False}}
    assert not await ignored()
    cast.answers["view"] |= {cast.boxes[0]: view | {"entry_counts": True}}
    assert not await ignored()


async def test_a_notice_must_be_accepted_by_all_others(cast: Played) -> None:
    others = set(cast.boxes[1:])
    act = Act(cast)
    cast.answers["notice"] = {cast.boxes[0]: {"event": EVENT}}
    cast.answers["refusals"] = {box: {"accepted": [EVENT]} for box in others}
    await act.judge_notice("swap_heard", cast.boxes[0], others, again_s=1.0)
    assert act.judged["swap_heard"]
    cast.answers["refusals"][cast.boxes[1]] = {"accepted": [b"another"]}
    await act.judge_notice("swap_heard", cast.boxes[0], others, again_s=1.0)
    assert not act.judged["swap_heard"]


async def test_both_ends_must_know_of_the_accomplices_link(cast: Played) -> None:
    act = Act(cast)
    cast.answers["addresses"] = {box: {"addresses": []} for box in cast.boxes}
    members: list[Value] = [cast.key(box) for box in cast.boxes]
    cast.answers["link"] = {cast.accomplice: {"members": members}}
    cast.answers["links"] = {box: linked(accomplice_of(cast)) for box in cast.boxes}
    await act.link_accomplice(cast.boxes)
    assert act.judged["accomplice_linked"]
    cast.answers["link"] = {cast.accomplice: {"members": members[1:]}}
    await act.link_accomplice(cast.boxes)
    assert not act.judged["accomplice_linked"]
    cast.answers["link"] = {cast.accomplice: {"members": members}}
    cast.answers["links"][cast.boxes[0]] = linked()
    await act.link_accomplice(cast.boxes)
    assert not act.judged["accomplice_linked"]
