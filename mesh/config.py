"""The file a node starts from: TOML, written by `mesh box init`, edited by people.

    name = "north/box-247"               # "" until an invite was installed
    key = "box-247.key"                  # encrypted; see `unlock`
    unlock = "file:box-247.unlock"       # or "env:VARIABLE"
    store = "box-247.db"
    invite = "box-247.invite"            # installed by `mesh box join`
    listen = ["/ip4/127.0.0.1/tcp/0"]    # loopback unless asked otherwise
    reactions = "act"                    # or "observe": run everything, act on nothing
    labels = {camera = "true"}           # which rollouts it is for, where it is enrolled later

Paths are relative to the file. Unknown keys are refused: a misspelt one would be silently ignored.
"""

import tomllib
from pathlib import Path
from typing import Literal, cast

import msgspec

__all__ = ["ConfigError", "NodeConfig", "load_config", "render_config"]

Role = Literal["box", "bootstrap", "authority"]
"""What a node is for: a bootstrap peer caches and introduces, an authority only signs more."""
CONFIG_SIZE_MAX = 64 << 10
"""Largest configuration file read, bytes."""
_OF_THE_FILE = frozenset({"directory", "file"})
"""Fields that say where the file is, and stand in none."""


class ConfigError(Exception):
    """A configuration file that cannot be used; the message says which line or key, and why."""


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a node is told about itself; the fields are those of the file, and where it is."""

    key: str
    unlock: str
    store: str
    name: str = ""
    invite: str = ""
    listen: tuple[str, ...] = ("/ip4/127.0.0.1/tcp/0",)
    reactions: Literal["act", "observe"] = "act"
    role: Role = "box"
    labels: dict[str, str] = {}
    directory: str = ""
    file: str = ""

    def path(self, name: str) -> Path:
        """Return a path of the file, relative to where the file is."""
        return Path(self.directory) / name


def load_config(path: Path) -> NodeConfig:
    """Return the configuration in a file.

    Raises:
        ConfigError: the file is missing, no TOML, or has a key or value that is not allowed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_SIZE_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > CONFIG_SIZE_MAX:
        raise ConfigError(f"{path} is larger than {CONFIG_SIZE_MAX} bytes: it is no configuration")
    try:
        table = tomllib.loads(data.decode())
        for key in _OF_THE_FILE & table.keys():
            raise ConfigError(f"{path}: unknown key `{key}`; move the file instead")
        config = msgspec.convert(table, NodeConfig)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from None
    return msgspec.structs.replace(config, directory=str(path.parent), file=str(path))


def render_config(config: NodeConfig) -> str:
    """Return the TOML of a configuration."""
    lines: list[str] = []
    for field in msgspec.structs.fields(config):
        value = getattr(config, field.name)
        if field.name in _OF_THE_FILE or (value == field.default and field.name != "listen"):
            continue
        if isinstance(value, tuple):
            quoted = ", ".join(_quote(text) for text in cast("tuple[str, ...]", value))
            lines.append(f"{field.name} = [{quoted}]")
        elif isinstance(value, dict):
            pairs = cast("dict[str, str]", value).items()
            inside = ", ".join(f"{_quote(key)} = {_quote(text)}" for key, text in pairs)
            lines.append(f"{field.name} = {{{inside}}}")
        else:
            lines.append(f"{field.name} = {_quote(value)}")
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    return msgspec.json.encode(text).decode()
