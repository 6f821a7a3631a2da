"""The errors of `identity`, one tree.

    IdentityError
    ├── EncodingError           bytes that are not deterministic CBOR, or a value without such
    ├── InvalidNameError        a name, event type or pattern outside the grammar
    ├── InvalidCapabilityError  a capability value with a wrong shape
    ├── InvalidKeyError         a public key, peer id or did:key that is none
    ├── KeyFileError            a key file that cannot be read, written or opened
    ├── InvalidGenesisError     genesis bytes or parameters that are none
    ├── InvalidRootError        a root statement that is none
    └── InvalidInviteError      an invite that is none, or for another fleet

A message shows the offending value, what was expected and what to do about it.
"""


class IdentityError(Exception):
    """Base of every error raised by `identity`."""


class EncodingError(IdentityError):
    """Bytes that are not deterministic CBOR, or a value that cannot be encoded as such."""


class InvalidNameError(IdentityError):
    """A name, event type or event pattern outside the grammar."""


class InvalidCapabilityError(IdentityError):
    """A capability value with a wrong shape."""


class InvalidKeyError(IdentityError):
    """A public key, peer id or did:key that is none."""


class KeyFileError(IdentityError):
    """A key file that cannot be read, written or unlocked."""


class InvalidGenesisError(IdentityError):
    """Genesis bytes or parameters that are none."""


class InvalidRootError(IdentityError):
    """A root statement that is malformed or signed for another purpose."""


class InvalidInviteError(IdentityError):
    """An invite that is malformed or does not hang together."""
