"""What a disk may refuse, as sentences that say what to do, in one tree.

BlobStoreError
├── BlobStoreFullError     no room on the disk, or none within the quota
├── BlobStoreDeniedError   the folder or a file in it may not be read or written
├── BlobMissingError       there is no such artefact, or no such chunk of it
└── BlobDamagedError       a file is not what its name says
"""

import errno
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "BlobDamagedError",
    "BlobMissingError",
    "BlobStoreDeniedError",
    "BlobStoreError",
    "BlobStoreFullError",
    "named",
]


class BlobStoreError(Exception):
    """The disk refused; the message says why and what to do."""


class BlobStoreFullError(BlobStoreError):
    """No room on the disk, or none within the quota."""


class BlobStoreDeniedError(BlobStoreError):
    """The folder or a file in it may not be read or written."""


class BlobMissingError(BlobStoreError):
    """There is no such artefact, or no such chunk of it."""


class BlobDamagedError(BlobStoreError):
    """A file is not what its name says."""


@contextmanager
def named(path: Path, size: int = 0) -> Generator[None]:
    """Turn what the system refuses into a sentence.

    Args:
        path: what is touched, where the system does not say.
        size: bytes that are written.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise BlobMissingError(f"{error.filename or path} is not there: fetch it first") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BlobStoreFullError(
                f"no room on the disk for {size} bytes in {path.parent}: free some"
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise BlobStoreDeniedError(
                f"{error.filename or path}: {error.strerror}; it must be readable and writable "
                f"for the user that runs this box"
            ) from None
        raise BlobStoreError(f"{error.filename or path}: {error.strerror or error}") from None
