"""Labels: what a box says that it carries, such as a camera, so that rollouts can be for it.

Body of a FLEET entry of kind `labels`: a map of texts, stated whole and heard by the whole fleet:
whoever signs an intent lists the boxes that carry its labels, wherever they stand.
"""

from collections.abc import Mapping

from crdt.bodies import Status
from crdt.standing import Pair
from identity.encoding import Value
from mesh.orchestration.fields import table
from mesh.orchestration.intent_checks import LABELS_MAX, is_label

__all__ = ["LABELS_KIND", "labels_of", "parse_labels_body"]

LABELS_KIND = "labels"
"""The FLEET kind, which is its topic too."""


def parse_labels_body(body: Value) -> Status | None:
    """Return what a FLEET entry of kind `labels` states, or None: a row of the table of kinds."""
    fields = table(body)
    if fields is None or len(fields) > LABELS_MAX:
        return None
    if not all(is_label(key) and is_label(value) for key, value in fields.items()):
        return None
    return Status(LABELS_KIND, body)


def labels_of(fleet: Mapping[Pair, Mapping[str, object]], pair: Pair) -> dict[str, str]:
    """Return what a box says that it carries; nothing where it says nothing."""
    said = table(fleet.get(pair, {}).get(LABELS_KIND)) or {}
    return {key: value for key, value in said.items() if isinstance(value, str)}
