"""Watches a fleet that is driven by hand, as a test does, so that a page can be made of it.

It looks at the boxes every virtual second and after each verb, between two things that happen: it
reads what is there, draws no number, puts nothing into the queue. So a run that is watched is the
very run that is not, with the same trace.
"""

from collections import deque
from collections.abc import Iterator
from itertools import takewhile

from mesh.testing.checkers.rollout_witness import RolloutWitness
from mesh.testing.fleets.fleet import Fleet, FleetBox
from mesh.testing.fleets.sight import Fact, Sight
from mesh.testing.fleets.town import MODEL
from mesh.testing.fleets.written import Written
from mesh.testing.report.recording import Band, Deed, Recording
from mesh.testing.scenarios.world import SeenBox
from mesh.testing.simulator.trace import Happening
from mesh.units import SECOND

__all__ = ["FleetWatch"]

LOOK_NS = SECOND
"""Virtual time between two looks, at first."""
LOOKS = 1_000
"""Looks after which the time between two gets longer by as much again."""
DEEDS_MAX = 400
"""Publications that are kept, and other deeds as many: the last ones."""
NOTED = frozenset({"revoke", "pin"})
"""Facts of which the journal has a line of its own."""


class FleetWatch:
    """Looks on from now on; `finish` ends it.

    Args:
        fleet: whom to watch.
        name: what the run is called.
    """

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.fleet = fleet
        self.recording = Recording(name, keeps_last=True)
        self.recording.begin_s = fleet.now_s
        self._deeds: deque[Deed] = deque(maxlen=DEEDS_MAX)
        self._publications: deque[tuple[Deed, bytes]] = deque(maxlen=DEEDS_MAX)
        self._count = 0
        self._noted: Happening | None = None
        self._seen: Happening | None = None
        self._said: dict[bytes, tuple[float, str]] = {}
        self._heard_by: dict[bytes, int] = {}
        self._heard = 0
        self._written = Written()
        self._facts: list[Fact] = []
        self._cuts: dict[str, tuple[float, frozenset[bytes]]] = {}
        self._witness = RolloutWitness(lambda: fleet.now_s, frozenset((MODEL,)))
        self._delivered: set[bytes] = set()
        self._looks = 0
        self._due_ns = 0
        fleet.onlooker = self
        fleet.simulation.look = self._pass
        fleet.simulation.workbench.witness = self._witness

    def published(self, box: FleetBox, event: bytes, type_name: str) -> None:
        """A box has said something."""
        name = self._name(box)
        self._said[event] = (self.fleet.now_s, name)
        self._note_journal()
        self._publications.append((self._deed(f"{name} publishes {type_name}"), event))

    def wrote(self, box: FleetBox, kind: str, handle: int) -> None:
        """A fact was written at a box."""
        name = self._name(box)
        self._written.add(self.fleet.now_s, name, box, handle)
        if kind not in NOTED:
            self._note_journal()
            self._deeds.append(self._deed(f"{name} writes a fact: {kind}"))

    def finish(self) -> Recording:
        """Look once more, and return what there was to see."""
        self._look()
        kept = [*self._deeds, *map(self._told, self._publications)]
        self.recording.deeds = sorted(kept, key=lambda deed: deed.number)
        for label in list(self._cuts):
            self._healed(label)
        return self.recording

    def _pass(self) -> None:
        """Time passes: look if it is time for that, or something was done."""
        journal = self.fleet.journal
        is_news = bool(journal) and journal[-1] is not self._seen
        if is_news or self.fleet.now_ns >= self._due_ns:
            self._look()

    def _look(self) -> None:
        fleet = self.fleet
        self._looks += 1
        self._due_ns = fleet.now_ns + LOOK_NS * (1 + self._looks // LOOKS)
        self._note_journal()
        self._seen = self._noted
        self._note_cuts()
        self._facts += self._written.take()
        self._note_delivered()
        for each in fleet.deliveries[self._heard :]:
            said_s, speaker = self._said.get(each.event, (None, each.name))
            self._heard_by[each.event] = self._heard_by.get(each.event, 0) + 1
            self.recording.hear(speaker, said_s, each.at_ns / SECOND, each.receiver)
        self._heard = len(fleet.deliveries)
        self.recording.watch(self._sight())

    def _sight(self) -> Sight:
        fleet, cuts = self.fleet, self.fleet.ways.cuts()
        done_ns = 0 if self._noted is None else self._noted.at_ns
        return Sight(
            now_s=fleet.now_s,
            step="",
            is_last=False,
            is_whole=not cuts,
            is_idle=self._written.is_empty,
            calm_s=(fleet.now_ns - done_ns) / SECOND,
            boxes=[
                SeenBox(name, box, is_honest=box.node.misbehaviour is None)
                for name, box in fleet.boxes.items()
            ],
            deliveries=(),
            facts=self._facts,
            spoken={},
            moves=self._witness.take(),
            cuts=cuts,
            places=fleet.town.places,
        )

    # ---------------------------------------------------------------------------- what was done

    def _deed(self, words: str, at_s: float | None = None) -> Deed:
        self._count += 1
        return Deed(self._count, self.fleet.now_s if at_s is None else at_s, words)

    def _told(self, publication: tuple[Deed, bytes]) -> Deed:
        deed, event = publication
        count = self._heard_by.get(event, 0)
        return Deed(deed.number, deed.at_s, f"{deed.words}; applications that heard it: {count}")

    def _note_journal(self) -> None:
        for happening in reversed(list(self._news())):
            self._deeds.append(self._deed(happening.words, happening.at_ns / SECOND))
            self._noted = happening

    def _news(self) -> Iterator[Happening]:
        """Yield the lines that were written since the last ones were noted, the newest first."""
        return takewhile(lambda each: each is not self._noted, reversed(self.fleet.journal))

    def _note_cuts(self) -> None:
        cut_off = self.fleet.ways.cut_off()
        for label, (_, keys) in list(self._cuts.items()):
            if not keys <= cut_off.get(label, frozenset()):
                self._healed(label)
        for label, keys in cut_off.items():
            from_s, _ = self._cuts.get(label, (self.fleet.now_s, keys))
            self._cuts[label] = (from_s, keys)

    def _healed(self, label: str) -> None:
        from_s, keys = self._cuts.pop(label)
        names = frozenset(name for name, box in self.fleet.boxes.items() if box.public in keys)
        self.recording.cut_off.append(Band(label, from_s, self.fleet.now_s, names))

    def _note_delivered(self) -> None:
        """Note what boxes came with, each once: so that it is known what a rollout replaces."""
        for name in self.fleet.town.places:
            box = self.fleet.boxes.get(name)
            if box is not None and box.is_up and box.public not in self._delivered:
                self._delivered.add(box.public)
                self._witness.has(box.node, MODEL)

    def _name(self, box: FleetBox) -> str:
        """Return what a box is called in its fleet: hardware that was replaced, otherwise."""
        found = (name for name, each in self.fleet.boxes.items() if each is box)
        return next(found, box.name)
