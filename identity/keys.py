"""Ed25519 keys and the three ways to write a public one down.

Inside the product a principal is its raw 32-byte public key. libp2p calls it a peer id, the outside
world calls it a did:key (see `identity.did`); both are functions of those bytes and back.

Validity is what libsodium says: `crypto_sign_verify_detached`, and once per key, at enrolment,
`crypto_core_ed25519_is_valid_point`. Other libraries accept signatures that libsodium refuses, and
two libraries that disagree about one signature split a fleet.
"""

from collections.abc import Callable

import base58
from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey

from identity.errors import InvalidKeyError

__all__ = [
    "KEY_SIZE",
    "SEED_SIZE",
    "SIGNATURE_SIZE",
    "SecretKey",
    "is_valid_point",
    "peer_id",
    "peer_id_bytes",
    "public_from_peer_id",
    "verify",
]

KEY_SIZE = 32
"""Bytes of a public key."""
SEED_SIZE = 32
"""Bytes of the secret from which a key pair is made."""
SIGNATURE_SIZE = 64
"""Bytes of a signature."""

_PEER_ID_PREFIX = bytes.fromhex("002408011220")
"""Identity multihash of a libp2p PublicKey protobuf of type Ed25519 (libp2p specs, peer-ids)."""
_PEER_ID_TEXT_MAX = 128
"""Longest text looked at as a peer id, characters; an Ed25519 one has 52."""


class SecretKey:
    """An Ed25519 key pair that signs under a domain tag and never prints its secret."""

    __slots__ = ("_signing", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_SIZE:
            raise InvalidKeyError(f"a seed of {len(seed)} bytes: expected {SEED_SIZE}")
        self._signing = SigningKey(seed)
        self.public: bytes = bytes(self._signing.verify_key)

    @classmethod
    def from_seed(cls, seed: bytes) -> "SecretKey":
        """Return the key pair of a 32-byte seed.

        Raises:
            InvalidKeyError: the seed has another size.
        """
        return cls(seed)

    @classmethod
    def generate(cls, random_bytes: Callable[[int], bytes]) -> "SecretKey":
        """Return a new key pair from a source of randomness such as `os.urandom`."""
        return cls(random_bytes(SEED_SIZE))

    @property
    def seed(self) -> bytes:
        """The 32-byte secret; hand it to a key file and to nothing else."""
        return bytes(self._signing)

    def sign(self, domain: bytes, raw: bytes) -> bytes:
        """Return the 64-byte signature over domain ‖ raw."""
        return self._signing.sign(domain + raw).signature

    def __repr__(self) -> str:
        return f"SecretKey({peer_id(self.public)})"


def verify(public: bytes, domain: bytes, raw: bytes, signature: bytes) -> bool:
    """Whether `signature` over domain ‖ raw was made with the secret of `public`. Never raises."""
    if len(public) != KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    try:
        bindings.crypto_sign_open(signature + domain + raw, public)
    except CryptoError:
        return False
    return True


def is_valid_point(public: bytes) -> bool:
    """Whether bytes are a point of the main subgroup, in canonical form. Checked at enrolment."""
    return len(public) == KEY_SIZE and bindings.crypto_core_ed25519_is_valid_point(public)


def peer_id_bytes(public: bytes) -> bytes:
    """Return the libp2p peer id, a 38-byte identity multihash, of a public key."""
    if len(public) != KEY_SIZE:
        raise InvalidKeyError(f"a public key of {len(public)} bytes: expected {KEY_SIZE}")
    return _PEER_ID_PREFIX + public


def peer_id(public: bytes) -> str:
    """Return the peer id as people see it: base58, starts with 12D3Koo."""
    return base58.b58encode(peer_id_bytes(public)).decode()


def public_from_peer_id(peer: str | bytes) -> bytes:
    """Return the 32-byte public key in a peer id.

    Raises:
        InvalidKeyError: it is no peer id, or one of another key type (RSA, secp256k1).
    """
    raw = peer if isinstance(peer, bytes) else _base58(peer)
    if len(raw) != len(_PEER_ID_PREFIX) + KEY_SIZE or not raw.startswith(_PEER_ID_PREFIX):
        raise InvalidKeyError(f"{peer!r:.80} is no Ed25519 peer id: expected 12D3Koo…")
    return raw[len(_PEER_ID_PREFIX) :]


def _base58(text: str) -> bytes:
    if len(text) > _PEER_ID_TEXT_MAX:
        raise InvalidKeyError(f"{text[:40]!r}… is too long for a peer id")
    try:
        return base58.b58decode(text)
    except ValueError:
        raise InvalidKeyError(f"{text!r} is no peer id: not base58") from None
