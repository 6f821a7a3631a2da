"""The fourth act where it cannot be played, and what one side does while it is alone."""

from pathlib import Path
from typing import Any

import pytest
import trio

from mesh.demo import partition_act
from mesh.demo.city import generate_city
from mesh.demo.claims import Claims
from mesh.demo.partition_act import PartitionAct
from mesh.node.processes import Processes
from tests.netns import people

CITY = generate_city(247)


def act_of(processes: Any, told: list[str], deeds: tuple[Any, ...] = ()) -> PartitionAct:
    claims = Claims(keep_going=False, say=lambda name, held, sentence: None)
    return PartitionAct(
        processes, CITY, seed=247, model=Path("none.onnx"), folder=Path, claims=claims,
        tell=told.append, deeds=deeds,
    )  # fmt: skip


async def test_a_machine_without_namespaces_is_told_of_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(partition_act, "run_wire", people.wire_without_room)
    told: list[str] = []
    with Processes() as processes:
        act = act_of(processes, told)
        await act.play()
        assert len(processes.children) == 1
    assert act.outcome.skipped
    assert "namespace" in act.outcome.why
    assert told == [f"skipped, for this machine gives no network to cut: {act.outcome.why}"]
    assert act.claims.failed == []


class Scripted(PartitionAct):
    """The act with its steps noted instead of played."""

    steps: list[str]

    def __getattribute__(self, name: str) -> Any:
        answers = {
            "_everybody_speaks": {}, "cut": None, "_play_cameras": 0.0, "revoke": None,
            "_judge_cut": None, "_judge_sides": ({}, {}), "_judge_heal": None, "_judge_lost": None,
            "_keep_speaking": None,
        }  # fmt: skip
        if name not in answers:
            return super().__getattribute__(name)

        async def step(*arguments: object) -> Any:
            self.steps.append(name.strip("_"))
            return answers[name]

        return step


class Noted:
    """A deed, and a wire, that note when they are asked."""

    def __init__(self, steps: list[str]) -> None:
        self.before, self.during, self.after, self.heal = (
            self._noting(steps, name) for name in ("before", "during", "after", "heal")
        )

    def _noting(self, steps: list[str], name: str) -> Any:
        async def note(*arguments: object) -> None:
            steps.append(name)

        return note


async def test_what_one_side_does_alone_is_done_while_it_is_alone():
    steps: list[str] = []
    deed: Any = Noted(steps)
    claims = Claims(keep_going=False, say=lambda name, held, sentence: None)
    act = Scripted(
        Processes(), CITY, seed=247, model=Path("none.onnx"), folder=Path, claims=claims,
        tell=lambda text: None, deeds=(deed,),
    )  # fmt: skip
    act.steps, act.wire, act.cast = steps, deed, deed
    async with trio.open_nursery() as nursery:
        await act.play_cut(nursery)
        nursery.cancel_scope.cancel()
    steps.remove("keep_speaking")
    assert steps == [
        "before", "everybody_speaks", "cut", "play_cameras", "revoke", "judge_cut", "during",
        "judge_sides", "heal", "judge_heal", "after", "judge_lost",
    ]  # fmt: skip
