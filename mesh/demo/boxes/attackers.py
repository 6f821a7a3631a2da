"""Nine ways to lie, each wrong in one thing, told over the links of an enrolled accomplice.

The accomplice is a member like any other; its accomplices lent it their keys: the old hardware of
box 247, a forker, a deputy whose rights were revoked. What each attack must meet:

    forger             an honest box's name under a wrong signature              bad_signature
    replayer           an honest event again, to a box that was down before      stale
    twice              one number used for two events                            replayed
    back_dater         an event ten seconds old                                  stale
    unapproved_model   a digest that nobody approved                             model_not_approved
    old_hardware       the key that box 247 had before the swap                  superseded_key
    out_of_area        a place beyond what was granted                           out_of_area
    feed_forker        a key that signed two entries with one number             quarantined
    back_dated_record  a grant by the revoked deputy, dated before its fall      invisible
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import trio

from crdt.entry import GENESIS_LINK, Entry, Lane, make_entry
from identity.encoding import Value
from identity.keys import SecretKey
from mesh.choreography.event import SealedEvent, parse_event, seal_event
from mesh.choreography.event_type import event_type
from mesh.choreography.scope import Reach
from mesh.choreography.topics import auth_topic, everyone_topic
from mesh.config import load_config
from mesh.coordination.enrolment import box_role
from mesh.coordination.facts import encode_entry
from mesh.demo.boxes.events import Notice
from mesh.node import load_secret, open_prepared_node, read_invite
from mesh.node.control import ControlError, serve_control, socket_path
from mesh.testing.fleets.rogue import Rogue, forge
from mesh.units import MS

__all__ = ["AccompliceOptions", "run_accomplice"]

BACK_DATED_MS = 10_000
"""How old the back-dater's event claims to be; 2.5 s is the most that is heard."""
RECORD_AGE_MS = 400 * 24 * 3600 * 1000
"""How long ago the back-dated record claims to have been written."""
FORK_SPREADS_S = 1.5
"""How long the two halves get to show each other what they were shown."""
INCARNATION = 1 << 16
"""The incarnation in which attackers write their records."""


@dataclass(frozen=True, slots=True)
class AccompliceOptions:
    """What the accomplice's process is told.

    Attributes:
        config: its configuration file.
        model: digest of the approved model.
        cell: where it may publish, 8 bytes.
        elsewhere: a cell where it may not.
        stolen: seeds of the keys it was lent: by role, the seed and the name it spoke under.
    """

    config: str
    model: bytes
    cell: bytes
    elsewhere: bytes
    stolen: Mapping[str, tuple[bytes, str]]


class Accomplice:
    """The attacks, one a method; each answers what it sent to whom."""

    def __init__(self, rogue: Rogue, secret: SecretKey, options: AccompliceOptions) -> None:
        self.rogue = rogue
        self.secret = secret
        self.options = options
        self.ns = rogue.node.mind.replica.chain.genesis.ns
        self._number = 0

    def _seal(self, secret: SecretKey | None = None, **changes: object) -> SealedEvent:
        """Return an event of ours for everyone, right but for what is changed."""
        self._number += 1
        fields: dict[str, object] = {
            "ns": self.ns,
            "name": self.rogue.node.name,
            "boot": (1 << 31).to_bytes(8),
            "n": self._number,
            "time_ms": time.time_ns() // MS,
            "ttl_ms": 1500,
            "scope": Reach.EVERYONE,
            "cell": self.options.cell,
            "event_type": event_type(Notice).name,
            "model": self.options.model,
            "because": (),
            "data": event_type(Notice).encode(Notice(text="believe me")),
        }
        return seal_event(
            secret or self.secret,
            **{**fields, **changes},  # pyright: ignore[reportArgumentType]  (checked when sealed)
        )

    def _say(self, wire: bytes, to: tuple[bytes, ...] | None = None) -> tuple[bytes, ...]:
        return self.rogue.say(everyone_topic(self.ns), wire, to)

    def _spoke(self, event: SealedEvent) -> Mapping[str, object]:
        return {"event": event.id, "sent": list(self._say(event.wire))}

    async def forger(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Speak as somebody else, signed with the own key."""
        victim, name = request["victim"], request["victim_name"]
        assert isinstance(victim, bytes)
        wire = forge(self._seal(), author=victim, name=str(name), secret=self.secret)
        return {"event": parse_event(wire).id, "sent": list(self._say(wire))}

    async def replayer(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Send an honest event again, to one box that was down when it was new."""
        wire, box = request["wire"], request["box"]
        assert isinstance(wire, bytes)
        assert isinstance(box, bytes)
        return {"event": request["event"], "sent": list(self._say(wire, (box,)))}

    async def twice(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Use one number for two events; the first is true."""
        del request
        first = self._seal()
        self._say(first.wire)
        await trio.sleep(0.3)
        self._number -= 1
        data = event_type(Notice).encode(Notice(text="no, this"))
        return {**self._spoke(self._seal(data=data)), "first": first.id}

    async def back_dater(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Say that it happened ten seconds ago."""
        del request
        return self._spoke(self._seal(time_ms=time.time_ns() // MS - BACK_DATED_MS))

    async def unapproved_model(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Name a model that nobody approved."""
        del request
        return self._spoke(self._seal(model=bytes(reversed(self.options.model))))

    async def out_of_area(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Report from a place beyond the grant."""
        del request
        return self._spoke(self._seal(cell=self.options.elsewhere))

    async def old_hardware(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Speak with the key that box 247 had before the swap."""
        del request
        return self._spoke(self._stolen("old_hardware"))

    async def feed_forker(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Sign two records with one number, show them to two halves, then speak."""
        del request
        secret, _ = self._key("feed_forker")
        entries = [self._record(secret, "put", {"key": "a", "value": i, "supersedes": []}, 0)
                   for i in range(2)]  # fmt: skip
        members = self.rogue.members()
        for half, entry in enumerate(entries):
            topic = auth_topic(self.ns)
            self.rogue.say(topic, encode_entry(entry), members[half::2])
        await trio.sleep(FORK_SPREADS_S)
        return self._spoke(self._stolen("feed_forker"))

    async def back_dated_record(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Enrol a puppet under the revoked deputy's key, dated long before its revocation."""
        del request
        secret, name = self._key("back_dated_record")
        puppet = SecretKey.from_seed(bytes(31) + b"\7")
        district = name.partition("/")[0]
        body = {
            "pk": puppet.public,
            "name": f"{district}/puppet",
            "stratum": 3,
            "epoch": 1,
            "caps": [c.to_value() for c in box_role(f"{district}/puppet", ["*"], ())],
            "replaces": [],
        }
        entry = self._record(secret, "grant", body, RECORD_AGE_MS)
        sent = self.rogue.say(auth_topic(self.ns), encode_entry(entry))
        return {"event": entry.id, "sent": list(sent), "name": f"{district}/puppet"}

    def _key(self, role: str) -> tuple[SecretKey, str]:
        seed, name = self.options.stolen[role]
        return SecretKey.from_seed(seed), name

    def _stolen(self, role: str) -> SealedEvent:
        secret, name = self._key(role)
        return self._seal(secret=secret, name=name)

    def _record(self, secret: SecretKey, kind: str, body: object, age_ms: int) -> Entry:
        return make_entry(
            secret,
            ns=self.ns,
            lane=Lane.AUTH,
            inc=INCARNATION,
            seq=0,
            prev=GENESIS_LINK,
            t=time.time_ns() // MS - age_ms,
            kind=kind,
            body=body,
        )

    async def attack(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Carry out one attack by name."""
        attacks: dict[str, Callable[[Mapping[str, Value]], Awaitable[Mapping[str, object]]]] = {
            "forger": self.forger,
            "replayer": self.replayer,
            "twice": self.twice,
            "back_dater": self.back_dater,
            "unapproved_model": self.unapproved_model,
            "out_of_area": self.out_of_area,
            "old_hardware": self.old_hardware,
            "feed_forker": self.feed_forker,
            "back_dated_record": self.back_dated_record,
        }
        name = request.get("name")
        if name not in attacks:
            raise ControlError(f"attack {name!r}: expected one of {', '.join(attacks)}")
        return await attacks[str(name)](request)

    async def link(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        """Connect to the given boxes and wait until they take us for a member."""
        boxes = request["boxes"]
        assert isinstance(boxes, list)
        peers: dict[bytes, tuple[str, ...]] = {}
        for box in boxes:
            match box:
                case [bytes(key), list(where)]:
                    peers[key] = tuple(str(address) for address in where)
                case _:
                    raise ControlError("link: expected [key, addresses] for every box")
        await self.rogue.link(peers)
        with trio.move_on_after(10):
            await self.rogue.linked(peers)
        return {"members": list(self.rogue.members())}


async def run_accomplice(options: AccompliceOptions, ready: trio.Event | None = None) -> None:
    """Run the accomplice until cancelled."""
    path = Path(options.config)
    config = load_config(path)
    secret = load_secret(config)
    invite = read_invite(config.path(config.invite))
    async with open_prepared_node(config, secret, invite) as node:
        accomplice = Accomplice(Rogue(node), secret, options)
        verbs = {"attack": accomplice.attack, "link": accomplice.link}
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_control, socket_path(path), verbs)
            if ready is not None:
                ready.set()
