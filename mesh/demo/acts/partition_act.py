"""Act four: the bridges go down, and with them every packet between the two banks.

A fleet of its own, four boxes on either bank, each bank in a network namespace of its own with one
wire between them (`mesh.testing.wires`). The wire is cut: no box is told. Both banks see incidents
and react. A steward on the near bank revokes a box of the far one, which goes on speaking. When the
wire carries again, everyone must come to hold one view, and the demo counts what was lost.

What else goes on while the banks are apart, and all must know afterwards, is a `Deed`: a rollout
with `hold` (`mesh.demo.acts.hold_deed`).
"""

import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import trio

from identity.encoding import Value
from mesh.demo.acts.partition_losses import (
    SPOKEN_AFTER_MIN,
    Exposure,
    are_all_held,
    judge_events,
    judge_exposure,
    judge_facts,
)
from mesh.demo.acts.partition_verdict import (
    AGREE_S_MAX,
    Answers,
    Outcome,
    agree,
    is_cut,
    judge_sides,
    judge_skip,
    judge_wire,
    judge_word,
    unheard,
    who_know,
)
from mesh.demo.acts.riverside import plan_riverside, riverside
from mesh.demo.acts.riverside_fleet import SIDES, RiversideCast, found_riverside
from mesh.demo.acts.trust_verdict import keys_of
from mesh.demo.city.model import City
from mesh.demo.claims import Claims
from mesh.demo.scenes.flow import FRAME_S
from mesh.demo.scenes.plan import ScenePlan
from mesh.demo.scenes.scenery import load_truth
from mesh.demo.stage import workers
from mesh.demo.stage.namespace_probe import granted_by
from mesh.node.offline import Desk
from mesh.node.processes import Child, Processes
from mesh.testing.wires.namespaces import NamespacesUnavailableError
from mesh.testing.wires.wire import Wire, WireCounts, run_wire
from mesh.units import SECOND

__all__ = ["Deed", "PartitionAct"]

STANDS_S = 20.0
"""Seconds within which every box must see every other, before the cut and again after it."""
HEARD_S = 4.0
"""Seconds within which what everybody says must have reached everybody."""
NOTICED_S = 20.0
"""Seconds within which every box must have noticed that the other bank is gone. A link that is
silent for ten is closed, and statements of links follow after two."""
LEAD_S, APART_S = 0.5, 3.0
"""Seconds between the order to play and the first frame, and until a bank's second camera plays."""
STALE_S = 3.0
"""Seconds after the last frame in which an event could still be carried across, did they stand."""
WORD_S = 8.0
"""Seconds within which the near bank must know of a revocation."""
FACTS_S = 8.0
"""Seconds after all hold one view within which they must hold every fact: what boxes say of
themselves is compared a little later than what counts."""
SPEAK_S = 0.25
"""Seconds between two notices of the box that is revoked."""
PAINTERS = 2
"""Processes that render."""


class Deed(Protocol):
    """Something that goes on across the cut."""

    async def before(self, cast: RiversideCast) -> None:
        """Prepare it, while the bridges stand and everybody sees everybody."""
        ...

    async def during(self, cast: RiversideCast) -> None:
        """Do it, once every box has noticed the cut; judge what the far bank must not do."""
        ...

    async def after(self, cast: RiversideCast) -> None:
        """Judge it, once everyone holds one view again."""
        ...


class PartitionAct:
    """The act; `play` it.

    Args:
        processes: starts and ends all it needs.
        city: the whole one.
        seed: of the scene.
        model: ONNX file every box runs.
        folder: makes a directory of the run, by name.
        claims: where the claims are judged.
        tell: narrates.
        deeds: what else goes on across the cut.
    """

    def __init__(
        self,
        processes: Processes,
        city: City,
        *,
        seed: int,
        model: Path,
        folder: Callable[[str], Path],
        claims: Claims,
        tell: Callable[[str], None],
        deeds: Sequence[Deed] = (),
    ) -> None:
        self.processes = processes
        self.side = riverside(city)
        self.plan: ScenePlan = plan_riverside(self.side, seed)
        self.model = model
        self.folder = folder
        self.claims = claims
        self.tell = tell
        self.deeds = deeds
        self.outcome = Outcome()
        self.wire: Wire
        self.cast: RiversideCast
        self._at_cut = WireCounts(0, 0)
        self._said: dict[bytes, int] = {}
        self._revoked_ns = self._healed_ns = self._agreed_ns = 0

    async def play(self) -> None:
        """Play the act; where the machine gives no network namespaces, say so and do nothing."""
        self.wire = Wire(self.processes.start(run_wire, SIDES, name="wire"))
        try:
            namespaces = await self.wire.stands()
        except NamespacesUnavailableError as error:
            self.outcome.skipped, self.outcome.why = True, str(error)
            self.tell(f"skipped, for this machine gives no network to cut: {error}")
            judge_skip(await granted_by(), self.outcome.why, self.claims)
            return
        painters = self._paint()
        digest = sha256(self.model.read_bytes()).digest()
        foundation = await trio.to_thread.run_sync(
            found_riverside, self.folder("riverside"), self.side, digest
        )
        self.cast = RiversideCast(
            self.processes, foundation, self.side.city, self.folder("riverside-scene"), self.model,
            side=self.side, namespaces=namespaces,
        )  # fmt: skip
        await self._stand()
        for painter in painters:
            while await painter.receive() != "done":
                pass
        async with trio.open_nursery() as nursery:
            await self.play_cut(nursery)
            nursery.cancel_scope.cancel()

    async def play_cut(self, nursery: trio.Nursery) -> None:
        """Play from the last word before the cut to the last judgement; the rest is preparation."""
        for deed in self.deeds:
            await deed.before(self.cast)
        reports = await self._everybody_speaks("bridges_carry", self.side.boxes)
        await self.cut()
        cut_s = time.monotonic()
        nursery.start_soon(self._keep_speaking)
        clip_s = await self._play_cameras()
        await self.revoke()
        await self._judge_cut(cut_s)
        for deed in self.deeds:
            await deed.during(self.cast)
        await trio.sleep(max(0.0, cut_s + clip_s - time.monotonic()))
        held, spoken = await self._judge_sides()
        judge_wire(self._at_cut, await self.wire.heal(), self.claims)
        self._healed_ns = time.monotonic_ns()
        self.outcome.cut_s = round(time.monotonic() - cut_s, 1)
        self.tell(f"the bridges stand again, after {self.outcome.cut_s:g} s")
        await self._judge_heal(held)
        for deed in self.deeds:
            await deed.after(self.cast)
        await self._judge_lost(reports, spoken)

    # ------------------------------------------------------------------------ while they stand

    def _paint(self) -> list[Child]:
        boxes = self.side.cameras
        folders = str(self.folder("riverside-scene")), str(self.folder("riverside-truth"))
        return [
            self.processes.start(
                workers.scenery, self.plan, list(boxes[part::PAINTERS]), *folders,
                name=f"scenery-{part}",
            )
            for part in range(PAINTERS)
        ]  # fmt: skip

    async def _stand(self) -> None:
        start = time.monotonic()
        await self.cast.ready(self.cast.start_boxes())
        took = await self.cast.until(lambda: self._see_each_other(self.side.boxes), STANDS_S)
        near, far = self.side.near, self.side.far
        self.tell(
            f"{len(near)} boxes on the {self.side.city.place(near[0]).bank} bank, which is the "
            f"near one, and {len(far)} on the other stand after {time.monotonic() - start:.1f} s"
        )
        self.claims.check("banks_stand", took is not None, "every box sees every other")

    async def _see_each_other(self, boxes: Sequence[str]) -> bool:
        answers = await self.cast.ask_all(tuple(boxes), {"do": "links"})
        wanted = {self.cast.key(name) for name in boxes}
        return len(answers) == len(boxes) and all(
            wanted <= {self.cast.key(name), *keys_of(answer.get("seen"))}
            for name, answer in answers.items()
        )

    async def _everybody_speaks(self, claim: str, boxes: Sequence[str]) -> Answers:
        """Let everybody say something, and see that everybody heard it; returns the reports."""
        names, notice = tuple(boxes), {"do": "notice", "text": "all is well"}
        answers = await self.cast.ask_all(names, notice)
        said: dict[str, Value] = {box: answer["event"] for box, answer in answers.items()}
        reports: Answers = {}

        async def heard() -> bool:
            nonlocal reports
            reports = await self.cast.ask_all(names, {"do": "report"})
            return not unheard(names, said, reports)

        await self.cast.until(heard, HEARD_S)
        missing = unheard(names, said, reports)
        self.claims.check(
            claim,
            not missing,
            f"what each of {len(names)} boxes said was heard by all {missing or ''}",
        )
        return reports

    # ------------------------------------------------------------------------ while they are down

    async def cut(self) -> None:
        """Cut the wire."""
        self._at_cut = await self.wire.cut()
        self.tell("the bridges are down: no packet crosses the river")

    async def _play_cameras(self) -> float:
        """Let the cameras play; returns after how many seconds all that they saw is stale."""
        now_ns, cameras = time.monotonic_ns(), self.side.cameras
        for turn, boxes in enumerate((cameras[:2], cameras[2:])):  # one of each bank
            at_ns = now_ns + round((LEAD_S + turn * APART_S) * SECOND)
            await self.cast.ask_all(boxes, {"do": "play", "at_ns": at_ns})
        return LEAD_S + APART_S + self.plan.seconds + FRAME_S + STALE_S

    async def _keep_speaking(self) -> None:
        """Let the box that is about to be revoked say something again and again."""
        notice = {"do": "notice", "text": "nothing has changed"}
        while True:
            asked_ns = time.monotonic_ns()
            answer = await self.cast.ask(self.side.revoked, notice)
            event = answer["event"]
            if isinstance(event, bytes):
                self._said[event] = asked_ns
            await trio.sleep(SPEAK_S)

    async def revoke(self) -> None:
        """Let the steward, who is on the near bank, revoke the box, and tell the near bank."""
        cast, name = self.cast, self.side.revoked
        steward = cast.foundation.principals[cast.foundation.steward]

        def sign() -> None:
            with Desk.open(steward.config) as desk:
                desk.revoke(name)

        await trio.to_thread.run_sync(sign)
        self._revoked_ns = time.monotonic_ns()
        self.tell(f"{steward.name}, on the near bank, revoked {name}, which is on the far bank")
        cast.start_node(steward.name)
        await cast.ready([steward.name])

    async def _judge_cut(self, cut_s: float) -> None:
        """See by the boxes' own word that nobody is linked across the river."""
        keys = {box: self.cast.key(box) for box in self.side.boxes}
        answers: Answers = {}

        async def noticed() -> bool:
            nonlocal answers
            answers = await self.cast.ask_all(self.side.boxes, {"do": "links"})
            return is_cut(self.side, keys, answers)

        await self.cast.until(noticed, NOTICED_S)
        self.outcome.noticed_s = round(time.monotonic() - cut_s, 1)
        self.claims.check(
            "cut",
            is_cut(self.side, keys, answers),
            f"after {self.outcome.noticed_s:g} s no box has a link across the river, nor does it "
            "count anybody there as seen",
        )

    async def _judge_sides(self) -> tuple[Answers, dict[str, int]]:
        """Judge either side; returns what each box holds, and how many events it published."""
        side, cast = self.side, self.cast

        async def known() -> bool:
            return set(side.near) <= set(who_know(cast.key(side.revoked), await self._views()))

        await cast.until(known, WORD_S)
        judge_word(side, cast.key(side.revoked), await self._views(), self.claims)
        reports = await cast.ask_all(side.boxes, {"do": "report"})
        notices = dict.fromkeys(self._said, side.revoked)
        folder = self.folder("riverside-truth")
        truths = {box: load_truth(folder, box).truth for box in self.plan.cameras}
        judge_sides(side, self.plan, truths, reports, notices, self.outcome, self.claims)
        spoken = {
            box: len(rows) if isinstance(rows := report.get("published"), list) else 0
            for box, report in reports.items()
        }
        return await cast.ask_all(side.boxes, {"do": "holdings"}), spoken

    async def _views(self) -> Answers:
        request = {"do": "view", "name": self.side.revoked}
        return await self.cast.ask_all(self.side.boxes, request)

    # ------------------------------------------------------------------------ when they stand again

    async def _judge_heal(self, held: Answers) -> None:
        """See that everyone comes to hold one view and every fact."""
        side, cast = self.side, self.cast
        key = cast.key(side.revoked)

        async def agreed() -> bool:
            return agree(side, key, await self._views())

        took = await cast.until(agreed, AGREE_S_MAX, period_s=0.1)
        self._agreed_ns = time.monotonic_ns()
        self.outcome.heal_to_agree_s = None if took is None else round(took, 2)
        self.outcome.views_equal = took is not None
        self.claims.check(
            "agreed", took is not None,
            "every box but the revoked one holds one view "
            + (f"{took:.1f} s after the heal" if took is not None else "never again"),
        )  # fmt: skip
        after: Answers = {}

        async def all_held() -> bool:
            nonlocal after
            after = await cast.ask_all(side.boxes, {"do": "holdings"})
            return are_all_held(side, key, held, after)

        await cast.until(all_held, FACTS_S)
        judge_facts(side, key, held, after, self.outcome, self.claims)

    async def _judge_lost(self, before: Answers, spoken: dict[str, int]) -> None:
        """See that everybody hears everybody again, what was lost, and who is heard no more."""
        side, cast = self.side, self.cast
        boxes = [box for box in side.boxes if box != side.revoked]
        took = await cast.until(lambda: self._see_each_other(boxes), STANDS_S)
        self.claims.check("banks_meet", took is not None, "every box sees every other again")
        said_before = len(self._said)
        reports = await self._everybody_speaks("bridges_carry_again", boxes)
        keys = {box: cast.key(box) for box in side.boxes}
        judge_events(side, keys, spoken, before, reports, self.outcome, self.claims)

        async def spoke() -> bool:
            return len(self._said) > said_before + SPOKEN_AFTER_MIN

        await cast.until(spoke, HEARD_S)
        reports = await cast.ask_all(tuple(boxes), {"do": "report"})
        exposure = Exposure(self._said, self._revoked_ns, self._healed_ns, self._agreed_ns)
        judge_exposure(side, exposure, reports, self.outcome, self.claims)
