"""Who handed over what an artefact holds: a record in its manifest, for people and audits.

A release desk that took a model with its vendor's signature (`mesh artifact build --signature`)
writes here whose signature that was and over what. The record is written by whoever builds the
artefact and vouched for by whoever signs it; boxes carry it and decide nothing by it. It is a field
of its own and no metadata, because a model file may bring metadata along, and so could claim a
vendor that never signed it.

A manifest without the record has no such field at all: its bytes are what they were.
"""

from dataclasses import dataclass
from enum import StrEnum

from identity.encoding import Value
from inference.errors import MalformedArtifactError

__all__ = ["Upstream", "UpstreamMethod", "upstream_from_value", "upstream_value"]

SUBJECT_SIZE_MAX = 500
"""Longest subject of a certificate, characters."""

DIGEST_SIZE = 32
"""Bytes of a SHA-256."""


class UpstreamMethod(StrEnum):
    """What the desk was given to check the signature with."""

    KEY = "key"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Whose signature the desk accepted.

    Attributes:
        method: with a key, or with certificates.
        signer: SHA-256 of the public key (DER, SubjectPublicKeyInfo) or of the certificate that
            signed (DER), 32 bytes; as `openssl` prints them.
        subject: of that certificate, RFC 4514; empty for a key.
        digest: what the vendor signed as one digest: SHA-256 over those of its files, 32 bytes.
        signature: SHA-256 of the signature file, 32 bytes; finds it among those kept.
    """

    method: UpstreamMethod
    signer: bytes
    subject: str
    digest: bytes
    signature: bytes

    def __post_init__(self) -> None:
        for name in ("signer", "digest", "signature"):
            _check(len(getattr(self, name)) == DIGEST_SIZE, name, getattr(self, name))
        printable = len(self.subject) <= SUBJECT_SIZE_MAX and self.subject.isprintable()
        _check(printable, "subject", self.subject)
        _check(self.method is UpstreamMethod.CERTIFICATE or not self.subject, "subject of a key",
               self.subject)  # fmt: skip


def _check(holds: bool, name: str, value: object) -> None:
    if not holds:
        raise MalformedArtifactError(
            f"manifest: upstream {name} is {value!r:.80}; expected SHA-256 digests, and of a "
            f"certificate a printable subject of at most {SUBJECT_SIZE_MAX} characters"
        )


def upstream_value(upstream: Upstream) -> dict[str, object]:
    """A record as the value that is encoded."""
    return {
        "digest": upstream.digest,
        "method": str(upstream.method),
        "signature": upstream.signature,
        "signer": upstream.signer,
        "subject": upstream.subject,
    }


def upstream_from_value(value: Value) -> Upstream:
    """The record in a decoded value.

    Raises:
        MalformedArtifactError: it is none.
    """
    match value:
        case {
            "digest": bytes(digest),
            "method": str(method),
            "signature": bytes(signature),
            "signer": bytes(signer),
            "subject": str(subject),
        } if len(value) == 5 and method in tuple(UpstreamMethod):
            return Upstream(
                method=UpstreamMethod(method),
                signer=signer,
                subject=subject,
                digest=digest,
                signature=signature,
            )
        case _:
            raise MalformedArtifactError(
                f"manifest: upstream is {value!r:.80}; expected method, signer, subject, digest "
                "and signature, and nothing else; build the artefact again"
            )
