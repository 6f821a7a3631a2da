"""Domain tags: one per signed or hashed type, so that no signature can be moved to another type.

A signature is made over `tag + raw`, a digest is SHA-256 over `tag + raw`. Tags end in a zero byte
and none is a prefix of another.
"""

from hashlib import sha256

__all__ = [
    "ARTIFACT",
    "ENTRY",
    "ENTRY_ID",
    "EVENT",
    "EVENT_ID",
    "GENESIS",
    "ROOT",
    "ROOT_ID",
    "digest",
]

ARTIFACT = b"mesh-artifact/v1\0"
ENTRY = b"mesh-crdt/entry/v1\0"
ENTRY_ID = b"mesh-crdt/id/v1\0"
EVENT = b"mesh-event/v1\0"
EVENT_ID = b"mesh-event/id/v1\0"
GENESIS = b"mesh-genesis/v1\0"
ROOT = b"mesh-root/v1\0"
ROOT_ID = b"mesh-root/id/v1\0"


def digest(domain: bytes, raw: bytes) -> bytes:
    """Return SHA-256(domain ‖ raw), 32 bytes."""
    return sha256(domain + raw).digest()
