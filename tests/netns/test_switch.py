"""Many namespaces and the switch between them: every rule, as root and as nobody in particular."""

import os

import pytest

from mesh.node.processes import Child, Processes
from mesh.testing.simulator.network import LinkModel
from mesh.testing.wires.namespaces import NamespacesUnavailableError
from mesh.testing.wires.packets import side_key
from mesh.testing.wires.switch import SIDES_MAX, Switch, run_switch
from mesh.testing.wires.wire import side_address
from tests.netns import people

SOON_S, SILENT_S = 10.0, 0.4
LARGE = 4 << 20
FAST = LinkModel(latency_ms=0, jitter_ms=0)
USERS = ("root", "nobody") if os.geteuid() == 0 else ("nobody",)


class Street:
    """A switch and somebody at each side of it."""

    def __init__(self, processes: Processes, user: str, sides: int, model: LinkModel = FAST):
        self.switch = Switch(
            processes.start(people.switch_of, user, sides, 7, model, name="switch")
        )
        namespaces = self.switch.stands()
        self.residents: list[Child] = [
            processes.start(people.resident, user, namespace, name="resident")
            for namespace in namespaces
        ]
        self.inodes = [child.receive_within(SOON_S) for child in self.residents]

    def ask(self, here: int, there: int, size: int = 100, within_s: float = SOON_S) -> str:
        child = self.residents[here]
        child.tell((side_address(there), size, within_s))
        return child.receive_within(SOON_S + within_s)


def stand(processes: Processes, user: str, sides: int, model: LinkModel = FAST) -> Street | None:
    """A street, or None where the kernel gives this user no namespaces and the switch says so."""
    probe = processes.start(people.gives_namespaces, user)
    if probe.receive_within(SOON_S):
        return Street(processes, user, sides, model)
    with pytest.raises(NamespacesUnavailableError, match="namespace"):
        Street(processes, user, sides, model)
    return None


@pytest.mark.parametrize("user", USERS)
def test_every_rule_is_in_force_and_leaves_the_others_alone(user: str):
    with Processes() as processes:
        street = stand(processes, user, 4)
        if street is None:
            return
        assert len(set(street.inodes)) == 4
        everybody = [(a, b) for a in range(3) for b in range(3) if a != b]
        assert {street.ask(*pair) for pair in everybody} == {"echo"}
        assert street.ask(0, 2, LARGE) == "echo"

        street.switch.rule("cut", "river", [side_key(0)])
        assert street.ask(0, 1, within_s=SILENT_S) == "silence"
        assert street.ask(2, 0, within_s=SILENT_S) == "silence"
        assert street.ask(1, 2) == "echo"
        street.switch.rule("heal", "river")
        assert street.ask(0, 1) == "echo"

        street.switch.rule("cut_one_way", "deaf", [side_key(0)], [side_key(1)])
        assert street.ask(0, 1, within_s=SILENT_S) == "silence"
        assert street.ask(1, 0, within_s=SILENT_S) == "silence", "its answer is lost"
        assert street.ask(0, 2) == "echo"
        street.switch.rule("heal", None)

        street.switch.rule("behind_nat", side_key(3))
        assert street.ask(0, 3, within_s=SILENT_S) == "silence"
        assert street.ask(3, 0) == "echo", "it dials"

        street.switch.rule("blackhole", "hole", [side_key(1)])
        assert street.ask(0, 1, within_s=SILENT_S) == "silence"
        assert street.ask(2, 0) == "echo"
        assert street.switch.count().dropped > 0


def test_links_delay_lose_and_carry_on():
    with Processes() as processes:
        street = stand(processes, USERS[0], 2)
        if street is None:
            return
        slow = LinkModel(latency_ms=300, jitter_ms=0)
        street.switch.rule("shape", slow, ([side_key(0)], [side_key(1)]))
        assert street.ask(0, 1, within_s=SILENT_S) == "silence", "two ways of 300 ms"
        assert street.ask(0, 1) == "echo"
        street.switch.rule("shape", LinkModel(latency_ms=1, loss=0.2, duplication=0.2), None)
        before = street.switch.count()
        assert street.ask(0, 1, 1 << 18) == "echo"
        assert street.switch.count().dropped > before.dropped


def test_what_no_switch_can_do_is_told():
    with Processes() as processes:
        child = processes.start(run_switch, SIDES_MAX + 1, 0, FAST)
        with pytest.raises(NamespacesUnavailableError, match="expected 1 to 64"):
            Switch(child).stands()
        with pytest.raises(ValueError, match="expected one of behind_nat, blackhole, cut"):
            Switch(child).rule("burn")
