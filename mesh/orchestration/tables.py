"""The rows that rollouts add to the tables of kinds and of register keys.

Intents and commands are puts whose key ends in a hash of their value. Their rule authorises a put
only where key and value agree, so each register holds one value for ever; see `intent`, `command`.
Hand `ROLLOUT_KEY_RULES` and `ROLLOUT_KINDS` to a `Replica`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from crdt.entry import Lane
from crdt.kinds import KEY_RULES, KINDS, KeyRule, KindRule, Kinds, kind_table
from identity.capability import Capability
from identity.encoding import Value
from mesh.orchestration.command import COMMAND_PREFIX, Command, parse_command, parse_command_key
from mesh.orchestration.halt import HALT_KIND, parse_halt_body
from mesh.orchestration.intent import INTENT_PREFIX, Intent, parse_intent_key
from mesh.orchestration.intent_checks import parse_intent
from mesh.orchestration.labels import LABELS_KIND, parse_labels_body
from mesh.orchestration.report import REPORT_KIND, parse_report_body

__all__ = ["ROLLOUT_KEY_RULES", "ROLLOUT_KINDS", "SealedKeyRule", "command_at", "intent_at"]


@dataclass(frozen=True, slots=True)
class SealedKeyRule(KeyRule):
    """A rule of registers whose key names its value.

    Attributes:
        agrees: whether a value is the one that a key names; total.
    """

    agrees: Callable[[str, object], bool] = lambda _key, _value: False

    def authorises(self, capability: Capability, key: str, value: Value) -> bool:
        """Whether one capability permits putting `value` there, and it belongs there."""
        return self.agrees(key, value) and KeyRule.authorises(self, capability, key, value)


def intent_at(key: str, value: object) -> Intent | None:
    """Return the intent that a register holds if its key is that of the intent, or None."""
    named = parse_intent_key(key)
    intent = parse_intent(value) if named is not None else None
    if intent is None or named != (intent.scope, intent.id):
        return None
    return intent


def command_at(key: str, value: object) -> tuple[str, Command] | None:
    """Return the command that a register holds if its key names it, with the scope in the key.

    Whether that is the scope of the intent is for the fold.
    """
    named = parse_command_key(key)
    command = parse_command(value) if named is not None else None
    if named is None or command is None or named[1:] != (command.intent, command.id):
        return None
    return named[0], command


ROLLOUT_KEY_RULES: tuple[KeyRule, ...] = (
    *KEY_RULES,
    SealedKeyRule(
        INTENT_PREFIX,
        "rollout",
        lambda value: parse_intent(value) is not None,
        agrees=lambda key, value: intent_at(key, value) is not None,
    ),
    SealedKeyRule(
        COMMAND_PREFIX,
        "rollout",
        lambda value: parse_command(value) is not None,
        agrees=lambda key, value: command_at(key, value) is not None,
    ),
)
"""The register keys, those of the core among them."""

ROLLOUT_KINDS: Kinds = {
    **KINDS,
    **kind_table(
        (
            KindRule(HALT_KIND, Lane.AUTH, None, parse_halt_body),
            KindRule(REPORT_KIND, Lane.FLEET, "state", parse_report_body),
            KindRule(LABELS_KIND, Lane.FLEET, "state", parse_labels_body),
        )
    ),
}
"""The kinds, those of the core among them."""
