"""The desk: signing without a network, in the store of whoever signs.

A steward in a van with no reception enrols a box by a file. The desk opens the steward's own store,
folds what it holds, signs, makes it durable there, and writes the invite. What it signed spreads
when the new box, or the steward's own node, next speaks to anybody. Nobody can be asked whether
they know more of the own feed; who restored a store from a backup must let the node run once first.
"""

import random
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from crdt.chains import invite_of
from crdt.entry import Entry, Lane
from crdt.own import ANSWER_WAIT_NS
from crdt.replica import Replica
from crdt.standing import Pair
from crdt.store import Store
from crdt.store_records import Batch
from identity.capability import Capability
from identity.invite import Invite
from identity.keys import SecretKey
from mesh.config import ConfigError, NodeConfig, load_config
from mesh.coordination.enrolment import grant_body, holders, revocation_body
from mesh.mind import Mind, MindConfig
from mesh.mind import effects as fx
from mesh.mind.assembly import assemble
from mesh.node.opening import load_secret, read_invite, take_in
from mesh.node.shell import read_clocks
from mesh.units import Instant

__all__ = ["Desk", "DeskError"]


class DeskError(Exception):
    """Something cannot be signed here; the message says why and what to do."""


class Desk:
    """Signs in one store; a context manager, since it holds the store open.

    Args:
        config: whose desk it is.
        secret: the key that signs.
        invite: the fleet, as its owner was invited to it.
    """

    def __init__(self, config: NodeConfig, secret: SecretKey, invite: Invite) -> None:
        self._store = Store(config.path(config.store), invite.genesis.ns)
        try:
            self._invite = invite
            self._mind = self._wake(config, secret, invite)
        except BaseException:
            self._store.close()
            raise

    def _wake(self, config: NodeConfig, secret: SecretKey, invite: Invite) -> Mind:
        boot = self._store.next_boot()
        loaded = take_in(self._store, self._store.load(), invite)
        return assemble(
            MindConfig(name=config.name),
            secret=secret,
            genesis=invite.genesis,
            loaded=loaded,
            boot=boot,
            rng=random.SystemRandom(),
            now=read_clocks(),
        )

    @classmethod
    def open(cls, path: Path) -> "Desk":
        """Open the desk of a configuration file.

        Raises:
            ConfigError, KeyFileError, InvalidInviteError, StoreError: which file is wrong, and how.
        """
        config = load_config(path)
        if not config.invite:
            raise ConfigError(f"{path} names no invite: join the fleet first (`mesh box join`)")
        return cls(config, load_secret(config), read_invite(config.path(config.invite)))

    def __enter__(self) -> "Desk":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._store.close()

    @property
    def public(self) -> bytes:
        """The key that signs, 32 bytes."""
        return self._mind.public

    @property
    def replica(self) -> Replica:
        """What the store holds, and its views."""
        return self._mind.replica

    def put(self, key: str, value: object) -> Entry:
        """Set a register."""
        known = self.replica.registers.get(key)
        seen = sorted(c.entry_id for c in known.standing) if known else []
        return self.write("put", {"key": key, "value": value, "supersedes": seen})

    def grant(
        self,
        key: bytes,
        name: str,
        *,
        stratum: int,
        capabilities: Iterable[Capability],
        place: str | None = None,
    ) -> Entry:
        """Grant a name; where it is held, replace its holders at the next epoch.

        Raises:
            DeskError: the grant would not count, because the own capabilities do not cover it.
        """
        body = grant_body(
            self.replica, key=key, name=name, stratum=stratum, capabilities=capabilities,
            place=place,
        )  # fmt: skip
        entry = self.write("grant", body)
        if entry.id not in self.replica.authority.counting:
            raise DeskError(
                f"the grant of {name} does not count: expected a holder of `grant` over it, of a "
                f"stratum below {stratum}, that is neither revoked nor replaced"
            )
        return entry

    def revoke(self, name: str, *, mode: str = "compromise") -> tuple[Entry, ...]:
        """Revoke every holder of a name that is not retired.

        Raises:
            DeskError: nobody holds it.
        """
        pairs = [standing.pair for standing in holders(self.replica, name) if standing.winning]
        if not pairs:
            raise DeskError(f"nobody holds {name}: expected a granted name")
        return tuple(
            self.write("revoke", revocation_body(self.replica, pair, mode=mode)) for pair in pairs
        )

    def write(self, kind: str, body: object) -> Entry:
        """Sign an AUTH entry, make it durable, and take it into the own view."""
        clocks = read_clocks()
        later = Instant(clocks.mono_ns + ANSWER_WAIT_NS, clocks.wall_ms)
        handle, effects = self._mind.write(Lane.AUTH, kind, body, later)
        while effects:
            effect = effects.pop(0)
            if isinstance(effect, fx.Persist):
                self._store.append(
                    Batch(
                        own=effect.entries if effect.own else (),
                        entries=() if effect.own else effect.entries,
                        dropped=effect.dropped,
                    )
                )
                effects += self._mind.persisted(effect.ticket, later)
            elif isinstance(effect, fx.Wrote) and effect.handle == handle and effect.entry:
                return effect.entry
        raise DeskError(f"{kind} was not written")

    def invite(self, key: bytes, name: str, addresses: Iterable[str]) -> Invite:
        """Return the invite of a granted pair."""
        return invite_of(self.replica, Pair(key, name), addresses)
