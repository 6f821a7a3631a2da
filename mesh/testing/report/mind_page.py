"""A mind at a moment, as lines for people: who it is linked to, sees, trusts, holds, refused."""

import re
from collections import Counter, deque
from collections.abc import Iterator

from crdt.entry import Lane
from mesh.testing.fleets.fleet import Fleet
from mesh.testing.fleets.sight import Sight
from mesh.units import SECOND

__all__ = ["LastHeard", "describe_box", "describe_journal"]

HEARD_MAX = 8
"""Events that are told, the last ones."""
JOURNAL_LINES_MAX = 8
"""Lines of the journal that are told, the last ones."""


class LastHeard:
    """What a box heard last; `watch` is to be called with every sight."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._heard: deque[str] = deque(maxlen=HEARD_MAX)

    def watch(self, sight: Sight) -> None:
        """Take down what it heard since the last look."""
        for heard in sight.deliveries:
            if heard.receiver == self._name:
                event, made = heard.event, heard.decision.value
                said = sight.spoken.get(event.id)
                late = "" if said is None else f", {(heard.at_s - said.at_s) * 1000:.0f} ms old"
                self._heard.append(
                    f"{heard.at_s:8.2f} s  {event.type} of {event.name}{late}; request: {made}"
                )

    def lines(self) -> Iterator[str]:
        """Yield what there is to say."""
        yield f"  heard last: {'' if self._heard else 'nothing'}".rstrip()
        for line in self._heard:
            yield f"  {line}"


def describe_journal(fleet: Fleet, name: str, began_ns: int) -> Iterator[str]:
    """Yield what was done last to a box, and to all."""
    lines = [each for each in fleet.journal if each.at_ns >= began_ns]
    about = re.compile(rf"{re.escape(name)}(?!\w)|healed")
    named = [each for each in lines if about.search(each.words)]
    yield f"  done to it last: {'' if named else 'nothing'}".rstrip()
    for each in named[-JOURNAL_LINES_MAX:]:
        yield f"  {(each.at_ns - began_ns) / SECOND:8.2f} s  {each.words}"


def describe_box(fleet: Fleet, name: str) -> Iterator[str]:
    """Yield what there is to say of a box."""
    box = fleet.box(name)
    if box.node.mind is None:
        yield f"{name} is down; its disk holds {len(box.node.disk.load().entries)} entries"
        return
    names = {each.node.public: label for label, each in fleet.boxes.items()}
    told, replica = box.mind.statistics(), box.mind.replica
    clock = "trusted" if told.clock_trusted else "not trusted"
    yield f"{name} is up since its start number {box.node.life}, its clock {clock}"
    for link in told.links:
        yield f"  linked to {names.get(link.peer, '?')}, {link.peer_class} {link.reason}".rstrip()
    for word in ("seen", "dark", "unknown"):
        keys: tuple[bytes, ...] = getattr(told.presence, word)
        yield f"  {word}: {', '.join(names.get(key, 'a stranger') for key in keys) or 'nobody'}"
    for pair, standing in replica.authority.standings.items():
        if not standing.current or standing.contested:
            words = [
                word
                for word in ("revoked", "contested", "undecided")
                if getattr(standing, word)
            ]  # fmt: skip
            words += [] if standing.winning else ["replaced"]
            yield f"  {pair.name} with key {pair.key.hex()[:8]}: {', '.join(words)}"
    lanes = Counter(Lane(entry.lane).name for entry in replica.entries())
    held = ", ".join(f"{count} {lane}" for lane, count in sorted(lanes.items()))
    yield f"  holds {held} entries; authority view {replica.authority.digest.hex()[:12]}"
    refused = {why: count for why, count in told.admission.refused.items() if count}
    yield f"  events: {told.admission.accepted} accepted, refused {refused or 'none'}"
    for refusal in told.admission.recent[-5:]:
        yield f"    {refusal.reason.value} {refusal.name or ''} {refusal.detail}".rstrip()
