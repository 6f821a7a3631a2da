"""Founding: the files from which a fleet, and every node of it, begins.

    root.key root.unlock            the root; belongs into a safe, away from this machine
    authority.toml .key .unlock     the organisation at stratum 1, granted by root statement 1
    authority.invite                genesis, root statement 1, addresses

    NAME.toml NAME.key NAME.unlock  any other node, until somebody grants it and it joins

Nothing is ever overwritten: every file is looked for before the first one is made.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from crdt.entry import parse_entry, verify_entry
from crdt.errors import InvalidEntryError
from crdt.replica import Replica
from crdt.standing import Standing
from identity.capability import Capability, is_event_pattern, is_name
from identity.did import did_from_public
from identity.errors import InvalidInviteError, InvalidNameError, KeyFileError
from identity.genesis import Genesis, RootItem, make_genesis, make_root_statement, sign_root
from identity.invite import Invite
from identity.keys import SecretKey, peer_id
from identity.keystore import generate_unlock_file, save_key
from mesh.config import ConfigError, NodeConfig, load_config, render_config
from mesh.coordination.enrolment import authority_role
from mesh.node.opening import load_unlock

__all__ = [
    "AUTHORITY_LISTEN",
    "Founded",
    "dialable",
    "found_authority",
    "found_node",
    "install_invite",
    "replace_file",
    "standings_in",
]

AUTHORITY_LISTEN = "/ip4/127.0.0.1/tcp/4701"
"""Where an authority listens unless asked otherwise: a fixed port, so that invites can name it."""


@dataclass(frozen=True, slots=True)
class Founded:
    """A fleet that was just founded.

    Attributes:
        genesis: the fleet.
        config: configuration of its authority.
        root_files: what to take off this machine.
        did: the authority's key.
    """

    genesis: Genesis
    config: Path
    root_files: tuple[Path, Path]
    did: str


def found_authority(
    directory: Path,
    *,
    name: str = "centre",
    events: Sequence[str] = ("*",),
    listen: str = AUTHORITY_LISTEN,
) -> Founded:
    """Found a fleet: root, genesis, root statement 1, and the authority that it grants.

    Args:
        directory: where the files go; made if it is not there.
        name: the authority's name.
        events: patterns of what it may approve and have published.
        listen: multiaddr on which it will listen.

    Raises:
        KeyFileError: a file is there already, or cannot be written.
        InvalidNameError: the name, or an event pattern, is none.
    """
    if not is_name(name):
        raise InvalidNameError(
            f"name {name!r:.60}: expected segments such as centre or city/centre"
        )
    for pattern in events:
        if not is_event_pattern(pattern):
            raise InvalidNameError(f"event pattern {pattern!r:.60}: expected *, a.b or a.*")
    config_path = directory / "authority.toml"
    root_key, root_unlock = directory / "root.key", directory / "root.unlock"
    _make_directory(directory)
    _refuse_existing(
        root_key, root_unlock, *_files(config_path), config_path.with_suffix(".invite")
    )
    root = SecretKey.generate(os.urandom)
    save_key(root_key, root, generate_unlock_file(root_unlock), random_unlock=True)
    config, secret = found_node(config_path, listen=listen, role="authority")
    genesis = make_genesis([root.public], 1)
    grant = {
        "pk": secret.public,
        "name": name,
        "stratum": 1,
        "epoch": 1,
        "caps": [capability.to_value() for capability in _authority(events)],
        "replaces": [],
    }
    statement = sign_root(make_root_statement(genesis, [RootItem("grant", grant)]), root)
    addresses = dialable(config, secret.public)
    invite = Invite(genesis, (1, statement.id), (statement,), (), addresses)
    install_invite(config_path, invite, name=name)
    return Founded(genesis, config_path, (root_key, root_unlock), did_from_public(secret.public))


def _authority(events: Sequence[str]) -> list[Capability]:
    narrowed = tuple(dict.fromkeys(events))
    return [
        replace(capability, events=narrowed) if capability.events else capability
        for capability in authority_role()
    ]


def found_node(
    config_path: Path,
    *,
    listen: str = "/ip4/127.0.0.1/tcp/0",
    unlock: str = "",
    role: str = "box",
) -> tuple[NodeConfig, SecretKey]:
    """Make a key, its unlock file and a configuration; returns the last and the key.

    Args:
        config_path: where the configuration goes; the other files beside it.
        listen: multiaddr on which it will listen.
        unlock: `env:VARIABLE` or `file:PATH` of a secret that is there already; "" makes a file.
        role: box, bootstrap or authority.

    Raises:
        KeyFileError: a file is there already, or cannot be read or written.
        ConfigError: `unlock` is of neither form, or its variable is not set.
    """
    stem = config_path.stem
    config = NodeConfig(
        key=f"{stem}.key",
        unlock=unlock or f"file:{stem}.unlock",
        store=f"{stem}.db",
        listen=(listen,),
        role=role,  # pyright: ignore[reportArgumentType]  (checked when the file is read back)
        directory=str(config_path.parent),
    )
    if not config_path.parent.is_dir():
        raise KeyFileError(f"{config_path.parent} is no directory: create it first")
    _refuse_existing(*_files(config_path, with_unlock=not unlock))
    secret = SecretKey.generate(os.urandom)
    if unlock:
        save_key(config.path(config.key), secret, load_unlock(config))
    else:
        made = generate_unlock_file(config_path.with_suffix(".unlock"))
        save_key(config.path(config.key), secret, made, random_unlock=True)
    _write_new(config_path, render_config(config).encode())
    return config, secret


def _files(config_path: Path, *, with_unlock: bool = True) -> list[Path]:
    suffixes = (".key", ".db", *((".unlock",) if with_unlock else ()))
    return [config_path, *(config_path.with_suffix(suffix) for suffix in suffixes)]


def _refuse_existing(*paths: Path) -> None:
    for path in paths:
        if path.exists() or path.is_symlink():
            raise KeyFileError(f"{path} exists: it is never overwritten; move it away first")


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyFileError(f"{directory} cannot be made: {error.strerror}") from None


def _write_new(path: Path, data: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise KeyFileError(f"{path} exists: it is never overwritten; move it away first") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from None


# ------------------------------------------------------------------------------------- invites


def dialable(config: NodeConfig, public: bytes) -> tuple[str, ...]:
    """Return the addresses of a configuration that others can dial before it ever ran.

    A port that the system chooses, and an address that stands for all, cannot be known in advance.
    """
    return tuple(
        f"{listen}/p2p/{peer_id(public)}"
        for listen in config.listen
        if not listen.endswith("/tcp/0") and "/0.0.0.0/" not in listen and "/::/" not in listen
    )


def standings_in(invite: Invite, key: bytes) -> tuple[Standing, ...]:
    """Return the current pairs of a key in the view that an invite alone gives, by name.

    Raises:
        InvalidInviteError: one of its entries is none, or has a wrong signature.
    """
    replica = Replica(invite.genesis)
    for statement in invite.statements:
        replica.offer_root(statement)
    for wire in invite.entries:
        try:
            entry = parse_entry(wire)
        except InvalidEntryError as error:
            raise InvalidInviteError(f"invite: one of its entries is none: {error}") from None
        if not verify_entry(entry):
            raise InvalidInviteError(f"invite: {entry!r} has a wrong signature")
        replica.offer(entry)
    authority = replica.authority
    found = [authority.standings[pair] for pair in authority.pairs_of(key)]
    return tuple(standing for standing in found if standing.current)


def install_invite(config_path: Path, invite: Invite, *, name: str, role: str = "") -> Path:
    """Put an invite beside a configuration, and name both it and the node there.

    The rest of the configuration stays as people wrote it; both files change at once or not.

    Args:
        config_path: the configuration; its invite is replaced.
        invite: the new one.
        name: the name that it grants.
        role: the role to write, "" to leave it.

    Raises:
        ConfigError: the configuration cannot be read or written.
    """
    path = config_path.with_suffix(".invite")
    load_config(config_path)
    values = {"name": name, "invite": path.name} | ({"role": role} if role else {})
    try:
        text = _with_values(config_path.read_text(), values)
        replace_file(path, invite.encode())
        replace_file(config_path, text.encode())
    except OSError as error:
        raise ConfigError(f"{error.filename or config_path}: {error.strerror}") from None
    load_config(config_path)
    return path


def _with_values(text: str, values: dict[str, str]) -> str:
    """Return a flat TOML text with some keys set; every other line stays."""
    lines = [line for line in text.splitlines() if line.partition("=")[0].strip() not in values]
    fresh = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in values.items()]
    return "\n".join((*fresh, *lines)) + "\n"


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file at once, keeping its mode where it is there; else it is for its owner alone.

    Raises:
        OSError: it cannot be written.
    """
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
