"""Opening a node: files become a running node, and every mistake in them one clear sentence."""

import os
import random
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio

from crdt.entry import Entry, parse_entry, verify_entry
from crdt.errors import InvalidEntryError
from crdt.store import Store
from crdt.store_records import Batch, Loaded
from identity.errors import InvalidInviteError
from identity.invite import INVITE_SIZE_MAX, Invite, parse_invite
from identity.keys import SecretKey, public_from_peer_id
from identity.keystore import load_key, read_unlock_file
from mesh.config import ConfigError, NodeConfig, load_config
from mesh.mind import MindConfig
from mesh.mind.assembly import assemble
from mesh.net.dial_plan import DialPlan
from mesh.net.errors import AddressError, ListenError
from mesh.net.streams import Network, OpenNetwork
from mesh.node.applying import Applying
from mesh.node.console import node_verbs
from mesh.node.control import serve_control, socket_path
from mesh.node.node import Node
from mesh.node.shell import DEGREE_MAX, Shell, read_clocks

__all__ = [
    "load_secret",
    "load_unlock",
    "open_node",
    "open_prepared_node",
    "read_invite",
    "running_node",
    "take_in",
]


def load_secret(config: NodeConfig) -> SecretKey:
    """Return the key of a configuration.

    Raises:
        KeyFileError: the key or its unlock file cannot be used.
        ConfigError: `unlock` is neither file: nor env:.
    """
    return load_key(config.path(config.key), load_unlock(config))


def load_unlock(config: NodeConfig) -> bytes:
    """Return the secret that opens the key of a configuration; see `load_secret`."""
    kind, _, where = config.unlock.partition(":")
    if kind == "file" and where:
        return read_unlock_file(config.path(where))
    if kind == "env" and where:
        unlock = os.environb.get(where.encode(), b"")
        if not unlock:
            raise ConfigError(f"unlock: the environment variable {where} is not set")
        return unlock
    raise ConfigError(f"unlock = {config.unlock!r}: expected file:PATH or env:VARIABLE")


def read_invite(path: Path) -> Invite:
    """Return the invite in a file.

    Raises:
        InvalidInviteError: the file cannot be read or is no invite.
    """
    try:
        with path.open("rb") as file:
            data = file.read(INVITE_SIZE_MAX + 1)
    except OSError as error:
        raise InvalidInviteError(f"{path} cannot be read: {error.strerror}") from None
    return parse_invite(data)


def _bootstraps(addresses: Iterable[str]) -> dict[bytes, tuple[str, ...]]:
    """Return addresses by the peer that each names; one without a peer id cannot be trusted."""
    found: dict[bytes, tuple[str, ...]] = {}
    for address in addresses:
        _, marker, peer = address.rpartition("/p2p/")
        if marker:
            key = public_from_peer_id(peer)
            found[key] = (*found.get(key, ()), address)
    return found


def take_in(store: Store, loaded: Loaded, invite: Invite) -> Loaded:
    """Bring what an invite adds into the store, every signature checked."""
    known = {entry.id for entry in loaded.entries}
    entries: list[Entry] = []
    for wire in invite.entries:
        try:
            entry = parse_entry(wire)
        except InvalidEntryError as error:
            raise InvalidInviteError(f"invite: one of its entries is none: {error}") from None
        if not verify_entry(entry):
            raise InvalidInviteError(f"invite: {entry!r} has a wrong signature")
        if entry.id not in known:
            entries.append(entry)
    roots = invite.statements[len(loaded.roots) :]
    if not entries and not roots:
        return loaded
    store.append(Batch(entries=tuple(entries), roots=tuple(roots)))
    return store.load()


@asynccontextmanager
async def open_node(path: str | Path) -> AsyncGenerator[Node]:
    """Open the node that a configuration file describes, and close it when the block is left.

    Its console is served beside the file, so that `mesh get nodes` can ask it.

    Raises:
        ConfigError, KeyFileError, InvalidInviteError, StoreError, NetworkError, ControlError: which
            file, key or port is wrong, and what to do about it.
    """
    config = load_config(Path(path))
    if not config.invite:
        raise ConfigError(
            f"{path} names no invite: have this box granted, then run `mesh box join INVITE`"
        )
    secret, invite = load_secret(config), read_invite(config.path(config.invite))
    async with open_prepared_node(config, secret, invite, console=socket_path(Path(path))) as node:
        yield node


@asynccontextmanager
async def _listening(
    config: NodeConfig, opened: AbstractAsyncContextManager[Network]
) -> AsyncGenerator[Network]:
    """Open a network; an address that cannot be listened on is told with who asked for it."""
    async with AsyncExitStack() as stack:
        try:
            network = await stack.enter_async_context(opened)
        except (AddressError, ListenError) as error:
            where = f" of {config.file}" if config.file else " of its configuration"
            raise type(error)(f"{error}; it stands in `listen`{where}") from None
        yield network


@asynccontextmanager
async def open_prepared_node(
    config: NodeConfig,
    secret: SecretKey,
    invite: Invite,
    *,
    console: Path | None = None,
    open_network: OpenNetwork | None = None,
) -> AsyncGenerator[Node]:
    """Open a node whose key and invite are at hand; see `open_node`.

    Args:
        config: the rest of what it is told.
        secret: its key.
        invite: its fleet.
        console: where its console is served, if anywhere; see `mesh.node.control`.
        open_network: what carries the bytes; libp2p unless given.
    """
    store = await trio.to_thread.run_sync(Store, config.path(config.store), invite.genesis.ns)
    try:
        boot = store.next_boot()
        loaded = take_in(store, store.load(), invite)
        if open_network is None:
            from mesh.net.host import open_network  # libp2p takes seconds to import: when needed
        rng = random.SystemRandom()
        mind_config = MindConfig(
            name=config.name,
            mode=config.reactions,
            bootstraps=_bootstraps(invite.addresses),
            caches_only=config.role == "bootstrap",
            labels=config.labels,
        )
        mind = assemble(
            mind_config,
            secret=secret,
            genesis=invite.genesis,
            loaded=loaded,
            boot=boot,
            rng=rng,
            now=read_clocks(),
        )
        applying = None
        if not mind_config.caches_only:
            applying = Applying(config.path(f"{config.store}.d"), rng)
        shell = Shell(mind, store, DialPlan(rng, degree_max=DEGREE_MAX), applying)
        network = _listening(config, open_network(secret, tuple(config.listen), shell.handlers()))
        async with running_node(config.name, shell, network, console=console) as node:
            yield node
    finally:
        store.close()


@asynccontextmanager
async def running_node(
    name: str,
    shell: Shell,
    opened: AbstractAsyncContextManager[Network],
    *,
    console: Path | None = None,
) -> AsyncGenerator[Node]:
    """Run a shell on a network as a node, until the block is left.

    Args:
        name: under which it speaks.
        shell: performs what its mind decides.
        opened: the network, about to be opened.
        console: where its console is served, if anywhere.
    """
    raised: BaseException | None = None
    async with opened as network, trio.open_nursery() as nursery:
        await nursery.start(shell.run, network, nursery)
        node = Node(name, shell)
        if console is not None:
            await nursery.start(serve_control, console, node_verbs(node))
        try:
            yield node
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (raised again below)
            raised = error  # the caller's own: it leaves outside of the nursery's group
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await shell.flush()
    if raised is not None:
        raise raised
