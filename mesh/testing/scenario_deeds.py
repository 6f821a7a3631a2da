"""What the steps of a scenario do to a simulated fleet: one method a verb.

Whatever is done by people or by fate is done here and noted here (who published what, which facts
were written, what was broken when), so that what a box says about itself can be compared with what
really happened.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase

from mesh.choreography.event import SealedEvent
from mesh.gossip.effects import Priority
from mesh.gossip.messages import Message, encode_message, message_frame
from mesh.mind import GOSSIP_PROTOCOL, Draft
from mesh.mind.effects import Send
from mesh.testing import scenario as sc
from mesh.testing.fleet import MODEL, Fleet, FleetBox, FleetError
from mesh.testing.near_miss import NEAR_MISS, NearMiss
from mesh.testing.rogue import forge
from mesh.testing.sight import Fact, Spoken
from mesh.units import SECOND

__all__ = ["Deeds", "ScenarioError"]

REPLACED = " (old)"
"""What the name of a box ends with whose hardware was replaced."""
FAULTS = frozenset(
    {"cut", "heal", "links", "crash", "restart", "disk", "clock", "swap_hardware", "impersonate"}
)
"""Verbs that break or mend something."""


class ScenarioError(Exception):
    """A scenario asks for something that its world cannot do at that moment."""


class Deeds:
    """A fleet, and what was done to it.

    Attributes:
        fleet: to whom it is done.
        spoken: every event published, by id.
        facts: every fact written that became durable.
        cuts: the boxes of each cut that stands, by its label.
        turned: keys of boxes that were made to lie.
        counts: of what was done.
        disturbed_ns: when something was broken or mended last.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.spoken: dict[bytes, Spoken] = {}
        self.facts: list[Fact] = []
        self.cuts: dict[str, list[FleetBox]] = {}
        self.turned: set[bytes] = set()
        self.counts: Counter[str] = Counter()
        self.disturbed_ns = self.began_ns = fleet.simulation.now_ns
        self._written: list[tuple[float, str, FleetBox, int]] = []
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0

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
        if step.verb in FAULTS:
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
        self._note_written()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be published or to become durable."""
        return not self._agenda and not self._written

    def choose(self, who: sc.Several) -> dict[str, FleetBox]:
        """Return the boxes that names and patterns mean.

        Raises:
            ScenarioError: one of them means nobody.
        """
        chosen: dict[str, FleetBox] = {}
        for pattern in (who,) if isinstance(who, str) else who:
            found = {
                name: box for name, box in self.fleet.boxes.items() if fnmatchcase(name, pattern)
            }
            if not found:
                names = ", ".join(list(self.fleet.boxes)[:6])
                raise ScenarioError(f"nobody is called {pattern!r:.60}: there are {names} …")
            chosen |= found
        return chosen

    def _note_written(self) -> None:
        """Take down the facts that became durable; those that failed or were lost go."""
        waiting: list[tuple[float, str, FleetBox, int]] = []
        for at_s, name, box, handle in self._written:
            wrote = box.node.wrote.get(handle)
            if wrote is not None and wrote.entry is not None:
                self.facts.append(Fact(at_s, name, wrote.entry))
            elif wrote is None and box.node.mind is not None:
                waiting.append((at_s, name, box, handle))
        self._written = waiting

    def _wrote(self, name: str, handle: int) -> None:
        self._written.append((self.now_s, name, self.fleet.box(name), handle))

    # ------------------------------------------------------------------------------ faults

    def _cut(self, cut: sc.Cut) -> None:
        if self.cuts:
            standing = ", ".join(self.cuts)
            raise ScenarioError(f"cut {cut.label}: heal {standing} first, one cut stands at a time")
        side = list(self.choose(cut.side).values())
        self.cuts[cut.label] = side
        self.fleet.simulation.partition([box.node for box in side])
        self.counts["cuts"] += 1

    def _heal(self, label: str) -> None:
        if label != "all" and label not in self.cuts:
            standing = ", ".join(self.cuts) or "none"
            raise ScenarioError(f"heal {label}: no such cut stands; there is {standing}")
        self.cuts.clear()
        self.fleet.simulation.heal()

    def _links(self, links: sc.Links) -> None:
        if links.loss is not None:
            self.fleet.simulation.loss = links.loss

    def _crash(self, who: sc.Several) -> None:
        up = {name: box for name, box in self.choose(who).items() if box.node.mind is not None}
        if not up:
            raise ScenarioError(f"crash {who}: none of them is up")
        for name in up:
            self.fleet.crash(name)
        self.counts["crashes"] += len(up)

    def _restart(self, who: sc.Several) -> None:
        down = {name: box for name, box in self.choose(who).items() if box.node.mind is None}
        if not down:
            raise ScenarioError(f"restart {who}: none of them is down")
        for name in down:
            self.fleet.restart(name)

    def _disk(self, disk: sc.Disk) -> None:
        for box in self.choose(disk.who).values():
            box.node.disk.is_full = disk.full

    def _clock(self, clock: sc.Clock) -> None:
        ahead_s = sc.seconds(clock.ahead) if clock.ahead else -sc.seconds(clock.behind or "0s")
        for box in self.choose(clock.who).values():
            box.node.clock_offset_ms += round(ahead_s * 1000)

    # ------------------------------------------------------------------------------ people

    def _swap_hardware(self, swap: sc.Swap) -> None:
        self.fleet.swap_hardware(swap.name, by=swap.by)

    def _revoke(self, revoke: sc.Revoke) -> None:
        self._wrote(revoke.by, self.fleet.box(revoke.by).revoke(revoke.name))

    def _grant(self, grant: sc.Grant) -> None:
        key = self.fleet.key(f"{grant.name}/by {grant.by}").public
        self._wrote(grant.by, self.fleet.box(grant.by).grant(key, grant.name))

    def _put(self, put: sc.Put) -> None:
        body: dict[str, object] = {"key": put.key, "value": put.value, "supersedes": []}
        self._wrote(put.by, self.fleet.box(put.by).write("put", body))

    # ------------------------------------------------------------------------------- boxes

    def _publish(self, publish: sc.Publish) -> None:
        every_ns = round(sc.seconds(publish.every) * SECOND)
        now_ns = self.fleet.simulation.now_ns
        for name in self.choose(publish.who):
            for number in range(publish.count):
                self._order += 1
                due = (now_ns + number * every_ns, self._order, lambda name=name: self._say(name))
                heapq.heappush(self._agenda, due)

    def _say(self, name: str) -> None:
        """Publish one event, unless the box is down or replaced and gone."""
        box = self.fleet.boxes.get(name)
        if box is None or box.node.mind is None:
            self.counts["mute"] += 1
            return
        event_id = box.publish(self._draft(box))
        self.spoken[event_id] = Spoken(self.now_s, box.node.public, box.name)
        self.counts["published"] += 1

    def _draft(self, box: FleetBox) -> Draft:
        place = box.mind.views.places.get(box.name.removesuffix(REPLACED))
        if place is None:
            raise ScenarioError(f"{box.name} stands nowhere: only boxes publish")
        data = NEAR_MISS.encode(NearMiss("van", 0.9))
        return Draft(type=NEAR_MISS.name, data=data, cell=place.cell, model=MODEL)

    def _impersonate(self, wish: sc.Impersonation) -> None:
        """Send what another box might have said, sealed with the wrong key."""
        liar, other = self.fleet.box(wish.by), self.fleet.box(wish.name)
        draft = self._draft(other)
        simulation = self.fleet.simulation
        event: SealedEvent = liar.mind.speaking.seal(draft, simulation.instant(liar.node))
        topic = liar.mind.speaking.topic(draft)
        assert topic is not None
        wire = forge(event, author=other.node.public, name=other.name, secret=liar.node.secret)
        framed = message_frame(encode_message(Message(topic, wire)))
        peers = [link.peer for link in liar.mind.links.members()]
        simulation.perform(
            liar.node,
            [Send(peer, GOSSIP_PROTOCOL, framed, Priority.EVENT) for peer in peers],
        )
        self.turned.add(liar.node.public)
        self.counts["forged"] += len(peers)
