"""What the steps of a scenario do to a town of processes: one method a verb.

The twin of `scenarios.deeds`, with the same notes of who published what, which facts
were written and what was broken when. What has no method here is refused before the start
(`wires.plan`).
"""

import heapq
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

from crdt.entry import parse_entry
from identity.invite import parse_invite
from identity.keys import SecretKey
from mesh.files.form import nearest
from mesh.node.founding import install_invite
from mesh.testing.fleets.sides import check_cut
from mesh.testing.fleets.sight import Fact, Spoken
from mesh.testing.fleets.town import FleetError, held_by, replaced
from mesh.testing.scenarios import steps as sc
from mesh.testing.scenarios.deeds import PEACEFUL, ScenarioError, judge_trust, select
from mesh.testing.simulator.network import EVERY_CUT, NetworkModelError, changed
from mesh.testing.wires.box_process import Grant, Order, Publish, Put, Revoke, Said, Wrote
from mesh.testing.wires.process_fleet import ProcessFleet
from mesh.testing.wires.town_files import PEOPLE, STEWARDS, role_of
from mesh.units import SECOND

__all__ = ["DONE", "ProcessDeeds"]

WRITTEN_S = 1.0
"""Seconds between a grant of new hardware and its start, as in the simulated fleet."""


class ProcessDeeds:
    """A fleet of processes, and what was done to it.

    Args:
        fleet: to whom it is done; it stands.
        directory: an empty one, for copies of disks.

    Attributes:
        spoken: every event published, by id.
        facts: every fact written that became durable.
        counts: of what was done.
        disturbed_ns: when something was broken or mended last.
    """

    def __init__(self, fleet: ProcessFleet, directory: Path) -> None:
        self.fleet = fleet
        self.spoken: dict[bytes, Spoken] = {}
        self.facts: list[Fact] = []
        self.counts: Counter[str] = Counter()
        self.disturbed_ns = self.began_ns = time.monotonic_ns()
        self._agenda: list[tuple[int, int, str]] = []
        """When somebody publishes, in which order, and who."""
        self._order = 0
        self._swaps: Counter[str] = Counter()
        self._directory = directory
        self._backups: dict[str, Path] = {}

    @property
    def now_s(self) -> float:
        """Seconds since the scenario began."""
        return (time.monotonic_ns() - self.began_ns) / SECOND

    @property
    def is_whole(self) -> bool:
        """Whether no cut stands."""
        return not self.fleet.cuts

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be published; what was written is durable when it is noted."""
        return not self._agenda

    def begin(self, *, after_s: float) -> None:
        """Let the fleet get ready; what is now is second 0."""
        self.fleet.rest(time.monotonic_ns() + round(after_s * SECOND))
        self.disturbed_ns = self.began_ns = time.monotonic_ns()

    def perform(self, step: sc.Step) -> None:
        """Do what a step says; `run` and `settle` are the runner's.

        Raises:
            ScenarioError: it cannot be done now.
        """
        try:
            DONE[step.verb](self, step.deed)
        except (FleetError, NetworkModelError) as error:
            raise ScenarioError(str(error)) from None
        if step.verb not in PEACEFUL:
            self.disturbed_ns = time.monotonic_ns()

    def advance(self, seconds: float) -> None:
        """Let time pass, and publish what is due on the way."""
        end_ns = time.monotonic_ns() + round(seconds * SECOND)
        while self._agenda and self._agenda[0][0] <= end_ns:
            self.fleet.rest(self._agenda[0][0])
            self._say()
        self.fleet.rest(end_ns)

    def choose(self, who: sc.Several) -> list[str]:
        """Return the names that names and patterns mean.

        Raises:
            ScenarioError: one of them means nobody.
        """
        return select(who, self.fleet.boxes)

    def _keys(self, who: sc.Several) -> list[bytes]:
        return self.fleet.keys(self.choose(who))

    def _one(self, name: str) -> str:
        if name not in self.fleet.boxes:
            told = nearest(name, list(self.fleet.boxes))
            raise ScenarioError(f"nobody is called {name!r}: {told}")
        return name

    # ------------------------------------------------------------------------------ network

    def _cut(self, cut: sc.Cut) -> None:
        check_cut(list(self.choose(cut.side)), {name: name for name in self.fleet.boxes})
        self.fleet.rule("cut", cut.label, self._keys(cut.side))

    def _cut_one_way(self, way: sc.OneWay) -> None:
        senders, receivers = self._keys(way.senders), self._keys(way.receivers)
        self.fleet.rule("cut_one_way", way.label, senders, receivers)

    def _blackhole(self, hole: sc.Hole) -> None:
        self.fleet.rule("blackhole", hole.label, self._keys(hole.who))

    def _heal(self, label: str) -> None:
        for each in self.fleet.cuts if label == EVERY_CUT else [label]:
            self.fleet.rule("heal", each)

    def _links(self, links: sc.Links) -> None:
        model = changed(self.fleet.network.model, links.changes())
        sides = None
        if links.between is not None:
            sides = tuple(self._keys(side) for side in links.between)
        self.fleet.rule("shape", model, sides)

    def _behind_nat(self, who: sc.Several) -> None:
        for key in self._keys(who):
            self.fleet.rule("behind_nat", key)

    # ------------------------------------------------------------------------------ hardware

    def _crash(self, who: sc.Several) -> None:
        for name in self._up(who):
            self.fleet.kill(name)

    def _power_cut(self, cut: sc.PowerCut) -> None:
        self.fleet.cut_power(self._up(cut.who))

    def _reboot_all(self, who: sc.Several) -> None:
        names = self._up(who)
        self.fleet.cut_power(names)
        self._boot(names)

    def _restart(self, who: sc.Several) -> None:
        down = [name for name in self.choose(who) if not self.fleet.boxes[name].is_up]
        if not down:
            raise ScenarioError(f"restart {who}: none of them is down")
        self._boot(down)

    def _boot(self, names: list[str]) -> None:
        for name in names:
            self.fleet.give_power(name)
        self.fleet.start(*names)

    def _up(self, who: sc.Several) -> list[str]:
        """Return who of them runs, to be switched off."""
        up = [name for name in self.choose(who) if self.fleet.boxes[name].is_up]
        if not up:
            raise ScenarioError(f"switch off {who}: none of them is up")
        self.counts["crashes"] += len(up)
        return up

    def _slow(self, slow: sc.Slow) -> None:
        for name in self.choose(slow.who):
            child = self.fleet.boxes[name].child
            if child is None:
                raise ScenarioError(f"{name} is down: restart it first")
            self.fleet.slices.slow(child.pid, slow.factor, time.monotonic_ns())

    def _backup(self, backup: sc.Backup) -> None:
        self._order += 1
        to = self._directory / f"{self._order}"
        self.fleet.copy(self._one(backup.name), to)
        self._backups[backup.label] = to

    def _restore(self, backup: sc.Backup) -> None:
        if backup.label not in self._backups:
            taken = ", ".join(self._backups) or "none"
            raise ScenarioError(f"there is no backup {backup.label!r}: taken were {taken}")
        self.fleet.replace(self._one(backup.name), self._backups[backup.label])

    # ------------------------------------------------------------------------------- people

    def _swap_hardware(self, swap: sc.Swap) -> None:
        fleet, name = self.fleet, self._one(swap.name)
        self._order += 1
        made = fleet.found_spare(f"spare-{self._order}")
        place = name if name in fleet.town.places else None
        addresses = tuple(fleet.boxes[each].resident.address for each in PEOPLE)
        kind = "steward" if name in STEWARDS else "box"
        role = role_of(fleet.town, name, place, kind)
        wrote = self._ask(swap.by, Grant(made.key, name, role, place, addresses, kind))
        install_invite(made.config, parse_invite(wrote.invite), name=name)
        fleet.rest(time.monotonic_ns() + round(WRITTEN_S * SECOND))
        fleet.give_power(name)  # the new box has it
        old = fleet.boxes.pop(name)
        self._swaps[name] += 1
        old.name = replaced(name, self._swaps[name])
        fleet.boxes[old.name] = old
        fleet.add(name, made)
        ours, theirs = fleet.keys([name, old.name])
        fleet.rule("stands_with", ours, theirs)
        fleet.start(name)

    def _revoke(self, revoke: sc.Revoke) -> None:
        wrote = self._ask(revoke.by, Revoke(revoke.name, revoke.in_vain))
        if not wrote.wires:
            raise ScenarioError(f"{revoke.name} is held by nobody: expected a granted name")
        self._note(revoke.by, wrote)

    def _grant(self, grant: sc.Grant) -> None:
        seed = sha256(f"{grant.name}/by {grant.by}".encode()).digest()
        key = SecretKey.from_seed(seed).public
        key = key if grant.to is None else self.fleet.boxes[self._one(grant.to)].key
        role = role_of(self.fleet.town, grant.name, None, grant.role)
        order = Grant(key, grant.name, role, None, role=grant.role, in_vain=grant.in_vain)
        self._note(grant.by, self._ask(grant.by, order))

    def _put(self, put: sc.Put) -> None:
        self._note(put.by, self._ask(put.by, Put(put.key, put.value, put.in_vain)))

    def _ask(self, name: str, order: Order) -> Wrote:
        return self.fleet.ask({self._one(name): order})[name]

    def _check_trust(self, check: sc.CheckTrust) -> None:
        self.fleet.look()
        up = [name for name in self.choose(check.who) if self.fleet.boxes[name].is_up]
        views = {name: self.fleet.boxes[name].authority for name in up}
        judge_trust(
            check,
            {
                name: any(view.current(pair) for pair in view.by_name(check.name))
                for name, view in views.items()
            },
        )
        self.counts["checks"] += 1

    def _note(self, by: str, wrote: Wrote) -> None:
        """Take down what is durable."""
        self.facts += [Fact(self.now_s, by, parse_entry(wire)) for wire in wrote.wires]

    # ------------------------------------------------------------------------------- boxes

    def _publish(self, publish: sc.Publish) -> None:
        every_ns = round(sc.seconds(publish.every) * SECOND)
        now_ns = time.monotonic_ns()
        for name in self.choose(publish.who):
            if held_by(name) not in self.fleet.town.places:
                raise ScenarioError(f"{name} stands nowhere: only boxes publish")
            for number in range(publish.count):
                self._order += 1
                heapq.heappush(self._agenda, (now_ns + number * every_ns, self._order, name))

    def _say(self) -> None:
        """Publish what is due, everybody at once; who is down or replaced and gone is mute."""
        now_ns = time.monotonic_ns()
        due: list[str] = []
        while self._agenda and self._agenda[0][0] <= now_ns and self._agenda[0][2] not in due:
            due.append(heapq.heappop(self._agenda)[2])
        speakers = [name for name in due if name in self.fleet.boxes]
        speakers = [name for name in speakers if self.fleet.boxes[name].is_up]
        self.counts["mute"] += len(due) - len(speakers)
        cell = self.fleet.town.cell
        orders = {name: Publish(cell(held_by(name))) for name in speakers}
        said: dict[str, Said] = self.fleet.ask(orders)
        for name, event in said.items():
            box = self.fleet.boxes[name]
            at_s = (event.at_ns - self.began_ns) / SECOND
            spoken_as = held_by(name)
            self.spoken[event.event] = Spoken(at_s, box.key, spoken_as)
            self.counts["published"] += 1


DONE = {
    name.removeprefix("_"): method
    for name, method in vars(ProcessDeeds).items()
    if name.removeprefix("_") in sc.Step.__struct_fields__
}
"""What can be done on wires, by verb."""
