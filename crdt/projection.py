"""The membership view as a live Yjs document: where people and browsers look.

The fold decides; this only shows. After every change of the view the differences, and nothing else,
are written into one map of a local Y.Doc by one client id, in one transaction, so that a Yjs client
that observes the document sees one change a view. Nothing is ever read back from it, and no bytes
of another party are applied to it: pycrdt cannot bear hostile updates (docs/records.md, "Why not
signed Yjs updates"). Whatever a client writes into its own copy stays there.

Map "membership": "<name> <did:key>" → {name, did, stratum, epoch, capabilities, dropped, place,
current, winning, contested, revoked, undecided}; map "root": number, id. Yjs numbers are floats, so
`view` gives integers back; byte strings are shown as hex.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from crdt.standing import Authority, Standing
from identity.did import did_from_public

if TYPE_CHECKING:
    import pycrdt

__all__ = ["MembershipProjection"]

CLIENT_ID_MAX = 2**32 - 1
"""Yjs clients draw 32-bit ids."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class MembershipProjection:
    """A local Y.Doc that follows the authority view.

    Args:
        public: key of this box; the document's one client id is made of it.
    """

    def __init__(self, public: bytes) -> None:
        import pycrdt

        self._document: pycrdt.Doc[Any] = pycrdt.Doc(
            client_id=int.from_bytes(public[:4]) & CLIENT_ID_MAX
        )
        self._members: pycrdt.Map[Any] = self._document.get("membership", type=pycrdt.Map[Any])
        self._root: pycrdt.Map[Any] = self._document.get("root", type=pycrdt.Map[Any])
        self._shown: dict[str, dict[str, Json]] = {}
        self._shown_root: dict[str, Json] = {}

    def __repr__(self) -> str:
        return f"<MembershipProjection of {len(self._shown)} members>"

    def update(self, authority: Authority) -> int:
        """Show a view.

        Returns:
            How many rows changed; 0 means that nothing was written.
        """
        wanted = {_key(standing): _row(standing) for standing in authority.standings.values()}
        root: dict[str, Json] = {"number": authority.root.number, "id": authority.root.id.hex()}
        gone = [key for key in self._shown if key not in wanted]
        changed = [key for key, row in wanted.items() if self._shown.get(key) != row]
        fresh = {key: value for key, value in root.items() if self._shown_root.get(key) != value}
        if gone or changed or fresh:
            with self._document.transaction():
                for key in gone:
                    del self._members[key]
                for key in changed:
                    self._members[key] = wanted[key]
                for key, value in fresh.items():
                    self._root[key] = value
        self._shown, self._shown_root = wanted, root
        return len(gone) + len(changed) + len(fresh)

    def view(self) -> dict[str, Json]:
        """Return what the document shows, as JSON: keys ascending, whole numbers as integers."""
        shown: dict[str, object] = {
            "membership": self._members.to_py(),
            "root": self._root.to_py(),
        }
        return cast("dict[str, Json]", _normal(shown))

    def state(self) -> bytes:
        """Return the whole document as one Yjs update: what a client that joins applies first."""
        return self._document.get_update()

    @contextmanager
    def observe(self, callback: Callable[[bytes], None]) -> Generator[None, None, None]:
        """Call `callback` with the Yjs update of every change, while the context is open."""

        def pass_on(event: "pycrdt.TransactionEvent") -> None:
            callback(event.update)

        subscription = self._document.observe(pass_on)
        try:
            yield
        finally:
            self._document.unobserve(subscription)


def _key(standing: Standing) -> str:
    return f"{standing.pair.name} {did_from_public(standing.pair.key)}"


def _row(standing: Standing) -> dict[str, Json]:
    return {
        "name": standing.pair.name,
        "did": did_from_public(standing.pair.key),
        "stratum": standing.stratum,
        "epoch": standing.epoch,
        "capabilities": [_normal(held.to_value()) for held in standing.capabilities],
        "dropped": [_normal(held.to_value()) for held in standing.dropped],
        "place": standing.place,
        "current": standing.current,
        "winning": standing.winning,
        "contested": standing.contested,
        "revoked": standing.revoked,
        "undecided": standing.undecided,
    }


def _normal(value: object) -> Json:
    """Return a value as deterministic JSON."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return int(value) if value.is_integer() else value
        case bytes() | bytearray():
            return value.hex()
        case dict():
            rows = cast("dict[str, object]", value)
            return {key: _normal(rows[key]) for key in sorted(rows)}
        case _:
            return [_normal(item) for item in cast("list[object]", value)]
