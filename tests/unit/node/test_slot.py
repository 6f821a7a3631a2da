"""A slot of a node: which wish a goal becomes, and what a host and the conductor hear."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import trio

from inference.slot_events import Outcome
from inference.slot_store import FileDisk, SlotStore
from mesh.node.slot import Slot
from mesh.orchestration.goals import Answer, Goal, Good, Started
from mesh.orchestration.report import Metrics
from tests.live.waiting import eventually
from tests.unit.inference.artifacts import a_configuration

SLOT = "config/signals"
ONE, TWO = a_configuration(1), a_configuration(2)
LIMIT_S = 20
MEASURED = Metrics(p95_us=1, map50_ppm=700_000, disagreement_ppm=3, errors=4)
MEASURED_LIVE = 5
"""Its disagreement once live frames were compared, ppm."""


class Host:
    def __init__(
        self, *, fetch: Callable[[bytes], bytes | None], report: Callable[[Outcome], None]
    ) -> None:
        self.fetch = fetch
        self.report = report
        self.tested: list[bytes] = []

    def test(self, data: bytes) -> tuple[str | None, dict[str, int]]:
        self.tested.append(data)
        return None, asdict(MEASURED)

    def live_figures(self) -> dict[str, int]:
        return {"disagreement_ppm": MEASURED_LIVE}

    def activate(self, data: bytes | None) -> None:
        pass

    def forget(self) -> None:
        pass


class Bench:
    """A slot whose application sees that whatever runs works."""

    def __init__(self, folder: Path, factory: bytes) -> None:
        self.answers: list[tuple[bytes, Answer]] = []
        held = {made.digest: made.raw for made in (ONE, TWO)}
        self.slot = Slot(
            SLOT,
            SlotStore(FileDisk(folder)),
            self.make,
            factory=factory,
            fetch=held.get,
            answer=lambda _slot, artefact, answer: self.answers.append((artefact, answer)),
        )

    def make(
        self, *, fetch: Callable[[bytes], bytes | None], report: Callable[[Outcome], None]
    ) -> Host:
        self.host = Host(fetch=fetch, report=report)
        return self.host

    async def until(self, artefact: bytes, kind: type[Answer]) -> Answer:
        """Look at frames until an answer came."""

        def heard() -> bool:
            self.slot.seen(self.slot.running)
            return any(one == artefact and isinstance(answer, kind) for one, answer in self.answers)

        await eventually(heard, LIMIT_S)
        found = [answer for one, answer in self.answers if one == artefact]
        self.answers.clear()
        return next(answer for answer in found if isinstance(answer, kind))


async def test_what_an_intent_brings_is_measured_though_the_box_was_delivered_with_it(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, ONE.digest)
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.slot.run)
        bench.slot.want(Goal(SLOT, ONE.digest, bytes(16), 1, "", swap=True), ())
        good = await bench.until(ONE.digest, Good)
        assert isinstance(good, Good)
        assert good.metrics == replace(MEASURED, disagreement_ppm=MEASURED_LIVE)
        assert bench.slot.running == ONE.digest
        nursery.cancel_scope.cancel()


async def test_what_worked_here_before_waits_for_its_permission_as_anything_else(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, ONE.digest)
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.slot.run)
        bench.slot.want(Goal(SLOT, TWO.digest, b"first" * 4, 1, "", swap=True), ())
        await bench.until(TWO.digest, Good)
        bench.slot.want(Goal(SLOT, ONE.digest, None, 0, "undone", swap=True), ())
        await eventually(lambda: bench.slot.running == ONE.digest, LIMIT_S)
        bench.slot.want(Goal(SLOT, TWO.digest, b"again" * 4, 1, "", swap=False), ())
        await bench.until(TWO.digest, Started)
        assert bench.slot.running == ONE.digest
        bench.slot.want(Goal(SLOT, TWO.digest, b"again" * 4, 1, "", swap=True), ())
        await bench.until(TWO.digest, Good)
        nursery.cancel_scope.cancel()
