"""What is drawn for a run by chance, and the steps that it makes: the hands of the nemesis.

Episodes (`chance.nemesis`) ask it for names and put steps at times. It sees to it that nobody
is switched off twice, and that who signs is up.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from mesh.testing.fleets.town import banks, replaced

__all__ = ["SIGNING_S", "Episode", "Laid", "Nemesis"]

SIGNING_S = 2.0
"""For how long somebody who signs must be up, virtual seconds."""
QUIET_S = 130
"""Virtual seconds after the last repair: the two minutes that a fleet has to come to life."""
RUN_MS_MAX = 900_000
"""Longest time of one step: a duration has at most six digits."""

Mapped = Mapping[str, Any]


class Laid(NamedTuple):
    """An episode that came to something: what it is, and from when to when."""

    kind: str
    from_s: float
    to_s: float


class Nemesis:
    """A scenario in the making.

    Args:
        rng: where every draw comes from.
        nodes: how many boxes.
        length_s: for how long something happens.

    Attributes:
        rng: as given.
        boxes: the names of the boxes.
        length_s: as given.
        models: which models were released, and when, seconds.
        laid: the episodes that came to something.
    """

    def __init__(self, rng: random.Random, nodes: int, length_s: float) -> None:
        self.rng = rng
        self.length_s = length_s
        self.boxes = [name for bank in banks(nodes).values() for name in bank]
        self.models: list[tuple[float, str]] = []
        self.laid: list[Laid] = []
        self._people = ["centre", "north/steward", "south/steward"]
        self._events: list[tuple[float, int, Mapped]] = []
        self._mended: dict[int, Sequence[str]] = {}
        self._taken: list[tuple[str, float, float]] = []
        self._numbers = 0

    # ----------------------------------------------------------------------------- what is drawn

    def number(self) -> int:
        """Return a number that was not returned before."""
        self._numbers += 1
        return self._numbers

    def some(self, names: Sequence[str]) -> list[str]:
        """Return some of these, at least one."""
        return sorted(self.rng.sample(list(names), self.rng.randint(1, len(names))))

    def anybody(self) -> list[str]:
        """Return every name that there is."""
        return self._people + self.boxes

    def take(self, names: Sequence[str], from_s: float, to_s: float) -> str | None:
        """Return one of these whom nothing else befalls in that time; None if there is none."""
        free = [name for name in names if self.is_free(name, from_s, to_s)]
        if not free:
            return None
        name = self.rng.choice(free)
        self._taken.append((name, from_s, to_s))
        return name

    def is_free(self, name: str, from_s: float, to_s: float) -> bool:
        """Whether nothing that ends or replaces its process befalls somebody in that time."""
        return not any(
            name == other and from_s <= end_s and begin_s <= to_s
            for other, begin_s, end_s in self._taken
        )

    def signer(self, at_s: float, bank: str) -> str | None:
        """Return somebody who may sign for a bank, and is up for it at that time."""
        return self.take(["centre", f"{bank}/steward"], at_s, at_s + SIGNING_S)

    def signs(self, name: str, at_s: float) -> str | None:
        """Return somebody who signs, if he is up for it at that time."""
        return self.take([name], at_s, at_s + SIGNING_S)

    # ------------------------------------------------------------------------------ what comes out

    def happens(self, at_s: float, **step: object) -> None:
        """Put a step at a time."""
        self._events.append((at_s, len(self._events), step))

    def mends(self, at_s: float, verb: str, names: Sequence[str], **deed: object) -> None:
        """Put a step at a time about the machines that hold these names now.

        Who of them is replaced by then is known only once everything is laid out; a machine that
        was is called otherwise, and is mended too.
        """
        self._mended[len(self._events)] = names
        self.happens(at_s, **{verb: deed})

    def lay(self, kind: str, episode: "Episode", from_s: float, to_s: float) -> None:
        """Lay an episode over a time, if that is free to whom it would happen."""
        before = len(self._events)
        episode(self, from_s, to_s)
        if len(self._events) > before:
            self.laid.append(Laid(kind, from_s, to_s))

    def steps(self) -> list[Mapped]:
        """Return the steps, with the time that passes between two of them as steps too."""
        out: list[Mapped] = []
        now_ms = 0
        gone: set[str] = set()
        for at_s, order, step in sorted(self._events, key=lambda event: event[:2]):
            while (left_ms := round(at_s * 1000) - now_ms) > 0:
                passed_ms = min(left_ms, RUN_MS_MAX)
                out.append({"run": f"{passed_ms}ms"})
                now_ms += passed_ms
            gone |= {deed["name"] for verb, deed in step.items() if verb == "swap_hardware"}
            who = [replaced(name, 1) for name in self._mended.get(order, ()) if name in gone]
            who = [*self._mended.get(order, ()), *who]
            out.append({verb: {"who": who, **deed} for verb, deed in step.items()} if who else step)
        return [*out, {"run": f"{QUIET_S}s"}, {"settle": "2m"}]


Episode = Callable[[Nemesis, float, float], None]
"""Lays something over a time, given when it begins and ends."""
