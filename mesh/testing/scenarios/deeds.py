"""What the steps of a scenario do to a simulated fleet: one method a verb.

Whatever is done by people or by fate is done here and noted here (who published what, which facts
were written, what was broken when), so that what a box says about itself can be compared with what
really happened.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial

from mesh.files.form import nearest
from mesh.testing.fleets.adversaries import Behaviour
from mesh.testing.fleets.fleet import Fleet, FleetBox, FleetError
from mesh.testing.fleets.sight import Fact, Spoken
from mesh.testing.fleets.town import SLOT, TTL_MS, held_by
from mesh.testing.fleets.written import Written
from mesh.testing.scenarios import steps as sc
from mesh.testing.scenarios.rollout_deeds import RolloutDeeds, ScenarioError
from mesh.testing.simulator.disk import Backup
from mesh.testing.simulator.network import EVERY_CUT
from mesh.units import SECOND

__all__ = ["PEACEFUL", "Deeds", "ScenarioError", "judge_trust", "select"]

PEACEFUL = frozenset(
    {"publish", "put", "grant", "revoke", "pin", "backup", "release", "apply", "pause", "resume"}
    | {"promote", "undo", "abort", "approve_model", "check_runs", "check_trust"}
)
"""Verbs that neither break nor mend anything."""


def select(who: sc.Several, names: Collection[str]) -> list[str]:
    """Return the names that names and patterns mean, each once.

    Raises:
        ScenarioError: one of them means nobody.
    """
    chosen: dict[str, None] = {}
    for pattern in (who,) if isinstance(who, str) else who:
        found = [name for name in names if fnmatchcase(name, pattern)]
        if not found:
            near = get_close_matches(pattern, names, n=1)
            told = (
                f"did you mean {near[0]}?" if near else f"there are {', '.join(list(names)[:6])} …"
            )
            raise ScenarioError(f"nobody is called {pattern!r:.60}: {told}")
        chosen |= dict.fromkeys(found)
    return list(chosen)


def judge_trust(check: sc.CheckTrust, trusted_by: Mapping[str, bool]) -> None:
    """Refuse views that are not as they are expected to be.

    Args:
        check: what is expected.
        trusted_by: who is asked, and whether a current key holds the name in that view.

    Raises:
        ScenarioError: in some of these views it is otherwise.
    """
    wrong = [who for who, is_trusted in trusted_by.items() if is_trusted != check.current]
    if wrong:
        told = "nobody current" if check.current else "somebody current"
        raise ScenarioError(
            f"{check.name} is held by {told} in the views of {', '.join(wrong[:6])}"
        )


class Deeds(RolloutDeeds):
    """A fleet, and what was done to it.

    Attributes:
        fleet: to whom it is done.
        spoken: every event published, by id.
        facts: every fact written that became durable.
        turned: keys of boxes that were made to lie.
        counts: of what was done.
        disturbed_ns: when something was broken or mended last.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.spoken: dict[bytes, Spoken] = {}
        self.facts: list[Fact] = []
        self.turned: set[bytes] = set()
        self.counts: Counter[str] = Counter()
        self.disturbed_ns = self.began_ns = fleet.simulation.now_ns
        self._written = Written()
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._backups: dict[str, Backup] = {}
        self._granted: set[str] = set()

    @property
    def now_s(self) -> float:
        """Virtual seconds since the fleet stood."""
        return (self.fleet.simulation.now_ns - self.began_ns) / SECOND

    def begin(self, *, after_s: float) -> None:
        """Let the fleet get ready; what is now is second 0."""
        self.fleet.simulation.run(after_s)
        self.disturbed_ns = self.began_ns = self.fleet.simulation.now_ns

    def perform(self, step: sc.Step) -> None:
        """Do what a step says; `run` and `settle` are the runner's.

        Raises:
            ScenarioError: it cannot be done now.
        """
        try:
            getattr(self, f"_{step.verb}")(step.deed)
        except FleetError as error:
            raise ScenarioError(str(error)) from None
        if step.verb not in PEACEFUL:
            self.disturbed_ns = self.fleet.simulation.now_ns

    def advance(self, seconds: float) -> None:
        """Let time pass, and publish what is due on the way."""
        simulation = self.fleet.simulation
        end = simulation.now_ns + round(seconds * SECOND)
        while self._agenda and self._agenda[0][0] <= end:
            at_ns, _, action = heapq.heappop(self._agenda)
            simulation.run(max(0, at_ns - simulation.now_ns) / SECOND)
            action()
        simulation.run(max(0, end - simulation.now_ns) / SECOND)
        self.facts += self._written.take()

    @property
    def is_whole(self) -> bool:
        """Whether no cut stands."""
        return not self.fleet.simulation.network.cuts()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be published or to become durable."""
        return not self._agenda and self._written.is_empty

    def choose(self, who: sc.Several) -> dict[str, FleetBox]:
        """Return the boxes that names and patterns mean.

        Raises:
            ScenarioError: one of them means nobody.
        """
        return {name: self.fleet.boxes[name] for name in select(who, self.fleet.boxes)}

    def wrote(self, name: str, handle: int) -> None:
        """A fact was written at a box: note it once it is durable."""
        self._written.add(self.now_s, name, self.fleet.box(name), handle)

    # ------------------------------------------------------------------------------ network

    def _cut(self, cut: sc.Cut) -> None:
        self.fleet.cut(cut.label, self.choose(cut.side).values())

    def _cut_one_way(self, way: sc.OneWay) -> None:
        senders, receivers = self.choose(way.senders), self.choose(way.receivers)
        self.fleet.cut_one_way(way.label, senders.values(), receivers.values())

    def _blackhole(self, hole: sc.Hole) -> None:
        self.fleet.blackhole(hole.label, self.choose(hole.who).values())

    def _heal(self, label: str) -> None:
        self.fleet.heal(None if label == EVERY_CUT else label)

    def _links(self, links: sc.Links) -> None:
        sides = None
        if links.between is not None:
            one, other = links.between
            sides = (self.choose(one).values(), self.choose(other).values())
        self.fleet.links(between=sides, **links.changes())

    def _behind_nat(self, who: sc.Several) -> None:
        for name in self.choose(who):
            self.fleet.behind_nat(name)

    # ------------------------------------------------------------------------------ hardware

    def _crash(self, who: sc.Several) -> None:
        for name in self._up(who):
            self.fleet.crash(name)

    def _power_cut(self, cut: sc.PowerCut) -> None:
        self.fleet.power_cut(*self._up(cut.who), keep=cut.keep)

    def _reboot_all(self, who: sc.Several) -> None:
        self.fleet.reboot_all(self._up(who))

    def _restart(self, who: sc.Several) -> None:
        down = [name for name, box in self.choose(who).items() if box.node.mind is None]
        if not down:
            raise ScenarioError(f"restart {who}: none of them is down")
        for name in down:
            self.fleet.restart(name)

    def _up(self, who: sc.Several) -> list[str]:
        """Return who of them runs, to be switched off."""
        up = [name for name, box in self.choose(who).items() if box.node.mind is not None]
        if not up:
            raise ScenarioError(f"switch off {who}: none of them is up")
        self.counts["crashes"] += len(up)
        return up

    def _slow(self, slow: sc.Slow) -> None:
        for name in self.choose(slow.who):
            self.fleet.slow(name, slow.factor)

    def _disk(self, wish: sc.Disk) -> None:
        for name in self.choose(wish.who):
            disk = self.fleet.disk(name)
            disk.is_full = disk.is_full if wish.full is None else wish.full
            disk.sync_ms = disk.sync_ms if wish.sync_ms is None else wish.sync_ms

    def _backup(self, backup: sc.Backup) -> None:
        self._backups[backup.label] = self.fleet.backup(backup.name)

    def _restore(self, backup: sc.Backup) -> None:
        if backup.label not in self._backups:
            taken = ", ".join(self._backups) or "none"
            raise ScenarioError(f"there is no backup {backup.label!r}: taken were {taken}")
        self.fleet.restore(backup.name, self._backups[backup.label])

    def _clock(self, clock: sc.Clock) -> None:
        ahead_s = sc.seconds(clock.ahead or "0s") - sc.seconds(clock.behind or "0s")
        for name in self.choose(clock.who):
            self.fleet.clock(name, jump_s=ahead_s, drift_ppm=clock.drift_ppm)

    def _turn(self, turn: sc.Turn) -> None:
        self.fleet.turn(turn.name, Behaviour(turn.behaviour))
        self.turned.add(self.fleet.box(turn.name).node.public)

    # ------------------------------------------------------------------------------ people

    def _swap_hardware(self, swap: sc.Swap) -> None:
        self.fleet.swap_hardware(swap.name, by=swap.by)

    def _revoke(self, revoke: sc.Revoke) -> None:
        signer = self.fleet.box(revoke.by)
        self.wrote(revoke.by, signer.revoke(revoke.name, in_vain=revoke.in_vain))

    def _grant(self, grant: sc.Grant) -> None:
        self._granted.add(grant.name)
        key = self.fleet.key(f"{grant.name}/by {grant.by}").public
        key = key if grant.to is None else self.fleet.box(grant.to).node.public
        signer = self.fleet.box(grant.by)
        handle = signer.grant(key, grant.name, role=grant.role, in_vain=grant.in_vain)
        self.wrote(grant.by, handle)

    def _pin(self, pin: sc.Pin) -> None:
        self.wrote(pin.by, self.fleet.box(pin.by).pin(pin.name))

    def _check_trust(self, check: sc.CheckTrust) -> None:
        known = [*self.fleet.boxes, *self._granted]
        if check.name not in known:
            told = f"nobody was ever called {check.name!r:.60}"
            raise ScenarioError(f"{told}: {nearest(check.name, known)}")
        up = {name: box for name, box in self.choose(check.who).items() if box.node.mind}
        judge_trust(check, {name: box.trusts(check.name) for name, box in up.items()})
        self.counts["checks"] += 1

    def _put(self, put: sc.Put) -> None:
        self.wrote(put.by, self.fleet.box(put.by).put(put.key, put.value, in_vain=put.in_vain))

    # ------------------------------------------------------------------------------- boxes

    def _publish(self, publish: sc.Publish) -> None:
        every_ns = round(sc.seconds(publish.every) * SECOND)
        now_ns = self.fleet.simulation.now_ns
        for name in self.choose(publish.who):
            if held_by(name) not in self.fleet.town.places:
                raise ScenarioError(f"{name} stands nowhere: only boxes publish, as */box-*")
            for number in range(publish.count):
                incident: list[bytes] = []
                for update in range(1 + publish.updates):
                    self._order += 1
                    at_ns = now_ns + (number * (1 + publish.updates) + update) * every_ns
                    say = partial(self._say, name, incident)
                    heapq.heappush(self._agenda, (at_ns, self._order, say))

    def _say(self, name: str, incident: list[bytes]) -> None:
        """Publish one event, unless the box is down or replaced and gone.

        Args:
            name: of the box.
            incident: the event that began it, if one did; else this one is put there.
        """
        box = self.fleet.boxes.get(name)
        if box is None or box.node.mind is None:
            self.counts["mute"] += 1
            return
        model = box.node.workshop.runs.get(SLOT)
        said = self.fleet.publish(name, model=model, ttl_ms=TTL_MS, because=incident)
        incident += [] if incident else [said]
        ahead_s = box.node.clock.ahead_s(self.fleet.simulation.now_ns)
        self.spoken[said] = Spoken(
            self.now_s, box.node.public, box.name, incident[0], TTL_MS / 1000, ahead_s
        )
        self.counts["published"] += 1
