"""The application on one box: a camera, a detector, a signal controller, and what links them.

A consumer of the public API like any other. Frames come from the box's own camera file at four a
second; what the detector confirms becomes an event; what others report becomes a request to the own
controller, once an incident. Nothing here knows the script of the scene.

The detector stands in a slot that rollouts fill. While no scene is played, nobody looks at frames,
except that what was just swapped in, or loaded at a start, is shown what stands before the camera
until it has given one good answer.
"""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import trio
from numpy.typing import NDArray

from crdt.entry import Lane
from identity.encoding import Value
from inference.detector import Calibration, Change, Confirmation
from inference.errors import InferenceError
from inference.live import LiveDetector, Look
from inference.model_host import ModelHost
from inference.slot_events import Outcome
from mesh.choreography.trace import Stage
from mesh.config import load_config
from mesh.demo.boxes.events import BikeLaneBlocked, Notice
from mesh.demo.boxes.panel import panel_beside
from mesh.demo.boxes.rollout_console import DETECTOR_SLOT, rollout_verbs
from mesh.demo.boxes.rule import reaction_to
from mesh.demo.boxes.signals import SignalController, SignalPlan
from mesh.demo.releases.own_answers import answer_verbs
from mesh.demo.releases.release import load_delivered
from mesh.demo.scenes.flow import FRAME_S
from mesh.demo.scenes.scenery import load_camera, load_stills
from mesh.node import Node, load_secret, open_prepared_node, read_invite
from mesh.node.control import ControlError, Verb, serve_control, socket_path
from mesh.node.slot import Slot
from mesh.units import SECOND, km

__all__ = ["BoxOptions", "run_box"]

INTEREST = km(0.6)
"""How far a box listens, metres."""
RECORDS_MAX = 20_000
"""Rows of one kind that a box keeps for the report."""
STAND_BY_S = 0.25
"""How often a box that plays no scene sees whether something has yet to show itself, seconds."""
UNMEASURED = Calibration(
    to_ground=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), zone=(-2.0, -1.0, -2.0, -1.0)
)
"""Of a camera before its scene: it watches nothing."""
TTL_MS = 1500
"""How long after it was sealed an incident may be reacted to, milliseconds."""


@dataclass(frozen=True, slots=True)
class BoxOptions:
    """What a demo box is told.

    Attributes:
        config: its configuration file.
        approach: the neighbour whose approach its camera watches; "" without a camera.
        scene: directory of the camera files.
        model: file of the model it is delivered with.
        phase: its camera's place within a frame's time, 0 to 1.
        release_key: the key that releases models, 32 bytes; b"" leaves that to who proposes them.
    """

    config: str
    approach: str
    scene: str
    model: str
    phase: float
    release_key: bytes = b""


@dataclass(slots=True)
class _Record:
    """What the box did, for the report."""

    frames: int = 0
    frames_late: int = 0
    published: list[Mapping[str, object]] = field(default_factory=list[Mapping[str, object]])
    entered: list[Mapping[str, object]] = field(default_factory=list[Mapping[str, object]])
    requests: list[Mapping[str, object]] = field(default_factory=list[Mapping[str, object]])
    notices: dict[bytes, int] = field(default_factory=dict[bytes, int])
    """When each was handed over, monotonic nanoseconds."""


class Box:
    """One box of the demo."""

    slot: Slot

    def __init__(self, node: Node, options: BoxOptions, live: LiveDetector) -> None:
        self.node = node
        self.options = options
        self.live = live
        self.record = _Record()
        self.ran: dict[bytes, int] = {}
        self.controller = SignalController(SignalPlan(), time.monotonic_ns())
        self._play = trio.Event()
        self._start_ns = 0
        self._finished = trio.Event()

    # ---------------------------------------------------------------------------- reacting

    async def react(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Listen, and ask the own controller for what the rule says."""
        node = self.node
        async with node.nearby(BikeLaneBlocked, within=INTEREST) as incidents:
            task_status.started()
            async for seen in incidents:
                entered_ns = time.monotonic_ns()
                self._note(self.record.entered, {"event": seen.event_id, "entered_ns": entered_ns})
                graph, me = node.place.graph, node.place.name
                reaction = reaction_to(graph, me, seen.place, seen.value.approach)
                if reaction is None or not seen.claim():
                    continue
                now_ns = time.monotonic_ns()
                decision = self.controller.request(
                    reaction.kind, reaction.seconds, seen.incident_id.hex(), now_ns
                )
                row = {
                    "event": seen.event_id,
                    "incident": seen.incident_id,
                    "kind": reaction.kind,
                    "seconds_ms": round(reaction.seconds * 1000),
                    "requested_ns": now_ns,
                    "outcome": decision.outcome.value,
                    "reason": decision.reason,
                }
                self._note(self.record.requests, row)

    async def listen(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Note which notices were accepted."""
        async with self.node.listen(Notice) as notices:
            task_status.started()
            async for seen in notices:
                if len(self.record.notices) < RECORDS_MAX:
                    self.record.notices[seen.event_id] = time.monotonic_ns()

    # ----------------------------------------------------------------------------- seeing

    async def watch(self) -> None:
        """Play the camera from the moment it is told, and publish what the detector confirms."""
        while True:
            await self._stand_by()
            self._play = trio.Event()
            frames, calibration = load_camera(Path(self.options.scene), self.node.name)
            self.live.calibrate(calibration)
            await self._watch(frames)
            self._finished.set()

    async def _stand_by(self) -> None:
        """Until a scene is played, look at a frame whenever what runs has yet to show itself."""
        stills: NDArray[np.uint8] | None = None
        while not self._play.is_set():
            if self.slot.proving:
                if stills is None:
                    stills = load_stills(Path(self.options.scene), self.node.name)
                if stills is not None:
                    await self._look(stills[0])
            with trio.move_on_after(STAND_BY_S):
                await self._play.wait()

    async def _look(self, image: NDArray[np.uint8]) -> Look | None:
        """Look at a live frame, and tell the slot by what and how it went; None if it failed."""
        try:
            look = await trio.to_thread.run_sync(self.live.look, np.ascontiguousarray(image))
        except InferenceError as error:
            self.slot.seen(self.live.model.digest, str(error))
            return None
        digest = look.model.digest
        self.ran.setdefault(digest, time.monotonic_ns())
        self.slot.seen(digest)
        return look

    async def _watch(self, frames: NDArray[np.uint8]) -> None:
        confirmation = Confirmation()
        first: bytes | None = None
        period_ns = round(FRAME_S * SECOND)
        offset_ns = round(self.options.phase * period_ns)
        for number in range(len(frames)):
            due_ns = self._start_ns + offset_ns + number * period_ns
            await trio.sleep(max(0.0, (due_ns - time.monotonic_ns()) / SECOND))
            grabbed_ns = time.monotonic_ns()
            self.record.frames_late += grabbed_ns - due_ns > period_ns
            look = await self._look(frames[number])
            inferred_ns = time.monotonic_ns()
            if look is None:
                continue
            self.record.frames += 1
            step = confirmation.feed(look.sighting.confidence)
            if step.change not in (Change.BEGIN, Change.UPDATE):
                continue
            if step.change is Change.BEGIN:
                first = None
            stamps = {Stage.FRAME_GRABBED: grabbed_ns, Stage.INFERRED: inferred_ns}
            digest = look.model.digest
            event_id = await self._publish(number, first, step.confidence, stamps, digest)
            first = first or event_id

    async def _publish(
        self,
        number: int,
        first: bytes | None,
        confidence: float,
        stamps: Mapping[Stage, int],
        model: bytes,
    ) -> bytes:
        sealed_ns = time.monotonic_ns()
        event = await self.node.publish(
            BikeLaneBlocked(approach=self.options.approach, confidence=confidence),
            model=model,
            because=(first,) if first else (),
            ttl_ms=TTL_MS,
        )
        row = {
            "event": event.id,
            "incident": first or event.id,
            "frame": number,
            "model": model,
            "grabbed_ns": stamps[Stage.FRAME_GRABBED],
            "inferred_ns": stamps[Stage.INFERRED],
            "sealed_ns": sealed_ns,
            "sent_ns": time.monotonic_ns(),
        }
        self._note(self.record.published, row)
        return event.id

    def _note(self, rows: list[Mapping[str, object]], row: Mapping[str, object]) -> None:
        if len(rows) < RECORDS_MAX:
            rows.append(row)

    # ---------------------------------------------------------------------------- console

    def verbs(self) -> Mapping[str, Verb]:
        """What the demo asks of a box."""
        return {
            "addresses": self._addresses,
            "holdings": self._holdings,
            "links": self._links,
            "notice": self._notice,
            "play": self._start,
            "refusals": self._refusals,
            "report": self._report,
            "view": self._view,
            **rollout_verbs(self.node, self.slot, self.ran),
            **answer_verbs(self.live, Path(self.options.scene), self.node.name),
        }

    async def _addresses(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        del request
        return {"addresses": list(self.node.addresses)}

    async def _links(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        del request
        mind = self.node.statistics().mind
        return {
            "links": [
                {"peer": link.peer, "class": link.peer_class, "reason": link.reason}
                for link in mind.links
            ],
            "seen": list(mind.presence.seen),
            "dark": list(mind.presence.dark),
            "unknown": list(mind.presence.unknown),
        }

    async def _refusals(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        del request
        recent = self.node.statistics().mind.admission.recent
        return {
            "refused": [
                [refusal.event_id or b"", refusal.reason.value, refusal.link] for refusal in recent
            ],
            "accepted": list(self.record.notices),
        }

    async def _view(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Who holds a name in our view, and whether an entry counts in it."""
        name, entry = request.get("name"), request.get("entry")
        replica = self.node.mind.replica
        members = self.node.membership.get(str(name))
        counting = isinstance(entry, bytes) and entry in replica.authority.counting
        held = isinstance(entry, bytes) and replica.entry(entry) is not None
        return {
            "digest": replica.authority.digest,
            "holders": [[m.key, m.epoch, m.current] for m in members],
            "entry_counts": counting,
            "entry_held": held,
        }

    async def _holdings(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Which facts for everyone we hold: each of authority, and how far each box's own word."""
        del request
        replica = self.node.mind.replica
        heads = [
            [feed.author, head.inc, head.seq]
            for feed in replica.feeds()
            if feed.lane == Lane.FLEET and (head := replica.head(feed)) is not None
        ]
        lasting = [entry.id for entry in replica.entries() if entry.lane == Lane.AUTH]
        return {"lasting": sorted(lasting), "heads": heads}

    async def _notice(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        event = await self.node.publish(
            Notice(text=str(request.get("text"))), scope=2, model=self.live.model.digest
        )
        return {"event": event.id, "wire": event.wire}

    async def _start(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        at_ns = request.get("at_ns")
        if not isinstance(at_ns, int):
            raise ControlError("play: expected at_ns, monotonic nanoseconds")
        self._start_ns = at_ns
        gc.collect()
        gc.freeze()
        self._play.set()
        return {}

    async def _report(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        del request
        record = self.record
        mind = self.node.mind
        gaps = mind.statistics().admission.gaps
        traces = {
            trace.event_id: {stage.value: ns for stage, ns in trace.stamps.items()}
            for trace in mind.speaking.traces.traces()
        }
        return {
            "finished": self._finished.is_set(),
            "frames": record.frames,
            "frames_late": record.frames_late,
            "published": record.published,
            "entered": record.entered,
            "requests": record.requests,
            "received": [
                [event, stamps["received"]]
                for event, stamps in traces.items()
                if "received" in stamps
            ],
            "notices": [[event, ns] for event, ns in record.notices.items()],
            "gaps": sum(gap.missed for gap in gaps.values()),
            "missed": [[author, gap.missed] for author, gap in gaps.items()],
        }


async def run_box(options: BoxOptions, ready: trio.Event | None = None) -> None:
    """Run one box until cancelled."""
    path, delivered = Path(options.config), Path(options.model)
    config = load_config(path)
    runtime = await trio.to_thread.run_sync(load_delivered, delivered)
    factory = runtime.model.digest
    live = LiveDetector(runtime, UNMEASURED)
    invite = read_invite(config.path(config.invite))
    async with open_prepared_node(config, load_secret(config), invite) as node:
        box = Box(node, options, live)

        def host(
            *, fetch: Callable[[bytes], bytes | None], report: Callable[[Outcome], None]
        ) -> ModelHost:
            return ModelHost(
                live, factory=lambda: load_delivered(delivered), fetch=fetch, report=report,
                clock_ns=time.monotonic_ns,
                release_keys=(options.release_key,) if options.release_key else None,
            )  # fmt: skip

        async with (
            node.slot(DETECTOR_SLOT, host, factory=factory) as box.slot,
            panel_beside(node, config.labels) as panel,
            trio.open_nursery() as nursery,
        ):
            await _placed(node)
            await nursery.start(box.react)
            await nursery.start(box.listen)
            nursery.start_soon(box.watch)
            await nursery.start(serve_control, socket_path(path), {**box.verbs(), **panel})
            if ready is not None:
                ready.set()


async def _placed(node: Node) -> None:
    """Wait until the own place is known: it came with the invite, or comes with the first sync."""
    while node.place.degrees is None:
        await node.membership_changed()
