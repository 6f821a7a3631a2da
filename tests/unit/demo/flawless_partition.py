"""A flawless partition: what the boxes say at each turn of the fourth act, and the act over it.

The act itself asks and judges; only the answers, the clock's readings and the ground truth are
planted.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import trio
from numpy.typing import NDArray

from mesh.demo.acts import partition_act
from mesh.demo.acts.expectation import RADIUS_M
from mesh.demo.acts.partition_act import PartitionAct
from mesh.demo.acts.partition_verdict import Outcome
from mesh.demo.acts.riverside import Riverside, plan_riverside, reactions_on_bank, riverside
from mesh.demo.city.generator import generate_city
from mesh.demo.city.model import ground_distance_m
from mesh.demo.claims import Claims
from mesh.demo.scenes import BETWEEN, CLEAR, IN_LANE
from mesh.demo.scenes.plan import ScenePlan
from mesh.demo.scenes.scenery import CameraTruth
from mesh.node.processes import Processes
from mesh.units import SECOND
from tests.unit.demo.planted import silent_claims

__all__ = ["AGREED_NS", "FAR", "HEALED_NS", "KEYS", "NEAR", "REVOKED", "SIDE", "Run", "flawless"]

REVOKED_NS, HEALED_NS, AGREED_NS = 2 * SECOND, 13 * SECOND, 14 * SECOND
SAID_EVERY_NS = SECOND // 2
SEEN_FRAME = 2
"""The first frame in which a vehicle touches the lane."""
SHAPE = [BETWEEN] * 3 + [IN_LANE] * 11 + [BETWEEN] * 3

CITY = generate_city(247)
SIDE = riverside(CITY)
PLAN: ScenePlan = plan_riverside(SIDE, 247)
KEYS = {box: sha256(box.encode()).digest() for box in SIDE.boxes}
REVOKED = KEYS[SIDE.revoked]
LEFT = [box for box in SIDE.boxes if box != SIDE.revoked]
NEAR, FAR = SIDE.near[0], next(box for box in SIDE.far if box != SIDE.revoked)

Answers = dict[str, dict[str, Any]]


class Answering:
    """The cast, answering what is planted; what waits for something looks once."""

    answers: dict[str, Answers]

    def key(self, name: str) -> bytes:
        return KEYS[name]

    def start_boxes(self) -> list[str]:
        return []

    async def ready(self, names: list[str]) -> None:
        del names

    async def ask_all(self, names: tuple[str, ...], request: dict[str, Any]) -> Answers:
        answers = self.answers[request["do"]]
        return {name: answers[name] for name in names if name in answers}

    async def until(
        self, holds: Callable[[], Awaitable[bool]], seconds: float, period_s: float = 0.2
    ) -> float | None:
        del seconds, period_s
        return 0.0 if await holds() else None


def _plan(side: Riverside, seed: int) -> ScenePlan:
    """Return the plan that is worked out once."""
    del side, seed
    return PLAN


@dataclass
class Run:
    """What the boxes say at each turn of the act; flawless until it is doctored."""

    standing: Answers = field(default_factory=dict)
    links: Answers = field(default_factory=dict)
    sides: Answers = field(default_factory=dict)
    views: Answers = field(default_factory=dict)
    healed: Answers = field(default_factory=dict)
    held: Answers = field(default_factory=dict)
    kept: Answers = field(default_factory=dict)
    meeting: Answers = field(default_factory=dict)
    before: Answers = field(default_factory=dict)
    after: Answers = field(default_factory=dict)
    truths: dict[str, NDArray[np.int8]] = field(default_factory=dict)
    spoken: dict[str, int] = field(default_factory=dict)
    said: dict[bytes, int] = field(default_factory=dict)
    side: Riverside = SIDE
    outcome: Outcome = field(default_factory=Outcome)

    def judge(self) -> Claims:
        """Let the act ask and judge."""
        claims = silent_claims()
        with patch.multiple(partition_act, riverside=lambda city: SIDE, plan_riverside=_plan):
            act = PartitionAct(
                Processes(), CITY, seed=247, model=Path("none.onnx"), folder=Path, claims=claims,
                tell=lambda text: None,
            )  # fmt: skip
        self.outcome = act.outcome

        def truth(folder: Path, box: str) -> CameraTruth:
            del folder
            return CameraTruth(self.truths[box], np.zeros(0, np.float32))

        with patch.object(partition_act, "load_truth", truth):
            trio.run(self._play, act)
        return claims

    async def _play(self, act: PartitionAct) -> None:
        cast: Any = Answering()
        act.cast, act._said = cast, self.said
        act._revoked_ns, act._healed_ns = REVOKED_NS, HEALED_NS
        cast.answers = {"links": self.standing}
        await act._stand()
        cast.answers = {"notice": notices("before"), "report": self.before}
        before = await act._everybody_speaks("bridges_carry", SIDE.boxes)
        cast.answers = {"links": self.links}
        await act._judge_cut(time.monotonic())
        cast.answers = {"view": self.views, "report": self.sides, "holdings": self.held}
        held, _ = await act._judge_sides()
        cast.answers = {"view": self.healed, "holdings": self.kept}
        await act._judge_heal(held)
        act._agreed_ns = AGREED_NS
        cast.answers = {"links": self.meeting, "notice": notices("after"), "report": self.after}
        await act._judge_lost(before, self.spoken)

    def judged(self) -> list[str]:
        """Judge it; returns the claims that failed."""
        return self.judge().failed

    def see(self, box: str) -> None:
        """Let a camera box publish two events of one incident, heard and answered on its bank."""
        self.truths[box] = np.full(PLAN.frames, CLEAR, np.int8)
        self.truths[box][SEEN_FRAME : SEEN_FRAME + len(SHAPE)] = SHAPE
        first = self.tell(box, 1, SEEN_FRAME + 4)
        self.tell(box, 2, SEEN_FRAME + 5, first)
        self.react(box, first)

    def tell(self, box: str, number: int, frame: int, incident: bytes = b"") -> bytes:
        """Let a box publish an event, heard by all on its bank who are near enough."""
        event, here = f"{box}/{number}".encode(), SIDE.city.place(box).position
        row = {"event": event, "incident": incident or event, "frame": frame}
        self.sides[box]["published"].append(row)
        for other in SIDE.bank(box):
            far = ground_distance_m(here, SIDE.city.place(other).position) > RADIUS_M
            if other != box and not far:
                self.sides[other]["entered"].append({"event": event})
        return event

    def react(self, box: str, incident: bytes) -> None:
        """Let everybody react who must if an incident stands before a box."""
        for one in reactions_on_bank(SIDE.city, box):
            row = {"incident": incident, "kind": one.kind, "seconds_ms": round(one.seconds * 1000)}
            self.sides[one.box]["requests"].append(row)


def notices(when: str) -> Answers:
    """What each box's console answers when it was asked to say something."""
    return {box: {"event": f"{box} {when}".encode()} for box in SIDE.boxes}


def heard(when: str, box: str) -> list[list[Any]]:
    """What a box heard of it."""
    return [[said["event"], 1] for other, said in notices(when).items() if other != box]


def flawless() -> Run:
    """Return what a partition without a flaw leaves."""
    run = Run()
    run.said = {f"still me {n}".encode(): n * SAID_EVERY_NS for n in range(1, 36)}
    revoked_word = [REVOKED, 1, 0]
    for number, box in enumerate(SIDE.boxes):
        near, across = box in SIDE.near, [KEYS[other] for other in SIDE.across(box)]
        bank = [KEYS[other] for other in SIDE.bank(box) if other not in (box, SIDE.revoked)]
        run.links[box] = {
            "links": [{"peer": key, "class": "member"} for key in bank],
            "seen": bank,
            "dark": [],
            "unknown": [key for key in across if key != REVOKED],
        }
        lists = ("published", "entered", "requests", "notices")
        run.sides[box] = {name: [] for name in lists}
        run.views[box] = {"digest": b"near" if near else b"far", "holders": [[REVOKED, 1, True]]}
        if near:
            run.views[box]["holders"] = [[REVOKED, 1, False]]
        run.healed[box] = {"digest": b"all", "holders": []}
        heads = [[KEYS[other], 1, 5] for other in SIDE.boxes if other != SIDE.revoked]
        lasting = [b"genesis", b"revocation"] if near else [b"genesis"]
        run.held[box] = {"lasting": lasting, "heads": [*heads[: number + 1], revoked_word]}
        run.kept[box] = {"lasting": [b"genesis", b"revocation"], "heads": heads}
        run.before[box] = {"missed": [[key, 3] for key in across], "notices": heard("before", box)}
        run.standing[box] = {"seen": [key for other, key in KEYS.items() if other != box]}
        run.meeting[box] = {"seen": [KEYS[other] for other in LEFT if other != box]}
        believed = {event: ns for event, ns in run.said.items() if ns < HEALED_NS + SECOND // 4}
        run.after[box] = {"missed": [], "notices": heard("after", box)}
        if not near:
            run.sides[box]["notices"] = [[event, ns + 1] for event, ns in believed.items()]
            run.after[box]["notices"] += run.sides[box]["notices"]
    for box in SIDE.cameras:
        run.see(box)
    run.spoken = {box: len(run.sides[box]["published"]) for box in SIDE.boxes}
    for box in SIDE.boxes:
        run.after[box]["missed"] = [
            [KEYS[other], 3 + run.spoken[other]] for other in SIDE.across(box)
        ]
    return run
