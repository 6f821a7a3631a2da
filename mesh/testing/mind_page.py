"""A mind at a moment, as lines for people: who it is linked to, sees, trusts, holds, refused."""

from collections import Counter
from collections.abc import Iterator

from crdt.entry import Lane
from mesh.testing.fleet import Fleet

__all__ = ["describe_box"]


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
