"""Which stages a box sees open: gates that passed for the length of their soak, and latches.

Opening is computed by every box alone. A soak is running time in force while its gate passes: it
begins anew when the gate stops passing, when a partition ends, and when the box starts. Nothing
opens before one whole sync with every linked peer, because presence heals faster than reports.
Under `hold` nothing opens on a side that counts itself partitioned, the first stage included.

What opened is latched as permission to start, with the reports that the gate counted, so that
anyone can ask why. A halt clears the latches, and so does a resume after one: stages open anew from
the first. `promote` latches without gate and in a partition.

Of a model that a person approved every stage is open, in a partition and before the sync too. That
is latched nowhere: it is so as long as the record counts.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from mesh.orchestration.gate import GateReading, read_gate
from mesh.orchestration.memory import IntentMemory, Latch
from mesh.orchestration.rollouts import Rollout
from mesh.orchestration.sight import Sight, is_partitioned
from mesh.units import MS

__all__ = ["Opening", "is_cut", "is_open", "read_gates"]


def is_open(rollout: Rollout, memory: IntentMemory, stage: int) -> bool:
    """Whether a stage is open to a box: it latched it, or a person answered the gate."""
    return rollout.is_wide_open or memory.is_open(stage)


def is_cut(rollout: Rollout, sight: Sight) -> bool:
    """Whether a box counts itself partitioned from the current names of a rollout."""
    names = rollout.cohort.ranked if rollout.cohort is not None else ()
    return is_partitioned([name for name in names if name in rollout.current], sight)


def read_gates(rollout: Rollout, sight: Sight) -> tuple[GateReading, ...]:
    """Return what the gate of every stage shows, the last one's too; empty without the list."""
    cohort = rollout.cohort
    if cohort is None:
        return ()
    return tuple(
        read_gate(
            rollout.intent,
            cohort.stage(number),
            current=rollout.current,
            sight=sight,
            reports=rollout.reports,
            forgiven=rollout.forgiven,
        )
        for number in range(len(cohort.sizes))
    )


class Opening:
    """The soaks that run in one box. What must outlast the box is in its memory."""

    __slots__ = ("_cut", "_soaks")

    def __init__(self) -> None:
        self._soaks: dict[tuple[bytes, int], int] = {}
        self._cut: dict[bytes, None] = {}

    def __repr__(self) -> str:
        return f"<Opening {len(self._soaks)} soaks, {len(self._cut)} partitions>"

    def soak_began_ns(self, intent: bytes, stage: int) -> int | None:
        """When the soak of a stage began, monotonic ns; None while its gate does not pass."""
        return self._soaks.get((intent, stage))

    def keep(self, intents: Collection[bytes]) -> None:
        """Forget all but the intents in view: who returns finds no soak of before."""
        self._cut = {intent: None for intent in self._cut if intent in intents}
        self._soaks = {key: at_ns for key, at_ns in self._soaks.items() if key[0] in intents}

    def watch(
        self, rollout: Rollout, memory: IntentMemory, sight: Sight, now_ns: int
    ) -> IntentMemory:
        """Return the memory with the latches as they stand now.

        Args:
            rollout: the intent, in the view of now.
            memory: of it.
            sight: what the box sees now.
            now_ns: monotonic time.
        """
        latches = tuple(latch for latch in memory.latches if latch.era == rollout.era)
        if rollout.halts or rollout.dead is not None:
            latches = ()
        if latches != memory.latches:
            memory = replace(memory, latches=latches)
            self._forget(rollout.id)
        if rollout.halts or rollout.dead is not None or rollout.superseded_by:
            self._forget(rollout.id)
            return memory
        cut = is_cut(rollout, sight)
        if rollout.id in self._cut and not cut:
            self._forget(rollout.id)
        if cut:
            self._cut[rollout.id] = None
        gates = read_gates(rollout, sight)
        soaked = self._soak(rollout, gates, now_ns)
        if rollout.obstacle is not None or not sight.whole:
            return memory
        held = cut and rollout.intent.on_partition == "hold"
        top, counted = -1, ()
        if not held:
            top = soaked + 1
            counted = gates[soaked].counted if soaked >= 0 else ()
        if rollout.promoted > top:
            top, counted = rollout.promoted, ()
        if top < 0 or memory.is_open(top):
            return memory
        return replace(memory, latches=(*memory.latches, Latch(top, rollout.era, counted)))

    def _soak(self, rollout: Rollout, gates: tuple[GateReading, ...], now_ns: int) -> int:
        """Start and stop soaks; returns the last stage whose gate passed long enough, or -1."""
        last = -1
        for number, gate in enumerate(gates[:-1]):
            if not gate.passes:
                self._soaks.pop((rollout.id, number), None)
                continue
            began_ns = self._soaks.setdefault((rollout.id, number), now_ns)
            if now_ns - began_ns >= rollout.intent.stages[number].soak_ms * MS:
                last = number
        return last

    def _forget(self, intent: bytes) -> None:
        self._cut.pop(intent, None)
        for key in [key for key in self._soaks if key[0] == intent]:
            del self._soaks[key]

    def deadline_ns(self, rollouts: Mapping[bytes, Rollout], now_ns: int) -> int | None:
        """Return when the next soak ends, monotonic ns; None if none runs."""
        ends = [
            began_ns + rollouts[intent].intent.stages[stage].soak_ms * MS
            for (intent, stage), began_ns in self._soaks.items()
        ]
        return min((end for end in ends if end > now_ns), default=None)
