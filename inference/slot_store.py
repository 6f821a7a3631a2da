"""Two slots on disk, and what performs the machine's effects.

Four files in a folder: `side-0` and `side-1` hold artefacts, `record-0` and `record-1` two versions
of the record. Every write is in place and followed by fsync, and nothing relies on a write being
atomic, on a rename, or on the order in which a disk does things; what cannot be read is torn:

- A record carries a number and a SHA-256. The next one goes over the *older* of the two, so a write
  that is torn damages only what was out of date, and the other one is read.
- A side is written only while the durable record says that it is empty, and what it holds is
  compared with the digest that the record names before it is ever used.

So the state after a crash in the middle of a write is the state before that write, or after it.

`SlotKeeper` performs effects one after another and answers them. It blocks (reading, hashing, self-
tests), so it belongs in a thread of its own, and one thread at a time may call it.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from inference.errors import InferenceError, SlotError
from inference.slot_events import (
    Activate,
    Effect,
    Event,
    Go,
    Install,
    Installed,
    NotActivated,
    NotInstalled,
    Outcome,
    Persist,
    Report,
    Test,
    Tested,
)
from inference.slot_record import SlotRecord, parse_record, record_bytes
from inference.slots import PROOF_DEADLINE_NS, Slots

__all__ = ["Disk", "FileDisk", "Host", "SlotKeeper", "SlotStore"]

_NUMBER_BYTES, _DIGEST_BYTES = 8, 32


class Disk(Protocol):
    """Named byte strings that outlast the process."""

    def read(self, name: str) -> bytes | None:
        """What was written under a name; None if nothing was."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write in place; durable when it returns, and in any state if it does not.

        Raises:
            OSError: it failed; the name may hold anything now.
        """
        ...


class FileDisk:
    """Files of a folder, which is made if it is not there.

    Args:
        folder: of nobody else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        _sync(folder.parent)

    def read(self, name: str) -> bytes | None:
        """See `Disk.read`."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """See `Disk.write`."""
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _sync(self._folder)  # a file that is there already may have been made by what was killed


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SlotStore:
    """The record and the two sides on a disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._number = 0

    def load(self) -> tuple[SlotRecord, tuple[bool, bool]]:
        """The newest record that is whole, and whether each side is what it names.

        A folder without one is that of a new box.
        """
        newest = SlotRecord()
        for name in ("record-0", "record-1"):
            found = _record_in(self._read(name))
            if found is not None and found[0] > self._number:
                self._number, newest = found
        return newest, (self._is_intact(newest, 0), self._is_intact(newest, 1))

    def _is_intact(self, record: SlotRecord, side: int) -> bool:
        held, data = record.side(side), self._read(f"side-{side}")
        return held is not None and data is not None and _sha256(data) == held.digest

    def _read(self, name: str) -> bytes | None:
        """What is under a name; None where nothing is, or nothing that can be read."""
        try:
            return self._disk.read(name)
        except OSError:
            return None

    def save(self, record: SlotRecord) -> None:
        """Make a record durable.

        Raises:
            OSError: it failed; the record before is still the newest.
        """
        number, raw = self._number + 1, record_bytes(record)
        assert parse_record(raw) == record, "a record that cannot be read back is none"
        body = number.to_bytes(_NUMBER_BYTES) + raw
        self._disk.write(f"record-{number % 2}", _sha256(body) + body)
        self._number = number

    def install(self, side: int, data: bytes) -> None:
        """Make an artefact durable on a side that the record says is empty.

        Raises:
            OSError: it failed.
        """
        self._disk.write(f"side-{side}", data)

    def artifact(self, side: int, digest: bytes) -> bytes:
        """The artefact on a side.

        Raises:
            SlotError: it is not the one of this digest any more.
        """
        data = self._read(f"side-{side}")
        if data is None or _sha256(data) != digest:
            raise SlotError(
                f"side {side} does not hold sha256:{digest.hex()}: its file is damaged; the box "
                "goes back, and fetches it again when asked"
            )
        return data


def _record_in(data: bytes | None) -> tuple[int, SlotRecord] | None:
    """Number and record of a file; None for one that is missing or torn."""
    if data is None or _sha256(data[_DIGEST_BYTES:]) != data[:_DIGEST_BYTES]:
        return None
    try:
        record = parse_record(data[_DIGEST_BYTES + _NUMBER_BYTES :])
    except SlotError:
        return None
    return int.from_bytes(data[_DIGEST_BYTES : _DIGEST_BYTES + _NUMBER_BYTES]), record


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Host(Protocol):
    """What a slot is for: where artefacts come from, how one is tested, run and reported."""

    def fetch(self, digest: bytes, /) -> bytes | None:
        """The bytes of an artefact; None if they are not on the box yet."""
        ...

    def test(self, data: bytes) -> tuple[str | None, dict[str, int]]:
        """Self-test an artefact beside what runs: the problem or None, and figures."""
        ...

    def live_figures(self) -> dict[str, int]:
        """What live frames made of the figures of what was tested last, by the same names.

        Asked when it is about to be swapped in, maybe more than once. They take the place of those
        of its self-test; {} leaves these, and a name that its self-test did not tell is not kept.
        """
        ...

    def activate(self, data: bytes | None) -> None:
        """Run an artefact from the next frame on; None runs the factory's own.

        Raises:
            InferenceError: it cannot be run. What ran before still does, until something else is
                activated; behind the factory's own nothing is, so after it nothing runs.
        """
        ...

    def forget(self) -> None:
        """What was tested last is not about to be swapped in: free what was kept of it."""
        ...

    def report(self, outcome: Outcome, /) -> None:
        """Tell whoever asked."""
        ...


class SlotKeeper:
    """Performs the effects of a slot's machine; one thread at a time.

    Args:
        store: of this slot.
        host: what the slot is for.
        clock_ns: monotonic clock, nanoseconds.
        deadline_ns: for the first good live inference after a swap or a start.
    """

    def __init__(
        self,
        store: SlotStore,
        host: Host,
        clock_ns: Callable[[], int],
        *,
        deadline_ns: int = PROOF_DEADLINE_NS,
    ) -> None:
        self._store = store
        self._host = host
        self._clock_ns = clock_ns
        self._slots = Slots(*store.load(), deadline_ns=deadline_ns)
        self._candidate: bytes | None = None

    def __repr__(self) -> str:
        return f"<SlotKeeper {self._slots!r}>"

    @property
    def slots(self) -> Slots:
        """The machine; to be read."""
        return self._slots

    def start(self) -> None:
        """Run what is to be run after a start; once, before anything else."""
        self._perform(self._slots.start(self._clock_ns()))

    def handle(self, event: Event) -> None:
        """Take what happened, and do what follows from it."""
        if isinstance(event, Go) and event.digest == self._candidate:
            event = Go(event.digest, self._host.live_figures())
        self._perform(self._slots.handle(event, self._clock_ns()))

    def _perform(self, effects: list[Effect]) -> None:
        waiting = deque(effects)
        while waiting:
            waiting += self._answered(waiting.popleft())
        if self._candidate is not None and self._candidate != self._slots.ready:
            self._candidate = None
            self._host.forget()

    def _answered(self, effect: Effect) -> list[Effect]:
        match effect:
            case Persist(record):
                try:
                    self._store.save(record)
                except OSError as error:
                    return self._slots.persist_failed(_told(error), self._clock_ns())
                return self._slots.persisted(self._clock_ns())
            case Install(side, digest):
                return self._tell(self._installed(side, digest))
            case Test(side, digest):
                return self._tell(self._tested(side, digest))
            case Activate(side, digest):
                return self._activated(side, digest)
            case Report(outcome):
                self._host.report(outcome)
                return []

    def _tell(self, event: Event) -> list[Effect]:
        return self._slots.handle(event, self._clock_ns())

    def _installed(self, side: int, digest: bytes) -> Event:
        data = self._host.fetch(digest)
        if data is None:
            return NotInstalled(digest, "its bytes are not on this box yet")
        if _sha256(data) != digest:
            return NotInstalled(digest, "what was fetched has another SHA-256: fetch it again")
        try:
            self._store.install(side, data)
        except OSError as error:
            return NotInstalled(digest, _told(error))
        return Installed(digest)

    def _tested(self, side: int, digest: bytes) -> Event:
        self._candidate = digest
        try:
            problem, metrics = self._host.test(self._store.artifact(side, digest))
        except (InferenceError, OSError) as error:
            return Tested(digest, str(error), {})
        return Tested(digest, problem, metrics)

    def _activated(self, side: int | None, digest: bytes | None) -> list[Effect]:
        try:
            if side is None or digest is None:
                self._host.activate(None)
            else:
                self._host.activate(self._store.artifact(side, digest))
        except (InferenceError, OSError) as error:
            return self._tell(NotActivated(digest, str(error)))
        return []


def _told(error: OSError) -> str:
    return f"the slots' folder cannot be written: {error.strerror or type(error).__name__}"
