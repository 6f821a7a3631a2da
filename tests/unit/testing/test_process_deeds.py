"""What steps do to a town of processes, seen by a fleet that only takes notes."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crdt.entry import Entry
from mesh.testing.fleets.town import Town
from mesh.testing.scenarios import steps as sc
from mesh.testing.scenarios.deeds import ScenarioError
from mesh.testing.simulator.network import LinkModel, Network
from mesh.testing.wires import process_deeds
from mesh.testing.wires.box_process import Failed, Glimpse, Grant, Publish, Put, Revoke, Said, Wrote
from mesh.testing.wires.process_deeds import ProcessDeeds
from mesh.testing.wires.process_fleet import POWER, BoxProcess, ProcessFleet
from mesh.testing.wires.slices import Slices
from mesh.testing.wires.town_files import Resident
from tests.unit.crdt.worlds import one_box

NAMES = ("centre", "north/steward", "south/steward", "north/box-0", "south/box-1")


class Switch:
    """Takes down the rules."""

    def __init__(self):
        self.rules: list[tuple[Any, ...]] = []

    def rule(self, verb: str, *arguments: object) -> None:
        self.rules.append((verb, *arguments))


class Child:
    """A process that answers each order as it is told to."""

    def __init__(self, pid: int):
        self.pid = pid
        self.orders: list[object] = []
        self.answers: list[object] = []
        self.is_alive = True

    def tell(self, order: object) -> None:
        self.orders.append(order)

    def receive_within(self, timeout_s: float) -> object:
        return self.answers.pop(0) if self.answers else "ready"

    def kill(self) -> None:
        self.is_alive = False


class Town5(ProcessFleet):
    """The fleet, with nothing behind it."""

    def __init__(self, directory: Path):
        self._directory = directory
        self.network = Network(None, LinkModel())
        self.switch: Any = Switch()
        self.slices = Slices(lambda pid, number: self.signals.append((pid, int(number))))
        self.signals: list[tuple[int, int]] = []
        self.town = Town(2, 9)
        self.listen_m = 600.0
        self._namespaces = [None] * 6
        self._processes: Any = SimpleNamespace(start=lambda *_, name: Child(99))
        self.boxes = {}
        for side, name in enumerate(NAMES):
            resident = Resident(directory / f"{side}.toml", bytes([side]) * 32, side, f"/at/{side}")
            self.add(name, resident).starts(Child(side))

    def child(self, name: str) -> Any:
        return self.boxes[name].child

    def look(self, names: object = None) -> None:
        """Nobody is asked."""


@pytest.fixture
def fleet(tmp_path: Path) -> Town5:
    return Town5(tmp_path)


@pytest.fixture
def deeds(fleet: Town5, tmp_path: Path) -> ProcessDeeds:
    made = ProcessDeeds(fleet, tmp_path)
    made.begin(after_s=0)
    return made


def do(deeds: ProcessDeeds, **what: object) -> None:
    deeds.perform(sc.Step(**what))


def test_a_cut_is_a_rule_and_a_box_without_power_is_no_cut(deeds: ProcessDeeds, fleet: Town5):
    do(deeds, cut=sc.Cut(side="north/*", label="river"))
    do(deeds, cut_one_way=sc.OneWay(senders="centre", receivers="south/*", label="deaf"))
    do(deeds, blackhole=sc.Hole(who="south/box-1"))
    assert not deeds.is_whole
    do(deeds, heal="all")
    do(deeds, power_cut=sc.PowerCut(who="centre"))
    assert deeds.is_whole
    assert fleet.network.cuts() == [f"{POWER}centre"]
    assert fleet.boxes["centre"].child is None
    do(deeds, restart="centre")
    assert fleet.network.cuts() == []
    assert fleet.boxes["centre"].life == 2
    verbs = [rule[:2] for rule in fleet.switch.rules]
    assert verbs == [
        ("cut", "river"), ("cut_one_way", "deaf"), ("blackhole", "hole"), ("heal", "river"),
        ("heal", "deaf"), ("heal", "hole"), ("blackhole", f"{POWER}centre"),
        ("heal", f"{POWER}centre"),
    ]  # fmt: skip


def test_what_makes_no_sense_is_refused_and_reaches_no_switch(deeds: ProcessDeeds, fleet: Town5):
    for what, told in (
        ({"heal": "river"}, "no cut is called 'river'"),
        ({"cut": sc.Cut(side="west/*")}, "nobody is called 'west/\\*'"),
        ({"cut": sc.Cut(side="*")}, "a cut of everybody from nobody"),
        ({"grant": sc.Grant(name="a b", by="centre")}, "'a b' cannot be a box"),
        ({"restart": "centre"}, "none of them is down"),
        ({"restore": sc.Backup(name="centre")}, "there is no backup 'backup': taken were none"),
        ({"backup": sc.Backup(name="nobody")}, "nobody is called 'nobody'"),
        ({"publish": sc.Publish(who="centre")}, "centre stands nowhere: only boxes publish"),
    ):
        with pytest.raises(ScenarioError, match=told):
            do(deeds, **what)
    assert fleet.switch.rules == []


def test_links_and_nat_are_shaped_between_the_right_sides(deeds: ProcessDeeds, fleet: Town5):
    do(deeds, links=sc.Links(loss=0.2, latency_ms=9))
    do(deeds, links=sc.Links(loss=0.3, between=("north/*", "centre")))
    do(deeds, behind_nat="north/box-0")
    centre, north, south = fleet.keys(["centre", "north/box-0", "south/box-1"])
    network = fleet.network
    assert (network.model_of(north, south).loss, network.model_of(north, centre).loss) == (0.2, 0.3)
    assert network.model_of(centre, north).latency_ms == 9
    assert network.may_dial(north, centre)
    assert not network.may_dial(centre, north)


def test_who_is_switched_off_is_counted_and_silent(deeds: ProcessDeeds, fleet: Town5):
    box = fleet.child("south/box-1")
    do(deeds, publish=sc.Publish(who="*/box-*", count=2, every="1ms"))
    assert not deeds.is_idle
    do(deeds, crash="south/*")
    assert not box.is_alive
    assert deeds.counts["crashes"] == 2
    north = fleet.child("north/box-0")
    north.answers = [Said(b"1" * 32, time.monotonic_ns()), Said(b"2" * 32, time.monotonic_ns())]
    deeds.advance(0.02)
    assert deeds.is_idle
    assert north.orders == [Publish(fleet.town.cell("north/box-0"))] * 2
    assert (deeds.counts["published"], deeds.counts["mute"]) == (2, 2)
    assert {(said.key, said.name) for said in deeds.spoken.values()} == {
        (fleet.boxes["north/box-0"].key, "north/box-0")
    }


def test_who_is_down_cannot_be_slow_and_who_runs_is_stopped_in_turns(
    deeds: ProcessDeeds, fleet: Town5
):
    do(deeds, slow=sc.Slow(who="north/box-0", factor=10))
    deeds.advance(0.001)
    assert [pid for pid, _ in fleet.signals] == [3]
    do(deeds, crash="north/box-0")
    assert fleet.slices.next_ns() is None
    with pytest.raises(ScenarioError, match="north/box-0 is down: restart it first"):
        do(deeds, slow=sc.Slow(who="north/box-0", factor=10))


def entry() -> Entry:
    return one_box().entries[0]


def test_what_people_write_is_asked_of_their_node_and_noted(deeds: ProcessDeeds, fleet: Town5):
    fact = entry()
    centre, steward = fleet.child("centre"), fleet.child("north/steward")
    centre.answers = [Wrote((fact.wire,)), Wrote((fact.wire, fact.wire))]
    steward.answers = [Wrote((fact.wire,))]
    do(deeds, put=sc.Put(key="limit", value=30))
    do(deeds, revoke=sc.Revoke(name="north/box-0"))
    do(deeds, grant=sc.Grant(name="north/box-9", by="north/steward"))
    assert centre.orders == [Put("limit", 30), Revoke("north/box-0")]
    (grant,) = steward.orders
    assert isinstance(grant, Grant)
    assert (grant.name, grant.place, grant.addresses) == ("north/box-9", None, ())
    assert (grant.role, len(grant.capabilities)) == ("box", 2)
    assert [(each.by, each.entry) for each in deeds.facts] == [
        ("centre", fact), ("centre", fact), ("centre", fact), ("north/steward", fact),
    ]  # fmt: skip


def test_a_grant_may_be_to_the_key_of_somebody_and_of_a_stewards_role(
    deeds: ProcessDeeds, fleet: Town5
):
    fleet.child("centre").answers = [Wrote((entry().wire,))]
    wish = sc.Grant(name="north/deputy", to="south/box-1", role="steward", in_vain=True)
    do(deeds, grant=wish)
    (grant,) = fleet.child("centre").orders
    assert (grant.key, grant.role, grant.in_vain) == (
        fleet.boxes["south/box-1"].key, "steward", True,
    )  # fmt: skip
    assert {"grant", "revoke"} <= {capability.verb for capability in grant.capabilities}
    with pytest.raises(ScenarioError, match="nobody is called 'nobody'"):
        do(deeds, grant=sc.Grant(name="north/x", to="nobody"))


def test_new_hardware_has_a_side_of_its_own_stands_where_the_old_did_and_has_power(
    deeds: ProcessDeeds, fleet: Town5, monkeypatch: pytest.MonkeyPatch
):
    installed: list[Any] = []
    monkeypatch.setattr(process_deeds, "parse_invite", lambda data: data)
    monkeypatch.setattr(
        process_deeds, "install_invite", lambda *arguments, name: installed.append(name)
    )
    monkeypatch.setattr(process_deeds, "WRITTEN_S", 0.0)
    old = fleet.boxes["south/box-1"]
    do(deeds, cut=sc.Cut(side="south/*", label="river"))
    do(deeds, power_cut=sc.PowerCut(who="south/box-1"))
    fleet.child("centre").answers = [Wrote((entry().wire,), b"invite")]
    do(deeds, swap_hardware=sc.Swap(name="south/box-1", by="centre"))
    new = fleet.boxes["south/box-1"]
    (grant,) = fleet.child("centre").orders
    assert (grant.key, grant.place, len(grant.addresses)) == (new.key, "south/box-1", 3)
    assert installed == ["south/box-1"]
    assert (new.resident.side, new.is_up, new.listen_m) == (5, True, 600.0)
    assert fleet.boxes["south/box-1 (old)"] is old
    assert old.name == "south/box-1 (old)"
    centre, steward, ours = fleet.keys(["centre", "south/steward", "south/box-1"])
    assert fleet.network.crosses(steward, ours)
    assert not fleet.network.crosses(centre, ours)
    with pytest.raises(ScenarioError, match="no side of the switch is left"):
        do(deeds, swap_hardware=sc.Swap(name="south/box-1", by="centre"))


def test_who_cannot_or_does_not_answer_is_told_of(deeds: ProcessDeeds, fleet: Town5):
    fleet.child("centre").answers = [Failed("the disk is gone"), Wrote(())]
    with pytest.raises(ScenarioError, match="centre: the disk is gone"):
        do(deeds, put=sc.Put(key="limit", value=30))
    with pytest.raises(ScenarioError, match="south/box-7 is held by nobody"):
        do(deeds, revoke=sc.Revoke(name="south/box-7"))
    do(deeds, crash="centre")
    with pytest.raises(ScenarioError, match="centre is down: restart it first"):
        do(deeds, put=sc.Put(key="limit", value=30))


def test_trust_is_asked_of_the_views_of_those_that_are_up(deeds: ProcessDeeds, fleet: Town5):
    def view(*current: str) -> Any:
        return SimpleNamespace(by_name=lambda name: (name,), current=current.__contains__)

    for name, box in fleet.boxes.items():
        box._authority = view("north/box-0") if name.startswith("north/") else view()
    do(deeds, check_trust=sc.CheckTrust(name="north/box-0", current=True, who="north/*"))
    with pytest.raises(ScenarioError, match="held by somebody current in the views of north/stew"):
        do(deeds, check_trust=sc.CheckTrust(name="north/box-0", current=False))
    do(deeds, crash="north/*")
    do(deeds, check_trust=sc.CheckTrust(name="north/box-0", current=False))
    assert deeds.counts["checks"] == 2


def test_only_what_breaks_or_mends_disturbs_the_calm(deeds: ProcessDeeds, fleet: Town5):
    calm = deeds.disturbed_ns
    fleet.child("centre").answers = [Wrote((entry().wire,))]
    do(deeds, put=sc.Put(key="limit", value=30))
    assert deeds.disturbed_ns == calm
    do(deeds, crash="centre")
    assert deeds.disturbed_ns > calm


def test_a_disk_is_copied_and_put_back_while_the_box_is_down(deeds: ProcessDeeds, fleet: Town5):
    config = fleet.boxes["centre"].resident.config
    home = config.parent
    fleet.boxes["centre"].child = None
    (home / "0.db").write_text("old")
    (home / "0.db.d").mkdir()
    (home / "0.db.d" / "blob").write_text("old")
    (home / "0.key").write_text("key")
    do(deeds, backup=sc.Backup(name="centre"))
    (home / "0.db").write_text("new")
    (home / "0.db-wal").write_text("new")
    (home / "0.db.d" / "more").write_text("new")
    do(deeds, restore=sc.Backup(name="centre"))
    assert (home / "0.db").read_text() == "old"
    assert not (home / "0.db-wal").exists()
    assert [path.name for path in (home / "0.db.d").iterdir()] == ["blob"]
    assert (home / "0.key").read_text() == "key"
    fleet.boxes["centre"].starts(Child(0))
    with pytest.raises(ScenarioError, match="centre is running: switch it off"):
        do(deeds, restore=sc.Backup(name="centre"))


def test_a_box_is_what_its_process_told_of_it():
    resident = Resident(Path("a.toml"), bytes(32), 0, "/at")
    box, fact = BoxProcess("centre", resident, 0.0), entry()
    box.starts(Child(0))
    view: Any = SimpleNamespace(digest=b"1")
    counts: Any = SimpleNamespace()
    box.take(Glimpse(view, (b"a",), counts, (fact.wire,), (), ()))
    box.take(Glimpse(None, (), counts, (), (), ()))
    assert (box.authority, box.seen, list(box.entries())) == (view, (), [fact])
    box.take(Glimpse(None, (), counts, (), (fact.id,), ()))
    assert list(box.entries()) == []
    assert box.take_heard() == []
