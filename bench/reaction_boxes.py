"""The processes of `bench/reaction.py`: ours, and zenoh's with and without the same seal.

Each box says where it is, waits for orders `(start_ns, period_ns, count)`, publishes by itself on
that grid, hears all others, and answers `(samples_ns, cpu_ns, lost)`. What travels is stamped with
CLOCK_MONOTONIC, which all processes of one machine share.
"""

import cProfile
import gc
import json
import logging
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import trio
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

import mesh
from mesh import km
from mesh.node.processes import Parent
from mesh.units import SECOND

__all__ = ["Sample", "run_mesh_box", "run_zenoh_box"]

PAYLOAD = "x" * 100
"""Brings a sealed event to about 300 bytes."""
PATIENCE_S = 3.0
"""How long a box listens after its last event."""
INTEREST_M = km(0.7)


@mesh.event("traffic.sample")
class Sample:
    """When it was published, monotonic nanoseconds, and ballast."""

    at_ns: int
    ballast: str


class _Round:
    """What one box measures in one round."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.samples: list[int] = []
        self.cpu_ns = time.process_time_ns()
        self.complete = trio.Event()

    def heard(self, at_ns: int) -> None:
        self.samples.append(time.monotonic_ns() - at_ns)
        if len(self.samples) >= self.expected:
            self.complete.set()

    def result(self) -> tuple[list[int], int, int]:
        cpu_ns = time.process_time_ns() - self.cpu_ns
        return self.samples, cpu_ns, self.expected - len(self.samples)


async def _publish_on_grid(
    order: tuple[int, int, int], send: Callable[[], Any], complete: trio.Event
) -> None:
    """Call `send` `count` times, from `start_ns` on, then wait for what others still send."""
    start_ns, period_ns, count = order
    for number in range(count):
        due_ns = start_ns + number * period_ns
        await trio.sleep(max(0.0, (due_ns - time.monotonic_ns()) / SECOND))
        sent = send()
        if sent is not None:
            await sent
    with trio.move_on_after(PATIENCE_S):
        await complete.wait()


# ------------------------------------------------------------------------------------------ ours


def run_mesh_box(parent: Parent, config: str, boxes: int, model: bytes, profile: str) -> None:
    """Run one box of ours; `profile` names a file for the figures of cProfile, "" for none."""
    logging.basicConfig(level=logging.CRITICAL)
    trio.run(_mesh_box, parent, config, boxes, model, profile)


async def _mesh_box(parent: Parent, config: str, boxes: int, model: bytes, profile: str) -> None:
    async with mesh.open_node(config) as node, trio.open_nursery() as nursery:
        while len(node.mind.presence.seen) < boxes + 1 or node.place.degrees is None:
            await node.membership_changed()
        rounds: list[_Round] = []

        async def listen(*, task_status: trio.TaskStatus[None]) -> None:
            async with node.nearby(Sample, within=INTEREST_M) as samples:
                task_status.started()
                async for seen in samples:
                    rounds[-1].heard(seen.value.at_ns)

        async def publish() -> None:
            await node.publish(Sample(time.monotonic_ns(), PAYLOAD), model=model)

        await nursery.start(listen)
        parent.tell("ready")
        gc.collect()
        gc.freeze()
        async for order in parent:
            rounds.append(_Round(order[2] * (boxes - 1)))
            with _profiled(profile):
                await _publish_on_grid(order, publish, rounds[-1].complete)
            parent.tell(rounds[-1].result())
        nursery.cancel_scope.cancel()


@contextmanager
def _profiled(file: str) -> Generator[None]:
    """Write what this thread does meanwhile to a file, unless it is ""."""
    profiler = cProfile.Profile()
    if file:
        profiler.enable()
    yield
    if file:
        profiler.disable()
        profiler.dump_stats(file)


# ----------------------------------------------------------------------------------------- zenoh


def run_zenoh_box(parent: Parent, ports: list[int], number: int, sealed: bool) -> None:
    """Run one zenoh peer, linked to all others; sealed = with an Ed25519 signature as ours."""
    import zenoh

    config = zenoh.Config()
    settings = {
        "mode": "peer",
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": False,
        "listen/endpoints": [f"tcp/127.0.0.1:{ports[number]}"],
        "connect/endpoints": [f"tcp/127.0.0.1:{port}" for port in ports[:number]],
    }
    for key, value in settings.items():
        config.insert_json5(key, json.dumps(value))
    with zenoh.open(config) as session:
        trio.run(_zenoh_box, parent, session, len(ports), sealed)


async def _zenoh_box(parent: Parent, session: Any, boxes: int, sealed: bool) -> None:
    secret = SigningKey.generate()
    public = bytes(secret.verify_key)
    rounds: list[_Round] = []
    token = trio.lowlevel.current_trio_token()
    keys: dict[bytes, VerifyKey] = {}

    def enter(at_ns: int) -> None:
        rounds[-1].heard(at_ns)

    def received(sample: Any) -> None:
        data = sample.payload.to_bytes()
        key, signature, body = data[:32], data[32:96], data[96:]
        if key == public:
            return
        if sealed:
            try:
                keys.setdefault(key, VerifyKey(key)).verify(body, signature)
            except BadSignatureError:
                return
        token.run_sync_soon(enter, json.loads(body)["at_ns"])

    def publish() -> None:
        body = json.dumps({"at_ns": time.monotonic_ns(), "ballast": PAYLOAD}).encode()
        signature = secret.sign(body).signature if sealed else bytes(64)
        publisher.put(public + signature + body)

    publisher = session.declare_publisher("bench/reaction")
    subscriber = session.declare_subscriber("bench/reaction", received)
    parent.tell("ready")
    gc.collect()
    gc.freeze()
    async for order in parent:
        rounds.append(_Round(order[2] * (boxes - 1)))
        await _publish_on_grid(order, publish, rounds[-1].complete)
        parent.tell(rounds[-1].result())
    subscriber.undeclare()
