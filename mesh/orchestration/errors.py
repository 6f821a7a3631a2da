"""The errors of `mesh.orchestration`, one tree.

OrchestrationError
├── InvalidIntentError   an intent that nobody should sign; the message is for who wrote it
├── InvalidCommandError  a command that nobody should sign
├── InvalidCohortError   bytes that are no list of names, or not the list that an intent names
├── InvalidReportError   a report that cannot be written down
├── InvalidHaltError     a halt that would prove nothing
├── CannotApplyError     what a person asked for and cannot have; the message is for that person
├── RolloutFileError     a rollout as people write it that cannot be used, with line and column
├── InvalidMemoryError   bytes that are no memory of a conductor
└── BlobError            of the exchange of artefacts; `blob_errors` draws its branches

What peers write never raises: bytes of theirs that are no record are `None`, and fold as nothing.
"""


class OrchestrationError(Exception):
    """Base of every error raised by `mesh.orchestration`."""


class InvalidIntentError(OrchestrationError):
    """An intent that nobody should sign; the message says which value, and what was expected."""


class InvalidCommandError(OrchestrationError):
    """A command that nobody should sign; the message says what is wrong with it."""


class InvalidCohortError(OrchestrationError):
    """Bytes that are no list of names, or not the list that an intent names."""


class InvalidReportError(OrchestrationError):
    """A report that cannot be written down; the message says which field, and what to do."""


class InvalidHaltError(OrchestrationError):
    """A halt that would prove nothing; the message says why."""


class CannotApplyError(OrchestrationError):
    """What a person asked for and cannot have: what was wrong, what was expected, what to do."""


class RolloutFileError(OrchestrationError):
    """A rollout file that cannot be used; the message has line, value and what was expected.

    Attributes:
        line: where it is, from 1.
    """

    def __init__(self, name: str, line: int, column: int, message: str) -> None:
        super().__init__(f"{name}:{line}:{column}: {message}")
        self.line = line


class InvalidMemoryError(OrchestrationError):
    """Bytes that are no memory of a conductor: the box starts without, and holds until told."""
