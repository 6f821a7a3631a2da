"""What may happen to a fleet: everything that a scenario can do to its network and its boxes.

Every fault is named: cuts by a label, boxes by their names. Each is a line of the journal, and part
of the trace.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager

from mesh.files.form import nearest
from mesh.testing.adversaries import Adversary, Behaviour
from mesh.testing.disk import Backup, SimulatedDisk
from mesh.testing.fleet_box import FleetBox, FleetError
from mesh.testing.network import NetworkModelError, changed
from mesh.testing.sim import Simulation
from mesh.testing.simulated_node import SLOWNESS_MAX

__all__ = ["FleetFaults", "Side"]

Side = Iterable["FleetBox | str"]
"""Boxes, or the names of boxes."""


class FleetFaults:
    """The faults of a fleet; `Fleet` adds the boxes."""

    simulation: Simulation
    boxes: dict[str, FleetBox]
    _cuts_made = 0

    def box(self, name: str) -> FleetBox:
        """The node that holds a name.

        Raises:
            FleetError: nobody of the fleet is called so.
        """
        if name not in self.boxes:
            meant = "" if "*" in name else name  # no pattern is near to a name
            raise FleetError(f"nobody is called {name!r}: {nearest(meant, list(self.boxes))}")
        return self.boxes[name]

    def _those(self, side: Side) -> list[FleetBox]:
        named = (side,) if isinstance(side, str) else side
        return [self.box(each) if isinstance(each, str) else each for each in named]

    # --------------------------------------------------------------------------------- network

    def cut(self, label: str, side: Side) -> None:
        """Cut a side off from everybody else; links across are noticed dead after ten seconds.

        Raises:
            FleetError: a cut is called so already, the side is empty, or nobody is called so.
        """
        boxes = self._those(side)
        with _said():
            self.simulation.network.cut(label, _keys(boxes))
        self._changed(f"{label}: {_names(boxes)} cut off")

    def cut_one_way(self, label: str, from_: Side, to: Side) -> None:
        """Lose whatever the first send to the second, and not what those send to them.

        No link lasts over such a way: an answer is missing in either direction.

        Raises:
            FleetError: a cut is called so already, or a side is empty.
        """
        senders, receivers = self._those(from_), self._those(to)
        with _said():
            self.simulation.network.cut_one_way(label, _keys(senders), _keys(receivers))
        self._changed(f"{label}: {_names(senders)} unheard by {_names(receivers)}")

    def blackhole(self, label: str, boxes: Side) -> None:
        """Lose all that these boxes send and are sent, each of them alone.

        Raises:
            FleetError: a cut is called so already, or there are no boxes.
        """
        swallowed = self._those(boxes)
        with _said():
            self.simulation.network.blackhole(label, _keys(swallowed))
        self._changed(f"{label}: {_names(swallowed)} in a black hole")

    def heal(self, label: str | None = None) -> None:
        """Take one cut away, or all.

        Raises:
            FleetError: there is no such cut.
        """
        with _said():
            self.simulation.heal(label)

    @contextmanager
    def partition(self, side: Side, _other: Side) -> Generator[None]:
        """Cut two sides off from each other for the time of the block."""
        self._cuts_made += 1
        label = f"partition {self._cuts_made}"
        self.cut(label, side)
        try:
            yield
        finally:
            self.heal(label)

    def links(
        self,
        *,
        between: tuple[Side, Side] | None = None,
        **changes: float | None,
    ) -> None:
        """Change how links behave: `latency_ms`, `jitter_ms`, `loss`, `duplication`, ….

        The fields are those of `mesh.testing.network.LinkModel`; what is not named stays.

        Args:
            between: two sides; only the links between them are changed. None for all links.
            changes: the fields to change.

        Raises:
            FleetError: there is no such field, or it cannot have that value.
        """
        network = self.simulation.network
        try:
            model = changed(network.model, changes)
        except (TypeError, NetworkModelError) as error:
            raise FleetError(f"links({changes}): {error}") from None
        sides = None
        if between is not None:
            sides = _keys(self._those(between[0])), _keys(self._those(between[1]))
        network.shape(model, sides)
        words = ", ".join(f"{word}={value}" for word, value in changes.items())
        self.simulation.note(f"links {'everywhere' if sides is None else 'between two'}: {words}")

    def behind_nat(self, name: str) -> None:
        """Nobody can dial this box from now on; it dials, and links that stand stay."""
        self.simulation.network.behind_nat(self.box(name).node.public)
        self.simulation.note(f"{name} is behind a NAT")

    # ----------------------------------------------------------------------------------- boxes

    def crash(self, name: str) -> None:
        """Kill the process of a box; peers see the links end."""
        self.simulation.crash(self.box(name).node)

    def power_cut(self, *names: str, keep: int = 0) -> None:
        """Switch boxes off at the same moment: what they had not synced is lost, peers see nothing.

        Args:
            names: which boxes.
            keep: how many unsynced writes reached each disk all the same.
        """
        self.simulation.cut_power([self.box(name).node for name in names], keep=keep)

    def restart(self, name: str) -> None:
        """Boot a box from its own disk.

        Raises:
            FleetError: it is running.
        """
        self._down(name, "restart it after a crash or a power cut")
        self.simulation.boot(self.boxes[name].node)

    def reboot_all(self, names: Iterable[str]) -> None:
        """Switch boxes off together and on again together: a power cut that ends at once."""
        rebooted = list(names)
        self.power_cut(*rebooted)
        for name in rebooted:
            self.restart(name)

    def slow(self, name: str, factor: float) -> None:
        """Have a box take so many times longer for a frame; 1 makes it well again.

        Raises:
            FleetError: the factor is less than 1, or so large that a frame takes minutes.
        """
        if not 1 <= factor <= SLOWNESS_MAX:
            raise FleetError(f"slow by {factor!r}: expected 1 to {SLOWNESS_MAX}; crash it instead")
        self.box(name).node.slowness = factor
        self.simulation.note(f"{name} is {factor:g} times slower")

    def disk(self, name: str) -> SimulatedDisk:
        """Return the disk of a box: `is_full` and `sync_ms` may be set."""
        return self.box(name).node.disk

    def backup(self, name: str) -> Backup:
        """Return a copy of what a box's disk holds durably now."""
        return self.disk(name).backup()

    def restore(self, name: str, backup: Backup) -> None:
        """Put an old copy back onto the disk of a box that is down.

        Raises:
            FleetError: the box is running.
        """
        self._down(name, "switch it off before its disk is replaced")
        self.disk(name).restore(backup)
        self.simulation.note(f"{name} gets an old copy of its disk")

    def clock(self, name: str, *, jump_s: float = 0.0, drift_ppm: float | None = None) -> None:
        """Set the wall clock of a box forward or back, or have it drift from now on.

        Args:
            name: the box.
            jump_s: seconds, negative for back.
            drift_ppm: microseconds that it gains each second; None leaves it as it is.
        """
        clock = self.box(name).node.clock
        clock.jump(jump_s)
        if drift_ppm is not None:
            clock.drift(drift_ppm, self.simulation.now_ns)
        self.simulation.note(f"clock of {name}: jumps {jump_s:g} s, drift {drift_ppm} ppm")

    def turn(self, name: str, behaviour: Behaviour) -> None:
        """Make a box malicious: an honest mind behind lips that lie in one way."""
        node = self.box(name).node
        rng = self.simulation.random(f"{name}/{behaviour.value}")
        self.simulation.turn(node, Adversary(behaviour, node, rng))

    # ---------------------------------------------------------------------------------- inside

    def _down(self, name: str, otherwise: str) -> None:
        if self.box(name).node.mind is not None:
            raise FleetError(f"{name} is running: {otherwise}")

    def _changed(self, words: str) -> None:
        self.simulation.ways_changed(words)


@contextmanager
def _said() -> Generator[None]:
    """What the network refuses is what a scenario asked for."""
    try:
        yield
    except NetworkModelError as error:
        raise FleetError(str(error)) from None


def _keys(boxes: Iterable[FleetBox]) -> list[bytes]:
    return [box.node.public for box in boxes]


def _names(boxes: Sequence[FleetBox]) -> str:
    return ", ".join(box.name for box in boxes)
