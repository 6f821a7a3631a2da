"""The processes of a town on wires: started, asked, stopped, and seen as checkers see a box.

Everybody is a process in a network namespace of its own; the switch between them is a process too
(`wires.switch`). What is known of a box, it said itself: its view, its entries and its
counts come from the process as they are there, nothing is worked out again.
"""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from crdt.entry import Entry, parse_entry
from crdt.standing import Authority
from mesh.mind.statistics import MindStatistics
from mesh.node.processes import Child, Processes, ProcessFailedError
from mesh.testing.fleets.sight_rollouts import Standing
from mesh.testing.scenarios.deeds import ScenarioError
from mesh.testing.scenarios.scenario import FleetPlan
from mesh.testing.simulator.network import LinkModel, Network
from mesh.testing.wires.box_process import Failed, Glimpse, Heard, Look, Order, run_box
from mesh.testing.wires.packets import side_key
from mesh.testing.wires.slices import Slices
from mesh.testing.wires.switch import Switch, run_switch
from mesh.testing.wires.town_files import PEOPLE, Resident, found_box, found_town
from mesh.testing.wires.wire import inside
from mesh.units import SECOND

__all__ = ["PRELOAD", "BoxProcess", "ProcessFleet"]

PRELOAD = ("mesh.net.host", "mesh.testing.wires.process_fleet")
"""Imported once, before the first fork."""
READY_S = 60.0
"""Seconds that a process gets to open its node: the processors may have other work."""
ANSWER_S = 30.0
"""Seconds that a process gets for an answer, for the same reason."""
STANDING_S = 90.0
"""Seconds that a fleet gets until everybody sees everybody."""
POLL_S = 0.3
"""How often a fleet that does not stand yet is asked, seconds."""
POWER = "power of "
"""What the rule is called that silences a box without power; no scenario's label."""


class BoxProcess:
    """A box, as its process told of it last.

    Attributes:
        name: the name it holds.
        resident: its files, key and side.
        life: how often it was started.
    """

    is_honest = True

    def __init__(self, name: str, resident: Resident, listen_m: float) -> None:
        self.name = name
        self.resident = resident
        self.listen_m = listen_m
        self.life = 0
        self.child: Child | None = None
        self._heard: list[Heard] = []
        self.seen: tuple[bytes, ...] = ()
        self._authority: Authority | None = None
        self._statistics: MindStatistics | None = None
        self._held: dict[bytes, Entry] = {}

    def __repr__(self) -> str:
        return f"<BoxProcess {self.name}>"

    @property
    def key(self) -> bytes:
        """Its public key, 32 bytes."""
        return self.resident.key

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        return self.child is not None

    @property
    def authority(self) -> Authority:
        """Who holds what, in its view."""
        assert self._authority is not None, "a box that is up was looked at"
        return self._authority

    @property
    def statistics(self) -> MindStatistics:
        """What it counted since it started."""
        assert self._statistics is not None, "a box that is up was looked at"
        return self._statistics

    def entries(self) -> Iterator[Entry]:
        """Every entry that it keeps."""
        return iter(self._held.values())

    def rollouts(self) -> Iterator[Standing]:
        """No rollout is played on wires."""
        return iter(())

    def take_heard(self) -> list[Heard]:
        """Return what its application heard since this was asked last."""
        heard, self._heard = self._heard, []
        return heard

    def starts(self, child: Child) -> None:
        """Its process was started anew, and tells of everything again."""
        self.child, self._held = child, {}
        self.life += 1

    def take(self, glimpse: Glimpse) -> None:
        """Take in what it said."""
        if glimpse.authority is not None:
            self._authority = glimpse.authority
        self.seen, self._statistics = glimpse.seen, glimpse.statistics
        for gone in glimpse.gone:
            self._held.pop(gone, None)
        for entry in map(parse_entry, glimpse.wires):
            self._held[entry.id] = entry
        self._heard += glimpse.heard


class ProcessFleet:
    """A town of processes. Whoever makes it ends it: `end`.

    Args:
        processes: starts them.
        plan: the fleet.
        seed: decides which packets a link loses; what processes do nobody decides.
        directory: an empty one, for their files.
        spares: how many more boxes will be needed, for hardware that is replaced.

    Attributes:
        boxes: by name; replaced hardware is called "… (old)".
        town: where they stand.
        network: the rules in force, as the switch has them too.
        slices: who is slow.
        listen_m: how far every box listens.
    """

    def __init__(
        self, processes: Processes, plan: FleetPlan, seed: int, directory: Path, *, spares: int = 0
    ) -> None:
        self._processes = processes
        self._directory = directory
        model = LinkModel(latency_ms=plan.latency_ms, loss=plan.loss)
        sides = plan.boxes + len(PEOPLE) + spares
        self.switch = Switch(processes.start(run_switch, sides, seed, model, name="switch"))
        self.network = Network(Random(seed), model)  # noqa: S311  (asked for no random number)
        self.slices = Slices()
        self._namespaces = self.switch.stands()
        self.listen_m = plan.listen_m
        self.boxes: dict[str, BoxProcess] = {}
        self.town, residents = found_town(directory, plan.boxes)
        for name, resident in residents.items():
            self.add(name, resident)

    # ---------------------------------------------------------------------------- processes

    def stand(self) -> None:
        """Start everybody; returns once all see each other and hold one view.

        Raises:
            ScenarioError: that does not happen in time.
        """
        self.start(*self.boxes)
        end_s = time.monotonic() + STANDING_S
        while not self._stands():
            if time.monotonic() > end_s:
                seen = ", ".join(f"{box.name} {len(box.seen)}" for box in self.boxes.values())
                raise ScenarioError(
                    f"after {STANDING_S:g} s not everybody sees all {len(self.boxes) - 1} others: "
                    f"{seen}; give the machine less other work, or the fleet fewer boxes"
                )
            time.sleep(POLL_S)

    def _stands(self) -> bool:
        self.look()
        boxes = self.boxes.values()
        views = {box.authority.digest for box in boxes}
        return len(views) == 1 and all(len(box.seen) == len(boxes) - 1 for box in boxes)

    def start(self, *names: str) -> None:
        """Start processes that are down, all at once; returns once their nodes are open."""
        self.slices.let_run(time.monotonic_ns())
        for name in names:
            self._start(name)
        for name in names:
            self._receive(self.boxes[name], READY_S)
        self.look(names)

    def _start(self, name: str) -> None:
        box = self.boxes[name]
        child = self._processes.start(
            inside, self._namespaces[box.resident.side], run_box, str(box.resident.config),
            box.listen_m, name=name.replace("/", "-"),
        )  # fmt: skip
        box.starts(child)

    def kill(self, name: str) -> None:
        """Kill a process; the kernel closes its connections, and its peers see that."""
        box = self.boxes[name]
        if box.child is not None:
            self.slices.forget(box.child.pid)
            box.child.kill()
            box.child = None

    def end(self) -> None:
        """Kill every process."""
        for name in self.boxes:
            self.kill(name)
        self.switch.child.kill()

    def add(self, name: str, resident: Resident) -> BoxProcess:
        """Add a box whose files are there, down."""
        listen_m = self.listen_m if name in self.town.places else 0.0
        self.boxes[name] = BoxProcess(name, resident, listen_m)
        return self.boxes[name]

    def found_spare(self, stem: str) -> Resident:
        """Make the files of one more box, for a side that nobody is at.

        Raises:
            ScenarioError: there is none left.
        """
        side = len(self.boxes)
        if side >= len(self._namespaces):
            raise ScenarioError(f"no side of the switch is left for {stem}")
        return found_box(self._directory, stem, side)

    # ------------------------------------------------------------------------------- asking

    def ask(self, orders: Mapping[str, Order]) -> dict[str, Any]:
        """Ask processes, all at once; returns their answers by name.

        Raises:
            ScenarioError: one of them ended, does not answer, or cannot do it.
        """
        self.slices.let_run(time.monotonic_ns())
        for name, order in orders.items():
            child = self.boxes[name].child
            if child is None:
                raise ScenarioError(f"{name} is down: restart it first")
            child.tell(order)
        answers = {name: self._receive(self.boxes[name], ANSWER_S) for name in orders}
        for name, answer in answers.items():
            if isinstance(answer, Failed):
                raise ScenarioError(f"{name}: {answer.why}")
        return answers

    def look(self, names: Sequence[str] | None = None) -> None:
        """Ask everybody who is up, or these, what there is to see of them."""
        asked = self.up() if names is None else names
        for name, glimpse in self.ask(dict.fromkeys(asked, Look())).items():
            self.boxes[name].take(glimpse)

    def up(self) -> list[str]:
        """Return who runs."""
        return [name for name, box in self.boxes.items() if box.is_up]

    def rest(self, until_ns: int) -> None:
        """Wait until a moment of the monotonic clock; slow processes get their turns."""
        while (now_ns := time.monotonic_ns()) < until_ns:
            self.slices.turn(now_ns)
            next_ns = self.slices.next_ns()
            wake_ns = until_ns if next_ns is None else min(until_ns, next_ns)
            time.sleep(max(0, wake_ns - time.monotonic_ns()) / SECOND)

    def _receive(self, box: BoxProcess, within_s: float) -> Any:
        assert box.child is not None, "only who runs is asked"
        try:
            return box.child.receive_within(within_s)
        except ProcessFailedError as error:
            raise ScenarioError(f"{box.name} ended by itself or hangs: {error}") from None

    # -------------------------------------------------------------------------------- rules

    def rule(self, verb: str, *arguments: Any) -> None:
        """Change the rules of the network, here and in the switch.

        Raises:
            NetworkModelError: they make no sense.
        """
        getattr(self.network, verb)(*arguments)
        self.switch.rule(verb, *arguments)

    def keys(self, names: Sequence[str]) -> list[bytes]:
        """Return what the rules call these boxes."""
        return [side_key(self.boxes[name].resident.side) for name in names]

    @property
    def cuts(self) -> list[str]:
        """The labels of what is cut now; a box without power is none."""
        return [label for label in self.network.cuts() if not label.startswith(POWER)]

    def cut_power(self, names: Sequence[str]) -> None:
        """Switch boxes off: nobody hears another word of them, not even that they are gone."""
        for name in names:
            self.rule("blackhole", f"{POWER}{name}", self.keys([name]))
        for name in names:
            self.kill(name)

    def give_power(self, name: str) -> None:
        """Let packets of a box through again that was switched off."""
        if f"{POWER}{name}" in self.network.cuts():
            self.rule("heal", f"{POWER}{name}")

    # -------------------------------------------------------------------------------- files

    def copy(self, name: str, to: Path) -> None:
        """Copy what a box has on disk, as it is at one moment.

        A process that runs is stopped for as long as that takes: what a copy then holds is what the
        power going would have left.
        """
        box = self.boxes[name]
        child = box.child
        if child is not None:
            self.slices.hold(child.pid)
        try:
            to.mkdir()
            for path in _state(box.resident.config):
                copy = shutil.copytree if path.is_dir() else shutil.copy2
                copy(path, to / path.name)
        finally:
            if child is not None:
                self.slices.release(child.pid)

    def replace(self, name: str, copy: Path) -> None:
        """Put a copy in the place of what a box has on disk.

        Raises:
            ScenarioError: it runs.
        """
        box = self.boxes[name]
        if box.is_up:
            raise ScenarioError(f"{name} is running: switch it off before its disk is replaced")
        config = box.resident.config
        for path in _state(config):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in copy.iterdir():
            put = shutil.copytree if path.is_dir() else shutil.copy2
            put(path, config.parent / path.name)


def _state(config: Path) -> list[Path]:
    """Return what a box writes as it runs: its store, and what belongs to that."""
    stem = f"{config.stem}.db"
    return [path for path in config.parent.iterdir() if path.name.startswith(stem)]
