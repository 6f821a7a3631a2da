"""What a person should know before a word about a model is signed, and after it.

A record of a model is signed for good: what was mistyped stays on record beside what was meant. So
a name that nobody used before and a digest that nobody knows are told, each in a sentence with what
to do; both are right where a new model is on its way. Told too is where the word changes nothing,
because another record of the same digest is more restrictive.
"""

from collections.abc import Mapping
from difflib import get_close_matches

from crdt.registers import Register
from mesh.coordination.membership import parse_inventory
from mesh.coordination.models import MODEL_PREFIX, ModelState, parse_model
from mesh.orchestration.standpoint import LISTED_MAX, Standpoint

__all__ = ["DIGEST_SHOWN", "approval_doubts", "overruled"]

DIGEST_SHOWN = 16
"""Hexadecimal digits of a digest in the key of its record."""


def approval_doubts(
    view: Standpoint, name: str, digest: bytes, *, is_typed: bool
) -> tuple[str, ...]:
    """Return what speaks against a word about a model that is about to be signed.

    Args:
        view: of whoever signs, before it signs.
        name: of the record.
        digest: of the model, 32 bytes.
        is_typed: whether the digest was given as such, and not as a file.
    """
    return (*_new_name(view, name, digest), *_unknown_digest(view, digest, is_typed=is_typed))


def overruled(
    registers: Mapping[str, Register], name: str, digest: bytes, state: ModelState
) -> tuple[str, ...]:
    """Return which other records keep a digest from the state that a name gives it.

    Args:
        registers: of the view, after that was signed.
        name: of the record that was signed.
        digest: of the model, 32 bytes.
        state: that was asked for.
    """
    found: list[str] = []
    for key in sorted(registers):
        other = key.removeprefix(MODEL_PREFIX)
        if not key.startswith(MODEL_PREFIX) or other == name:
            continue
        records = [parse_model(contender.value) for contender in registers[key].standing]
        stricter = [
            record.state
            for record in records
            if record and record.digest == digest and record.state.severity > state.severity
        ]
        if stricter:
            kept = max(stricter, key=lambda each: each.severity)
            found.append(
                f"sha256:{digest.hex()} stays {kept}: model {other} says so, and of several the "
                f"most restrictive record decides; if it is to be {state}, run this again with "
                f"--name {other}"
            )
    return tuple(found)


def _new_name(view: Standpoint, name: str, digest: bytes) -> tuple[str, ...]:
    """Return a sentence where others are on record and this name is not.

    The name under which a rollout records its candidate is no person's choice.
    """
    stem, _, last = name.rpartition("/")
    known = _names(view.registers)
    if not known or name in known or (stem and last == digest.hex()[:DIGEST_SHOWN]):
        return ()
    meant = next(iter(get_close_matches(name, known, n=1)), known[0])
    listed = ", ".join(known[:LISTED_MAX])
    said = (
        f"no model was called {name} before, and this makes another one beside {listed}: if "
        f"{meant} was meant, run it again with --name {meant}; {name} stays on record, too"
    )
    return (said,)


def _names(registers: Mapping[str, Register]) -> list[str]:
    """Return the names of models, ascending; a candidate's record stands for the name above it."""
    names: set[str] = set()
    for key, register in registers.items():
        record = parse_model(register.value) if key.startswith(MODEL_PREFIX) else None
        if record is None:
            continue
        name = key.removeprefix(MODEL_PREFIX)
        stem, _, last = name.rpartition("/")
        is_candidate = stem and last == record.digest.hex()[:DIGEST_SHOWN]
        names.add(stem if is_candidate else name)
    return sorted(names)


def _unknown_digest(view: Standpoint, digest: bytes, *, is_typed: bool) -> tuple[str, ...]:
    """Return a sentence where no box runs a digest, no rollout brings it and no record has it.

    Where nothing is known at all, the first model is being approved, and only a digest that was
    typed can be wrong.
    """
    known = {digest for topics in view.fleet.values() for digest in _stated(topics)}
    known |= {rollout.intent.artefact for rollout in view.rollouts.by_id.values()}
    known |= view.rollouts.models.keys()
    if digest in known or not (known or is_typed):
        return ()
    said = (
        f"no box says so far that it runs sha256:{digest.hex()}, and no rollout brings it: if one "
        "is to be delivered with it nothing is wrong, else compare it with what `mesh artifact "
        "sign` printed or with `mesh get nodes -o json`"
    )
    return (said,)


def _stated(topics: Mapping[str, object]) -> list[bytes]:
    return [running.digest for running in parse_inventory(topics.get("runs")).models]
