"""What may happen to a fleet: everything that a scenario can do to its network and its boxes.

Every fault is named: cuts by a label, boxes by their names. Each is a line of the journal, and part
of the trace.
"""

from collections.abc import Iterable

from mesh.testing.fleets.adversaries import Adversary, Behaviour
from mesh.testing.fleets.fleet_box import FleetBox, FleetError
from mesh.testing.fleets.fleet_verbs import FleetVerbs
from mesh.testing.simulator.network import Network
from mesh.testing.simulator.sim import Simulation
from mesh.testing.simulator.simulated_node import SLOWNESS_MAX

__all__ = ["FleetFaults"]


class FleetFaults(FleetVerbs[FleetBox]):
    """The faults of a fleet; `Fleet` adds the boxes."""

    simulation: Simulation

    @property
    def now_ns(self) -> int:
        """Virtual time, nanoseconds."""
        return self.simulation.now_ns

    @property
    def ways(self) -> Network:
        """Who reaches whom, and how."""
        return self.simulation.network

    def ways_changed(self, words: str) -> None:
        """Note what was done, and have every link looked at."""
        self.simulation.ways_changed(words)

    def note(self, words: str) -> None:
        """Write a line into the journal, and into the trace."""
        self.simulation.note(words)

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
        self.note(f"{name} is {factor:g} times slower")

    def turn(self, name: str, behaviour: Behaviour) -> None:
        """Make a box malicious: an honest mind behind lips that lie in one way."""
        node = self.box(name).node
        rng = self.simulation.random(f"{name}/{behaviour.value}")
        self.simulation.turn(node, Adversary(behaviour, node, rng))
