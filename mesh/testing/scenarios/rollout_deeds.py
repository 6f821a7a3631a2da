"""What the steps of a scenario about rollouts do to a simulated fleet: one method a verb."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from mesh.coordination.models import ModelState
from mesh.orchestration.command import Verb
from mesh.orchestration.rollout_file import PPM, Cohort, Metadata, RolloutFile, Spec
from mesh.orchestration.wish import wish_in
from mesh.testing.fleets.fleet import Fleet, FleetBox
from mesh.testing.fleets.fleet_rollouts import PlanRefusedError
from mesh.testing.fleets.town import SLOT
from mesh.testing.scenarios import rollout_steps as rs
from mesh.testing.scenarios.parts import Several

__all__ = ["RolloutDeeds", "ScenarioError"]


class ScenarioError(Exception):
    """A scenario asks for something that its world cannot do at that moment."""


class RolloutDeeds(ABC):
    """The rollouts among the deeds; `Deeds` adds the rest."""

    fleet: Fleet
    counts: Counter[str]

    @abstractmethod
    def choose(self, who: Several) -> dict[str, FleetBox]:
        """Return the boxes that names and patterns mean."""

    @abstractmethod
    def wrote(self, name: str, handle: int) -> None:
        """A fact was written at a box."""

    def _note_all(self, by: str, handles: Iterable[int]) -> None:
        for handle in handles:
            self.wrote(by, handle)

    def _release(self, release: rs.Release) -> None:
        names = () if release.on is None else self.choose(release.on)
        self.fleet.release(release.model, by=release.by, does=release.does, on=names)

    def _apply(self, wish: rs.Apply) -> None:
        spec = Spec(
            artifact=f"sha256:{self.fleet.digest(wish.model).hex()}",
            cohort=Cohort(within=wish.within),
            stages=wish.stages,
            slot=SLOT,
            gate=wish.gate,
            on_partition=wish.on_partition,
            on_failure=wish.on_failure,
        )
        title = Metadata(name=wish.name or wish.model)
        file = RolloutFile(apiVersion="mesh/v1", kind="Rollout", metadata=title, spec=spec)
        try:
            handles = self.fleet.ask(wish_in(file), wish.model, by=wish.by)
        except PlanRefusedError as error:
            is_right = wish.refused is not None and wish.refused in str(error)
            if not (is_right or wish.may_be_refused):
                raise
            self.counts["refused_by_plan"] += 1
            return
        if wish.refused is not None:
            raise ScenarioError(
                f"{wish.model} was rolled out: expected a refusal that says {wish.refused!r}"
            )
        self._note_all(wish.by, handles)

    def _pause(self, order: rs.Order) -> None:
        self._ordered(Verb.PAUSE, order)

    def _resume(self, order: rs.Order) -> None:
        self._ordered(Verb.RESUME, order)

    def _undo(self, order: rs.Order) -> None:
        self._ordered(Verb.UNDO, order)

    def _abort(self, order: rs.Order) -> None:
        self._ordered(Verb.ABORT, order)

    def _promote(self, order: rs.Promote) -> None:
        share = None if order.percent is None else int(Decimal(str(order.percent)) * (PPM // 100))
        self._ordered(Verb.PROMOTE, order, share)

    def _ordered(self, verb: Verb, order: rs.Order | rs.Promote, share: int | None = None) -> None:
        try:
            handles = self.fleet.order(verb, order.rollout, by=order.by, share_ppm=share)
        except PlanRefusedError:
            if not order.may_be_refused:
                raise
            self.counts["refused_by_plan"] += 1
            return
        self._note_all(order.by, handles)

    def _approve_model(self, record: rs.Approve) -> None:
        handles = self.fleet.approve(record.model, by=record.by, state=ModelState(record.state))
        self._note_all(record.by, handles)

    def _check_runs(self, check: rs.Running) -> None:
        among = self.choose(check.who)
        running = [name for name in self.fleet.running(check.model) if name in among]
        least = check.boxes if check.at_least is None else check.at_least
        most = check.boxes if check.at_most is None else check.at_most
        few = least is not None and len(running) < least
        many = most is not None and len(running) > most
        if few or many:
            wanted = f"{least or 0} to {'all' if most is None else most}"
            wanted = f"{least}" if least == most else wanted
            shown = ", ".join(running[:6]) or "none"
            raise ScenarioError(
                f"{check.model} runs on {len(running)} boxes ({shown}): expected {wanted}"
            )
        self.counts["checks"] += 1
