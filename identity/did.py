"""did:key, the form of a key that people mail to each other.

`did:key:z` ‖ base58btc(0xed 0x01 ‖ public key), W3C CCG did:key method v0.7, Ed25519.
"""

import base58

from identity.errors import InvalidKeyError
from identity.keys import KEY_SIZE

__all__ = ["did_from_public", "public_from_did"]

_PREFIX = "did:key:z"
_ED25519 = b"\xed\x01"
_TEXT_MAX = 128
"""Longest text looked at, characters; an Ed25519 did:key has 56."""


def did_from_public(public: bytes) -> str:
    """Return the did:key of a 32-byte public key."""
    if len(public) != KEY_SIZE:
        raise InvalidKeyError(f"a public key of {len(public)} bytes: expected {KEY_SIZE}")
    return _PREFIX + base58.b58encode(_ED25519 + public).decode()


def public_from_did(did: str) -> bytes:
    """Return the 32-byte public key in a did:key.

    Raises:
        InvalidKeyError: it is no did:key, or one of another key type.
    """
    if not did.startswith(_PREFIX) or len(did) > _TEXT_MAX:
        raise InvalidKeyError(f"{did[:80]!r} is no did:key: expected did:key:z6Mk…")
    try:
        raw = base58.b58decode(did[len(_PREFIX) :])
    except ValueError:
        raise InvalidKeyError(f"{did!r} is no did:key: not base58") from None
    if not raw.startswith(_ED25519) or len(raw) != len(_ED25519) + KEY_SIZE:
        raise InvalidKeyError(f"{did!r} is no Ed25519 did:key: expected did:key:z6Mk…")
    return raw[len(_ED25519) :]
