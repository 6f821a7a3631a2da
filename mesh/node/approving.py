"""Models and artefacts on a person's word: which may be heard, and whose signature releases.

The same requests are served by a running node and by a desk without a network; see `issuing`. What
would be a mistake whoever meant it is refused; what may be one is signed and told.
"""

from collections.abc import Mapping
from typing import cast

import trio

from identity.capability import EVERYWHERE, Capability, covers, is_name
from identity.encoding import Value
from identity.keys import KEY_SIZE
from mesh.coordination.enrolment import put_body
from mesh.coordination.models import MODEL_PREFIX, ModelState, parse_model
from mesh.node.artefacts_asked import artefact_in, release_in, view_of
from mesh.node.asked import EVENTS_DEFAULT, area_in, capability_text, patterns_in
from mesh.node.blobstore_errors import BlobStoreError
from mesh.node.control import ControlError, Verb
from mesh.node.shelf import Shelf
from mesh.node.signer import Signer, able
from mesh.orchestration.approving import approval_doubts, overruled
from mesh.orchestration.errors import OrchestrationError
from mesh.orchestration.releasing import check_released, releaser_doubt
from mesh.orchestration.standpoint import Standpoint

__all__ = ["approving_verbs"]

DIGEST_SIZE = 32
"""Bytes of a SHA-256."""
_BRINGING = (ModelState.APPROVED, ModelState.CANDIDATE)
"""States that let boxes run or hear a model from now on: only a released one gets them."""


def approving_verbs(signer: Signer, shelf: Shelf) -> dict[str, Verb]:
    """Return the verbs approve and releaser, served by a signer.

    The requests:

        {do: "approve", name, digest, state, events, area, file?: path}
        {do: "releaser", key}

    The answer to an approval holds the digest that the name had before, and `notes`: what a person
    should know. That to `releaser` holds `doubt`: what is to be known of a key that signs an
    artefact, or "". A request that would not count, and a model that nobody released who may, raise
    ControlError.
    """

    async def approve(request: Mapping[str, Value]) -> Mapping[str, object]:
        try:
            return await _approve(signer, shelf, request)
        except (OrchestrationError, BlobStoreError) as error:
            raise ControlError(str(error)) from None

    async def releaser(request: Mapping[str, Value]) -> Mapping[str, object]:
        key = request.get("key")
        if not isinstance(key, bytes) or len(key) != KEY_SIZE:
            raise ControlError(f"key: expected a public key, {KEY_SIZE} bytes")
        return {"doubt": releaser_doubt(await view_of(signer, shelf), key) or ""}

    return {"approve": approve, "releaser": releaser}


async def _approve(
    signer: Signer, shelf: Shelf, request: Mapping[str, Value]
) -> Mapping[str, object]:
    name, digest, state = request.get("name"), request.get("digest"), request.get("state")
    if not isinstance(name, str) or not is_name(name):
        raise ControlError(f"name {name!r:.60}: expected a model's name such as detector")
    if not isinstance(digest, bytes) or len(digest) != DIGEST_SIZE:
        raise ControlError(f"digest: expected the SHA-256 of a model file, {DIGEST_SIZE} bytes")
    if state not in tuple(ModelState):
        raise ControlError(f"state {state!r:.20}: expected one of {', '.join(ModelState)}")
    events = patterns_in(request.get("events")) or EVENTS_DEFAULT
    area = area_in(request.get("area")) or EVERYWHERE
    wanted = Capability(verb="approve", names=name, events=events, area=area)
    issuers = able(signer, "approve", name)
    if not any(covers(held, wanted) for i in issuers for held in i.capabilities):
        raise ControlError(
            f"this key may not `{capability_text(wanted)}`: it does not hold as much itself"
        )
    view, file = await view_of(signer, shelf), request.get("file")
    if state in _BRINGING:
        await _check_released(view, shelf, digest, file)
    notes = approval_doubts(view, name, digest, is_typed=file is None)
    key = f"{MODEL_PREFIX}{name}"
    before = signer.replica.registers.get(key)
    value = {
        "digest": digest,
        "state": str(state),
        "events": list(events),
        "area": area if isinstance(area, str) else list(area),
    }
    await signer.write("put", put_body(signer.replica, key, value))
    await _carry_along(signer, name, digest, str(state))
    notes += overruled(signer.replica.registers, name, digest, ModelState(str(state)))
    replaced = before.value if before is not None else None
    old = cast("Mapping[str, object]", replaced).get("digest") if replaced else None
    return {"replaced": old if old != digest else None, "notes": list(notes)}


async def _check_released(view: Standpoint, shelf: Shelf, digest: bytes, file: Value) -> None:
    """Refuse an artefact that is at hand and that nobody released who may.

    A model file that is no artefact carries no signature: boxes were delivered with it.

    Raises:
        CannotApplyError: it is unsigned, or signed by a key that may not release.
        ControlError: its signature is wrong, or the file cannot be read.
    """
    data = await artefact_in(shelf, digest, file)
    if data is None:
        return
    release = await trio.to_thread.run_sync(release_in, data, file)
    if release.reference.digest != digest:
        raise ControlError(f"{file} was changed while it was read: run this again")
    check_released(view, release, "approve")


async def _carry_along(signer: Signer, name: str, digest: bytes, state: str) -> None:
    """Give the records below a model's name that hold the same digest the same state.

    A rollout records its candidate there; the most restrictive record of a digest decides, so a
    candidate that is approved under the name alone would stay a candidate.
    """
    below = f"{MODEL_PREFIX}{name}/"
    for key, register in sorted(signer.replica.registers.items()):
        record = parse_model(register.value) if key.startswith(below) else None
        if record is None or record.digest != digest or str(record.state) == state:
            continue
        area = record.area if isinstance(record.area, str) else list(record.area)
        value = {"digest": digest, "state": state, "events": list(record.events), "area": area}
        await signer.write("put", put_body(signer.replica, key, value))
