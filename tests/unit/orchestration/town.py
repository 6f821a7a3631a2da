"""A small city in one real replica: who rolls out, who may not, boxes that report."""

from dataclasses import replace
from hashlib import sha256

from crdt.entry import Entry, Lane
from crdt.replica import Offer, Replica
from mesh.orchestration.applying import Plan, plan_rollout
from mesh.orchestration.blob_tree import reference_of
from mesh.orchestration.command import Verb, command_key
from mesh.orchestration.commanding import plan_command
from mesh.orchestration.halt import Halt
from mesh.orchestration.intent import Gate, Stage
from mesh.orchestration.releasing import Release
from mesh.orchestration.report import Outcome, Report, report_value, seal_report
from mesh.orchestration.rollouts import Rollout
from mesh.orchestration.sight import Sight
from mesh.orchestration.standpoint import Standpoint, lists_held
from mesh.orchestration.tables import ROLLOUT_KEY_RULES, ROLLOUT_KINDS
from mesh.orchestration.wish import Wish
from tests.laws.writing import Fleet, box_of, capability, grant, key_of, public, put

BOXES = (*(f"city/north/box-{number}" for number in range(4)), "city/south/box-0")
WIDE = {"events": ["*"], "area": "*"}
GATE = Gate(min_reports_ppm=900_000, success_ppm=990_000, map50_ppm_min=800_000)
CODE = b"weights of v1.4"
NONCES = iter(range(1, 10_000))


def digest_of(data: bytes) -> bytes:
    """The digest of an artefact."""
    return sha256(data).digest()


def release(data: bytes = CODE, **changes: object) -> Release:
    fields = {"kind": "model", "name": "detector", "version": "v1.4"}
    fields |= {"reference": reference_of(data), "released_by": public("centre"), **changes}
    return Release(**fields)  # pyright: ignore


def wish(data: bytes = CODE, **changes: object) -> Wish:
    fields = {"title": "v1.4", "artefact": digest_of(data), "within": "city/north"}
    fields |= {"stages": (Stage(500_000, 1000), Stage(1_000_000)), "gate": GATE, **changes}
    return Wish(**fields)  # pyright: ignore


class Town:
    """A city with an authority, a steward of the north, a clerk and boxes; and a replica of it."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        verbs = ("rollout", "revoke", "put", "state")
        whole = [capability(verb, "") for verb in verbs]
        self.fleet.declare(
            grant("centre", "centre", 1, 1, [*whole, capability("approve", "", **WIDE)]),
            grant("steward", "city/north/steward", 2, 1,
                  [capability(verb, "city/north") for verb in verbs]),
            grant("clerk", "clerk", 1, 1, [capability("put", "")]),
            *(grant(name, name, 3, 1, box_of(name)) for name in BOXES),
            grant("boot", "city/north/boot", 3, 1, [capability("none", "city/north/boot")]),
        )  # fmt: skip
        self.heads: dict[tuple[str, Lane], Entry] = {}
        self.lists: dict[bytes, bytes] = {}
        self.replica = Replica(self.fleet.genesis, ROLLOUT_KEY_RULES, kinds=ROLLOUT_KINDS)
        for statement in self.fleet.statements:
            self.replica.offer_root(statement)

    def write(self, label: str, said: tuple[str, object], lane: Lane = Lane.AUTH) -> Entry:
        entry = self.fleet.write(label, said, after=self.heads.get((label, lane)), lane=lane)
        self.heads[label, lane] = entry
        assert self.replica.offer(entry) is Offer.STORED
        return entry

    def view(self, signer: str = "centre") -> Standpoint:
        lists = lists_held(self.replica.registers, self.lists.get)
        return Standpoint.of(self.replica, public(signer), lists)

    def plan(self, asked: Wish, signer: str = "centre", **changes: object) -> Plan:
        data = changes.pop("data", CODE)
        nonce = next(NONCES).to_bytes(8)
        return plan_rollout(self.view(signer), asked, release(data, **changes), nonce)

    def apply(self, asked: Wish, signer: str = "centre", data: bytes = CODE) -> Rollout:
        plan = self.plan(replace(asked, artefact=digest_of(data)), signer, data=data)
        self.lists[plan.intent.cohort] = plan.listing
        for key, value in plan.puts:
            self.write(signer, put(key, value))
        return self.view().rollouts.by_id[plan.intent.id]

    def command(self, rollout: Rollout, verb: Verb, signer: str = "centre", **more) -> Rollout:
        view = self.view(signer)
        now = view.rollouts.by_id[rollout.id]
        sight = more.pop("sight", Sight(seen=frozenset(BOXES)))
        nonce = next(NONCES).to_bytes(8)
        for command in plan_command(view, now, verb, sight=sight, nonce=nonce, **more):
            self.write(signer, put(command_key(rollout.intent.scope, command), command.to_value()))
        return self.view().rollouts.by_id[rollout.id]

    def report(self, rollout: Rollout, name: str, outcome: Outcome, **fields: object) -> Report:
        report = seal_report(
            Report(
                ns=self.fleet.genesis.ns, key=public(name), intent=rollout.id, name=name,
                attempt=1, outcome=outcome, artefact=rollout.intent.artefact,
                **fields,  # pyright: ignore
            ),
            key_of(name),
        )  # fmt: skip
        self.write(name, ("report", report_value(report)), Lane.FLEET)
        return report

    def halt(self, rollout: Rollout, signer: str, *reports: Report) -> None:
        self.write(signer, ("halt", Halt(rollout.id, 0, reports).to_value()))


def view_rank(rollout: Rollout) -> tuple[str, ...]:
    """The names of a rollout, the first to start first."""
    assert rollout.cohort is not None
    return rollout.cohort.ranked
