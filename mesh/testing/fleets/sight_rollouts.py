"""What checkers see of rollouts: every move of every box, in the order in which they were made.

A box *opens* a stage when it takes it for permitted, *starts* when it begins an attempt, *swaps*
when a slot runs something else, and *has* what it was delivered with. Each move carries what the
box itself could tell of that moment: whom it saw, what people had said, what was open to it before.
"""

from dataclasses import dataclass
from typing import Literal

from mesh.orchestration.intent import Intent

__all__ = ["Move", "Situation", "Standing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A rollout as one box saw it at one moment.

    Attributes:
        intent: what was signed.
        names: the cohort, in no order; empty until the list is held.
        current: those of its names that somebody holds.
        seen: names that the box saw.
        dark: names that were gone by the word of all who would know.
        promoted: the stage up to which people opened it; -1 for none.
        opened: the widest stage that the box had seen open before; -1 for none.
    """

    intent: Intent
    names: frozenset[str]
    current: frozenset[str]
    seen: frozenset[str]
    dark: frozenset[str]
    promoted: int
    opened: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One move of one box.

    Attributes:
        at_s: when.
        who: the name that the box holds.
        key: its public key, 32 bytes.
        deed: what it did.
        artefact: what it is about, a digest.
        stage: which stage it opened; -1 for the other deeds.
        situation: of the intent that brings the artefact; None where none does, as when a box goes
            back to what it was delivered with.
        is_approved: whether a person approved the artefact once, in the box's view.
        is_withdrawn: whether nobody may run it any more, in the box's view.
        is_genuine: whether the bytes that it swapped in are those that the digest names.
    """

    at_s: float
    who: str
    key: bytes
    deed: Literal["has", "opened", "started", "swapped"]
    artefact: bytes
    stage: int = -1
    situation: Situation | None = None
    is_approved: bool = False
    is_withdrawn: bool = False
    is_genuine: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a rollout stands in the view of one box, now.

    Attributes:
        intent: what was signed.
        obstacle: why nothing may open or start there, for people; empty where it may.
        is_over: whether that is for good, or until a resume: it was halted, ended or superseded.
    """

    intent: Intent
    obstacle: str
    is_over: bool
