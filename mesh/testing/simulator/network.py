"""The simulated network: who reaches whom, and when a frame arrives.

Boxes talk over reliable streams, as TCP gives them, and this is a model of streams, not of packets:

- a frame takes the link's latency, and jitter on top; frames of one stream arrive in order;
- a link with a rate sends one frame after the other, so what waits before it delays it;
- a lost packet costs delay, not data: a retransmission timeout of 200 ms that doubles each time
  (RFC 6298; 200 ms is the least that Linux uses). No fast retransmit: that needs three packets
  behind the lost one, which our streams seldom have. Who is lost for ten seconds in a row is lost
  for good, and with it the link, because the keepalive gives up then;
- a reordered packet costs the wait for the one before it; a duplicate costs its bytes on the wire,
  and no stream ever sees it;
- a cut lets nothing through. What was under way is sent again when the cut is healed, if the link
  still stands then (`simulator.streams`).

A cut is a rule with a label, so several stand at once and each is healed alone. All randomness is
drawn from the one generator that is handed in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from mesh.units import MS, SECOND

if TYPE_CHECKING:
    from random import Random

__all__ = [
    "BACKLOG_BYTES_MAX",
    "EVERY_CUT",
    "NOTICED_NS",
    "LinkModel",
    "Network",
    "NetworkModelError",
    "Timing",
    "changed",
]

EVERY_CUT = "all"
"""What scenarios heal when they heal every cut; so no cut is called that."""
NOTICED_NS = 10 * SECOND
"""How long a silent link takes to be noticed: the keepalive of the real one."""
RETRANSMIT_NS = 200 * MS
"""First retransmission timeout; it doubles."""
REORDERED_NS = 20 * MS
"""Most that a reordered packet comes late."""
PACKET_BYTES = 1448
"""Payload of one TCP packet on Ethernet."""
BACKLOG_BYTES_MAX = 4 << 20
"""Bytes that wait before a link; more are dropped, as the queue of a real box drops them."""
_FLIGHTS = 5
"""One-way trips until a connection is agreed on: TCP, noise, the muxer."""


class NetworkModelError(ValueError):
    """A link model, a cut or a label that makes no sense."""


class Timing(Protocol):
    """What one direction of a link remembers of its traffic.

    Attributes:
        sent_ns: when the last byte of all so far is on the wire.
        ready_ns: when the last frame of all so far arrives.
    """

    sent_ns: int
    ready_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkModel:
    """How a link behaves, each way.

    Attributes:
        latency_ms: one way.
        jitter_ms: added at random, up to this much.
        loss: share of packets that are lost and sent again.
        duplication: share of packets that are sent twice.
        reordering: share of packets that come late.
        kbit_s: rate in thousand bits a second; None for no limit.
    """

    latency_ms: float = 5.0
    jitter_ms: float = 1.0
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    kbit_s: float | None = None

    def __post_init__(self) -> None:
        for word in ("loss", "duplication", "reordering"):
            share = getattr(self, word)
            if not 0 <= share <= 1:
                raise NetworkModelError(f"{word}={share!r}: expected a share from 0 to 1")
        for word in ("latency_ms", "jitter_ms"):
            if getattr(self, word) < 0:
                raise NetworkModelError(f"{word}={getattr(self, word)!r}: expected 0 ms or more")
        if self.kbit_s is not None and self.kbit_s <= 0:
            raise NetworkModelError(f"kbit_s={self.kbit_s!r}: expected more than 0; a cut is none")


def changed(model: LinkModel, fields: Mapping[str, float | None]) -> LinkModel:
    """Return a link model with some of its fields changed.

    Raises:
        NetworkModelError: a value makes no sense.
        TypeError: there is no such field.
    """
    return replace(model, **fields)  # pyright: ignore[reportArgumentType]  (checked when made)


@dataclass(frozen=True, slots=True)
class _Cut:
    """What a label blocks: from one set to another, or between a set and everybody else.

    Attributes:
        side: who is cut off.
        to: whom the side does not reach; None for everybody else, both ways.
        inside: whether those of the side do not reach each other either.
    """

    side: frozenset[bytes]
    to: frozenset[bytes] | None = None
    inside: bool = False

    def blocks(self, sender: bytes, receiver: bytes) -> bool:
        if self.to is not None:
            return sender in self.side and receiver in self.to
        if self.inside:
            return sender in self.side or receiver in self.side
        return (sender in self.side) != (receiver in self.side)

    def joined(self, key: bytes, like: bytes) -> "_Cut":
        """This cut, with one more box that stands where another does."""
        grown = self.side | {key} if like in self.side else self.side
        to = self.to | {key} if self.to is not None and like in self.to else self.to
        return _Cut(grown, to, self.inside)


class Network:
    """The ways between boxes, which are known by their public keys.

    Args:
        rng: where every random number comes from.
        model: how links behave unless `shape` says otherwise.

    Attributes:
        lost: packets that were lost on the way so far; all but the last of a link were sent again.
    """

    def __init__(self, rng: "Random", model: LinkModel) -> None:
        self.model = model
        self.lost = 0
        self._rng = rng
        self._cuts: dict[str, _Cut] = {}
        self._shapes: list[tuple[frozenset[bytes], frozenset[bytes], LinkModel]] = []
        self._behind_nat: set[bytes] = set()

    # ---------------------------------------------------------------------------------- faults

    def cut(self, label: str, side: Iterable[bytes]) -> None:
        """Cut a side off from everybody else."""
        self._add(label, _Cut(frozenset(side)))

    def cut_one_way(self, label: str, from_: Iterable[bytes], to: Iterable[bytes]) -> None:
        """Lose whatever the first send to the second; the other way stays open."""
        self._add(label, _Cut(frozenset(from_), frozenset(to)))

    def blackhole(self, label: str, keys: Iterable[bytes]) -> None:
        """Lose whatever these send and whatever is sent to them, by anybody."""
        self._add(label, _Cut(frozenset(keys), inside=True))

    def heal(self, label: str | None = None) -> None:
        """Take one cut away, or all.

        Raises:
            NetworkModelError: there is no such cut.
        """
        if label is None:
            self._cuts.clear()
        elif self._cuts.pop(label, None) is None:
            known = f"expected one of {', '.join(self._cuts)}" if self._cuts else "none stands"
            raise NetworkModelError(f"no cut is called {label!r}: {known}")

    def cuts(self) -> list[str]:
        """Return the labels of what is cut now."""
        return list(self._cuts)

    def cut_off(self) -> dict[str, frozenset[bytes]]:
        """Return whom each cut is about, by its label: who is cut off, or is not told any more."""
        return {label: cut.to or cut.side for label, cut in self._cuts.items()}

    def shape(
        self, model: LinkModel, between: tuple[Iterable[bytes], Iterable[bytes]] | None = None
    ) -> None:
        """Have links behave so from now on: all, or those between two sets; the last counts."""
        if between is None:
            self.model = model
            self._shapes.clear()
        else:
            self._shapes.append((frozenset(between[0]), frozenset(between[1]), model))

    def behind_nat(self, key: bytes) -> None:
        """Nobody can dial this box from now on; it dials."""
        self._behind_nat.add(key)

    def stands_with(self, key: bytes, like: bytes) -> None:
        """A new box stands where another does: whatever cuts that one off, cuts off this one."""
        joined = {label: cut.joined(key, like) for label, cut in self._cuts.items()}
        self._cuts = joined
        if like in self._behind_nat:
            self._behind_nat.add(key)

    # ------------------------------------------------------------------------------- questions

    def crosses(self, sender: bytes, receiver: bytes) -> bool:
        """Whether frames get from one box to the other."""
        return not any(cut.blocks(sender, receiver) for cut in self._cuts.values())

    def is_whole(self, a: bytes, b: bytes) -> bool:
        """Whether frames get through both ways, without which no link lasts."""
        return not self._cuts or (self.crosses(a, b) and self.crosses(b, a))

    def may_dial(self, caller: bytes, called: bytes) -> bool:
        """Whether a dial can get an answer."""
        return called not in self._behind_nat and self.is_whole(caller, called)

    def model_of(self, a: bytes, b: bytes) -> LinkModel:
        """Return how the link between two boxes behaves."""
        for one, other, model in reversed(self._shapes):
            if (a in one and b in other) or (b in one and a in other):
                return model
        return self.model

    # ---------------------------------------------------------------------------------- timing

    def latency_ns(self, a: bytes, b: bytes) -> int:
        """Return how long the way takes, jitter and losses apart."""
        return int(self.model_of(a, b).latency_ms * MS)

    def handshake_ns(self, a: bytes, b: bytes) -> int | None:
        """Return how long it takes until a connection is agreed on; None if it never is."""
        model = self.model_of(a, b)
        again_ns = self._again_ns(model, _FLIGHTS)
        return None if again_ns is None else int(_FLIGHTS * model.latency_ms * MS) + again_ns

    def fits(self, way: Timing, a: bytes, b: bytes, size: int, now_ns: int) -> bool:
        """Whether a frame still finds room before a link."""
        rate = self.model_of(a, b).kbit_s
        if rate is None or way.sent_ns <= now_ns:
            return True
        waiting = (way.sent_ns - now_ns) / SECOND * rate * 1000 / 8
        return waiting + size <= BACKLOG_BYTES_MAX

    def arrival_ns(self, way: Timing, a: bytes, b: bytes, size: int, now_ns: int) -> int | None:
        """Return when a frame sent now is there, in order; None if it is lost for good.

        Args:
            way: what this direction of the link remembers.
            a: who sends.
            b: who receives.
            size: bytes on the wire.
            now_ns: virtual time.
        """
        model, random = self.model_of(a, b), self._rng.random
        start_ns = max(now_ns, way.sent_ns)
        if model.kbit_s is not None:
            copies = 2 if model.duplication and random() < model.duplication else 1
            start_ns += int(copies * size * 8 * SECOND / (model.kbit_s * 1000))
        late_ns = int(random() * model.jitter_ms * MS)
        if model.reordering and random() < model.reordering:
            late_ns += int(random() * REORDERED_NS)
        again_ns = self._again_ns(model, -(-size // PACKET_BYTES))
        if again_ns is None:
            return None
        way.sent_ns = start_ns
        due_ns = start_ns + int(model.latency_ms * MS) + late_ns + again_ns
        way.ready_ns = max(way.ready_ns, due_ns)
        return way.ready_ns

    def _again_ns(self, model: LinkModel, packets: int) -> int | None:
        """How long it takes until what was lost of so many packets was sent again."""
        if not model.loss:
            return 0
        waited_ns, timeout_ns = 0, RETRANSMIT_NS
        chance = 1 - (1 - model.loss) ** packets
        while self._rng.random() < chance:
            self.lost += 1
            waited_ns += timeout_ns
            timeout_ns *= 2
            if waited_ns >= NOTICED_NS:
                return None
            chance = model.loss
        return waited_ns

    def _add(self, label: str, cut: _Cut) -> None:
        if label in self._cuts:
            raise NetworkModelError(f"a cut is called {label!r} already: heal it first")
        if not cut.side or (cut.to is not None and not cut.to):
            raise NetworkModelError(f"the cut {label!r} is of nobody: expected at least one box")
        if label == EVERY_CUT:
            raise NetworkModelError(f"no cut is called {label!r}: to heal that heals every cut")
        if cut.to is not None and len(cut.side | cut.to) == 1:
            raise NetworkModelError(f"the cut {label!r} is of one box from itself: name two")
        self._cuts[label] = cut
