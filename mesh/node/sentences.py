"""What a node says of itself to the people who run it: that it was replaced, that nobody hears it.

Each is a sentence or three: what happened, by whom and when, what it means, and what to do. Names
and reasons come from facts and from the own view; `when` is what the signer's clock said.
"""

from datetime import UTC, datetime, timedelta

from identity.did import did_from_public
from mesh.coordination.displaced import Displaced
from mesh.coordination.trust import Refused
from mesh.mind.effects import Unheard

__all__ = ["displaced_sentence", "unheard_sentence"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ELSE_DO = {
    Refused.MODEL_NOT_APPROVED: (
        "run a model of those that are wanted, or have this one approved with `mesh authority "
        "approve-model sha256:{model} --name MODEL`"
    ),
    Refused.NOT_GRANTED: (
        "have {name} granted again with `--events` that cover {type}, or publish what it may"
    ),
    Refused.OUT_OF_AREA: (
        "give a `cell` of its area, or have {name} granted again with `--place` or `--area` that "
        "cover it"
    ),
    Refused.EXPIRED: "have {name} granted again, without an end or with a later one",
}
"""What to do about a refusal that is not about the pair; the rest is told of the pair itself."""


def displaced_sentence(found: Displaced) -> str:
    """Return what the holder of a displaced pair should know and do."""
    did, name = did_from_public(found.pair.key), found.pair.name
    return f"{_what(found, did, name)}; what this key says is refused everywhere. {_do(found, did)}"


def _what(found: Displaced, did: str, name: str) -> str:
    said = f"{' or '.join(found.by) or 'the root'}{_when(found.when_ms)}"
    match found.reason:
        case Refused.SUPERSEDED_KEY if found.holder is not None:
            other = did_from_public(found.holder)
            return f"{name} was given to other hardware, {other} (epoch {found.epoch}), by {said}"
        case Refused.REVOKED:
            return f"{name} was revoked ({did}) by {said}"
        case Refused.QUARANTINED:
            return f"{name} is quarantined: {did} signed two histories, as a copied disk does"
        case _:
            return f"{name} is granted to {did} no longer"


def _do(found: Displaced, did: str) -> str:
    name = found.pair.name
    match found.reason:
        case Refused.SUPERSEDED_KEY:
            return (
                f"If that was meant, stop this node; if not, have it granted again: `mesh "
                f"authority grant {did} --name {name} --config AUTHORITY.toml`"
            )
        case Refused.REVOKED:
            return (
                f"Stop this node; to bring {name} back, make a new key with `mesh box init` and "
                "have that granted"
            )
        case Refused.QUARANTINED:
            return (
                "Stop every copy of it, make a new key with `mesh box init`, and have that granted "
                f"{name}"
            )
        case _:
            return f"Ask whoever grants {name} why, or have it granted again"


def _when(when_ms: int | None) -> str:
    """Return when, in words; any number is a time to somebody's clock, not to every calendar."""
    if when_ms is None:
        return ""
    try:
        when = _EPOCH + timedelta(milliseconds=when_ms)
    except OverflowError:
        return f" (at {when_ms} ms by its clock)"
    return f" (at {when:%Y-%m-%d %H:%M:%S} UTC by its clock)"


def unheard_sentence(unheard: Unheard) -> str:
    """Return what a speaker should know of an event that its own view refuses, and do."""
    asked = f"{unheard.name or 'this node'} publishes {unheard.type}"
    why = f"{unheard.reason}: {unheard.detail}" if unheard.detail else unheard.reason.value
    model = unheard.model.hex() if unheard.model else "DIGEST"
    todo = _ELSE_DO.get(unheard.reason)
    said = f"{asked}, and nobody who knows what it knows accepts it ({why})"
    if todo is None:
        return said
    return f"{said}; {todo.format(model=model, name=unheard.name, type=unheard.type)}"
