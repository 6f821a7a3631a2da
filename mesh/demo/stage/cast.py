"""The processes of a run, and how the demo talks to them.

Every principal is an operating system process of its own; what the demo knows of it, it asked at
its console, the Unix socket beside its configuration.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trio

from identity.encoding import Value
from mesh.config import load_config
from mesh.demo.boxes.attackers import AccompliceOptions
from mesh.demo.boxes.box import BoxOptions
from mesh.demo.city.model import City
from mesh.demo.stage import workers
from mesh.demo.stage.foundation import BOOTSTRAP, CENTRE, Foundation, Principal
from mesh.node.control import ControlError, ask
from mesh.node.processes import Child, Processes, ProcessFailedError

__all__ = ["PRELOAD", "Cast"]

PRELOAD = ("mesh.net.host", "onnxruntime", "mesh.demo.stage.workers")
"""Imported once, before the first fork."""
READY_S = 40.0
"""Seconds that a process gets to stand."""


@dataclass(slots=True)
class Cast:
    """Who plays.

    Attributes:
        processes: starts and ends them.
        foundation: the founded fleet.
        city: where the boxes stand.
        scene: directory of the camera files.
        model: file of the model that hardware is delivered with now.
        release_key: the key that releases models, 32 bytes; b"" where nobody releases any.
        running: child by name; the old hardware of box 247 becomes "<name> (old)".
        configs: configuration file by the same name.
    """

    processes: Processes
    foundation: Foundation
    city: City
    scene: Path
    model: Path
    running: dict[str, Child] = field(default_factory=dict[str, Child])
    configs: dict[str, Path] = field(default_factory=dict[str, Path])
    release_key: bytes = b""
    delivered: dict[Path, Path] = field(default_factory=dict[Path, Path])
    """What each hardware was delivered with, by its configuration."""

    @property
    def boxes(self) -> tuple[str, ...]:
        """The honest boxes, by number."""
        return self.city.names

    @property
    def hero(self) -> str:
        """Box 247."""
        return self.city.hero.name

    @property
    def old_hero(self) -> str:
        """The running name of box 247's hardware once it was swapped."""
        return f"{self.hero} (old)"

    @property
    def accomplice(self) -> str:
        """The enrolled box from which the attacks come."""
        return f"{self.city.hero.district}/box-9001"

    @property
    def forker(self) -> str:
        """The enrolled box whose key will sign two things at once."""
        return f"{self.city.hero.district}/box-9002"

    def key(self, name: str) -> bytes:
        """Return the public key behind a running name."""
        if name == self.old_hero:
            return self.foundation.principals[self.hero].key
        if name == self.hero and self.old_hero in self.running:
            return self.foundation.principals["spare"].key
        return self.foundation.principals[name].key

    def name_of(self, key: bytes) -> str:
        """Return the running name of a key, or its first digits."""
        return next((name for name in self.running if self.key(name) == key), key.hex()[:12])

    # ---------------------------------------------------------------------------- starting

    def start_box(self, principal: Principal, name: str) -> Child:
        """Start a box with its camera."""
        place = self.city.place(name)
        phase = self.boxes.index(name) / len(self.boxes)
        model = self.delivered.setdefault(principal.config, self.model)
        options = BoxOptions(
            str(principal.config), place.watched or "", str(self.scene), str(model), phase,
            self.release_key,
        )  # fmt: skip
        return self._start(name, principal, workers.box, options)

    def start_node(self, name: str, target: Callable[..., None] = workers.node) -> Child:
        """Start a node that is no box: a plain one, unless its process is one of its own."""
        principal = self.foundation.principals[name]
        return self._start(name, principal, target, str(principal.config))

    def start_accomplice(self, options: AccompliceOptions) -> Child:
        """Start the attackers' process."""
        principal = self.foundation.principals[self.accomplice]
        return self._start(self.accomplice, principal, workers.accomplice, options)

    def _start(
        self, name: str, principal: Principal, target: Callable[..., None], argument: object
    ) -> Child:
        child = self.processes.start(target, argument, name=name.replace("/", "-"))
        self.running[name] = child
        self.configs[name] = principal.config
        return child

    async def ready(self, names: list[str]) -> None:
        """Wait until processes say that they stand.

        Raises:
            ProcessFailedError: one failed, or was too slow.
        """
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(self._ready, name)

    async def _ready(self, name: str) -> None:
        with trio.move_on_after(READY_S):
            await self.running[name].receive()
            return
        raise ProcessFailedError(f"{name} does not stand after {READY_S:g} s")

    def start_fleet(self) -> list[str]:
        """Start authority, bootstrap peer, boxes and forker; returns their names."""
        self.start_node(CENTRE)
        self.start_node(BOOTSTRAP)
        self.start_node(self.forker, workers.poisoner)
        for name in self.boxes:
            self.start_box(self.foundation.principals[name], name)
        return [CENTRE, BOOTSTRAP, self.forker, *self.boxes]

    # ------------------------------------------------------------------------------ asking

    async def ask(self, name: str, request: Mapping[str, object]) -> dict[str, Value]:
        """Ask a process something at its console."""
        return await ask(self.configs[name], request)

    async def ask_all(
        self, names: tuple[str, ...], request: Mapping[str, object]
    ) -> dict[str, dict[str, Value]]:
        """Ask several at once; one that does not answer is left out."""
        answers: dict[str, dict[str, Value]] = {}

        async def one(name: str) -> None:
            try:
                answers[name] = await self.ask(name, request)
            except ControlError:
                return

        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(one, name)
        return {name: answers[name] for name in names if name in answers}

    async def until(
        self, holds: Callable[[], Awaitable[bool]], seconds: float, period_s: float = 0.2
    ) -> float | None:
        """Ask until something holds; returns after how many seconds, None if it never did."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            if await holds():
                return time.monotonic() - start
            await trio.sleep(period_s)
        return None

    def address(self, name: str) -> tuple[str, ...]:
        """Return where a process listens, if its configuration fixes the port."""
        return tuple(load_config(self.configs[name]).listen)
