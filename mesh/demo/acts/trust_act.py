"""Act two: trust, with the centre dead.

The authority and the bootstrap peer are killed. Box 247's hardware is swapped: the steward of its
district, who has no network, signs a grant and hands over a file. Then an enrolled accomplice lies
in nine ways. Who refused what, why and from whom is read from each honest box's own statistics;
that the same statistics show what is accepted is seen on honest notices.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from signal import SIGKILL

import msgspec
import trio

from crdt.errors import CrdtError
from identity.encoding import Value
from identity.errors import IdentityError
from identity.invite import Invite
from mesh.choreography.cells import cell_at
from mesh.config import ConfigError, load_config, render_config
from mesh.coordination.enrolment import box_role
from mesh.demo.acts.trust_verdict import (
    accepters,
    holders_epoch,
    keys_of,
    link_classes,
    record_accepters,
    record_holders,
    refusers,
    same_view,
    texts_of,
    unlinked,
)
from mesh.demo.boxes.attackers import AccompliceOptions
from mesh.demo.claims import Claims
from mesh.demo.releases.release import delivered_digest
from mesh.demo.stage.cast import Cast
from mesh.demo.stage.foundation import BOOTSTRAP, CENTRE, EVENTS
from mesh.node.offline import Desk, DeskError

__all__ = ["ATTACKS", "RECORD_IGNORED", "Attack", "Swap", "TrustAct"]

KILLED_S = 8.0
"""Seconds within which every box must have noticed that the centre is gone."""
SWAP_S = 15.0
"""Seconds within which every box must know the new hardware."""
HEARD_S = 4.0
"""Seconds within which a notice, or an attack, must show in the statistics."""
LINKED_S = 10.0
"""Seconds within which the boxes must take the accomplice for a linked member."""
FORGOTTEN_S = 4.0
"""Seconds after which no honest box offers a notice to others: three heartbeats, and one more."""
SWAP_EPOCH = 2
"""Epoch of box 247's name after one swap."""
RECORD_IGNORED = "invisible"
"""What meets a record that does not count: no event, so no reason of admission."""
ATTACKS = (
    ("twice", "replayed"),
    ("back_dater", "stale"),
    ("unapproved_model", "model_not_approved"),
    ("out_of_area", "out_of_area"),
    ("old_hardware", "superseded_key"),
    ("back_dated_record", RECORD_IGNORED),
    ("feed_forker", "quarantined"),
    ("replayer", "stale"),
    ("forger", "bad_signature"),
)
"""Attacks in the order they are made; the forger last, since it costs the link its good name."""


@dataclass(slots=True)
class Attack:
    """One attack and what met it; boxes by name."""

    attacker: str
    pid: int
    expected_reason: str
    sent: int
    refused_by: list[str]
    accepted_by: list[str]


@dataclass(slots=True)
class Swap:
    """The hardware swap."""

    name: str
    epoch: int = 0
    recognised_by: list[str] = field(default_factory=list[str])
    seconds: float = 0.0


class TrustAct:
    """The act; `play` it.

    Args:
        cast: who plays.
        claims: where the claims are judged.
        tell: narrates.
    """

    def __init__(self, cast: Cast, claims: Claims, tell: Callable[[str], None]) -> None:
        self.cast = cast
        self.claims = claims
        self.tell = tell
        self.centre_killed = False
        self.swap = Swap(cast.hero)
        self.attacks: list[Attack] = []
        self._started = 0.0

    def result(self) -> dict[str, object]:
        """What the JSON says about this act."""
        return {
            "centre_killed": self.centre_killed,
            "swap": asdict(self.swap),
            "attacks": [asdict(attack) for attack in self.attacks],
        }

    async def play(self) -> None:
        """Play the act."""
        await self.kill_centre()
        await self.judge_centre()
        await self.swap_hardware()
        await self.judge_swap()
        await self.attack()

    # ------------------------------------------------------------------------- the centre

    async def kill_centre(self) -> None:
        """SIGKILL the authority and the bootstrap peer."""
        for name in (CENTRE, BOOTSTRAP):
            child = self.cast.running[name]
            child.kill()
            self.tell(f"SIGKILL to {name} (process {child.pid})")

    async def judge_centre(self) -> None:
        """See that both processes are gone, and that no box has a link to them."""
        cast, centre = self.cast, (CENTRE, BOOTSTRAP)
        gone = all(cast.running[name].exit_code == -SIGKILL for name in centre)
        dead = {cast.key(name) for name in centre}

        async def noticing() -> bool:
            answers = await cast.ask_all(cast.boxes, {"do": "links"})
            return unlinked(answers, cast.boxes, dead)

        noticed = await cast.until(noticing, KILLED_S) if gone else None
        self.centre_killed = noticed is not None
        self.claims.check(
            "centre_killed", self.centre_killed, "the authority and the bootstrap peer are dead"
        )

    # --------------------------------------------------------------------------- the swap

    async def swap_hardware(self) -> None:
        """Let the steward enrol the new hardware by a file, and start it."""
        cast, name = self.cast, self.cast.hero
        try:
            invite = await trio.to_thread.run_sync(self._sign, await self._living_addresses())
        except (ConfigError, CrdtError, DeskError, IdentityError) as error:
            self.claims.check("swap", False, f"the steward cannot sign: {error}")
            return
        spare = cast.foundation.principals["spare"]
        file = spare.config.with_suffix(".invite")
        file.write_bytes(invite)
        config = msgspec.structs.replace(load_config(spare.config), invite=file.name)
        spare.config.write_text(render_config(config))
        self.tell(f"the steward signed epoch 2 of {name}, offline: {file.name}, {len(invite)} B")
        cast.running[cast.old_hero] = cast.running.pop(name)
        cast.configs[cast.old_hero] = cast.configs.pop(name)
        self._started = time.monotonic()
        cast.start_box(spare, name)
        await cast.ready([name])

    async def _living_addresses(self) -> tuple[str, ...]:
        """Ask the living boxes where they listen: what the steward's invite will name."""
        answers = await self.cast.ask_all(self.cast.boxes[:6], {"do": "addresses"})
        found = [text for name, answer in answers.items() if name != self.cast.hero
                 for text in texts_of(answer.get("addresses"))]  # fmt: skip
        return tuple(found[:4])

    def _sign(self, addresses: tuple[str, ...]) -> bytes:
        cast, name = self.cast, self.cast.hero
        foundation = cast.foundation
        steward = foundation.principals[foundation.steward]
        with Desk.open(steward.config) as desk:
            resolution = foundation.genesis.h3_resolution
            latitude, longitude = (value / 1e6 for value in cast.city.hero.position)
            area = (cell_at(latitude, longitude, resolution),)
            key = foundation.principals["spare"].key
            role = box_role(name, EVENTS, area)
            desk.grant(key, name, stratum=3, capabilities=role)
            invite: Invite = desk.invite(key, name, addresses)
            return invite.encode()

    async def judge_swap(self) -> None:
        """See that every box takes the new key, and only it, for box 247; then let it speak."""
        cast, name = self.cast, self.cast.hero
        key = cast.foundation.principals["spare"].key

        async def recognised() -> bool:
            answers = await self._views(name)
            epochs = {box: holders_epoch(answer, key) for box, answer in answers.items()}
            self.swap.epoch = min(epochs.values(), default=0)
            self.swap.recognised_by = [box for box, e in epochs.items() if e == SWAP_EPOCH]
            return len(self.swap.recognised_by) == len(cast.boxes)

        took = await cast.until(recognised, SWAP_S)
        self.swap.seconds = round(time.monotonic() - self._started, 2) if self._started else 0.0
        self.claims.check(
            "swap",
            took is not None,
            f"{len(self.swap.recognised_by)} of {len(cast.boxes)} boxes know the new {name}",
        )
        await self.judge_notice("swap_heard", name, set(cast.boxes) - {name}, again_s=SWAP_S)

    async def judge_notice(
        self, claim: str, speaker: str, others: set[str], *, again_s: float = 0.0
    ) -> dict[str, Value]:
        """Let a box say something honest, and see that all others accept it; returns what it said.

        Args:
            claim: the claim's name.
            speaker: who speaks.
            others: who must accept it.
            again_s: seconds in which it may speak again; hardware that has just started is not
                linked to all others yet.
        """
        cast, notice = self.cast, {"do": "notice", "text": "all is well"}
        said = [await cast.ask(speaker, notice)]
        found: list[str] = []

        async def heard() -> bool:
            answers = await cast.ask_all(tuple(others), {"do": "refusals"})
            found[:] = accepters(answers, [one["event"] for one in said])
            if again_s and len(found) < len(others):
                said.append(await cast.ask(speaker, notice))
            return len(found) == len(others)

        await cast.until(heard, again_s or HEARD_S)
        sentence = f"{len(found)} of {len(others)} accepted what {speaker} said"
        self.claims.check(claim, len(found) == len(others), sentence)
        return said[0]

    # ------------------------------------------------------------------------- the attacks

    async def attack(self) -> None:
        """Let the accomplice lie, and judge each lie."""
        cast = self.cast
        await self._start_accomplice()
        for attacker, reason in ATTACKS:
            request: dict[str, object] = {"do": "attack", "name": attacker}
            ends = cast.boxes
            if attacker == "replayer":
                ends = (cast.boxes[-2],)
                request |= await self._with_a_box_down(ends[0])
            elif attacker == "forger":
                victim = cast.boxes[-1]
                request |= {"victim": cast.key(victim), "victim_name": victim}
            answer = await cast.ask(cast.accomplice, request)
            await self.judge_attack(attacker, reason, ends, answer)
        same = same_view(await self._views(""), cast.boxes)
        self.claims.check("views_equal", same, "every box still holds the same view")
        await self._judge_sorting()

    async def _start_accomplice(self) -> None:
        cast = self.cast
        hero = cast.city.hero
        resolution = cast.foundation.genesis.h3_resolution
        latitude, longitude = (value / 1e6 for value in hero.position)
        options = AccompliceOptions(
            config=str(cast.foundation.principals[cast.accomplice].config),
            model=await trio.to_thread.run_sync(delivered_digest, cast.model),
            cell=cell_at(latitude, longitude, resolution),
            elsewhere=cell_at(latitude + 1.0, longitude, resolution),
            stolen=cast.foundation.stolen(hero.name),
        )
        cast.start_accomplice(options)
        await cast.ready([cast.accomplice])
        await self.link_accomplice(cast.boxes)

    async def link_accomplice(self, boxes: tuple[str, ...]) -> None:
        """Connect the accomplice with boxes, and see that each of them takes it for a member."""
        cast = self.cast
        key = cast.key(cast.accomplice)
        answers = await cast.ask_all(boxes, {"do": "addresses"})
        where = [[cast.key(box), answer["addresses"]] for box, answer in answers.items()]
        said = await cast.ask(cast.accomplice, {"do": "link", "boxes": where})
        reached = {cast.name_of(peer) for peer in keys_of(said.get("members"))}
        members: list[str] = []

        async def linked() -> bool:
            classes = link_classes(await cast.ask_all(boxes, {"do": "links"}), key)
            members[:] = [box for box in boxes if classes.get(box) == "member" and box in reached]
            return len(members) == len(boxes)

        await cast.until(linked, LINKED_S)
        self.claims.check(
            "accomplice_linked",
            len(members) == len(boxes),
            f"{len(members)} of {len(boxes)} boxes have a link to the accomplice",
        )

    async def _with_a_box_down(self, down: str) -> dict[str, object]:
        """Publish something honest while a box is down; bring it back, and name it.

        It comes back when its honest neighbours no longer offer the notice: what it then hears of
        it can only be the replay.
        """
        cast, speaker = self.cast, self.cast.boxes[0]
        cast.running[down].kill()
        said = await self.judge_notice("notice_heard", speaker, set(cast.boxes) - {speaker, down})
        await trio.sleep(FORGOTTEN_S)
        cast.start_box(cast.foundation.principals[down], down)
        await cast.ready([down])
        await self.link_accomplice((down,))
        return {"box": cast.key(down), "wire": said["wire"], "event": said["event"]}

    async def _views(self, name: str, entry: Value = None) -> dict[str, dict[str, Value]]:
        return await self.cast.ask_all(
            self.cast.boxes, {"do": "view", "name": name, "entry": entry}
        )

    async def judge_attack(
        self, attacker: str, reason: str, ends: tuple[str, ...], answer: dict[str, Value]
    ) -> None:
        """Read from the boxes at the other ends who refused, for this reason, and who accepted."""
        cast = self.cast
        sent = {cast.name_of(key) for key in keys_of(answer.get("sent"))} & set(cast.boxes)
        pid = cast.running[cast.accomplice].pid
        attack = Attack(attacker, pid, reason, len(sent), [], [])
        self.attacks.append(attack)

        async def refused() -> bool:
            if reason == RECORD_IGNORED:
                views = await self._views(str(answer["name"]), answer["event"])
                attack.accepted_by = record_accepters(views)
                attack.refused_by = sorted(set(record_holders(views)) - set(attack.accepted_by))
            else:
                key, event = cast.key(cast.accomplice), answer["event"]
                answers = await cast.ask_all(ends, {"do": "refusals"})
                attack.accepted_by = accepters(answers, [event])
                attack.refused_by = refusers(answers, event, reason, key)
            return bool(attack.accepted_by) or set(ends) <= set(attack.refused_by)

        await cast.until(refused, HEARD_S)
        self.claims.check(
            f"attack:{attacker}",
            sent == set(ends) == set(attack.refused_by) and not attack.accepted_by,
            f"sent to {len(sent)} of {len(ends)}; {len(attack.refused_by)} refused it as {reason}, "
            f"{len(attack.accepted_by)} accepted it",
        )

    async def _judge_sorting(self) -> None:
        """See that the old hardware and the forker, where linked, are sorted as known."""
        cast = self.cast
        answers = await cast.ask_all(cast.boxes, {"do": "links"})
        for name in (cast.old_hero, cast.forker):
            classes = link_classes(answers, cast.key(name)).values()
            told = {word for word in classes if word != "unsorted"}  # the rest has not said hello
            held = answers.keys() == set(cast.boxes) and told == {"known"}
            self.claims.check(
                f"known:{name}", held, f"{len(classes)} links to it, sorted {sorted(set(classes))}"
            )
