"""How long until the last box has a new artefact, passed on from neighbour to neighbour.

    python bench/rollout.py [--quick] [--json FILE] [--boxes 100]

A hundred simulated boxes of a generated city, linked as the topology links them, each with one line
of 100 Mbit/s up and down that all its neighbours share; one of them has 20 MB that all others want
at once. The real exchange runs, in virtual time (`bench/rollout_swarm.py`). Beside it, the time to
send the artefact once over such a line, and to one box after the other from one server. Then eight
boxes on real sockets, a process each on this machine: linked with each other, and with one server
only. There no line is the limit but the processors, which all boxes share.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from random import Random

from bench.report import Report, parser, percentile, progress
from bench.rollout_boxes import run_box
from bench.rollout_swarm import Line, Swarm
from mesh.choreography.cells import cells_covering
from mesh.coordination.topology import MemberPlace, linked_peers, links
from mesh.demo.city.generator import INTEREST_RADIUS_M, generate_city, neighbourhood
from mesh.node.processes import Processes
from mesh.units import SECOND

SIZE, SIZE_QUICK = 20_000_000, 8_000_000
"""Bytes of the simulated artefact."""
SIZE_REAL, SIZE_REAL_QUICK = 20_000_000, 4_000_000
"""Bytes of the one on real sockets."""
SEEDS, SEEDS_QUICK = (1, 2, 3), (1,)
"""Cities."""
TIMES_BUDGET = 3.0
"""Most times as long as sending it once."""
REAL_BOXES = 8
RESOLUTION = 9
READY_S = 120.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__ or "")
    options.add_argument("--boxes", type=int, default=100)
    given = options.parse_args(arguments)
    size = SIZE_QUICK if given.quick else SIZE
    report = Report(f"rollout: {size / 1e6:g} MB to {given.boxes} boxes, 100 Mbit/s each")
    for seed in SEEDS_QUICK if given.quick else SEEDS:
        progress(f"city {seed} …")
        _simulate(report, given.boxes, size, seed)
    _real(report, SIZE_REAL_QUICK if given.quick else SIZE_REAL)
    report.finish(given.json)
    return 0


def _simulate(report: Report, boxes: int, size: int, seed: int) -> None:
    line = Line()
    once_s = size / line.rate
    near = _neighbours(boxes, seed)
    swarm = Swarm(Random(seed).randbytes(size), near, line, seed)
    origin = Random(seed).choice(list(near))
    swarm.start({origin})
    if not swarm.run(3600 * SECOND):
        sys.exit(f"city {seed}: not everybody had it within an hour")
    done_s = [box.complete_ns / SECOND for box in swarm.boxes.values() if box.complete_ns]
    statistics = [box.exchange.statistics() for box in swarm.boxes.values()]
    wasted = sum(each.bytes_wasted for each in statistics) / (size * (boxes - 1))
    city, server = f"city {seed}: ", ("one server", once_s * (boxes - 1))
    report.add(f"{city}sent once", once_s, "s")
    report.add(f"{city}last box", max(done_s), "s", peer=server)
    report.add(f"{city}last box, times sent once", max(done_s) / once_s, "", budget=TIMES_BUDGET)
    report.add(f"{city}median box, times sent once", percentile(done_s, 50) / once_s, "")
    report.add(f"{city}sent by its first holder, copies", swarm.bytes_up(origin) / size, "")
    report.add(f"{city}received twice", 100 * wasted, "%")
    report.add(f"{city}honest boxes blamed", swarm.penalties, "", budget=0)


def _neighbours(boxes: int, seed: int) -> dict[bytes, tuple[bytes, ...]]:
    """Who is linked with whom in a part of a city."""
    city = neighbourhood(generate_city(seed), boxes)
    key = {name: sha256(name.encode()).digest() for name in city.names}
    members = {
        key[place.name]: MemberPlace(
            position=place.position,
            wants=(
                *cells_covering(
                    place.position[0] / 1e6, place.position[1] / 1e6, INTEREST_RADIUS_M, RESOLUTION
                ),
                place.district.encode(),
            ),
            neighbours=tuple(key[name] for name in city.neighbours(place.name)),
        )
        for place in city.places
    }
    chosen = links(members)
    near = linked_peers(chosen)
    return {peer: near.get(peer, ()) for peer in members}


def _real(report: Report, size: int) -> None:
    took_s: dict[bool, float] = {}
    for is_star in (True, False):
        progress(f"{REAL_BOXES} boxes on real sockets, {'star' if is_star else 'mesh'} …")
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            Processes(preload=("mesh.net.host", "bench.rollout_boxes")) as processes,
        ):
            start = partial(processes.start, run_box)
            children = [
                start(folder, number, size, name=f"box {number}") for number in range(REAL_BOXES)
            ]
            addresses = [child.receive_within(READY_S) for child in children]
            for number, child in enumerate(children):
                child.tell(addresses[:1] if is_star and number else addresses[:number])
            for child in children:
                child.receive_within(READY_S)
            start_ns = time.monotonic_ns()
            for child in children:
                child.tell("go")
            done_ns = max(child.receive_within(READY_S) for child in children)
            took_s[is_star] = (done_ns - start_ns) / SECOND
    last = f"{REAL_BOXES} real boxes, {size / 1e6:g} MB: last box"
    report.add(last, took_s[False], "s", peer=("one server, real", took_s[True]))
    moved = size * (REAL_BOXES - 1) / 1e6
    report.add(f"{REAL_BOXES} real boxes: all together", moved / took_s[False], "MB/s")


if __name__ == "__main__":
    sys.exit(main())
