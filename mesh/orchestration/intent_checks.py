"""Reading and checking intents: what nobody should sign folds as nothing.

`check_intent` speaks to the person who writes one, `parse_intent` reads what others wrote by the
same rules. An intent is named by a hash of all its fields: one that this version does not know
would be lost in silence, and what is not understood must not be acted upon, so it is none.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal, TypeGuard, cast

from identity.capability import is_at_or_under, is_name
from identity.encoding import Value
from mesh.orchestration.blob_tree import HASH_SIZE, SIZE_MAX
from mesh.orchestration.cohort import COHORT_NAMES_MAX, stage_size
from mesh.orchestration.errors import InvalidIntentError
from mesh.orchestration.fields import MILLION, integer, of_size, share, table
from mesh.orchestration.intent import (
    DIGEST_SIZE,
    HALT_REPORTS_MAX,
    INTENT_ID_SIZE,
    LATENCY_US_MAX,
    NONCE_SIZE,
    STAGES_MAX,
    Gate,
    Intent,
    Stage,
    bad_allowed,
    is_slot,
)

__all__ = ["SUPERSEDES_MAX", "check_intent", "parse_intent"]

SUPERSEDES_MAX = 32
LABELS_MAX = 16
LABEL_SIZE_MAX = 63
"""Longest key or value of a label, characters."""
TITLE_SIZE_MAX = 63
"""Longest name for people, characters."""
SOAK_MS_MAX = 90 * 86_400_000
"""Longest soak: a quarter, ms."""
_TWO_IDS = ("0" * 2 * INTENT_ID_SIZE,) * 2
"""What follows the scope in the key of a command."""


def parse_intent(value: object) -> Intent | None:
    """Return the intent in the value of a put, or None; total. Unknown fields make it none."""
    fields = table(value)
    intent = _read(fields) if fields is not None else None
    if intent is None or intent.to_value() != fields:
        return None
    try:
        check_intent(intent)
    except InvalidIntentError:
        return None
    return intent


def _read(fields: dict[str, Value]) -> Intent | None:
    """Return the fields as an intent if their types fit."""
    match fields:
        case {
            "title": str(title),
            "scope": str(scope),
            "slot": str(slot),
            "artefact": bytes(artefact),
            "size": int(size),
            "tree": bytes(tree),
            "cohort": bytes(cohort),
            "cohort_size": int(cohort_size),
            "cohort_tree": bytes(cohort_tree),
            "count": int(count),
            "within": str(within),
            "labels": dict(labels),
            "stages": list(stages),
            "gate": dict(asked),
            "on_partition": str(on_partition),
            "on_failure": str(on_failure),
            "supersedes": list(supersedes),
            "nonce": bytes(nonce),
        }:
            pass
        case _:
            return None
    gate = _read_gate(asked)
    read = [_read_stage(stage) for stage in stages]
    if gate is None or not _are_texts(labels):
        return None
    return Intent(
        title=title,
        scope=scope,
        slot=slot,
        artefact=artefact,
        size=size,
        tree=tree,
        cohort=cohort,
        cohort_size=cohort_size,
        cohort_tree=cohort_tree,
        count=count,
        within=within,
        labels=tuple(sorted(cast("dict[str, str]", labels).items())),
        stages=tuple(stage for stage in read if stage is not None),
        gate=gate,
        on_partition=cast("Literal['hold', 'continue']", on_partition),
        on_failure=cast("Literal['rollback', 'pause']", on_failure),
        supersedes=tuple(each for each in supersedes if _is_id(each)),
        nonce=nonce,
    )


def _is_id(value: object) -> TypeGuard[bytes]:
    return of_size(value, INTENT_ID_SIZE) is not None


def _are_texts(labels: Mapping[str, Value]) -> bool:
    return all(isinstance(text, str) for text in labels.values())


def _read_stage(value: Value) -> Stage | None:
    match value:
        case [int(share_ppm), int(soak_ms)]:
            return Stage(share_ppm, soak_ms)
        case _:
            return None


def _read_gate(fields: Mapping[str, Value]) -> Gate | None:
    asked = {name: integer(value, 0, LATENCY_US_MAX) for name, value in fields.items()}
    min_reports, success = asked.get("min_reports"), asked.get("success")
    if min_reports is None or success is None:
        return None
    return Gate(
        min_reports_ppm=min_reports,
        success_ppm=success,
        p95_us_max=asked.get("p95_us"),
        map50_ppm_min=asked.get("map50"),
        disagreement_ppm_max=asked.get("disagreement"),
    )


def check_intent(intent: Intent) -> None:
    """Check that an intent means something, before it is signed.

    Raises:
        InvalidIntentError: the first value that does not; what was expected, and what to do.
    """
    _check_target(intent)
    _check_reach(intent)
    _check_labels(intent)
    _check_stages(intent)
    _check_gate(intent)
    for number, stage in enumerate(intent.stages):
        size = stage_size(stage.share_ppm, intent.count)
        allowed = bad_allowed(intent.gate.success_ppm, size, size)
        if allowed >= HALT_REPORTS_MAX:
            raise InvalidIntentError(
                f"gate.success lets {allowed} of the {size} boxes of stages[{number}] fail, and a "
                f"halt can prove {HALT_REPORTS_MAX}: ask for more success, or split the cohort"
            )


def _check_target(intent: Intent) -> None:
    if not _is_text(intent.title, TITLE_SIZE_MAX):
        raise InvalidIntentError(
            f"name {intent.title!r:.80}: expected 1 to {TITLE_SIZE_MAX} printable characters"
        )
    if not is_slot(intent.slot):
        raise InvalidIntentError(
            f"slot {intent.slot!r:.80}: expected model/…, agent/… or config/…, such as "
            "model/detector"
        )
    for field, named in (("artifact", intent.artefact), ("cohort", intent.cohort)):
        if len(named) != DIGEST_SIZE:
            raise InvalidIntentError(f"{field}: {len(named)} bytes, expected a SHA-256 of 32")
    for field, tree in (("tree", intent.tree), ("cohort_tree", intent.cohort_tree)):
        if len(tree) != HASH_SIZE:
            raise InvalidIntentError(f"{field}: {len(tree)} bytes, expected a SHA-256 of 32")
    for field, size in (("size", intent.size), ("cohort_size", intent.cohort_size)):
        if integer(size, 1, SIZE_MAX) is None:
            raise InvalidIntentError(f"{field} {size}: expected 1 to {SIZE_MAX} bytes")
    if integer(intent.count, 1, COHORT_NAMES_MAX) is None:
        raise InvalidIntentError(
            f"a cohort of {intent.count} names: expected 1 to {COHORT_NAMES_MAX}; check `within`"
        )


def _check_reach(intent: Intent) -> None:
    for field, prefix in (("scope", intent.scope), ("within", intent.within)):
        if prefix and not is_name(prefix):
            raise InvalidIntentError(f"{field} {prefix!r:.80}: expected a name such as city/north")
    if not is_name("/".join(filter(None, (intent.scope, *_TWO_IDS)))):
        raise InvalidIntentError(f"scope {intent.scope!r:.80} is too long: use a shorter prefix")
    if not is_at_or_under(intent.within, intent.scope):
        raise InvalidIntentError(
            f"within {intent.within!r} is not under scope {intent.scope!r}: you roll out over that"
        )


def _check_labels(intent: Intent) -> None:
    ordered = sorted(dict(intent.labels).items())
    if len(intent.labels) > LABELS_MAX or list(intent.labels) != ordered:
        raise InvalidIntentError(f"labels: expected at most {LABELS_MAX}, each key once, ascending")
    for label in intent.labels:
        if not all(map(is_label, label)):
            raise InvalidIntentError(
                f"label {label!r:.80}: expected 1 to {LABEL_SIZE_MAX} printable characters"
            )


def is_label(text: object) -> bool:
    """Whether something can be the key or the value of a label."""
    return isinstance(text, str) and _is_text(text, LABEL_SIZE_MAX)


def _is_text(text: str, size_max: int) -> bool:
    return 1 <= len(text) <= size_max and text.isprintable()


def _check_stages(intent: Intent) -> None:
    if not 1 <= len(intent.stages) <= STAGES_MAX:
        raise InvalidIntentError(f"{len(intent.stages)} stages: expected 1 to {STAGES_MAX}")
    for number, stage in enumerate(intent.stages):
        if integer(stage.share_ppm, 1, MILLION) is None:
            raise InvalidIntentError(
                f"stages[{number}].percent is {stage.share_ppm} ppm: expected more than 0 and at "
                "most 100 %"
            )
        if integer(stage.soak_ms, 0, SOAK_MS_MAX) is None:
            raise InvalidIntentError(
                f"stages[{number}].soak is {stage.soak_ms} ms: expected 0 to {SOAK_MS_MAX}"
            )
    for number, (one, other) in enumerate(pairwise(intent.shares_ppm), start=1):
        if one >= other:
            raise InvalidIntentError(
                f"stages[{number}].percent is not above the one before it: stages ascend strictly"
            )


def _check_gate(intent: Intent) -> None:
    gate = intent.gate
    shares = {
        "min_reports": gate.min_reports_ppm,
        "success": gate.success_ppm,
        "map50": gate.map50_ppm_min,
        "disagreement": gate.disagreement_ppm_max,
    }
    for name, asked in shares.items():
        if asked is not None and share(asked) is None:
            raise InvalidIntentError(f"gate.{name} is {asked} ppm: expected 0 to 1")
    if gate.p95_us_max is not None and integer(gate.p95_us_max, 1, LATENCY_US_MAX) is None:
        raise InvalidIntentError(f"gate.p95_ms is {gate.p95_us_max} µs: expected up to an hour")
    if intent.on_partition not in ("hold", "continue"):
        raise InvalidIntentError(f"on_partition {intent.on_partition!r}: expected hold or continue")
    if intent.on_failure not in ("rollback", "pause"):
        raise InvalidIntentError(f"on_failure {intent.on_failure!r}: expected rollback or pause")
    named = intent.supersedes
    if len(named) > SUPERSEDES_MAX or not all(len(each) == INTENT_ID_SIZE for each in named):
        raise InvalidIntentError(f"supersedes: expected at most {SUPERSEDES_MAX} intent ids")
    if len(intent.nonce) != NONCE_SIZE:
        raise InvalidIntentError(f"nonce of {len(intent.nonce)} bytes: expected {NONCE_SIZE}")
