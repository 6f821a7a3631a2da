"""The independent oracle of the records: the rules once more, as definitions, slow and obvious.

Each view is written down as docs/records.md states it: a set comprehension a sentence, one stratum
after the other, without caches, increments or shortcuts. It shares the parser of entries and the
capability algebra with the product and nothing else: an import contract forbids it the fold, so
that one misreading cannot hide in both. Where the two disagree, the page decides.

Vouching, checkpoints, same-rank removal and BASE snapshots are not stated here yet.
"""

from .authority import ROOT, Judged, Verdict, fold
from .held import Held, hold
from .known import known_authors
from .registers import Rule, registers
from .status import status

__all__ = [
    "ROOT",
    "Held",
    "Judged",
    "Rule",
    "Verdict",
    "fold",
    "hold",
    "known_authors",
    "registers",
    "status",
]
