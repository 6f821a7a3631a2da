"""Conducting: the conductor of one box, told what changed, and its wishes made effects of a mind.

The conductor decides what a box runs (`mesh.orchestration.conductor`); this is only who tells it
what, and when. It looks half a second after the views or the links did change, and when a soak
ends; where there are rollouts also after every sync that came to its end. What it must not forget
is made durable before anything else that it wants is done, so its other wishes wait behind a
ticket. A report counts as held by a linked peer when a sync with one that began after the report
was shown came to its end.

A node without a name, and a bootstrap peer, has no conductor and conducts nothing.
"""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from crdt.entry import Lane
from crdt.errors import CrdtError
from crdt.registers import Register
from crdt.standing import Authority, Pair
from identity.keys import SecretKey
from mesh.coordination.trust import PeerClass
from mesh.mind.cores import Cores
from mesh.mind.effects import Apply, Fetch, Persist
from mesh.mind.writing import WriteError
from mesh.orchestration import goals
from mesh.orchestration.cohort import parse_names
from mesh.orchestration.conductor import Conductor
from mesh.orchestration.errors import InvalidCohortError
from mesh.orchestration.halt import HALT_KIND, Halt
from mesh.orchestration.labels import LABELS_KIND, labels_of
from mesh.orchestration.memory import Memory
from mesh.orchestration.records import SignedHalt, halts_of
from mesh.orchestration.report import (
    REPORT_KIND,
    Report,
    parse_report,
    report_topic,
    report_value,
)
from mesh.orchestration.rollouts import Rollouts, fold_rollouts
from mesh.orchestration.sight import Sight, sight_of
from mesh.units import SECOND

__all__ = ["Conducting"]

TICKETS = 1 << 40
"""Tickets from here on are for the conductor's memory; see `mesh.mind.keeping` for those below."""
AGAIN_NS = 10 * SECOND
"""What the disk refused is asked for again this much later."""
LOOK_NS = SECOND // 4
"""Changes are looked at this much later, in one go."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The views of the last fold; another object is another view."""

    authority: Authority
    registers: Mapping[str, Register]
    fleet: object
    lists: int
    rollouts: Rollouts


class Conducting:
    """What one node does about rollouts.

    Args:
        cores: the rest of its mind.
        secret: its key, for reports.
        memory: what its conductor wrote down before; none at the first start.
    """

    def __init__(self, cores: Cores, secret: SecretKey, memory: bytes | None) -> None:
        self._cores = cores
        config = cores.config
        kept = Memory.recalled(memory)
        self._conductor: Conductor | None = None
        if config.name and not config.caches_only:
            self._conductor = Conductor(
                ns=cores.ns,
                secret=secret,
                name=config.name,
                labels=config.labels,
                memory=kept,
            )
        self._cohorts: dict[bytes, tuple[str, ...]] = {}
        self._lists = 0
        self._seen: _Seen | None = None
        self._halts: tuple[Authority | None, tuple[SignedHalt, ...]] = (None, ())
        self._shown: dict[bytes, int] = {}
        self._ticket = self._durable = TICKETS
        self._behind: deque[tuple[int, goals.Effect]] = deque()
        self._memory = b""
        self._signing: dict[int, Halt] = {}
        self._unsigned: list[Halt] = []
        self._labels_ns = 0
        said = [held.report for held in kept.intents.values() if held.report is not None]
        topics = {report_topic(r.intent, r.name): report_value(r) for r in said}
        cores.writing.recall(Lane.FLEET, topics)

    # ---------------------------------------------------------------------------- to look at

    @property
    def conductor(self) -> Conductor | None:
        """What decides; to be read."""
        return self._conductor

    @property
    def rollouts(self) -> Rollouts:
        """All rollouts of the view of now."""
        replica = self._cores.replica
        authority, registers = replica.authority, replica.registers
        fleet, seen = replica.status(Lane.FLEET), self._seen
        if (
            seen is None
            or seen.authority is not authority
            or seen.registers is not registers
            or seen.fleet is not fleet
            or seen.lists != self._lists
        ):
            halts = self._surviving(authority)
            if self._cohorts:
                folded = fold_rollouts(authority, registers, fleet, halts, self._cohorts)
            else:  # the same for all that hold the same: which lists a box has is its own
                folded = replica.folds.once(
                    "rollouts",
                    (authority, registers, fleet, halts),
                    lambda: fold_rollouts(authority, registers, fleet, halts, {}),
                )
            seen = self._seen = _Seen(authority, registers, fleet, self._lists, folded)
        return seen.rollouts

    @property
    def sight(self) -> Sight:
        """What this box sees now."""
        cores = self._cores
        return sight_of(
            cores.replica.authority,
            cores.neighbours.presence,
            me=cores.config.name,
            linked=[link.peer for link in cores.links.members()],
            synced=cores.syncing.compared_since(0),
            folds=cores.replica.folds,
        )

    # --------------------------------------------------------------------------- what it hears

    def deliver(self, slot: str, artefact: bytes | None) -> None:
        """Take note of a slot that this box has, and what it ran before any intent, if anything."""
        if self._conductor is not None:
            self._conductor.deliver(slot, artefact)
            self.soon()

    def answer(self, slot: str, artefact: bytes, answer: goals.Answer) -> None:
        """Hear what became of a goal."""
        if self._conductor is not None:
            now_ns = self._cores.now.mono_ns
            self._take(self._conductor.answer(slot, artefact, answer, now_ns))

    def fetched(self, digest: bytes, data: bytes) -> None:
        """Take a list of names that was fetched; bytes that are none stay a list not held."""
        if digest not in self.lists_wanted or digest in self._cohorts:
            return
        try:
            self._cohorts[digest] = parse_names(data)
        except InvalidCohortError:
            return
        self._lists += 1
        self.soon()

    @property
    def lists_wanted(self) -> frozenset[bytes]:
        """Digests of the lists that intents name."""
        return frozenset(rollout.intent.cohort for rollout in self.rollouts.by_id.values())

    @property
    def needed(self) -> frozenset[bytes]:
        """Digests that must stay on the disk: what slots run, ran or are to run, and lists."""
        found: set[bytes] = set()
        for rollout in self.rollouts.by_id.values():
            if rollout.dead is None:
                found |= {rollout.intent.artefact, rollout.intent.cohort}
        if self._conductor is not None:
            for slot in self._conductor.memory.slots.values():
                found |= {each.artefact for each in (slot.current, *slot.past) if each is not None}
        return frozenset(found)

    @property
    def withdrawn(self) -> tuple[bytes, ...]:
        """Digests that nobody may run any more, ascending."""
        models = self.rollouts.models
        return tuple(sorted(key for key in models if self.rollouts.is_withdrawn(key)))

    def soon(self) -> None:
        """Something changed: look soon."""
        if self._conductor is not None:
            self._cores.soon("rollouts", LOOK_NS)

    def compared(self) -> None:
        """A sync came to its end, which concerns only who has a rollout to decide about."""
        if self.rollouts.by_id:
            self.soon()

    def look(self) -> None:
        """Decide anew."""
        if self._conductor is None:
            return
        rollouts, now_ns = self.rollouts, self._cores.now.mono_ns
        named = self.lists_wanted
        self._cohorts = {key: names for key, names in self._cohorts.items() if key in named}
        self._take(self._conductor.look(rollouts, self.sight, now_ns))
        self._state_labels(now_ns)
        self._ask_who_holds(self._conductor, now_ns)

    def persisted(self, ticket: int) -> None:
        """The memory under a ticket is durable: do what waited for it."""
        if ticket > TICKETS:
            self._durable = max(self._durable, ticket)
            self._release()

    def persist_failed(self, ticket: int) -> None:
        """The disk refused the memory: ask again, unless a later one is on its way."""
        if ticket == self._ticket > self._durable:
            self._cores.soon("memory", AGAIN_NS)

    def remember(self) -> None:
        """Ask the disk again."""
        if self._ticket > self._durable:
            self._cores.out.append(Persist(self._ticket, memory=self._memory))

    def wrote(self, handle: int, *, failed: bool) -> None:
        """A fact of ours is durable, or lost: a lost halt is signed again."""
        halt = self._signing.pop(handle, None)
        if halt is not None and failed:
            self._unsigned.append(halt)
            self._cores.soon("halts", AGAIN_NS)

    def sign_again(self) -> None:
        """Sign the halts that the disk refused, where none counts yet."""
        unsigned, self._unsigned = self._unsigned, []
        for halt in unsigned:
            rollout = self.rollouts.by_id.get(halt.intent)
            if rollout is not None and not rollout.halts:
                self._sign(halt)

    # ------------------------------------------------------------------------------- inside

    def _surviving(self, authority: Authority) -> tuple[SignedHalt, ...]:
        if self._halts[0] is not authority:
            replica = self._cores.replica

            def fold() -> tuple[SignedHalt, ...]:
                found = map(replica.entry, authority.surviving)
                return halts_of(authority, (entry for entry in found if entry is not None))

            self._halts = (authority, replica.folds.once("halts", (authority,), fold))
        return self._halts[1]

    def _state_labels(self, now_ns: int) -> None:
        """State what this box carries, and again where its own view does not show it."""
        cores, labels = self._cores, dict(self._cores.config.labels)
        me = Pair(cores.public, cores.config.name)
        shown = labels_of(cores.replica.status(Lane.FLEET), me)
        is_member = cores.trust.peer_class(cores.public).peer_class is PeerClass.MEMBER
        if labels == shown or now_ns < self._labels_ns or not is_member:
            return
        self._labels_ns = now_ns + AGAIN_NS
        cores.soon("rollouts", AGAIN_NS)
        with suppress(CrdtError, WriteError):
            t = cores.now.wall_ms
            cores.writing.state(Lane.FLEET, LABELS_KIND, LABELS_KIND, labels, t=t, now_ns=now_ns)

    def _ask_who_holds(self, conductor: Conductor, now_ns: int) -> None:
        """Tell the conductor which of the reports it waits for a linked peer holds."""
        syncing, me = self._cores.syncing, Pair(self._cores.public, self._cores.config.name)
        said = self._cores.replica.status(Lane.FLEET).get(me, {}).values()
        awaited = set(conductor.awaited)
        shown = {report.id for value in said if (report := _report_in(value)) is not None}
        for report in awaited & shown - self._shown.keys():
            self._shown[report] = syncing.mark
            syncing.spread(None, now_ns)
        self._shown = {key: mark for key, mark in self._shown.items() if key in awaited}
        for report, mark in sorted(self._shown.items()):
            members = {link.peer for link in self._cores.links.members()}
            if members.intersection(syncing.compared_since(mark)):
                self._take(conductor.report_held(report, now_ns))

    def _take(self, effects: tuple[goals.Effect, ...]) -> None:
        """Queue what the conductor wants behind what it must not forget."""
        for effect in effects:
            if isinstance(effect, goals.Keep):
                self._ticket += 1
                self._memory = effect.memory
                self.remember()
            else:
                self._behind.append((self._ticket, effect))
        self._release()

    def _release(self) -> None:
        while self._behind and self._behind[0][0] <= self._durable:
            self._perform(self._behind.popleft()[1])

    def _perform(self, effect: goals.Effect) -> None:
        cores = self._cores
        t, now_ns = cores.now.wall_ms, cores.now.mono_ns
        match effect:
            case goals.Run(goal):
                cores.out.append(Apply(goal))
            case goals.Fetch(reference):
                if reference.digest not in self._cohorts:
                    cores.out.append(Fetch(reference))
            case goals.Wake(at_ns):
                cores.soon("rollouts", max(0, at_ns - now_ns))
            case goals.Unsay(topic):
                cores.writing.unsay(Lane.FLEET, topic)
            case goals.Say(report):
                topic, body = report_topic(report.intent, report.name), report_value(report)
                with suppress(CrdtError, WriteError):  # it is said again: nobody shows it
                    cores.writing.state(Lane.FLEET, topic, REPORT_KIND, body, t=t, now_ns=now_ns)
            case goals.Sign(halt):
                self._sign(halt)
            case goals.Keep():
                pass

    def _sign(self, halt: Halt) -> None:
        cores = self._cores
        body, t, now_ns = halt.to_value(), cores.now.wall_ms, cores.now.mono_ns
        try:
            handle = cores.writing.write(Lane.AUTH, HALT_KIND, body, t=t, now_ns=now_ns)
        except (CrdtError, WriteError):
            self._unsigned.append(halt)
            cores.soon("halts", AGAIN_NS)
        else:
            self._signing[handle] = halt


def _report_in(value: object) -> Report | None:
    wire = cast("dict[str, object]", value).get("report") if isinstance(value, dict) else None
    return parse_report(wire) if isinstance(wire, bytes) else None
