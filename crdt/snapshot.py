"""What a key states about itself: the fold of its STATE and FLEET feeds from their last snapshot.

The highest incarnation speaks, its last snapshot is where it begins, and a bounded number of
entries counts after that until the next one. Such statements show for current pairs only, which is
what makes pruning safe. Where the feed is forked the pinned line speaks, and none if none is held.
See docs/records.md, "Kinds, their lane and their reach" and "Compaction".
"""

from collections.abc import Iterable, Mapping
from typing import cast

from crdt.bodies import SNAPSHOT_TOPICS_MAX, Snapshot, Status
from crdt.entry import Entry, Lane
from crdt.evidence import PinRuling
from crdt.feed import Feed
from crdt.index import EntryIndex
from crdt.kinds import KINDS, Kinds
from crdt.quota import run_of_status
from crdt.standing import Authority, Pair, Standing
from identity.encoding import Value

__all__ = ["Topics", "fold_status", "pair_status", "shows_status", "status_of"]

Topics = Mapping[str, object]
"""What one key states, by topic."""


def fold_status(
    authority: Authority, entries: Iterable[Entry], lane: Lane, *, kinds: Kinds = KINDS
) -> dict[Pair, Topics]:
    """Return what each current pair that may states in a lane, by (name, key).

    Args:
        authority: settled over the same set.
        entries: the set.
        lane: STATE or FLEET.
        kinds: the table of kinds.
    """
    index = EntryIndex.of(authority.ns, entries, kinds)
    found: dict[Pair, Topics] = {}
    for pair, standing in authority.standings.items():
        if shows_status(authority, standing, lane):
            topics = pair_status(authority, index, pair, lane)
            if topics:
                found[pair] = topics
    return found


def shows_status(authority: Authority, standing: Standing, lane: int) -> bool:
    """Whether a pair's own statements show: current, with the verb `state` over its own name.

    A name too short to lie in a district has no STATE.
    """
    name = standing.pair.name
    if lane == Lane.STATE and name.count("/") + 1 < authority.district_depth:
        return False
    return standing.current and standing.may("state", name)


def pair_status(authority: Authority, index: EntryIndex, pair: Pair, lane: int) -> Topics:
    """Return what a pair that may states in a lane."""
    feed = index.top(pair.key, lane)
    if feed is None:
        return {}
    ruling = authority.rulings.get(pair)
    pin = ruling.pins.get(feed.id) if ruling is not None and ruling.pins else None
    return status_of(index, feed, pin)


def status_of(index: EntryIndex, feed: Feed, pin: PinRuling | None = None) -> Topics:
    """Return what a feed states, undecided evidence apart: of a fork, the pinned line."""
    forked = feed.is_forked_above_floor and feed.id in index.judged(feed.id.author)
    if forked and pin is None:
        return {}
    totals = index.totals(feed.id.author, feed.id.lane)
    run = run_of_status(feed, totals, pin.named.holds if pin is not None else None)
    topics: dict[str, object] = {}
    for entry in feed.linked():
        if pin is not None and forked and not pin.exempt.holds(entry):
            continue
        if run is not None and entry.id not in run.ids and not (pin and pin.named.holds(entry)):
            continue
        match index.body(entry):
            case Snapshot(said):
                topics = _checked(index, feed.id.lane, said)
            case Status(topic, value) if topic in topics or len(topics) < SNAPSHOT_TOPICS_MAX:
                topics[topic] = value
            case _:
                continue
    return topics


def _checked(index: EntryIndex, lane: int, said: Mapping[str, object]) -> dict[str, object]:
    """Return the topics of a snapshot that an entry of the lane could have stated.

    In STATE every topic is free. In FLEET a topic begins with its kind, whose parser must accept
    the value as the body of an entry that states just that topic.
    """
    if lane == Lane.STATE:
        return dict(said)
    found: dict[str, object] = {}
    for topic, value in said.items():
        rule = index.kinds.get((lane, topic.partition("/")[0]))
        stated = rule.parse(cast("Value", value)) if rule is not None else None
        if isinstance(stated, Status) and stated.topic == topic:
            found[topic] = stated.value
    return found
