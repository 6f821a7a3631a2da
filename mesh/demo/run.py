"""One run of the demo, from the founding of a fleet to the exit code.

    found → render and start beside each other → rollout → trust → 17:47 → partition → judge

Everything it starts is a process of its own and is gone when the run ends, however it ends.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import trio
from rich.console import Console

from identity.encoding import Value
from identity.keys import SecretKey
from inference.onnx import packaged_model_path
from mesh.demo.acts.hold_deed import HoldDeed
from mesh.demo.acts.partition_act import PartitionAct
from mesh.demo.acts.reaction_act import ReactionAct
from mesh.demo.acts.reaction_flows import Flows
from mesh.demo.acts.rollout_act import RolloutAct
from mesh.demo.acts.trust_act import TrustAct
from mesh.demo.city.generator import generate_city, neighbourhood
from mesh.demo.city.model import City
from mesh.demo.claims import ClaimFailedError, Claims
from mesh.demo.releases.detectors import detector_path
from mesh.demo.releases.release import ARTEFACT_SUFFIX, Release, delivered_digest
from mesh.demo.report.narration import Narrator
from mesh.demo.report.page import render_report
from mesh.demo.scenes.plan import ScenePlan, plan_scene
from mesh.demo.stage import workers
from mesh.demo.stage.cast import PRELOAD, Cast
from mesh.demo.stage.foundation import found
from mesh.node.control import ControlError
from mesh.node.processes import Child, Processes, ProcessFailedError
from mesh.pages.place import write_report

__all__ = ["ACTS", "DemoOptions", "Run", "run_demo"]

ACTS = ("rollout", "trust", "reaction", "partition")
"""The acts that can be played alone."""
BOXES_MIN = 6
"""Fewest boxes: a chain of four, one that must do nothing, and one more."""
STANDS_S = 30.0
"""Seconds within which every box must see every other."""
RENDERED_S = 150.0
"""Seconds that rendering may take."""
PAINTERS = 2
"""Processes that render."""
DURATION_S_MAX, DURATION_CORES = 240.0, 2
"""Seconds that a run of the default size may take where it has so many cores."""
OWN_PROCESSES = 2
"""The demo's own process, and the one that forks all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What a run is asked for.

    Attributes:
        boxes: how many boxes.
        seed: of city and scene.
        act: `rollout`, `trust`, `reaction`, `partition`, or "" for all.
        incidents: how many beside box 247's.
        keep_going: whether to go on after a failed claim.
        json: file for the result; None for none.
        report: file for the report, a page of HTML; None for none.
        model: ONNX file; None for the packaged one.
        swap_names: whether the two releases of the first act bear each other's names, on the
            outside and in all that their models say of themselves.
        preload: further modules imported before the processes are forked.
    """

    boxes: int = 12
    seed: int = 247
    act: str = ""
    incidents: int = 60
    keep_going: bool = False
    json: Path | None = None
    report: Path | None = None
    model: Path | None = None
    swap_names: bool = False
    preload: Sequence[str] = ()


def run_demo(options: DemoOptions, console: Console | None = None) -> int:
    """Run the demo; returns the exit code: 0 if every claim held, 1 otherwise."""
    started = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="threerooms-"))
    narrator = Narrator(console or Console())
    claims = Claims(options.keep_going, narrator.claim)
    run = Run(options, directory, claims, narrator)
    try:
        with Processes(preload=(*PRELOAD, *options.preload)) as processes:
            trio.run(run.main, processes)
    except* ClaimFailedError:
        pass
    except* (ProcessFailedError, ControlError) as group:
        claims.fall("processes", "; ".join(map(str, _leaves(group))))
    except* KeyboardInterrupt:
        claims.fall("interrupted", "the run was interrupted")
    finally:
        narrator.end()
        shutil.rmtree(directory, ignore_errors=True)
    duration_s = time.monotonic() - started
    with suppress(ClaimFailedError):
        run.judge_duration(duration_s, os.cpu_count() or 1)
    result = run.result(duration_s)
    narrator.summary(result)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.report is not None:
        write_report(options.report, run.report(result))
    return 0 if result["ok"] else 1


@dataclass(frozen=True, slots=True)
class Workshop:
    """The process that makes what is released, whose key signs it, and what it makes."""

    child: Child
    key: bytes
    releases: tuple[Release, Release]


class Run:
    """The state of one run.

    Args:
        options: what was asked for.
        directory: an empty one, for everything that is written.
        claims: where the claims are judged.
        narrator: tells what happens.
    """

    def __init__(
        self, options: DemoOptions, directory: Path, claims: Claims, narrator: Narrator
    ) -> None:
        self.options = options
        self.directory = directory
        self.claims = claims
        self.narrator = narrator
        self.cast: Cast | None = None
        self.processes: Processes | None = None
        self.rollout: RolloutAct | None = None
        self.trust: TrustAct | None = None
        self.reaction: ReactionAct | None = None
        self.partition: PartitionAct | None = None
        self.held: HoldDeed | None = None
        self.finished = False
        self.model = options.model or packaged_model_path()

    async def main(self, processes: Processes) -> None:
        """Play the acts that were asked for."""
        self.processes = processes
        city = generate_city(self.options.seed)
        if self.options.act != "partition":
            await self._play_centre(processes, neighbourhood(city, self.options.boxes))
        if self.options.act in ("", "partition"):
            await self._play_partition(processes, city)
        self.finished = True

    async def _play_centre(self, processes: Processes, city: City) -> None:
        """Play the acts around box 247."""
        options, say = self.options, self.narrator.tell
        plan = plan_scene(city, options.seed, options.incidents)
        model, release_key = self.model, b""
        say(
            f"{options.boxes} crossings around {city.hero.name}; {len(plan.cameras)} cameras, "
            f"{plan.seconds:.0f} s each"
        )
        workshop: Workshop | None = None
        if options.act in ("", "rollout"):
            workshop = self._release(processes, plan)
            model, release_key = detector_path("v1.3"), workshop.key
        painters: list[Child] = []
        if options.act in ("", "reaction"):
            painters = self._paint(processes, plan)
        digest = delivered_digest(model)
        foundation = await trio.to_thread.run_sync(
            found, self._folder("fleet"), city, digest, release_key
        )
        self.cast = Cast(
            processes, foundation, city, self._folder("scene"), model, release_key=release_key
        )
        await self._stand()
        if workshop is not None:
            self.narrator.act("Rollout")
            await workshop.child.receive()
            self.rollout = RolloutAct(
                self.cast, self.claims, workshop.releases, tuple(plan.cameras), say
            )
            await self.rollout.play()
        if options.act in ("", "trust"):
            self.narrator.act("Trust, with the centre dead")
            self.trust = TrustAct(self.cast, self.claims, say)
            await self.trust.play()
        if options.act in ("", "reaction"):
            await self._painted(painters, plan)
            self.narrator.act("17:47")
            self.reaction = ReactionAct(self.cast, self.claims, plan, self._folder("truth"), say)
            await self.reaction.play(self.narrator.progress)
            self.narrator.end()

    async def _play_partition(self, processes: Processes, city: City) -> None:
        """Play the last act; whoever played before goes home first."""
        for child in processes.children:
            child.stop()
        self.narrator.act("Partition")
        self.held = HoldDeed(self._folder("rollout"), self.claims, self.narrator.tell)
        self.partition = PartitionAct(
            processes, city, seed=self.options.seed, model=self.model, folder=self._folder,
            claims=self.claims, tell=self.narrator.tell, deeds=(self.held,),
        )  # fmt: skip
        await self.partition.play()

    def _folder(self, name: str) -> Path:
        folder = self.directory / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _release(self, processes: Processes, plan: ScenePlan) -> Workshop:
        """Let a process of its own build and sign what the first act releases."""
        key, folder = SecretKey.generate(os.urandom), self._folder("releases")
        swapped, blind = self.options.swap_names, detector_path("v1.5")
        names = ("v1.5", "v1.4") if swapped else ("v1.4", "v1.5")
        good, bad = (
            Release(name, file, folder / f"{name}{ARTEFACT_SUFFIX}", other if swapped else None)
            for name, file, other in zip(
                names, (self.model, blind), (blind, self.model), strict=True
            )
        )
        child = processes.start(
            workers.releases, (good, bad), key.seed, plan.cameras, str(self._folder("scene"))
        )
        return Workshop(child, key.public, (good, bad))

    def _paint(self, processes: Processes, plan: ScenePlan) -> list[Child]:
        """Let the scene's own processes render every camera ahead."""
        boxes = list(plan.cameras)
        folders = str(self._folder("scene")), str(self._folder("truth"))
        return [
            processes.start(
                workers.scenery, plan, boxes[part::PAINTERS], *folders, name=f"scenery-{part}"
            )
            for part in range(PAINTERS)
        ]

    async def _stand(self) -> None:
        """Start every process and wait until every box sees every other."""
        cast = self.cast
        assert cast is not None
        start = time.monotonic()
        await cast.ready(cast.start_fleet())

        async def sees_all() -> bool:
            answers = await cast.ask_all(cast.boxes, {"do": "links"})
            wanted = {cast.key(name) for name in cast.boxes}
            seen = [
                {cast.key(name), *_keys(answer.get("seen"))} for name, answer in answers.items()
            ]
            return len(seen) == len(cast.boxes) and all(wanted <= one for one in seen)

        took = await cast.until(sees_all, STANDS_S)
        self.narrator.tell(f"{len(cast.running)} processes stand after "
                           f"{time.monotonic() - start:.1f} s")  # fmt: skip
        self.claims.check("stands", took is not None, "every box sees every other")

    async def _painted(self, painters: list[Child], plan: ScenePlan) -> None:
        """Wait until every frame exists."""
        done, started = 0, time.monotonic()
        with trio.move_on_after(RENDERED_S):
            for painter in painters:
                while (said := await painter.receive()) != "done":
                    del said
                    done += 1
                    self.narrator.rendered(done, len(plan.cameras))
        waited_s = time.monotonic() - started
        self.claims.check(
            "rendered",
            done == len(plan.cameras),
            f"{done} of {len(plan.cameras)} cameras, after {waited_s:.0f} more seconds of at most "
            f"{RENDERED_S:g}; where it fails, other work keeps the processors busy",
        )

    def judge_duration(self, duration_s: float, cores: int) -> None:
        """See that a run of the default size ended in time; others take what they take."""
        asked, default = self.options, DemoOptions()
        size = asked.boxes, asked.incidents, asked.act
        whole = size == (default.boxes, default.incidents, default.act)
        if self.finished and whole and cores >= DURATION_CORES:
            self.claims.check(
                "duration",
                duration_s <= DURATION_S_MAX,
                f"{duration_s:.0f} s, at most {DURATION_S_MAX:g} s",
            )

    def result(self, duration_s: float) -> dict[str, object]:
        """What the JSON says."""
        claims = self.claims
        result: dict[str, object] = {
            "ok": not claims.failed,
            "failed": claims.failed,
            "seed": self.options.seed,
            "boxes": self.options.boxes,
            "processes": OWN_PROCESSES + len(self.processes.children if self.processes else ()),
            "duration_s": round(duration_s, 1),
        }
        if self.rollout is not None:
            result["rollout"] = self.rollout.result()
        if self.trust is not None:
            result["trust"] = self.trust.result()
        if self.reaction is not None:
            result["reaction"] = asdict(self.reaction.outcome)
        if self.partition is not None:
            told = asdict(self.partition.outcome)
            if self.held is not None and not self.partition.outcome.skipped:
                told["rollout"] = asdict(self.held.outcome)
            result["partition"] = told
        return result

    def report(self, result: Mapping[str, object]) -> str:
        """The page that tells of the run; a run that ended early has a shorter one."""
        if self.cast is not None:
            city = self.cast.city
        else:
            city = None if self.partition is None else self.partition.side.city
        flows = Flows() if self.reaction is None else self.reaction.flows
        return render_report(result, self.claims.judged, city, flows)


def _keys(value: Value) -> set[bytes]:
    return {key for key in value if isinstance(key, bytes)} if isinstance(value, list) else set()


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """Return the exceptions in a group, also of those within it."""
    found: list[BaseException] = []
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            found += _leaves(cast("BaseExceptionGroup[BaseException]", one))
        else:
            found.append(one)
    return found
