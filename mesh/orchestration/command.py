"""Commands of people about an intent: pause, resume, promote, undo, abort.

A command is a put under `rollout/<scope>/<intent>/<id>`, where the id is a hash of its value: each
has a register of its own, so that no later word of anybody, its author included, takes it away. In
one common register a `resume` after an `abort` would revive what is ended, and a `pause` would make
forgotten what a `resume` forgave. What contends is decided by the fold of the set: abort > undo >
pause > resume, promote.

- `abort` and `undo` end the intent: one such command that counts, and it is dead.
- `pause` freezes until a `resume` that names it, by somebody as senior at least: what a resume did
  not know of, it does not lift.
- `resume` names the pauses that it lifts and the bad reports that it forgives, for ever.
- `promote k` opens the stages up to k without gate. It names the resumes that it knows: one after a
  halt makes it void, because stages open anew from the first.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from identity.domain import digest
from identity.encoding import Value, encode
from mesh.orchestration.errors import InvalidCommandError
from mesh.orchestration.fields import integer, of_size, table
from mesh.orchestration.intent import INTENT_ID_SIZE, NONCE_SIZE, STAGES_MAX

__all__ = [
    "COMMAND_ID_SIZE",
    "COMMAND_PREFIX",
    "FORGIVEN_MAX",
    "LIFTED_MAX",
    "REPORT_ID_SIZE",
    "Command",
    "Verb",
    "check_command",
    "command_key",
    "parse_command",
    "parse_command_key",
]

COMMAND_PREFIX = "rollout/"
"""Registers of commands begin so."""
COMMAND_ID = b"mesh-rollout/command/v1\0"
"""Domain tag of the id of a command."""
COMMAND_ID_SIZE = 16
"""Bytes of a command's id; in a key 32 hexadecimal digits."""
REPORT_ID_SIZE = 32
"""Bytes of the id of a report."""
FORGIVEN_MAX = 400
"""Most reports that one resume forgives: 14 KB of an entry's 16. More take another resume."""
LIFTED_MAX = 32
"""Most pauses or resumes that a command names."""


class Verb(StrEnum):
    """What a command says, the least restrictive first."""

    PROMOTE = "promote"
    RESUME = "resume"
    PAUSE = "pause"
    UNDO = "undo"
    ABORT = "abort"

    @property
    def is_final(self) -> bool:
        """Whether it ends the intent."""
        return self in (Verb.UNDO, Verb.ABORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command.

    Attributes:
        verb: what to do.
        intent: about which intent, 16 bytes.
        nonce: tells it from another of the same content.
        names: ids of commands: the pauses that a resume lifts, the resumes that a promote knows.
        forgives: ids of the bad reports that a resume forgives.
        stage: up to which a promote opens, from 0; None for the others.
    """

    verb: Verb
    intent: bytes
    nonce: bytes
    names: tuple[bytes, ...] = ()
    forgives: tuple[bytes, ...] = ()
    stage: int | None = None

    @property
    def id(self) -> bytes:
        """Names the command, 16 bytes."""
        return digest(COMMAND_ID, encode(self.to_value()))[:COMMAND_ID_SIZE]

    def to_value(self) -> dict[str, object]:
        """Return it as the value of a put."""
        value: dict[str, object] = {
            "command": str(self.verb),
            "intent": self.intent,
            "nonce": self.nonce,
        }
        if self.names:
            value["names"] = list(self.names)
        if self.forgives:
            value["forgives"] = list(self.forgives)
        if self.stage is not None:
            value["stage"] = self.stage
        return value


def command_key(scope: str, command: Command) -> str:
    """Return the register of a command about an intent of a scope."""
    prefix = COMMAND_PREFIX + (f"{scope}/" if scope else "")
    return f"{prefix}{command.intent.hex()}/{command.id.hex()}"


def parse_command_key(key: str) -> tuple[str, bytes, bytes] | None:
    """Return the scope, the intent's id and the command's in a register key, or None."""
    if not key.startswith(COMMAND_PREFIX):
        return None
    *scope, intent, last = ("", *key.removeprefix(COMMAND_PREFIX).split("/"))
    try:
        found = bytes.fromhex(intent), bytes.fromhex(last)
    except ValueError:
        return None
    if (len(intent), len(last)) != (2 * INTENT_ID_SIZE, 2 * COMMAND_ID_SIZE):
        return None
    return "/".join(scope[1:]), *found


def check_command(command: Command) -> None:
    """Check that a command means something, before it is signed.

    Raises:
        InvalidCommandError: it does not; what was expected, and what to do.
    """
    verb = command.verb
    if len(command.intent) != INTENT_ID_SIZE or len(command.nonce) != NONCE_SIZE:
        raise InvalidCommandError(
            f"intent and nonce of {len(command.intent)} and {len(command.nonce)} bytes: expected "
            f"{INTENT_ID_SIZE} and {NONCE_SIZE}"
        )
    if (command.stage is not None) != (verb is Verb.PROMOTE):
        raise InvalidCommandError(f"{verb}: `promote` names a stage, and nothing else does")
    if command.stage is not None and integer(command.stage, 0, STAGES_MAX - 1) is None:
        raise InvalidCommandError(
            f"promote {command.stage}: expected a stage, 0 to {STAGES_MAX - 1}"
        )
    if command.forgives and verb is not Verb.RESUME:
        raise InvalidCommandError(f"{verb} forgives reports: only `resume` does")
    if command.names and verb not in (Verb.RESUME, Verb.PROMOTE):
        raise InvalidCommandError(f"{verb} names commands: only `resume` and `promote` do")
    for what, named, size, most in (
        ("commands", command.names, COMMAND_ID_SIZE, LIFTED_MAX),
        ("reports", command.forgives, REPORT_ID_SIZE, FORGIVEN_MAX),
    ):
        if len(named) > most or not all(len(each) == size for each in named):
            raise InvalidCommandError(
                f"{verb} names {len(named)} {what}: expected at most {most} ids of {size} bytes; "
                "sign several"
            )


def parse_command(value: object) -> Command | None:
    """Return the command in the value of a put, or None; total. Unknown fields make it none."""
    fields = table(value)
    command = _read(fields) if fields is not None else None
    if command is None or command.to_value() != fields:
        return None
    try:
        check_command(command)
    except InvalidCommandError:
        return None
    return command


def _read(fields: dict[str, Value]) -> Command | None:
    match fields:
        case {"command": str(verb), "intent": bytes(intent), "nonce": bytes(nonce)}:
            pass
        case _:
            return None
    if verb not in tuple(Verb):
        return None
    return Command(
        verb=Verb(verb),
        intent=intent,
        nonce=nonce,
        names=_ids(fields.get("names"), COMMAND_ID_SIZE),
        forgives=_ids(fields.get("forgives"), REPORT_ID_SIZE),
        stage=cast("int | None", fields.get("stage")),
    )


def _ids(value: object, size: int) -> tuple[bytes, ...]:
    """Return the ids in a list; what is none is left out, and shows when written again."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return tuple(each for item in items if (each := of_size(item, size)) is not None)
