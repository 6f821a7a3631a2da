"""The fourth act where it cannot be played, and what one side does while it is alone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from mesh.demo.acts import partition_act
from mesh.demo.acts.hold_deed import HoldDeed
from mesh.demo.acts.partition_act import PartitionAct
from mesh.demo.city.generator import generate_city
from mesh.demo.claims import Claims
from mesh.demo.stage import namespace_probe
from mesh.demo.stage.foundation import CENTRE
from mesh.demo.stage.namespace_probe import granted_by
from mesh.node.control import ControlError
from mesh.node.processes import Processes
from mesh.testing.wires.wire import WireCounts
from tests.netns import people
from tests.unit.demo import test_hold_verdict as flawless

CITY = generate_city(247)


def act_of(processes: Any, told: list[str], *, keep_going: bool = False) -> PartitionAct:
    claims = Claims(keep_going=keep_going, say=lambda name, held, sentence: None)
    return PartitionAct(
        processes, CITY, seed=247, model=Path("none.onnx"), folder=Path, claims=claims,
        tell=told.append,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("granted", "failed"), [("", []), ("unshare --net true", ["partition_played"])]
)
async def test_the_act_is_skipped_where_nobody_is_given_namespaces_and_fails_elsewhere(
    monkeypatch: pytest.MonkeyPatch, granted: str, failed: list[str]
):
    async def probed() -> str:
        return granted

    monkeypatch.setattr(partition_act, "run_wire", people.wire_without_room)
    monkeypatch.setattr(partition_act, "granted_by", probed)
    told: list[str] = []
    with Processes() as processes:
        act = act_of(processes, told, keep_going=True)
        await act.play()
        assert len(processes.children) == 1
    assert act.outcome.skipped
    assert "namespace" in act.outcome.why
    assert told == [f"skipped, for this machine gives no network to cut: {act.outcome.why}"]
    assert act.claims.failed == failed


async def test_the_probe_finds_what_the_kernel_gives(monkeypatch: pytest.MonkeyPatch):
    with Processes() as processes:
        child = processes.start(people.gives_namespaces, "")
        assert (await granted_by() != "") == await child.receive()
    monkeypatch.setattr(namespace_probe, "PROBES", (("unshare", "--none-such"),))
    assert await granted_by() == ""


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
        async def note(*arguments: object) -> WireCounts:
            steps.append(name)
            return WireCounts(0, 1)

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


class Panels:
    """The cast of the act and its wire, where every panel answers as a flawless rollout's does."""

    side = flawless.SIDE

    def __init__(self, steps: list[str]) -> None:
        principals = {CENTRE: SimpleNamespace(seed=bytes(range(32)))}
        self.foundation = SimpleNamespace(steward="steward", principals=principals)
        self.steps, self.run = steps, flawless.Run()
        self.unlabelled, self.wishes = 2, list[Any]()
        self.counts = WireCounts(0, 1)

    def start_node(self, name: str) -> Any:
        self.steps.append(f"{name} starts")

        async def wait() -> None:
            self.steps.append(f"{name} is gone")

        return SimpleNamespace(stop=lambda: None, wait=wait)

    async def ready(self, names: list[str]) -> None:
        pass

    async def ask(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        if self.unlabelled:
            self.unlabelled -= 1
            raise ControlError("none of the boxes carries them")
        if request.get("dry") is not True:
            self.wishes.append(request["wish"])
            self.steps.append("apply")
        return {"names": len(self.side.panels), "intent": bytes(16)}

    async def ask_all(self, names: object, request: dict[str, Any]) -> Any:
        assert request == {"do": "panel", "intent": bytes(16)}
        if "heal" in self.steps:
            return self.run.after
        return self.run.during if "cut" in self.steps else self.run.before

    async def until(self, holds: Any, seconds: float, period_s: float = 0.2) -> float | None:
        for _ in range(4):
            if await holds():
                return 1.0
        return None

    async def heal(self) -> WireCounts:
        self.steps.append("heal")
        return self.counts


async def play_panels(panels: Any, tmp_path: Path) -> tuple[Claims, HoldDeed]:
    claims = Claims(keep_going=True, say=lambda name, held, sentence: panels.steps.append(name))
    deed = HoldDeed(tmp_path, claims, lambda text: None)
    act = Scripted(
        Processes(), CITY, seed=247, model=Path("none.onnx"), folder=Path, claims=claims,
        tell=lambda text: None, deeds=(deed,),
    )  # fmt: skip
    act.steps, act.wire, act.cast = panels.steps, panels, panels
    async with trio.open_nursery() as nursery:
        await act.play_cut(nursery)
        nursery.cancel_scope.cancel()
    panels.steps.remove("keep_speaking")
    return claims, deed


async def test_a_rollout_is_applied_before_the_cut_and_judged_during_and_after_it(tmp_path: Path):
    panels = Panels([])
    claims, deed = await play_panels(panels, tmp_path)
    assert panels.steps == [
        "steward starts", "apply", "steward is gone", "rollout_under_way", "everybody_speaks",
        "cut", "play_cameras", "revoke", "judge_cut", "rollout_holds", "rollout_goes_on",
        "judge_sides", "heal", "wire_cut", "judge_heal", "rollout_completes", "promoted_once",
        "judge_lost",
    ]  # fmt: skip
    assert claims.failed == []
    (wish,) = panels.wishes
    assert (wish["on_partition"], wish["labels"]) == ("hold", {"panel": "true"})
    assert wish["stages"] == [[300_000, 16_000], [600_000, 500], [1_000_000, 0]]
    assert wish["artefact"] == flawless.DIGEST
    assert (deed.outcome.held, deed.outcome.went_on, deed.outcome.open_at_cut) == (2, 4, 2)


async def test_a_stage_that_opens_inside_the_cut_fails_the_act(tmp_path: Path):
    panels = Panels([])
    panels.run.during[flawless.FAR]["open"] = [0, 1]
    claims, deed = await play_panels(panels, tmp_path)
    assert claims.failed == ["rollout_holds"]
    assert deed.outcome.held == 1


@pytest.mark.parametrize("counts", [WireCounts(1, 1), WireCounts(0, 0)], ids=["carried", "kept"])
async def test_a_wire_that_lets_packets_through_or_loses_none_fails_the_act(
    tmp_path: Path, counts: WireCounts
):
    panels = Panels([])
    panels.counts = counts
    claims, _ = await play_panels(panels, tmp_path)
    assert claims.failed == ["wire_cut"]
