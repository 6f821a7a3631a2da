"""One seed, one run: in every process, whatever order sets have there, with every fault on."""

import os
import subprocess
import sys

SCRIPT = """
from mesh.testing.fleets.adversaries import Behaviour
from mesh.testing.fleets.fleet import Fleet

fleet = Fleet(boxes=14, seed={seed}, loss=0.02)
fleet.behind_nat("south/box-13")
fleet.stand()
fleet.listen_everywhere()
fleet.links(jitter_ms=20, reordering=0.1, duplication=0.1, kbit_s=2_000)
north, south = fleet.split()
fleet.links(between=(north, south), latency_ms=80)
for number, behaviour in enumerate(each for each in Behaviour if each is not Behaviour.FLOOD):
    fleet.turn("north/box-%d" % number, behaviour)
fleet.deliver()
fleet.release("v2")
fleet.apply("v2")
fleet.clock("south/box-7", jump_s=-5, drift_ppm=300)
fleet.slow("south/box-8", 200)
fleet.disk("south/box-9").is_full = True
fleet.disk("south/box-10").sync_ms = 700
backup = fleet.backup("south/box-11")
fleet.cut("river", north)
fleet.cut_one_way("deaf", south[3:5], south[5:7])
fleet.run(seconds=12)
fleet.revoke("south/box-12", reason="stolen")
fleet.power_cut("south/box-11", "south/box-9", keep=1)
fleet.restore("south/box-11", backup)
for name in ("north/box-0", "north/box-1", "north/box-4", "south/box-10"):
    fleet.publish(name)
fleet.run(seconds=2)
fleet.restart("south/box-11")
fleet.restart("south/box-9")
fleet.heal("river")
fleet.blackhole("hole", south[:2])
fleet.swap_hardware("south/box-8", by="south/steward")
fleet.run(seconds=12)
fleet.heal()
for name in ("north/box-2", "south/box-10"):
    fleet.publish(name)
fleet.reboot_all(["north/box-4", "south/box-10"])
fleet.run(seconds=5)
print(fleet.trace, fleet.simulation.frames, len(fleet.deliveries), sorted(fleet.refusals()))
"""


def run(seed: int, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", SCRIPT.replace("{seed}", str(seed))]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def test_a_seed_gives_one_run_in_every_process_and_another_seed_another():
    first, again, other = run(7, "1"), run(7, "2"), run(8, "1")
    assert first == again
    assert first.split()[0] != other.split()[0]
    frames, deliveries = map(int, first.split()[1:3])
    assert frames > 1_000
    assert deliveries > 5
