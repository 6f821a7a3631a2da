"""What a node writes down for others: durable here, then sent; never a promise of delivery."""

from collections.abc import Iterable, Mapping

from crdt.entry import Entry, Lane
from crdt.standing import Pair
from identity.capability import Capability
from mesh.coordination.enrolment import grant_body, holders, revocation_body
from mesh.node.shell import Shell

__all__ = ["FactFailedError", "Facts"]


class FactFailedError(Exception):
    """A fact could not be made durable; nobody has seen it."""


class Facts:
    """Writes facts under this node's key.

    Whether a fact counts is for every replica to judge by the capabilities of the writer; writing
    one that does not is no error here, and changes nothing anywhere.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    async def put(self, key: str, value: object, *, supersedes: Iterable[bytes] = ()) -> Entry:
        """Set a multi-writer register, such as `place/north/box-1` or `model/detector`."""
        known = self._shell.mind.replica.registers.get(key)
        seen = [c.entry_id for c in known.standing if len(c.entry_id) == 32] if known else []
        body = {"key": key, "value": value, "supersedes": sorted({*supersedes, *seen})}
        return await self.write(Lane.AUTH, "put", body)

    async def grant(
        self,
        *,
        key: bytes,
        name: str,
        stratum: int,
        capabilities: Iterable[Capability],
        place: str | None = None,
    ) -> Entry:
        """Grant a name to a key; where it is held, replace its holders at the next epoch."""
        body = grant_body(
            self._shell.mind.replica,
            key=key,
            name=name,
            stratum=stratum,
            capabilities=capabilities,
            place=place,
        )
        return await self.write(Lane.AUTH, "grant", body)

    async def revoke(self, name: str, *, mode: str = "compromise") -> tuple[Entry, ...]:
        """Revoke every holder of a name that is not retired."""
        replica = self._shell.mind.replica
        pairs: list[Pair] = [s.pair for s in holders(replica, name) if s.winning]
        return tuple(
            [
                await self.write(Lane.AUTH, "revoke", revocation_body(replica, pair, mode=mode))
                for pair in pairs
            ]
        )

    async def status(self, topic: str, value: object) -> Entry:
        """Say something of ourselves to our district, under a topic."""
        return await self._state(Lane.STATE, topic, "status", {"topic": topic, "value": value})

    async def runs(
        self,
        *,
        models: Iterable[tuple[bytes, int]] = (),
        agents: Iterable[tuple[bytes, int]] = (),
        config: Iterable[tuple[bytes, int]] = (),
    ) -> Entry:
        """Say to the fleet what we run: (digest of 32 bytes, since when in wall clock ms) each."""
        body = {
            kind: [{"digest": digest, "since": since} for digest, since in items]
            for kind, items in (("models", models), ("agents", agents), ("config", config))
        }
        return await self._state(Lane.FLEET, "runs", "runs", body)

    async def write(self, lane: Lane, kind: str, body: object) -> Entry:
        """Write an entry of any kind; returns it once it is durable here and sent.

        Raises:
            FactFailedError: the store refused it.
            InvalidEntryError: the body cannot be encoded or is too large.
            WriteError: too many facts wait already.
        """
        handle, effects = self._shell.mind.write(lane, kind, body, self._shell.now())
        return _entry(await self._shell.wrote(handle, effects))

    async def _state(self, lane: Lane, topic: str, kind: str, body: Mapping[str, object]) -> Entry:
        handle, effects = self._shell.mind.state(lane, topic, kind, body, self._shell.now())
        return _entry(await self._shell.wrote(handle, effects))


def _entry(wrote: object) -> Entry:
    entry = getattr(wrote, "entry", None)
    if not isinstance(entry, Entry):
        raise FactFailedError(f"not written: {getattr(wrote, 'reason', '')}")
    return entry
