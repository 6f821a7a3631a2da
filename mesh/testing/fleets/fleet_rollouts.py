"""Rollouts in a fleet, as people do them: release a model, apply it, pause, resume, promote, end.

What is signed comes from the plans of `mesh apply` and `mesh rollout`, with their refusals, so that
a scenario can do what a person at a console can, and nothing else. The bytes of a release are on
the shelf of whoever released it, and boxes get them from each other.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256, shake_256
from typing import Literal

from mesh.coordination.enrolment import put_body
from mesh.coordination.models import ModelState
from mesh.orchestration.applying import Plan, Release, candidate_key, plan_rollout
from mesh.orchestration.blob_tree import reference_of
from mesh.orchestration.command import Verb, command_key
from mesh.orchestration.commanding import plan_command
from mesh.orchestration.errors import OrchestrationError
from mesh.orchestration.intent import NONCE_SIZE, Gate, Stage
from mesh.orchestration.rollouts import Rollout
from mesh.orchestration.standpoint import Standpoint, find_rollout, lists_held
from mesh.orchestration.wish import Wish
from mesh.testing.fleets.fleet_box import FleetBox, FleetError
from mesh.testing.fleets.fleet_faults import FleetFaults
from mesh.testing.fleets.town import EVENTS, MODEL, SLOT
from mesh.testing.simulator.workshop import Fate

__all__ = ["GATE", "STAGES", "FleetRollouts", "PlanRefusedError"]

STAGES = (Stage(100_000, 10_000), Stage(500_000, 10_000), Stage(1_000_000))
"""A tenth, a half and all, ten seconds each, unless the caller says otherwise."""
GATE = Gate(min_reports_ppm=900_000, success_ppm=990_000, map50_ppm_min=500_000)
"""What reports must show unless the caller says otherwise."""
MODEL_SIZE = 160_000
"""Bytes of a released model: three chunks of the exchange."""


class PlanRefusedError(FleetError):
    """What is asked for is not signed, for a reason of `mesh apply` or `mesh rollout`."""


@dataclass(slots=True)
class _Released:
    """A model that somebody released: its bytes, who signed it, and what it does to all boxes."""

    data: bytes
    key: bytes
    fate: Fate = "good"

    @property
    def digest(self) -> bytes:
        return sha256(self.data).digest()


class FleetRollouts(FleetFaults):
    """The rollouts of a fleet; `Fleet` adds the boxes."""

    def __init__(self) -> None:
        super().__init__()
        self._released: dict[str, _Released] = {}
        self._delivers = False
        self._nonces = 0

    # --------------------------------------------------------------------------------- boxes

    def deliver(self) -> None:
        """Every box of the town says what it came with, now and at each start, as its app does."""
        self._delivers = True
        for box in self.boxes.values():
            if box.node.mind is not None:
                self.started(box)

    def started(self, box: FleetBox) -> None:
        """A box has started: its application says what its slot runs."""
        if not self._delivers or box.name not in self.town.places:
            return
        shop = box.node.workshop
        shop.runs.setdefault(SLOT, MODEL)
        shop.shelf[MODEL] = b"as delivered"
        for released in self._released.values():
            if released.fate != "good":
                shop.fates.setdefault(released.digest, released.fate)
        now = self.simulation.instant(box.node)
        self.simulation.perform(
            box.node, box.mind.conduct(lambda told: told.deliver(SLOT, MODEL), now)
        )

    def running(self, model: str) -> list[str]:
        """The boxes whose slot runs a model, by name; `delivered` is what all came with."""
        digest = self.digest(model)
        return [
            name for name, box in self.boxes.items() if box.node.workshop.runs.get(SLOT) == digest
        ]

    def tried(self, model: str) -> list[str]:
        """The boxes that ever swapped a model in, by name."""
        swap = (SLOT, self.digest(model))
        return [name for name, box in self.boxes.items() if swap in box.node.workshop.swaps]

    # -------------------------------------------------------------------------------- people

    def digest(self, model: str) -> bytes:
        """Return the digest of a model that was released, or that boxes were delivered with.

        Raises:
            FleetError: nobody released one that is called so.
        """
        return MODEL if model == "delivered" else self._of(model).digest

    def release(
        self, model: str, *, by: str = "centre", does: Fate = "good", on: Iterable[str] = ()
    ) -> bytes:
        """Build and sign a model: its bytes are on the shelf of who released it.

        Releasing it again makes the same bytes, and says what they do on other boxes.

        Args:
            model: what people call it.
            by: who signs it.
            does: what it does to a box.
            on: to which boxes; to all, also those that come later, if none is named.

        Returns:
            Its digest.
        """
        signer = self.box(by)
        released = self._released.setdefault(
            model, _Released(shake_256(model.encode()).digest(MODEL_SIZE), signer.node.public)
        )
        self.simulation.exchanges.put(signer.node, released.data)
        names = list(on)
        for name in names or self.boxes:
            self.box(name).node.workshop.fates[released.digest] = does
        if not names:
            released.fate = does
        self.simulation.note(f"{by} releases {model}, which is {does} on {names or 'all'}")
        return released.digest

    def apply(
        self,
        model: str,
        *,
        by: str = "centre",
        title: str = "",
        within: str = "",
        stages: tuple[Stage, ...] = STAGES,
        gate: Gate = GATE,
        on_partition: Literal["hold", "continue"] = "hold",
        on_failure: Literal["rollback", "pause"] = "rollback",
    ) -> tuple[int, ...]:
        """Roll a model out, as `mesh apply` does; returns the handles of what was written.

        Args:
            model: which one.
            by: who signs.
            title: what people call the rollout; the model's name if left out.
            within: for the boxes under this prefix.
            stages: ascending.
            gate: what reports must show.
            on_partition: hold or continue.
            on_failure: rollback or pause.

        Raises:
            PlanRefusedError: it is refused, in the words of `mesh apply`.
        """
        wish = Wish(
            title=title or model,
            artefact=self.digest(model),
            slot=SLOT,
            within=within,
            stages=stages,
            gate=gate,
            on_partition=on_partition,
            on_failure=on_failure,
        )
        return self.ask(wish, model, by=by)

    def ask(self, wish: Wish, model: str, *, by: str) -> tuple[int, ...]:
        """Roll out what is wished for; see `apply`."""
        box, released = self.box(by), self._of(model)
        shelf, view = box.node.workshop.shelf, self._standpoint(box)
        release = None
        if released.digest in shelf:
            reference = reference_of(released.data)
            release = Release(
                reference=reference,
                kind="model",
                name="detector",
                version=model,
                released_by=released.key,
            )
        try:
            plan = plan_rollout(view, wish, release, self._nonce())
        except OrchestrationError as error:
            raise PlanRefusedError(f"apply {model}: {error}") from None
        self.simulation.note(f"{by} rolls out {wish.title}")
        return self._sign(box, plan)

    def order(
        self, verb: Verb, title: str, *, by: str = "centre", share_ppm: int | None = None
    ) -> tuple[int, ...]:
        """Pause, resume, promote, undo or abort, as `mesh rollout` does; returns the handles.

        Raises:
            PlanRefusedError: it is refused, in the words of `mesh rollout`.
        """
        box = self.box(by)
        view = self._standpoint(box)
        try:
            rollout = find_rollout(view.rollouts, title)
            commands = plan_command(
                view,
                rollout,
                verb,
                sight=box.mind.conducting.sight,
                nonce=self._nonce(),
                share_ppm=share_ppm,
            )
        except OrchestrationError as error:
            raise PlanRefusedError(f"{verb} {title}: {error}") from None
        self.simulation.note(f"{by}: {verb} {title}")
        puts = {command_key(rollout.intent.scope, each): each.to_value() for each in commands}
        return tuple(self._write(box, puts.items()))

    def approve(
        self, model: str, *, by: str = "centre", state: ModelState = ModelState.APPROVED
    ) -> tuple[int, ...]:
        """Give the record that a rollout wrote of a model another state; returns the handle."""
        digest = self.digest(model)
        key = SLOT if model == "delivered" else candidate_key(SLOT, digest)
        value = {"digest": digest, "state": str(state), "events": list(EVENTS), "area": "*"}
        self.simulation.note(f"{by} says that {model} is {state}")
        return tuple(self._write(self.box(by), [(key, value)]))

    def rollout(self, title: str, *, seen_by: str = "centre") -> Rollout:
        """Return a rollout as a box sees it.

        Raises:
            FleetError: it knows of none that is called so, or of several.
        """
        try:
            return find_rollout(self.box(seen_by).mind.conducting.rollouts, title)
        except OrchestrationError as error:
            raise FleetError(f"{seen_by}: {error}") from None

    # -------------------------------------------------------------------------------- inside

    def _of(self, model: str) -> _Released:
        if model not in self._released:
            known = ", ".join(self._released) or "none"
            raise FleetError(f"nobody released {model!r:.60}: there are {known}; release it first")
        return self._released[model]

    def _nonce(self) -> bytes:
        self._nonces += 1
        return self._nonces.to_bytes(NONCE_SIZE)

    def _standpoint(self, box: FleetBox) -> Standpoint:
        replica, shelf = box.mind.replica, box.node.workshop.shelf
        lists = lists_held(replica.registers, shelf.get)
        return Standpoint.of(replica, box.node.public, lists)

    def _sign(self, box: FleetBox, plan: Plan) -> tuple[int, ...]:
        """Keep the list of names for who asks, and write what the plan says."""
        self.simulation.exchanges.put(box.node, plan.listing)
        return () if plan.unchanged else tuple(self._write(box, plan.puts))

    def _write(self, box: FleetBox, puts: Iterable[tuple[str, object]]) -> Iterator[int]:
        for key, value in puts:
            body: Mapping[str, object] = put_body(box.mind.replica, key, value)
            yield box.write("put", body)
