"""Key files: the only part of `identity` that touches a disk.

A key file is CBOR, mode 0600, and holds the seed encrypted under an unlock secret that lives
elsewhere: a passphrase somebody types, or an unlock file of 32 random bytes (mode 0600) for a box
that must boot alone; put the latter where stealing the disk does not steal it (a TPM-backed
credential, a ramdisk filled at boot). Argon2id stretches the secret, SecretBox (XSalsa20-Poly1305)
seals the seed, so a wrong secret is told from a damaged file by nothing but failing to open.

    [1, "argon2id", opslimit, memlimit, salt, public key, box]
"""

import os
import stat
from pathlib import Path

from nacl import pwhash, secret
from nacl.exceptions import CryptoError
from nacl.utils import random as random_bytes

from identity.encoding import decode, encode
from identity.errors import EncodingError, KeyFileError
from identity.keys import KEY_SIZE, SecretKey, peer_id

__all__ = [
    "create_private_file",
    "generate_unlock_file",
    "load_key",
    "read_private_file",
    "read_unlock_file",
    "save_key",
]

UNLOCK_SIZE = 32
"""Bytes of a generated unlock secret."""
UNLOCK_SIZE_MAX = 1024
"""Longest unlock secret read, bytes."""
KEY_FILE_SIZE_MAX = 4096
"""Largest key file read, bytes."""
_COSTS_PASSPHRASE = (pwhash.argon2id.OPSLIMIT_MODERATE, pwhash.argon2id.MEMLIMIT_MODERATE)
"""Operations and bytes of memory that make guessing a passphrase slow."""
_COSTS_RANDOM = (pwhash.argon2id.OPSLIMIT_MIN, pwhash.argon2id.MEMLIMIT_MIN)
"""The same for 256 random bits, which nobody guesses."""
_OPSLIMIT_MAX = 64
_MEMLIMIT_MAX = 1 << 30
"""Costs above these are refused: a forged file must not exhaust the box that reads it."""


def save_key(path: Path, key: SecretKey, unlock: bytes, *, random_unlock: bool = False) -> None:
    """Write a new key file, mode 0600; never over an existing one.

    Args:
        path: where; its directory must exist.
        key: what to keep.
        unlock: a passphrase, or the content of an unlock file.
        random_unlock: whether `unlock` is 32 random bytes, which need no stretching.

    Raises:
        KeyFileError: the file exists, cannot be written, or `unlock` is empty.
    """
    if not unlock:
        raise KeyFileError("an empty unlock secret: expected a passphrase or an unlock file")
    salt = random_bytes(pwhash.argon2id.SALTBYTES)
    ops, memory = _COSTS_RANDOM if random_unlock else _COSTS_PASSPHRASE
    box = secret.SecretBox(_stretch(unlock, salt, ops, memory)).encrypt(key.seed)
    body = [1, "argon2id", ops, memory, salt, key.public, bytes(box)]
    create_private_file(path, encode(body))


def load_key(path: Path, unlock: bytes) -> SecretKey:
    """Return the key in a file.

    Raises:
        KeyFileError: the file is missing, readable by others, no key file, or does not open with
            this secret.
    """
    data = read_private_file(path, KEY_FILE_SIZE_MAX)
    try:
        value = decode(data)
    except EncodingError:
        value = None
    match value:
        case [1, "argon2id", int(ops), int(memory), bytes(salt), bytes(public), bytes(box)] if (
            1 <= ops <= _OPSLIMIT_MAX
            and pwhash.argon2id.MEMLIMIT_MIN <= memory <= _MEMLIMIT_MAX
            and len(salt) == pwhash.argon2id.SALTBYTES
            and len(public) == KEY_SIZE
        ):
            pass
        case _:
            raise KeyFileError(f"{path} is no key file: expected one made by `mesh box init`")
    try:
        seed = secret.SecretBox(_stretch(unlock, salt, ops, memory)).decrypt(box)
        key = SecretKey.from_seed(seed)
    except (CryptoError, ValueError):
        raise KeyFileError(
            f"{path} does not open with this unlock secret: expected the one it was made with"
        ) from None
    if key.public != public:
        raise KeyFileError(f"{path} holds another key than {peer_id(public)}, which it names")
    return key


def _stretch(unlock: bytes, salt: bytes, ops: int, memory: int) -> bytes:
    return pwhash.argon2id.kdf(
        secret.SecretBox.KEY_SIZE, unlock, salt, opslimit=ops, memlimit=memory
    )


def generate_unlock_file(path: Path) -> bytes:
    """Write 32 random bytes to a new file, mode 0600, and return them."""
    unlock = random_bytes(UNLOCK_SIZE)
    create_private_file(path, unlock)
    return unlock


def read_unlock_file(path: Path) -> bytes:
    """Return the unlock secret in a file; one trailing newline is not part of it."""
    unlock = read_private_file(path, UNLOCK_SIZE_MAX)
    stripped = unlock[:-1] if len(unlock) != UNLOCK_SIZE and unlock.endswith(b"\n") else unlock
    if not stripped:
        raise KeyFileError(f"{path} is empty: expected an unlock secret")
    return stripped


def create_private_file(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read, and have it on disk before returning.

    Raises:
        KeyFileError: the file exists or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path} exists: it is never overwritten; move it away first") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from None


def read_private_file(path: Path, size_max: int) -> bytes:
    """Return the bytes of a file that only its owner can read.

    Raises:
        KeyFileError: it is missing, no plain file, too large, or open to group or others.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(size_max + 1)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"{path} is no plain file")
    if status.st_mode & 0o077:
        raise KeyFileError(
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o}: a secret must be readable by its "
            f"owner alone; run `chmod 600 {path}`"
        )
    if len(data) > size_max:
        raise KeyFileError(f"{path} is larger than {size_max} bytes: it is not the file expected")
    return data
