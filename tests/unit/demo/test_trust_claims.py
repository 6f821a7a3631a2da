"""A flawless second act passes the claims that no sabotage case is after; each flaw fails its own.

The steps of the act itself are played, with answers instead of processes.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import trio
from trio.testing import MockClock

from mesh.demo.acts import trust_act
from mesh.demo.acts.trust_act import SWAP_EPOCH, TrustAct
from mesh.demo.stage.foundation import Principal
from tests.unit.demo.planted import holding, silent_claims
from tests.unit.demo.test_trust_act import Played, played_cast

EVENT = b"event"
SPARE = b"spare"


class Cast(Played):
    """Answers, and processes that do nothing."""

    def start_box(self, principal: Principal, name: str) -> Any:
        del principal, name

    async def ready(self, names: list[str]) -> None:
        del names


def cast_of_answers() -> Cast:
    cast: Cast = played_cast(Cast)
    child: Any = SimpleNamespace(pid=1, exit_code=None, kill=lambda: None)
    cast.running |= dict.fromkeys([*cast.boxes, cast.old_hero, cast.forker, cast.accomplice], child)
    cast.foundation.principals["spare"] = SimpleNamespace(key=SPARE)
    cast.foundation.principals[cast.forker] = SimpleNamespace(key=b"forker")
    return cast


CAST = cast_of_answers()
BOXES = CAST.boxes
HERO = CAST.hero
LAST = next(box for box in reversed(BOXES) if box != HERO)
OTHERS = [CAST.key(CAST.accomplice), CAST.key(CAST.old_hero), b"forker"]


@dataclass
class Run:
    """What the boxes say; flawless until it is doctored."""

    accepted: dict[str, list[Any]] = field(default_factory=lambda: {box: [EVENT] for box in BOXES})
    views: dict[str, Any] = field(
        default_factory=lambda: {
            box: {"digest": b"one", "holders": [[SPARE, SWAP_EPOCH, True]]} for box in BOXES
        }
    )
    links: dict[str, Any] = field(
        default_factory=lambda: {
            box: {
                "links": [
                    {"peer": OTHERS[0], "class": "member"},
                    {"peer": OTHERS[1], "class": "known"},
                    {"peer": OTHERS[2], "class": "unsorted" if box == LAST else "known"},
                ]
            }
            for box in BOXES
        }
    )
    members: list[bytes] = field(default_factory=lambda: [CAST.key(box) for box in BOXES])

    def judge(self) -> dict[str, bool]:
        """Let the act ask and judge."""
        claims = silent_claims()
        cast = cast_of_answers()
        cast.answers = {
            "view": self.views,
            "refusals": {box: {"accepted": events} for box, events in self.accepted.items()},
            "notice": {box: {"event": EVENT, "wire": b"wire"} for box in BOXES},
            "links": self.links,
            "addresses": {box: {"addresses": []} for box in BOXES},
            "link": {cast.accomplice: {"members": list(self.members)}},
        }
        act = TrustAct(cast, claims, lambda text: None)
        trio.run(_play, act, clock=MockClock(autojump_threshold=0))
        return holding(claims)


async def _play(act: TrustAct) -> None:
    async def nothing() -> None:
        pass

    await act.judge_swap()
    await act._with_a_box_down(LAST)
    with patch.object(trust_act, "ATTACKS", ()), patch.object(act, "_start_accomplice", nothing):
        await act.attack()


def one_does_not_hear_the_new_hardware(run: Run) -> None:
    run.accepted[LAST] = []


def one_does_not_hear_an_honest_notice(run: Run) -> None:
    run.accepted[next(box for box in BOXES[1:] if box not in (HERO, LAST))] = []


def one_box_has_no_link_to_the_accomplice(run: Run) -> None:
    run.links[LAST]["links"].pop(0)


def the_accomplice_does_not_know_of_a_link(run: Run) -> None:
    run.members.remove(CAST.key(LAST))


def one_holds_another_view(run: Run) -> None:
    run.views[LAST]["digest"] = b"another"


def one_has_no_view(run: Run) -> None:
    del run.views[LAST]


def old_hardware_is_a_member(run: Run) -> None:
    run.links[LAST]["links"][1]["class"] = "member"


def forker_is_a_stranger(run: Run) -> None:
    run.links[BOXES[0]]["links"][2]["class"] = "stranger"


FLAWS: dict[Callable[[Run], None], list[str]] = {
    one_does_not_hear_the_new_hardware: ["swap_heard"],
    one_does_not_hear_an_honest_notice: ["swap_heard", "notice_heard"],
    one_box_has_no_link_to_the_accomplice: ["accomplice_linked"],
    the_accomplice_does_not_know_of_a_link: ["accomplice_linked"],
    one_holds_another_view: ["views_equal"],
    one_has_no_view: ["swap", "views_equal"],
    old_hardware_is_a_member: [f"known:{CAST.old_hero}"],
    forker_is_a_stranger: [f"known:{CAST.forker}"],
}


def judged_with(flaw: Callable[[Run], None] | None) -> dict[str, bool]:
    run = deepcopy(Run())
    if flaw is not None:
        flaw(run)
    return run.judge()


def test_a_flawless_act_passes() -> None:
    judged = judged_with(None)
    assert len(judged) == 7
    assert all(judged.values())


@pytest.mark.parametrize(("flaw", "failed"), FLAWS.items(), ids=[flaw.__name__ for flaw in FLAWS])
def test_a_flaw_fails_its_claim(flaw: Callable[[Run], None], failed: list[str]) -> None:
    judged = judged_with(flaw)
    assert sorted(name for name, held in judged.items() if not held) == sorted(failed)
