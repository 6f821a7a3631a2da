"""What people type, turned into what the rest understands; every mistake one CommandError."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from identity.capability import AREA_CELLS_MAX, EVERYWHERE, is_event_pattern, is_name
from identity.did import public_from_did
from identity.keys import is_valid_point, peer_id, public_from_peer_id
from mesh.choreography.cells import cell_from_text

__all__ = [
    "DIGEST_PREFIX",
    "CommandError",
    "parse_address",
    "parse_area",
    "parse_events",
    "parse_key",
    "parse_listen",
    "parse_model",
    "parse_name",
    "parse_place",
]

MODEL_SIZE_MAX = 1 << 30
"""Largest model file read, bytes."""
PORT_MAX = 65_535
DIGEST_PREFIX = "sha256:"
"""How a model is named by its digest, and not by a file."""

_LISTEN = re.compile(r"/ip4/(\d{1,3}\.){3}\d{1,3}/tcp/(\d{1,5})")
_DIAL = re.compile(r"/(?:ip4|ip6|dns|dns4|dns6)/[^/\s]+/tcp/(\d{1,5})(?:/p2p/([^/\s]+))?")
_PLACE = re.compile(r"\s*(-?\d{1,3}(?:\.\d+)?)\s*,\s*(-?\d{1,3}(?:\.\d+)?)\s*")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class CommandError(Exception):
    """A command was given something it cannot use; the message is one line for a person."""


def parse_key(text: str) -> bytes:
    """Return the public key in a did:key."""
    key = public_from_did(text)
    if not is_valid_point(key):
        raise CommandError(f"{text} is no usable key: expected the did:key of `mesh box init`")
    return key


def parse_name(text: str) -> str:
    """Return a name of members."""
    if not is_name(text):
        raise CommandError(f"name {text!r:.60}: expected lower-case segments such as north/box-1")
    return text


def parse_place(text: str) -> tuple[int, int]:
    """Return LAT,LON in degrees as microdegrees."""
    match = _PLACE.fullmatch(text)
    if match is None:
        raise CommandError(f"--place {text!r:.40}: expected LAT,LON in degrees, as 48.137,11.575")
    latitude, longitude = float(match[1]), float(match[2])
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise CommandError(f"--place {text}: expected -90 to 90 north and -180 to 180 east")
    return round(latitude * 1e6), round(longitude * 1e6)


def parse_events(texts: Iterable[str] | None) -> list[str] | None:
    """Return event patterns, each option one or several with commas between; None for none."""
    patterns = [part.strip() for text in texts or () for part in text.split(",")]
    for pattern in patterns:
        if not is_event_pattern(pattern):
            raise CommandError(f"--events {pattern!r:.60}: expected *, a type or a.*, as traffic.*")
    return list(dict.fromkeys(patterns)) or None


def parse_area(text: str) -> str | list[bytes]:
    """Return `*`, or the H3 cells of a list with commas between."""
    if text == EVERYWHERE:
        return text
    cells: list[bytes] = []
    for part in text.split(","):
        cell = cell_from_text(part.strip())
        if cell is None:
            raise CommandError(
                f"--area {part!r:.40}: expected * or H3 cells such as 891f8d7a49bffff"
            )
        cells.append(cell)
    if len(set(cells)) > AREA_CELLS_MAX:
        raise CommandError(f"--area: {len(set(cells))} cells; expected at most {AREA_CELLS_MAX}")
    return sorted(set(cells))


def parse_listen(text: str) -> str:
    """Return a multiaddr to listen on."""
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[2]) > PORT_MAX:
        raise CommandError(f"--listen {text!r:.60}: expected /ip4/ADDRESS/tcp/PORT, port 0 for any")
    return text


def parse_address(text: str, key: bytes | None) -> str:
    """Return a multiaddr that names its peer; that of `key` is added where it names none."""
    match = _DIAL.fullmatch(text)
    if match is None or not 0 < int(match[1]) <= PORT_MAX:
        raise CommandError(f"--address {text!r:.60}: expected /ip4/ADDRESS/tcp/PORT[/p2p/PEER]")
    if match[2]:
        public_from_peer_id(match[2])
        return text
    if key is None:
        raise CommandError(f"--address {text}: expected it to end with /p2p/PEER, whose it is")
    return f"{text}/p2p/{peer_id(key)}"


def parse_model(text: str) -> bytes:
    """Return the digest that `sha256:…` names, or of a model file, 32 bytes."""
    match = _DIGEST.fullmatch(text)
    if match is not None:
        return bytes.fromhex(match[1])
    if text.startswith(DIGEST_PREFIX):
        raise CommandError(f"{text!r:.80}: expected sha256: and 64 lower-case hexadecimal digits")
    total, read = hashlib.sha256(), 0
    try:
        with Path(text).open("rb") as file:
            while chunk := file.read(1 << 20):
                total.update(chunk)
                read += len(chunk)
                if read > MODEL_SIZE_MAX:
                    raise CommandError(f"{text} is larger than {MODEL_SIZE_MAX >> 20} MiB")
    except OSError as error:
        raise CommandError(
            f"{text} cannot be read: {error.strerror}; expected a model file or sha256:DIGEST"
        ) from None
    if not read:
        raise CommandError(f"{text} is empty: expected a model file")
    return total.digest()
