"""Act one: trust, with the centre dead.

The authority and the bootstrap peer are killed. Box 247's hardware is swapped: the steward of its
district, who has no network, signs a grant and hands over a file. Then an enrolled accomplice lies
in nine ways. Who refused what, and why, is read from each honest box's own statistics.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

import msgspec
import trio

from crdt.errors import CrdtError
from identity.encoding import Value
from identity.errors import IdentityError
from identity.invite import Invite
from mesh.choreography.cells import cell_at
from mesh.config import ConfigError, load_config, render_config
from mesh.coordination.enrolment import box_role
from mesh.demo.attackers import AccompliceOptions
from mesh.demo.cast import Cast
from mesh.demo.claims import Claims
from mesh.demo.foundation import BOOTSTRAP, CENTRE, EVENTS
from mesh.node.offline import Desk, DeskError

__all__ = ["Attack", "Swap", "TrustAct"]

KILLED_S = 8.0
"""Seconds within which every box must have noticed that the centre is gone."""
SWAP_S = 15.0
"""Seconds within which every box must know the new hardware."""
REFUSED_S = 4.0
"""Seconds within which an attack must show in the statistics."""
ATTACKS = (
    ("twice", "replayed"),
    ("back_dater", "stale"),
    ("unapproved_model", "model_not_approved"),
    ("out_of_area", "out_of_area"),
    ("old_hardware", "superseded_key"),
    ("back_dated_record", "invisible"),
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
        gone = not any(self.cast.running[name].alive for name in (CENTRE, BOOTSTRAP))
        dead = {self.cast.key(name) for name in (CENTRE, BOOTSTRAP)}

        async def unlinked() -> bool:
            answers = await self.cast.ask_all(self.cast.boxes, {"do": "links"})
            return not any(_peers(answer) & dead for answer in answers.values())

        noticed = await self.cast.until(unlinked, KILLED_S) if gone else None
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
        cast.running[f"{name} (old)"] = cast.running.pop(name)
        cast.configs[f"{name} (old)"] = cast.configs.pop(name)
        self._started = time.monotonic()
        cast.start_box(spare, name)
        await cast.ready([name])

    async def _living_addresses(self) -> tuple[str, ...]:
        """Ask the living boxes where they listen: what the steward's invite will name."""
        answers = await self.cast.ask_all(self.cast.boxes[:6], {"do": "addresses"})
        found = [text for name, answer in answers.items() if name != self.cast.hero
                 for text in _texts(answer.get("addresses"))]  # fmt: skip
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
            self.swap.epoch = 2
            return invite.encode()

    async def judge_swap(self) -> None:
        """See that every box takes the new key, and only it, for box 247."""
        cast, name = self.cast, self.cast.hero
        wanted = [cast.foundation.principals["spare"].key, 2, True]

        async def recognised() -> bool:
            answers = await cast.ask_all(cast.boxes, {"do": "view", "name": name})
            self.swap.recognised_by = [
                box for box, answer in answers.items() if answer.get("holders") == [wanted]
            ]
            return len(self.swap.recognised_by) == len(cast.boxes)

        took = await cast.until(recognised, SWAP_S)
        self.swap.seconds = round(time.monotonic() - self._started, 2) if self._started else 0.0
        self.claims.check(
            "swap",
            took is not None,
            f"{len(self.swap.recognised_by)} of {len(cast.boxes)} boxes know the new {name}",
        )

    # ------------------------------------------------------------------------- the attacks

    async def attack(self) -> None:
        """Let the accomplice lie, and judge each lie."""
        cast = self.cast
        await self._start_accomplice()
        views = await self._views("")
        for attacker, reason in ATTACKS:
            request: dict[str, object] = {"do": "attack", "name": attacker}
            if attacker == "replayer":
                request |= await self._with_a_box_down()
            elif attacker == "forger":
                victim = cast.boxes[-1]
                request |= {"victim": cast.key(victim), "victim_name": victim}
            answer = await cast.ask(cast.accomplice, request)
            await self._judge(attacker, reason, answer)
        after = await self._views("")
        same = (
            len({str(row["digest"]) for row in after.values()}) == 1
            and views.keys() == after.keys()
        )
        self.claims.check("views_equal", same, "every box still holds the same view")
        await self._judge_sorting()

    async def _start_accomplice(self) -> None:
        cast = self.cast
        hero = cast.city.hero
        resolution = cast.foundation.genesis.h3_resolution
        latitude, longitude = (value / 1e6 for value in hero.position)
        options = AccompliceOptions(
            config=str(cast.foundation.principals[cast.accomplice].config),
            model=await trio.to_thread.run_sync(_digest, cast.model),
            cell=cell_at(latitude, longitude, resolution),
            elsewhere=cell_at(latitude + 1.0, longitude, resolution),
            stolen=cast.foundation.stolen(hero.name),
        )
        cast.start_accomplice(options)
        await cast.ready([cast.accomplice])
        await self._link(cast.boxes)

    async def _link(self, boxes: tuple[str, ...]) -> None:
        """Connect the accomplice with boxes, where they say that they listen."""
        answers = await self.cast.ask_all(boxes, {"do": "addresses"})
        where = [[self.cast.key(box), answer["addresses"]] for box, answer in answers.items()]
        await self.cast.ask(self.cast.accomplice, {"do": "link", "boxes": where})

    async def _with_a_box_down(self) -> dict[str, object]:
        """Publish something honest while a box is down; bring it back, and name it."""
        cast = self.cast
        down, speaker = cast.boxes[-2], cast.boxes[0]
        cast.running[down].kill()
        said = await cast.ask(speaker, {"do": "notice", "text": "all is well"})
        cast.start_box(cast.foundation.principals[down], down)
        await cast.ready([down])
        await self._link((down,))
        return {"box": cast.key(down), "wire": said["wire"], "event": said["event"]}

    async def _views(self, name: str, entry: Value = None) -> dict[str, dict[str, Value]]:
        return await self.cast.ask_all(
            self.cast.boxes, {"do": "view", "name": name, "entry": entry}
        )

    async def _judge(self, attacker: str, reason: str, answer: dict[str, Value]) -> None:
        """Read from the boxes at the other ends who refused, for this reason, and who accepted."""
        cast = self.cast
        sent = answer.get("sent")
        ends = [cast.name_of(key) for key in sent if isinstance(key, bytes)] if isinstance(
            sent, list) else []  # fmt: skip
        honest = tuple(name for name in ends if name in cast.boxes)
        attack = Attack(attacker, cast.running[cast.accomplice].pid, reason, len(honest), [], [])
        self.attacks.append(attack)

        async def refused() -> bool:
            if reason == "invisible":
                await self._see_record(attack, honest, answer)
            else:
                await self._see_refusals(attack, honest, answer)
            return bool(attack.accepted_by) or len(attack.refused_by) == len(honest) > 0

        await cast.until(refused, REFUSED_S)
        held = not attack.accepted_by and len(attack.refused_by) == len(honest) > 0
        self.claims.check(
            f"attack:{attacker}",
            held,
            f"{len(attack.refused_by)} of {len(honest)} refused it as {reason}, "
            f"{len(attack.accepted_by)} accepted it",
        )

    async def _see_refusals(
        self, attack: Attack, honest: tuple[str, ...], answer: dict[str, Value]
    ) -> None:
        event, reason = answer["event"], attack.expected_reason
        answers = await self.cast.ask_all(honest, {"do": "refusals"})
        attack.refused_by = [
            box for box, said in answers.items() if [event, reason] in _list(said.get("refused"))
        ]
        attack.accepted_by = [
            box for box, said in answers.items() if event in _list(said.get("accepted"))
        ]

    async def _see_record(
        self, attack: Attack, honest: tuple[str, ...], answer: dict[str, Value]
    ) -> None:
        """A record is refused by being held or dropped, and counting nowhere."""
        name, entry = str(answer["name"]), answer["event"]
        answers = await self._views(name, entry)
        attack.accepted_by = [
            box for box in honest if answers[box]["holders"] or answers[box]["entry_counts"]
        ]
        attack.refused_by = [
            box for box in honest if answers[box]["entry_held"] and box not in attack.accepted_by
        ]

    async def _judge_sorting(self) -> None:
        """See that the old hardware and the forker, where linked, are sorted as known."""
        cast = self.cast
        for name in (f"{cast.hero} (old)", cast.forker):
            if name not in cast.running:
                continue
            key = cast.key(name)
            answers = await cast.ask_all(cast.boxes, {"do": "links"})
            classes = [
                str(link["class"])
                for answer in answers.values()
                for link in _list(answer.get("links"))
                if isinstance(link, dict) and link.get("peer") == key
            ]
            told = [word for word in classes if word != "unsorted"]  # the rest has not said hello
            held = bool(told) and set(told) == {"known"}
            self.claims.check(
                f"known:{name}", held, f"{len(classes)} links to it, sorted {sorted(set(classes))}"
            )


def _digest(model: Path) -> bytes:
    return sha256(model.read_bytes()).digest()


def _list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def _texts(value: Value) -> list[str]:
    return [text for text in _list(value) if isinstance(text, str)]


def _peers(answer: dict[str, Value]) -> set[bytes]:
    rows = [row for row in _list(answer.get("links")) if isinstance(row, dict)]
    return {peer for row in rows if isinstance(peer := row.get("peer"), bytes)}
