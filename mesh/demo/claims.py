"""Claims: what a run promises, and which of it did not hold.

A claim is a name and a sentence. The first that fails ends the run, unless it was asked to go on;
every failed one is named in the summary, the JSON and the exit code.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["ClaimFailedError", "Claims", "Judged"]


class ClaimFailedError(Exception):
    """A claim can no longer hold, and the run was not asked to keep going."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One claim as it was judged."""

    name: str
    held: bool
    sentence: str


@dataclass(slots=True)
class Claims:
    """The claims of one run.

    Attributes:
        keep_going: whether to go on after a failed one.
        say: called with (name, held, sentence) for each.
        failed: names that failed, each once, in order.
        judged: everything that was judged, in order.
    """

    keep_going: bool
    say: Callable[[str, bool, str], None]
    failed: list[str] = field(default_factory=list[str])
    judged: list[Judged] = field(default_factory=list[Judged])

    def check(self, name: str, held: bool, sentence: str) -> bool:
        """Judge one claim.

        Raises:
            ClaimFailedError: it does not hold, and the run ends with the first that does not.
        """
        self.judged.append(Judged(name, held, sentence))
        self.say(name, held, sentence)
        if not held:
            if name not in self.failed:
                self.failed.append(name)
            if not self.keep_going:
                raise ClaimFailedError(f"{name}: {sentence}")
        return held

    def fall(self, name: str, sentence: str) -> None:
        """Note that the run ended for a reason that is no claim; `say` it as a failed one."""
        self.judged.append(Judged(name, False, sentence))
        self.say(name, False, sentence)
        self.failed.append(name)
