"""What a run claims around its acts: that everything stands, is rendered, is quiet, ends in time.

And what it names when it ends for a reason that is no claim.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import trio
from rich.console import Console
from trio.testing import MockClock

from mesh.demo import run as demo_run
from mesh.demo.acts import reaction_act
from mesh.demo.acts.reaction_act import ReactionAct
from mesh.demo.report.narration import Narrator
from mesh.demo.run import DURATION_S_MAX, DemoOptions, Run, run_demo
from mesh.demo.scenes.plan import ScenePlan
from mesh.node.processes import ProcessFailedError
from tests.unit.demo.planted import holding, silent_claims

BOXES = ("south/box-1", "south/box-2")
BUSY_NS = 10**18


class Cast:
    """A cast of answers; what waits for something looks once."""

    boxes = BOXES
    running = BOXES

    def __init__(self, seen: dict[str, list[bytes]]) -> None:
        self.seen = seen

    def key(self, name: str) -> bytes:
        return name.encode()

    def start_fleet(self) -> list[str]:
        return list(BOXES)

    async def ready(self, names: list[str]) -> None:
        del names

    async def ask_all(self, names: tuple[str, ...], request: object) -> dict[str, Any]:
        return {name: {"seen": self.seen[name]} for name in names if name in self.seen}

    async def until(self, holds: Any, seconds: float) -> float | None:
        return 0.0 if await holds() else None


class Painter:
    """Says that it rendered some cameras, and that it is done unless it never is."""

    def __init__(self, said: list[str]) -> None:
        self.said = said

    async def receive(self) -> str:
        if not self.said:
            await trio.sleep_forever()
        return self.said.pop(0)


@dataclass
class Planted:
    """What is found around the acts; flawless until it is doctored."""

    seen: dict[str, list[bytes]] = field(
        default_factory=lambda: {box: [other.encode() for other in BOXES] for box in BOXES}
    )
    painted: list[str] = field(default_factory=lambda: [*BOXES, "done"])
    used_ns: int = 0
    duration_s: float = DURATION_S_MAX
    ends_by: BaseException | None = None

    def judge(self) -> dict[str, bool]:
        """Play what is around the acts."""
        claims = silent_claims()
        narrator = Narrator(Console(file=StringIO()))
        run = Run(DemoOptions(), Path("nowhere"), claims, narrator)
        run.cast, run.finished = _any(Cast(self.seen)), True
        with (
            patch.object(reaction_act, "processor_ns", lambda pid: {}),
            patch.object(reaction_act, "used_ns", lambda before, after: self.used_ns),
        ):
            trio.run(self._play, run, clock=MockClock(autojump_threshold=0))
        run.judge_duration(self.duration_s, cores=2)
        return holding(claims) | self._ended()

    async def _play(self, run: Run) -> None:
        plan = ScenePlan(10, _any(dict.fromkeys(BOXES)))
        await run._stand()
        await run._painted([_any(Painter(self.painted))], plan)
        cast = run.cast
        assert cast is not None
        await ReactionAct(cast, run.claims, plan, Path(), print)._measure_quiet()

    def _ended(self) -> dict[str, bool]:
        """Let a run end as it does, and see what it names."""

        async def main(self: Run, processes: object) -> None:
            del self, processes
            if ends_by is not None:
                raise ends_by

        found: dict[str, Any] = {}

        def told(self: Run, duration_s: float) -> dict[str, object]:
            found.update(dict.fromkeys(self.claims.failed, False))
            return result(self, duration_s)

        ends_by, result = self.ends_by, Run.result
        processes = nullcontext(SimpleNamespace(children=()))
        with (
            patch.object(Run, "main", main),
            patch.object(Run, "result", told),
            patch.object(demo_run, "Processes", lambda preload: processes),
        ):
            code = run_demo(DemoOptions(act="trust"), Console(file=StringIO()))
        assert code == int(bool(found))
        return found


def _any(value: object) -> Any:
    return value


def one_does_not_see_another(run: Planted) -> None:
    run.seen[BOXES[0]] = []


def one_does_not_answer(run: Planted) -> None:
    del run.seen[BOXES[1]]


def a_camera_is_not_rendered(run: Planted) -> None:
    del run.painted[1:]


def processors_are_busy(run: Planted) -> None:
    run.used_ns = BUSY_NS


def it_takes_too_long(run: Planted) -> None:
    run.duration_s = DURATION_S_MAX + 0.1


def a_process_fails(run: Planted) -> None:
    run.ends_by = ProcessFailedError("south/box-1 ended")


def somebody_interrupts(run: Planted) -> None:
    run.ends_by = KeyboardInterrupt()


FLAWS: dict[Callable[[Planted], None], list[str]] = {
    one_does_not_see_another: ["stands"],
    one_does_not_answer: ["stands"],
    a_camera_is_not_rendered: ["rendered"],
    processors_are_busy: ["cpu_budget"],
    it_takes_too_long: ["duration"],
    a_process_fails: ["processes"],
    somebody_interrupts: ["interrupted"],
}


def judged_with(flaw: Callable[[Planted], None] | None) -> dict[str, bool]:
    run = Planted()
    if flaw is not None:
        flaw(run)
    return run.judge()


def test_a_flawless_run_passes() -> None:
    assert judged_with(None) == dict.fromkeys(
        ("stands", "rendered", "cpu_budget", "duration"), True
    )


@pytest.mark.parametrize(("flaw", "failed"), FLAWS.items(), ids=[flaw.__name__ for flaw in FLAWS])
def test_a_flaw_fails_its_claim(flaw: Callable[[Planted], None], failed: list[str]) -> None:
    assert [name for name, held in judged_with(flaw).items() if not held] == failed
