"""No scenario holds without what its title promises: a fault that does nothing is noticed.

The quick ones are played here, the others by `python -m tools.idle_faults`.
"""

import pytest

from mesh.testing.scenarios.library import library, read_scenario
from tools.idle_faults import EXCUSED, kinds_of, play_idle

PROMISED = [
    ("behind-nat", "behind_nat"),
    ("full-disk", "disk"),
    ("half-dead-box", "cut_one_way"),
    ("half-dead-box", "slow"),
    ("hardware-swap", "swap_hardware"),
    ("impostor", "turn"),
    ("long-incident", "cut"),
    ("long-incident", "slow"),
    ("restored-backup", "restore"),
    ("slow-disk", "disk"),
    ("slow-disk", "power_cut"),
    ("sock-puppets", "grant"),
    ("steward-compromised", "revoke"),
    ("stolen-desk", "restore"),
    ("wrong-century", "clock"),
]


@pytest.mark.parametrize(("name", "fault"), PROMISED, ids=map(" without ".join, PROMISED))
def test_without_what_its_title_promises_it_does_not_hold(name: str, fault: str):
    scenario = read_scenario(library()[name])
    assert fault in kinds_of(scenario)
    assert play_idle(scenario, fault).word != "held"


def test_what_is_excused_is_done_somewhere():
    for name, kind in EXCUSED:
        assert kind in kinds_of(read_scenario(library()[name]))
