"""The signature file of OpenSSF Model Signing, read strictly before anything is made of it.

    Sigstore bundle (JSON) ─ whose key or certificates
                           └ DSSE envelope ─ signature over ─ in-toto statement ─ files, digests

Whether the signature is right is the library's verdict (`mesh.cli.upstream`). Here it is only made
sure that there is one thing to judge: every field is one that is checked or the file is refused, no
key occurs twice, base64 has one spelling. So whatever is changed in the file either changes what
is verified or makes it unreadable. Not taken, each with its sentence: keyless signatures, whose
proof is a transparency log that nobody asks here, and the formats from before 1.1, which leave
unsigned bytes in the file or do not say what their one digest is.

Formats: Sigstore bundle v0.3; DSSE 1.0.0; in-toto statement v1; model signing v1.0.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import cast

from inference.configuration import parse_json_table
from inference.errors import MalformedArtifactError
from inference.upstream import UpstreamMethod
from mesh.cli.options import CommandError

__all__ = ["SIGNATURE_SIZE_MAX", "SignatureFile", "UpstreamError", "parse_signature_file"]

SIGNATURE_SIZE_MAX = 4 << 20
"""Bytes of a signature file; 1,024 files take about 400 KB."""

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"


_Json = str | int | float | bool | None | list["_Json"] | dict[str, "_Json"]


class UpstreamError(CommandError):
    """What was handed over is not accepted as a named signer's."""


@dataclass(frozen=True, slots=True)
class SignatureFile:
    """What a signature file says; nothing of it is true before it was verified.

    Attributes:
        method: what it can be verified with.
        certificate: DER of the certificate that signed; empty for a key.
        digest: of everything signed, 32 bytes.
        listed: digest by name of every file that is signed, as (algorithm, hexadecimal); the name
            is `.` for a signature over one file.
        ignored: paths that the signer left out.
    """

    method: UpstreamMethod
    certificate: bytes
    digest: bytes
    listed: dict[str, tuple[str, str]]
    ignored: tuple[PurePosixPath, ...]


def parse_signature_file(data: bytes) -> SignatureFile:
    """What is in a signature file.

    Total: any bytes give it or an error.

    Raises:
        UpstreamError: it is none that is accepted; says why, without naming the file.
    """
    match _table(data, "the file"):
        case {
            "mediaType": media_type,
            "verificationMaterial": dict(material),
            "dsseEnvelope": dict(envelope),
        } as bundle if media_type == MEDIA_TYPE and len(bundle) == 3:
            method, certificate = _material(material)
            payload = _payload(envelope)
        case {"mediaType": str(other)} if other != MEDIA_TYPE:
            raise _unreadable(f"mediaType is {other!r:.80}, expected {MEDIA_TYPE}")
        case _:
            raise _unreadable("expected mediaType, verificationMaterial and dsseEnvelope alone")
    digest, listed, ignored = _statement(payload)
    return SignatureFile(method, certificate, digest, listed, ignored)


def _unreadable(why: str) -> UpstreamError:
    return UpstreamError(
        f"no signature of OpenSSF Model Signing that is read here: {why}; fetch it again, or ask "
        "the vendor to sign with model-signing 1.1 or later"
    )


def _table(data: bytes, what: str) -> dict[str, _Json]:
    try:
        return cast("dict[str, _Json]", parse_json_table(data, what))
    except MalformedArtifactError as error:
        raise _unreadable(str(error).removesuffix("; mend it")) from None


def _bytes(value: _Json, what: str) -> bytes:
    """Base64 in its one spelling."""
    if isinstance(value, str):
        try:
            data = base64.b64decode(value)
        except (binascii.Error, ValueError):
            data = b""
        if data and base64.b64encode(data) == value.encode():
            return data
    raise _unreadable(f"{what} is {value!r:.40}, expected base64")


def _material(material: Mapping[str, _Json]) -> tuple[UpstreamMethod, bytes]:
    if "certificate" in material or material.get("tlogEntries", []) != []:
        raise UpstreamError(
            "signed without a key of the vendor's own (keyless, by a transparency log), which is "
            "not checked here: ask for a signature with a key or with certificates"
        )
    match {key: value for key, value in material.items() if key != "tlogEntries"}:
        case {"publicKey": {"hint": str(hint), **rest}, **others} if hint and not rest | others:
            return UpstreamMethod.KEY, b""
        case {"x509CertificateChain": {"certificates": [*chain], **rest}, **others} if (
            chain and not rest | others
        ):
            signer, *_ = [_certificate(each) for each in chain]
            return UpstreamMethod.CERTIFICATE, signer
        case _:
            raise _unreadable("verificationMaterial is neither a key's hint nor certificates")


def _certificate(value: _Json) -> bytes:
    match value:
        case {"rawBytes": raw, **rest} if not rest:
            return _bytes(raw, "a certificate")
        case _:
            raise _unreadable(f"{value!r:.40} is no certificate")


def _payload(envelope: Mapping[str, _Json]) -> bytes:
    match envelope:
        case {
            "payload": payload,
            "payloadType": payload_type,
            "signatures": [{"sig": signature, **rest}],
        } if payload_type == PAYLOAD_TYPE and len(envelope) == 3 and rest in ({}, {"keyid": ""}):
            _bytes(signature, "sig")
            return _bytes(payload, "payload")
        case _:
            raise _unreadable(f"dsseEnvelope is none of {PAYLOAD_TYPE} with one signature")


def _statement(
    payload: bytes,
) -> tuple[bytes, dict[str, tuple[str, str]], tuple[PurePosixPath, ...]]:
    match _table(payload, "what is signed"):
        case {
            "_type": kind,
            "subject": [{"digest": {"sha256": str(digest)}}],
            "predicateType": predicate_type,
            "predicate": {
                "serialization": dict(serialization),
                "resources": list(resources),
            },
        } if (kind, predicate_type) == (STATEMENT_TYPE, PREDICATE_TYPE):
            ignored = _ignored(serialization)
            listed = dict(_resource(each) for each in resources)
            return _digest(digest), listed, ignored
        case {"predicateType": str(other)} if other != PREDICATE_TYPE:
            raise _unreadable(f"what is signed is {other!r:.60}, expected {PREDICATE_TYPE}")
        case _:
            raise _unreadable(f"what is signed is no {STATEMENT_TYPE} over one model")


def _digest(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise _unreadable(f"the digest signed is {text!r:.80}, expected a SHA-256")
    return digest


def _resource(value: _Json) -> tuple[str, tuple[str, str]]:
    match value:
        case {"name": str(name), "algorithm": str(algorithm), "digest": str(digest)}:
            return name, (algorithm, digest)
        case _:
            raise _unreadable(f"{value!r:.60} is no file with its digest")


def _ignored(serialization: Mapping[str, _Json]) -> tuple[PurePosixPath, ...]:
    """What the signer left out; refuses ways to hash that the library signs but cannot verify."""
    method, hashed = serialization.get("method"), serialization.get("hash_type")
    if method != "files" or hashed not in ("sha256", "blake3"):
        raise _unreadable(
            f"its files are hashed as {method!s:.20}, {hashed!s:.20}; expected files, sha256 or "
            "blake3"
        )
    paths = serialization.get("ignore_paths", [])
    if not isinstance(paths, list):
        raise _unreadable(f"ignore_paths is {paths!r:.40}, expected a list")
    return tuple(PurePosixPath(str(path)) for path in paths)
