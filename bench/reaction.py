"""How long from an event to the handler of another box: sealed, verified, authorised; real sockets.

    python bench/reaction.py [--quick] [--json FILE] [--boxes 8]

Eight boxes, a process each, all in each other's range; every box publishes on a grid of its own and
hears the seven others. Beside it in the same run, where the package is there: zenoh in peer mode,
bare and with the same Ed25519 seal. None of the peers authorises anything.
"""

import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from bench.reaction_boxes import run_mesh_box, run_zenoh_box
from bench.report import Report, parser, percentile, progress
from identity.domain import EVENT
from identity.keys import SecretKey, verify
from mesh.demo.city.generator import generate_city, neighbourhood
from mesh.demo.stage.foundation import BOOTSTRAP, CENTRE, found
from mesh.demo.stage.workers import node
from mesh.node.processes import Child, Processes
from mesh.units import MS, SECOND

RATES = (20.0, 150.0)
"""Events a second, of all boxes together."""
SECONDS, SECONDS_QUICK = 20.0, 4.0
"""Length of a round."""
WARM_UP = 40
"""Events before the first round."""
READY_S = 60.0
LEAD_NS = 300 * MS
"""Between an order and the first event."""
MODEL = sha256(b"bench: no model at all").digest()

Start = Callable[[Processes], list[Child]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of one system: latencies in ms, CPU of all boxes in ms, deliveries missing."""

    samples: list[float]
    cpu_ms: float
    lost: int


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__ or "")
    options.add_argument("--boxes", type=int, default=8)
    options.add_argument("--profile", default="", help="cProfile figures of one box go there")
    given = options.parse_args(arguments)
    seconds = SECONDS_QUICK if given.quick else SECONDS
    report = Report(f"reaction: {given.boxes} boxes, one process each, loopback")
    _floors(report)
    systems: dict[str, dict[float, Measured]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        starters = {"threerooms": partial(_start_mesh, Path(directory), given.boxes, given.profile)}
        if find_spec("zenoh") is not None:
            starters["sealed zenoh"] = partial(_start_zenoh, given.boxes, True)
            starters["bare zenoh"] = partial(_start_zenoh, given.boxes, False)
        for system, start in starters.items():
            progress(f"{system} …")
            with Processes(preload=("mesh.net.host", "bench.reaction_boxes")) as processes:
                systems[system] = _measure(start(processes), seconds)
    _report(report, systems)
    report.finish(given.json)
    return 0


def _floors(report: Report) -> None:
    """What nobody can go below: a signature, its check, half a round trip."""
    secret = SecretKey.from_seed(bytes(32))
    raw = bytes(230)
    signature = secret.sign(EVENT, raw)
    report.add("floor: sign", _each_us(lambda: secret.sign(EVENT, raw)), "µs")
    report.add(
        "floor: verify", _each_us(lambda: verify(secret.public, EVENT, raw, signature)), "µs"
    )
    ours, theirs = socket.socketpair()

    def round_trip() -> None:
        ours.send(raw)
        theirs.send(theirs.recv(4096))
        ours.recv(4096)

    report.add("floor: half a round trip", _each_us(round_trip) / 2, "µs")


def _each_us(call: Callable[[], object], times: int = 2000) -> float:
    taken: list[float] = []
    for _ in range(times):
        start = time.perf_counter_ns()
        call()
        taken.append((time.perf_counter_ns() - start) / 1000)
    return percentile(taken, 50)


def _start_mesh(directory: Path, boxes: int, profile: str, processes: Processes) -> list[Child]:
    city = neighbourhood(generate_city(1), boxes)
    foundation = found(directory, city, MODEL)
    for name in (CENTRE, BOOTSTRAP):
        processes.start(node, str(foundation.principals[name].config), name=name)
    children: list[Child] = []
    for name in city.names:
        config = str(foundation.principals[name].config)
        ours = profile if name == city.names[0] else ""
        children.append(processes.start(run_mesh_box, config, boxes, MODEL, ours, name=name[-8:]))
    return children


def _start_zenoh(boxes: int, sealed: bool, processes: Processes) -> list[Child]:
    ports = _free_ports(boxes)
    return [processes.start(run_zenoh_box, ports, number, sealed) for number in range(boxes)]


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _measure(children: list[Child], seconds: float) -> dict[float, Measured]:
    for child in children:
        child.receive_within(READY_S)
    _round(children, 20.0, WARM_UP / 20.0)
    return {rate: _round(children, rate, seconds) for rate in RATES}


def _round(children: list[Child], rate: float, seconds: float) -> Measured:
    """Let every box publish its part of the rate, evenly spread, and collect what was heard."""
    period_ns = round(len(children) / rate * SECOND)
    count = max(1, round(seconds * SECOND / period_ns))
    start_ns = time.monotonic_ns() + LEAD_NS
    for number, child in enumerate(children):
        child.tell((start_ns + number * period_ns // len(children), period_ns, count))
    results = [child.receive_within(seconds + READY_S) for child in children]
    samples = [sample / MS for result in results for sample in result[0]]
    return Measured(samples, sum(r[1] for r in results) / MS, sum(r[2] for r in results))


def _report(report: Report, systems: dict[str, dict[float, Measured]]) -> None:
    ours = systems["threerooms"]
    peer = systems.get("sealed zenoh", {})
    for rate, measured in ours.items():
        other = peer.get(rate)
        for percent, budget in ((50, 1.0 if rate > 100 else None), (99, 5.0)):
            value = percentile(measured.samples, percent)
            beside = ("sealed zenoh", percentile(other.samples, percent)) if other else None
            report.add(f"{rate:g}/s: p{percent}", value, "ms", budget=budget, peer=beside)
        cpu = measured.cpu_ms / max(1, len(measured.samples))
        beside = ("sealed zenoh", other.cpu_ms / max(1, len(other.samples))) if other else None
        report.add(f"{rate:g}/s: CPU per event and hop", cpu, "ms", budget=0.2, peer=beside)
        report.add(f"{rate:g}/s: deliveries lost", measured.lost, "", budget=0)
    for system, rounds in systems.items():
        for rate, measured in rounds.items():
            if system != "threerooms":
                for percent in (50, 99):
                    value = percentile(measured.samples, percent)
                    report.add(f"{system}, {rate:g}/s: p{percent}", value, "ms")
                report.add(f"{system}, {rate:g}/s: deliveries lost", measured.lost, "")


if __name__ == "__main__":
    sys.exit(main())
