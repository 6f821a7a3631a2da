"""An agent bundle: a zip that any tool reads, written in the one way that we accept.

A bundle holds `manifest.json` first ({"name", "version", "entry"}) and then the agent's files,
sorted by name. Nothing is compressed, no time, owner or comment is recorded, and the directory at
the end says what the local headers said. So the bytes are a function of the content, and reading is
simple: take the names and contents out, write them again, and compare. What differs in a single
bit was not written by us, whatever it was meant to be: zip bombs, hidden members, two truths in one
file and links fall to the same comparison. Names are plain relative paths of a small alphabet, so
none leads out of a folder into which a bundle is unpacked.

Format: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.16
(end).
"""

import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from inference.configuration import parse_json_table
from inference.errors import MalformedArtifactError
from inference.manifest import PAYLOAD_SIZE_MAX

__all__ = [
    "BUNDLE_SIZE_MAX",
    "MANIFEST_NAME",
    "MEMBERS_MAX",
    "Bundle",
    "build_bundle",
    "parse_bundle",
]

MANIFEST_NAME = "manifest.json"
"""The member that says what the bundle is; always the first."""

BUNDLE_SIZE_MAX = PAYLOAD_SIZE_MAX
"""Bytes."""

MEMBERS_MAX = 1024
"""Files in a bundle."""

NAME_SIZE_MAX = 200
"""Characters of a member's path."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 20
_DATE_1980 = 0x21
"""The first of January 1980, where zip time begins."""
_PLAIN_FILE = 0o100644 << 16
_UNIX = 3 << 8


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is in a bundle.

    Attributes:
        name: of the agent.
        version: of the agent.
        entry: path of the member that is started.
        files: contents by path, the manifest among them.
    """

    name: str
    version: str
    entry: str
    files: dict[str, bytes]


def build_bundle(files: Mapping[str, bytes]) -> bytes:
    """Write a bundle.

    Args:
        files: contents by path, `manifest.json` among them.

    Raises:
        MalformedArtifactError: a limit is exceeded, a path is none, or the manifest is wrong.
    """
    _checked(files)
    return _written(files)


def parse_bundle(data: bytes) -> Bundle:
    """The bundle in bytes.

    Total: any bytes give the one bundle that is written so, or an error.

    Raises:
        MalformedArtifactError: they are none.
    """
    if len(data) > BUNDLE_SIZE_MAX:
        raise MalformedArtifactError(
            f"a bundle of {len(data)} bytes: expected at most {BUNDLE_SIZE_MAX}"
        )
    files = _members(data)
    bundle = _checked(files)
    if _written(files) != data:
        raise MalformedArtifactError(
            "the zip is not written as bundles are (stored, sorted, without times); make it with "
            "`mesh artifact build`"
        )
    return bundle


def _members(data: bytes) -> dict[str, bytes]:
    """Names and contents by the local headers, from the first byte on, until they end."""
    files: dict[str, bytes] = {}
    at = 0
    while data[at : at + 4] == b"PK\3\4" and at + _LOCAL.size <= len(data):
        fields = _LOCAL.unpack_from(data, at)
        size, name_size = fields[8], fields[9]
        start = at + _LOCAL.size + name_size
        name = data[at + _LOCAL.size : start].decode("ascii", "replace")
        if fields[3] != 0:
            raise MalformedArtifactError(
                f"bundle member {name!r:.80} is compressed, and bundles are not: make it with "
                "`mesh artifact build`"
            )
        if name in files or len(files) >= MEMBERS_MAX or start + size > len(data):
            raise MalformedArtifactError(
                f"bundle member {name!r:.80}: twice, cut off, or one of more than {MEMBERS_MAX}; "
                "build the bundle again"
            )
        files[name] = data[start : start + size]
        at = start + size
    return files


def _checked(files: Mapping[str, bytes]) -> Bundle:
    for name in files:
        if len(name) > NAME_SIZE_MAX or not _NAME.fullmatch(name):
            raise MalformedArtifactError(
                f"bundle member {name!r:.80}: expected a relative path of letters, digits, dots, "
                "dashes and underscores, no part of which begins with a dot; rename it"
            )
    total = sum(map(len, files.values()))
    if len(files) > MEMBERS_MAX or total > BUNDLE_SIZE_MAX:
        raise MalformedArtifactError(
            f"{len(files)} files of {total} bytes: a bundle has at most {MEMBERS_MAX} files and "
            f"{BUNDLE_SIZE_MAX} bytes; leave something out"
        )
    if MANIFEST_NAME not in files:
        raise MalformedArtifactError(
            f'the bundle has no {MANIFEST_NAME}: add one with "name", "version" and "entry"'
        )
    match parse_json_table(files[MANIFEST_NAME], MANIFEST_NAME):
        case {"name": str(name), "version": str(version), "entry": str(entry)} if entry in files:
            return Bundle(name, version, entry, dict(files))
        case _:
            raise MalformedArtifactError(
                f'{MANIFEST_NAME}: expected texts "name", "version" and "entry", the last the '
                "path of a file in the bundle"
            )


def _written(files: Mapping[str, bytes]) -> bytes:
    bodies: list[bytes] = []
    directory: list[bytes] = []
    at = 0
    for name in (MANIFEST_NAME, *sorted(files.keys() - {MANIFEST_NAME})):
        content = files[name]
        raw, check, size = name.encode(), zlib.crc32(content), len(content)
        shared = (_VERSION, 0, 0, 0, _DATE_1980, check, size, size, len(raw), 0)
        bodies += [_LOCAL.pack(b"PK\3\4", *shared), raw, content]
        directory += [
            _ENTRY.pack(b"PK\1\2", _UNIX | _VERSION, *shared, 0, 0, 0, _PLAIN_FILE, at),
            raw,
        ]
        at += _LOCAL.size + len(raw) + size
    central = b"".join(directory)
    count = len(files)
    end = _END.pack(b"PK\5\6", 0, 0, count, count, len(central), at, 0)
    return b"".join([*bodies, central, end])
