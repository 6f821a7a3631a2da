"""Act one: a rollout. One release reaches every box, stage by stage; the next one does not.

Every box was delivered with an older model. The authority applies a rollout file, as `mesh apply`
does, and that is all: boxes fetch the artefact from neighbours (one of which offers wrong bytes),
test it on the canary frames in it, swap, look at a live frame, report, and open the next stage by
themselves. In the middle one is killed and comes back from its own store. Then something is
released that is blind at night: it is halted at its first stage by what the boxes measured.

This file plays and asks; `rollout_verdict` and `comeback_verdict` judge.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import trio

from identity.encoding import Value
from mesh.choreography.event import parse_event
from mesh.demo.acts.comeback_verdict import (
    bytes_fetched,
    judge_comeback,
    judge_own_store,
    judge_stays_back,
)
from mesh.demo.acts.proposal import Proposal, apply_rollout
from mesh.demo.acts.rollout_verdict import (
    MAP50_PPM_MIN,
    PERCENTS,
    SOAK_S,
    Answers,
    Outcome,
    Trial,
    is_everywhere,
    is_gone,
    judge_bad_release,
    judge_duration,
    judge_poison,
    judge_release,
    judge_speech,
    judge_stages,
)
from mesh.demo.acts.trust_verdict import accepters, keys_of
from mesh.demo.claims import Claims
from mesh.demo.releases.own_answers import judge_answers, own_answers
from mesh.demo.releases.own_figures import Figures, own_figures
from mesh.demo.releases.release import Release
from mesh.demo.stage.cast import Cast
from mesh.demo.stage.foundation import CAMERA_LABEL, CENTRE, EVENTS
from mesh.orchestration.fields import MILLION

__all__ = ["RolloutAct"]

PERIOD_S = 0.25
"""How often every box is asked how far it is."""
RELEASE_S = 50.0
"""Seconds that a release may take to reach everybody."""
HALT_S = 15.0
"""Seconds within which a bad release must be gone again."""
HEARD_S = 5.0
"""Seconds within which everybody knows what was approved, and hears what others say."""
BACK_S = 10.0
"""Seconds that a box that was killed gets to be among the others again."""


class RolloutAct:
    """The act; `play` it.

    Args:
        cast: who plays.
        claims: where the claims are judged.
        releases: the artefacts: what goes to everybody, and what must not.
        names: boxes with a camera.
        tell: narrates.
    """

    def __init__(
        self,
        cast: Cast,
        claims: Claims,
        releases: tuple[Release, Release],
        names: Sequence[str],
        tell: Callable[[str], None],
    ) -> None:
        self.cast = cast
        self.claims = claims
        self.releases = releases
        self.names = tuple(names)
        self.tell = tell
        self.outcome = Outcome()
        self._figures: dict[Path, Figures] = {}
        self._back: dict[str, Value] = {}
        self._watched: list[tuple[int, int | None]] = []
        self._kept = b""
        self._exit_code: int | None = None
        self._sizes: tuple[int, ...] = ()
        self._tried = False

    def result(self) -> dict[str, object]:
        """What the JSON says about this act."""
        told = asdict(self.outcome)
        for stage, size in zip(told["stages"], self._sizes, strict=False):
            stage["boxes_asked"] = size
        told["bad_release"]["tried"] = self._tried
        return told

    async def play(self) -> None:
        """Play the act."""
        self._figures = await trio.to_thread.run_sync(
            lambda: {release.path: own_figures(release.path) for release in self.releases}
        )
        started = time.monotonic()
        good, bad = self.releases
        delivered = self.cast.model
        await self.cast.ask(self.cast.forker, {"do": "poison", "artefact": str(good.path)})
        first = await self.propose(good)
        self._sizes = first.cohort.sizes
        await self.release(first)
        await self.approve(first, good, delivered)
        await self._see_answers()
        await self._speak(first)
        second = await self.propose(bad)
        self._tried = True
        await self.halt(second, first)
        await self.stay_back(second, first)
        await self.watch_to_the_end(first)
        judge_duration(time.monotonic() - started, self.outcome, self.claims)

    async def propose(self, release: Release) -> Trial:
        """Let the authority sign a rollout of a release, from a file as a person writes it."""
        proposed_ns = time.monotonic_ns()
        soak_ms, least = round(SOAK_S * 1000), Decimal(MAP50_PPM_MIN) / MILLION
        stages = [(percent, soak_ms) for percent in PERCENTS[:-1]] + [(PERCENTS[-1], 0)]
        proposal = Proposal(
            title=release.version, artefact=release.path, label=CAMERA_LABEL, stages=stages,
            gate=f'map50: ">= {least}"',
        )  # fmt: skip
        digest, intent = await apply_rollout(self.cast, CENTRE, proposal, len(self.names))
        shares = ", ".join(f"{percent} %" for percent in PERCENTS)
        self.tell(f"{release.version} is applied: sha256:{digest.hex()[:12]}…, to {shares} of "
                  f"{len(self.names)} boxes, {SOAK_S:g} s each")  # fmt: skip
        figures = self._figures[release.path]
        return Trial(release.version, digest, intent, self.names, proposed_ns, figures)

    # ------------------------------------------------------------------- what reaches everybody

    async def release(self, trial: Trial) -> None:
        """Watch a release reach everybody; kill a box in the middle."""
        cast, back = self.cast, self.outcome.comeback
        victim = trial.cohort.ranked[0]

        async with trio.open_nursery() as nursery:

            async def everywhere() -> bool:
                answers = await self._look(trial)
                if trial.top >= 1 and not back.box:
                    back.box = victim
                    nursery.start_soon(self._kill, victim, trial)
                return bool(self._back) and is_everywhere(trial, answers)

            await cast.until(everywhere, RELEASE_S, PERIOD_S)
            nursery.cancel_scope.cancel()
        poisoned = await cast.ask(cast.forker, {"do": "poisoned"})
        names = {cast.key(name): name for name in self.names}
        judge_poison(trial, names, poisoned.get("sent"), self.outcome, self.claims)
        judge_stages(trial, self.outcome, self.claims)
        judge_comeback(trial, back, self._exit_code, self._back, self.claims)

    async def _kill(self, box: str, trial: Trial) -> None:
        """SIGKILL a box, start it again, and hear what it runs as soon as it stands."""
        started = time.monotonic()
        self._back = back = await self._come_back(box, trial)
        self._kept = trial.digest
        self._watch(time.monotonic_ns(), back)
        self.outcome.comeback.seconds = round(time.monotonic() - started, 1)

    async def _come_back(self, box: str, trial: Trial) -> dict[str, Value]:
        """Kill a box and start it again; returns its answer when it is among the others again."""
        cast = self.cast
        child = cast.running[box]
        child.kill()
        self._exit_code = child.exit_code
        self.tell(f"SIGKILL to {box} (process {child.pid})")
        cast.start_box(cast.foundation.principals[box], box)
        await cast.ready([box])
        wanted = {cast.key(name) for name in cast.boxes} - {cast.key(box)}
        answer: dict[str, Value] = {}

        async def stands() -> bool:
            nonlocal answer
            told = await cast.ask_all((box,), {"do": "rollout", "intent": trial.intent})
            links = await cast.ask_all((box,), {"do": "links"})
            answer = told.get(box, answer)
            seen = keys_of(links.get(box, {}).get("seen"))
            return answer.get("proven") is True and wanted <= set(seen)

        await cast.until(stands, BACK_S)
        return answer

    async def approve(self, trial: Trial, release: Release, delivered: Path) -> None:
        """Let the authority approve what everybody runs; new hardware is delivered with it."""
        cast = self.cast
        request = {"do": "approve", "name": "detector", "digest": trial.digest, "state": "approved"}
        await cast.ask(CENTRE, {**request, "events": list(EVENTS)})
        cast.model = release.path
        self.tell(
            f"{trial.version} is approved; {delivered.stem} was what boxes were delivered with"
        )
        keys = {name: cast.key(name) for name in self.names}
        answers: Answers = {}

        async def known() -> bool:
            nonlocal answers
            answers = await self._look(trial, stated=True)
            return all(answer.get("state") == "approved" for answer in answers.values())

        await cast.until(known, HEARD_S)
        judge_release(trial, keys, answers, self.outcome, self.claims)

    async def _see_answers(self) -> None:
        """Let every box show what its detector makes of a still, and compare it with our own."""
        cast, (good, bad) = self.cast, self.releases
        answers = await cast.ask_all(self.names, {"do": "rows"})
        ours, others = [
            await trio.to_thread.run_sync(own_answers, release.path, cast.scene, self.names)
            for release in (good, bad)
        ]
        judge_answers(good.version, ours, others, answers, self.claims)

    async def _speak(self, trial: Trial) -> None:
        """Let every box say something, and see by which model it speaks and who accepts it."""
        cast = self.cast
        said = await cast.ask_all(self.names, {"do": "notice", "text": "all is well"})
        models: dict[str, bytes | None] = {}
        for box, answer in said.items():
            wire = answer.get("wire")
            models[box] = parse_event(wire).model if isinstance(wire, bytes) else None
        heard: list[str] = []

        async def all_heard() -> bool:
            answers = await cast.ask_all(self.names, {"do": "refusals"})
            heard[:] = [
                box
                for box in self.names
                if all(
                    box == other or box in accepters(answers, [said[other]["event"]])
                    for other in said
                )
            ]
            return len(heard) == len(self.names)

        await cast.until(all_heard, HEARD_S)
        judge_speech(trial, models, heard, self.claims)

    # ----------------------------------------------------------------------- what must not

    async def halt(self, trial: Trial, before: Trial) -> None:
        """Watch a bad release be held and rolled back."""
        answers: Answers = {}

        async def gone() -> bool:
            nonlocal answers
            answers = await self._look(trial)
            return is_gone(trial, before.digest, answers)

        await self.cast.until(gone, HALT_S, PERIOD_S)
        judge_bad_release(trial, before.digest, answers, self.outcome, self.claims)

    async def stay_back(self, trial: Trial, before: Trial) -> None:
        """Kill a box that ran what was halted; it must not begin with it again."""
        box = next(iter(sorted(trial.ran_ns)), "")
        answer = await self._come_back(box, trial) if box else {}
        judge_stays_back(trial, before.digest, box or "no box", answer, self.claims)

    async def watch_to_the_end(self, trial: Trial) -> None:
        """See that the box that was killed has not fetched, until now, what it came back with."""
        ended_ns, box = time.monotonic_ns(), self.outcome.comeback.box
        answers = await self.cast.ask_all((box,), {"do": "rollout", "intent": trial.intent})
        self._watch(time.monotonic_ns(), answers.get(box, {}))
        judge_own_store(trial, self.outcome.comeback, self._watched, ended_ns, self.claims)

    def _watch(self, at_ns: int, answer: Mapping[str, Value]) -> None:
        """Note what the box that was killed says that it fetched since it is back."""
        self._watched.append((at_ns, bytes_fetched(answer, self._kept)))

    async def _look(self, trial: Trial, *, stated: bool = False) -> Answers:
        """Ask every box at once how far it is, and take note."""
        request = {"do": "rollout", "intent": trial.intent, "stated": stated}
        asked_ns, top, is_back = time.monotonic_ns(), trial.top, bool(self._back)
        answers = await self.cast.ask_all(self.names, request)
        back = self.outcome.comeback.box
        if is_back and back in answers:
            self._watch(asked_ns, answers[back])
        trial.note(answers, asked_ns, time.monotonic_ns())
        if trial.top > top:
            seconds = (time.monotonic_ns() - trial.proposed_ns) / 1e9
            self.tell(f"{PERCENTS[trial.top]} % of {trial.version} is open after {seconds:.1f} s: "
                      f"{trial.cohort.sizes[trial.top]} boxes")  # fmt: skip
        return answers
