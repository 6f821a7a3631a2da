"""Kills processes that change what they run, at random points, and looks at what they left behind.

    python -m tests.live.slot_process FOLDER KILLS SEED

Each process is forked from this one, so that a hundred of them take seconds. It rolls out one
artefact after another over real files and tells through a pipe what it had reported as good; now
and then one gives no good inference and goes back. After a random number of such words and a random
while the process is killed, and a new one must come up with what was good, or with what was being
put in its place, on trial. Prints one line of JSON.
"""

import json
import os
import random
import select
import signal
import sys
from pathlib import Path

from inference.slot_events import Go, Outcome, OutcomeKind, Seen, Tick, Want
from inference.slot_record import Key
from inference.slot_store import FileDisk, SlotKeeper, SlotStore
from tests.unit.inference.artifacts import a_configuration
from tests.unit.inference.slot_box import refuge

SIZE = 300_000
"""Bytes of an artefact: large enough for a kill to hit the middle of its writing."""

WORDS_MAX = 6
"""A process is killed after at most so many roll-outs."""

WHILE_S = 0.05
"""And after at most so much longer, within which one is done on a quick disk."""

BAD_EVERY = 4
"""One in so many gives no good inference."""

ARTIFACTS = [a_configuration(number, size=SIZE) for number in range(7)]
BY_DIGEST = {made.digest: made.raw for made in ARTIFACTS}
NUMBERS = {made.digest: number for number, made in enumerate(ARTIFACTS)}


class Process:
    """One run of a box, over the files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.now_ns = 0
        self.running: bytes | None = None
        self.said: list[Outcome] = []
        self.keeper = SlotKeeper(SlotStore(FileDisk(folder)), self, lambda: self.now_ns)
        self.keeper.start()

    def fetch(self, digest: bytes) -> bytes | None:
        return BY_DIGEST.get(digest)

    def test(self, data: bytes) -> tuple[str | None, dict[str, int]]:
        return None, {"size": len(data)}

    def activate(self, data: bytes | None) -> None:
        names = [digest for digest, raw in BY_DIGEST.items() if raw == data]
        assert (data is None) == (not names)
        self.running = names[0] if names else None

    def live_figures(self) -> dict[str, int]:
        return {}

    def forget(self) -> None:
        pass

    def report(self, outcome: Outcome) -> None:
        self.said.append(outcome)

    def roll_out(self, digest: bytes, attempt: int, *, works: bool) -> bool:
        """Returns whether it was reported as good."""
        self.keeper.handle(Want(Key(digest, b"intent", attempt)))
        self.keeper.handle(Go(digest))
        self.keeper.handle(Seen(digest, None if works else "RunError"))
        self.now_ns += 31_000_000_000
        self.keeper.handle(Tick())
        return self.said[-1].kind is OutcomeKind.GOOD


def live(folder: Path, pipe: int, draws: random.Random) -> None:
    """Roll out without end; what is good is said once it was reported."""
    process = Process(folder)
    while True:
        digest = draws.choice([one for one in BY_DIGEST if one != process.running])
        works = draws.randrange(BAD_EVERY) > 0
        os.write(pipe, bytes([NUMBERS[digest]]))
        good = process.roll_out(digest, draws.getrandbits(40), works=works)
        os.write(pipe, b"+" if good else b"-")


def fork(folder: Path, pipe: int, seed: int) -> int:
    child = os.fork()
    if child == 0:
        try:
            live(folder, pipe, random.Random(seed))
        finally:
            os._exit(1)
    return child


def words_until_killed(folder: Path, draws: random.Random) -> bytes:
    """Start a process, kill it, and return what it said."""
    reading, writing = os.pipe()
    child = fork(folder, writing, draws.getrandbits(32))
    os.close(writing)
    said = b""
    wanted = 2 * draws.randrange(WORDS_MAX) + 1
    while len(said) < wanted:
        word = os.read(reading, 1)
        assert word, "the process ended by itself"
        said += word
    select.select([], [], [], draws.uniform(0, WHILE_S))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while word := os.read(reading, 64):
        said += word
    os.close(reading)
    return said


def after(said: bytes, good: int | None) -> tuple[int | None, int | None]:
    """The last artefact that was good, and the one that was on its way."""
    coming: int | None = None
    for word in said:
        if word < len(ARTIFACTS):
            coming = word
        else:
            good, coming = (coming if word == ord("+") else good), None
    return good, coming


def torn(folder: Path) -> bool:
    """Whether a file is left that is not what its record says or what its sum says."""
    disk = FileDisk(folder)
    record, intact = SlotStore(disk).load()
    sums = (disk.read(f"side-{side}") for side in (0, 1))
    whole = [data in BY_DIGEST.values() for data in sums if data is not None]
    assert all(intact[n] for n in (0, 1) if record.side(n) is not None)
    return not all(whole)


def main(folder: Path, kills: int, seed: int) -> None:
    """Kill so many processes and check what each left behind."""
    draws = random.Random(seed)
    good: int | None = None
    counts = {"kills": 0, "torn": 0, "on_trial": 0, "during": 0, "rolled_out": 0}
    for number in range(kills):
        said = words_until_killed(folder, draws)
        good, coming = after(said, good)
        counts["kills"] += 1
        counts["torn"] += torn(folder)
        counts["during"] += coming is not None
        counts["rolled_out"] += said.count(b"+")
        safe = refuge(FileDisk(folder))
        allowed = {None if n is None else ARTIFACTS[n].digest for n in (good, coming)}
        assert safe in allowed, f"kill {number}: {safe} is to be gone back to, not {allowed}"
        process = Process(folder)
        assert process.running in allowed, f"kill {number}: runs {process.running}"
        runs = process.keeper.slots.record.side(process.keeper.slots.record.active)
        if runs is not None and not runs.vouched:
            counts["on_trial"] += 1
            assert safe == (None if good is None else ARTIFACTS[good].digest)
            process.now_ns += 31_000_000_000
            process.keeper.handle(Tick())
            assert process.running == safe
        else:
            process.keeper.handle(Seen(process.running))
        good = None if process.running is None else NUMBERS[process.running]
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
