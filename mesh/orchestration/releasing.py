"""Who may release an artefact, and what is said of one that nobody released who may.

An artefact is rolled out, or its model approved, only with the good signature of a key that may
`approve` in this fleet: that somebody could sign an intent does not make bytes trustworthy.
"""

from dataclasses import dataclass

from identity.did import did_from_public
from mesh.orchestration.blob_tree import Reference
from mesh.orchestration.errors import CannotApplyError
from mesh.orchestration.standpoint import Standpoint

__all__ = ["Release", "check_released", "may_release", "releaser_doubt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An artefact that is at hand.

    Attributes:
        reference: its bytes, as a whole and chunk by chunk.
        kind: what it says it is: model, agent or config.
        name: of its family.
        version: for people.
        released_by: the key whose good signature it carries, 32 bytes, or None.
    """

    reference: Reference
    kind: str
    name: str
    version: str
    released_by: bytes | None


def may_release(view: Standpoint, key: bytes) -> bool:
    """Whether what a key signed may be rolled out: a current pair of it may `approve`."""
    standings = (view.authority.standings[pair] for pair in view.authority.pairs_of(key))
    return any(
        standing.current and any(held.verb == "approve" for held in standing.capabilities)
        for standing in standings
    )


def check_released(view: Standpoint, release: Release, use: str = "roll out") -> None:
    """Refuse an artefact that nobody signed, or somebody who may not.

    Args:
        view: of whoever uses it.
        release: what is known of it.
        use: what is to be done with it, for the message.

    Raises:
        CannotApplyError: it is released by nobody here; the message says what to do.
    """
    label = f"{release.name} {release.version}"
    if release.released_by is None:
        raise CannotApplyError(
            f"{label} is unsigned: run `mesh artifact sign FILE --config AUTHORITY.toml`, and "
            f"{use} the file that it writes, which has another digest"
        )
    if not may_release(view, release.released_by):
        raise CannotApplyError(
            f"{label} is signed by {did_from_public(release.released_by)}, which may not approve "
            "in this fleet: expected the key of an authority; sign it again with "
            "`mesh artifact sign FILE --config AUTHORITY.toml`"
        )


def releaser_doubt(view: Standpoint, key: bytes) -> str | None:
    """Return what is to be known of a key that is about to sign an artefact; None if it may.

    Args:
        view: of somebody in the fleet.
        key: that signs, 32 bytes.
    """
    if may_release(view, key):
        return None
    names = sorted(pair.name for pair in view.authority.pairs_of(key))
    who = f"{names[0]} ({did_from_public(key)})" if names else did_from_public(key)
    return (
        f"{who} may not approve in this fleet, so nothing that it signs can be rolled out there: "
        "expected the key of an authority; sign it again with `--config AUTHORITY.toml`"
    )
