"""What a key says of itself: STATE for its district, FLEET for everyone.

Only the highest incarnation is read, from its last snapshot on: at most 64 entries beyond it and at
most 64 topics; the excess is void until the next snapshot. It shows for current pairs that hold
`state` over their own name.
"""

from crdt.entry import Entry, Lane

from . import bodies
from .authority import ROOT, Verdict
from .held import begins_feed

BEYOND_SNAPSHOT_MAX = 64

Topics = dict[str, object]


def status(verdict: Verdict, lane: int) -> dict[tuple[bytes, str], Topics]:
    """Return the topics and values that each current pair shows in STATE or FLEET."""
    return {
        pair: topics
        for pair, judged in verdict.judged.items()
        if pair != ROOT
        and judged.view["current"]
        and judged.holds("state", pair[1])
        and (lane != Lane.STATE or len(pair[1].split("/")) >= verdict.genesis.district_depth)
        and (topics := topics_of(verdict, pair[0], lane, judged.decisions.void))
    }


def topics_of(verdict: Verdict, key: bytes, lane: int, void: frozenset[bytes]) -> Topics:
    """Return what the highest incarnation of a key says in a lane, evidence apart."""
    held = verdict.held
    linked = [entry for entry in held.of(key) if entry.lane == lane and entry.id in held.linked]
    highest = max((entry.inc for entry in linked), default=0)
    read = sorted(
        (entry for entry in linked if entry.inc == highest and entry.id not in void),
        key=lambda entry: entry.seq,
    )
    starts = [index for index, entry in enumerate(read) if begins_feed(entry)]
    topics: Topics = {}
    beyond = read
    if starts:
        topics |= bodies.snap(read[starts[-1]].body)
        beyond = read[starts[-1] + 1 :]
    for entry in beyond[:BEYOND_SNAPSHOT_MAX]:
        said = statement(entry)
        if said is not None and (said[0] in topics or len(topics) < bodies.TOPICS_MAX):
            topics[said[0]] = said[1]
    return topics


def statement(entry: Entry) -> tuple[str, object] | None:
    """Return the (topic, value) that an entry of STATE or FLEET states, or nothing."""
    body = entry.body
    if not isinstance(body, dict):
        return None
    if (entry.lane, entry.kind) == (Lane.STATE, "status"):
        return (body["topic"], body["value"]) if is_status(body) else None
    if (entry.lane, entry.kind) == (Lane.FLEET, "links"):
        return ("links", body) if is_links(body) else None
    if (entry.lane, entry.kind) == (Lane.FLEET, "runs"):
        return ("runs", body) if is_runs(body) else None
    return None


def is_status(body: dict) -> bool:
    """Whether a body is {topic, value}."""
    return isinstance(body.get("topic"), str) and "value" in body


def is_links(body: dict) -> bool:
    """Whether a body is {peers: keys in ascending order}."""
    peers = body.get("peers")
    return (
        isinstance(peers, list)
        and all(bodies.octets(peer) for peer in peers)
        and peers == sorted(set(peers))
    )


def is_runs(body: dict) -> bool:
    """Whether a body is {models, agents, config: [{digest, since}]}."""
    return all(
        isinstance(body.get(field), list)
        and all(
            isinstance(item, dict)
            and bodies.octets(item.get("digest"))
            and bodies.integer(item.get("since"), 2**53)
            for item in body[field]
        )
        for field in ("models", "agents", "config")
    )
