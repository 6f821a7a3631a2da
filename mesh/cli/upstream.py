"""Taking a model with its vendor's signature (OpenSSF Model Signing), at the release desk.

Accepted is what a signature covers that verifies with the key or the certificates which a person
named; nothing is trusted because it came along, and no network is asked. Three things are made sure
of around the library's verdict:

- What is judged is what is built. Every file is read once; the library verifies a private copy of
  those bytes, and those bytes go into the artefact. A file that changes meanwhile changes neither.
- What is not signed is not built. A signer may leave paths out, and the library then lets anything
  lie there; such files are dropped.
- Whatever the library raises becomes one sentence, and is a refusal.

The library, `model-signing`, comes with the extra `desk` and is imported here alone, when a
signature is given: boxes never have it.
"""

import hashlib
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, cast

from inference.artifact import ARTIFACT_SIZE_MAX
from inference.bundle import MEMBERS_MAX
from inference.upstream import Upstream, UpstreamMethod
from mesh.cli.options import CommandError
from mesh.cli.upstream_bundle import (
    SIGNATURE_SIZE_MAX,
    SignatureFile,
    UpstreamError,
    parse_signature_file,
)

__all__ = ["ONE_FILE", "HandedOver", "UpstreamError", "accept_upstream"]

TRUST_SIZE_MAX = 1 << 20
"""Bytes of a key or certificates; those of every public authority together are 300 KB."""

CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""Of keys that sign models: P-256, P-384, P-521."""

NEVER_SIGNED = (".git", ".gitattributes", ".github", ".gitignore")
"""What model signing leaves out of every folder."""

ONE_FILE = "."
"""How a signature over one file names it."""

_NAMES_TOLD = 3


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What a signature covers, verified.

    Attributes:
        files: contents by path within the folder; `ONE_FILE` for one file.
        upstream: whose signature, for the manifest.
    """

    files: dict[str, bytes]
    upstream: Upstream


@dataclass(frozen=True, slots=True)
class _Trust:
    """Whom a person named: a key, or certificates that end in a trusted root, as PEM."""

    path: Path
    method: UpstreamMethod
    pem: bytes


def accept_upstream(
    source: Path, signature: Path | None, public_key: Path | None, certificate_chain: Path | None
) -> HandedOver:
    """Read a file or a folder that a vendor signed.

    Args:
        source: the file or folder.
        signature: the vendor's signature file.
        public_key: the vendor's key, PEM; or
        certificate_chain: certificates that end in a trusted root, PEM.

    Raises:
        CommandError: the options do not fit each other, or a file cannot be read.
        UpstreamError: what is there is not what they signed.
    """
    if public_key is not None and certificate_chain is not None:
        raise CommandError("--public-key and --certificate-chain: give the one that signed")
    named = public_key or certificate_chain
    if signature is None:
        raise CommandError(
            f"{source}: {named} is named and no signature given: add the vendor's with --signature"
        )
    if named is None:
        raise CommandError(
            f"{signature}: whose is it? name the vendor's key with --public-key, or certificates "
            "with --certificate-chain"
        )
    new_verifier = _library()
    method = UpstreamMethod.CERTIFICATE if public_key is None else UpstreamMethod.KEY
    trust = _Trust(named, method, _read(named, TRUST_SIZE_MAX, f"a {method} in PEM"))
    bundle = _read(signature, SIGNATURE_SIZE_MAX, "a vendor's signature file")
    signer = _fingerprint(trust)
    says = _parsed(signature, bundle, trust)
    files = _files_of(source, signature)
    try:
        _verify(new_verifier(), trust, bundle, files)
    except OSError:
        raise  # a full disk is no verdict
    except Exception as error:  # noqa: BLE001  (the library raises what its parsers raise)
        raise _refusal(error, source, signature, trust, says, files) from None
    covered = {name: data for name, data in files.items() if name in says.listed}
    if not covered:
        raise UpstreamError(
            f"{signature} covers nothing of {source}: its signer left everything out; ask the "
            "vendor to sign the files themselves"
        )
    return HandedOver(
        covered,
        Upstream(
            method=method,
            signer=signer or hashlib.sha256(says.certificate).digest(),
            subject="" if signer else _subject(says.certificate),
            digest=says.digest,
            signature=hashlib.sha256(bundle).digest(),
        ),
    )


class _Verifier(Protocol):
    """What is used of the library's `verifying.Config`, whose own annotations are incomplete."""

    def use_elliptic_key_verifier(self, *, public_key: Path) -> object: ...
    def use_certificate_verifier(self, *, certificate_chain: list[Path]) -> object: ...
    def verify(self, model_path: Path, signature_path: Path) -> None: ...


def _library() -> Callable[[], _Verifier]:
    """Return what makes a verifier; only here is the library asked for."""
    try:
        from model_signing import verifying
    except ImportError as error:
        raise CommandError(
            f"--signature needs what boxes do without ({error}): install it at the release desk, "
            "with pip install 'threerooms[desk]'"
        ) from None
    return cast("Callable[[], _Verifier]", verifying.Config)


def _fingerprint(trust: _Trust) -> bytes | None:
    """SHA-256 of a key that can be used; None for certificates, of which one will have signed."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        if trust.method is UpstreamMethod.CERTIFICATE:
            x509.load_pem_x509_certificates(trust.pem)
            return None
        key = serialization.load_pem_public_key(trust.pem)
    except (ValueError, UnsupportedAlgorithm):
        raise UpstreamError(
            f"{trust.path} holds no {trust.method} that can be read; expected "
            f"{'a public key' if trust.method is UpstreamMethod.KEY else 'certificates'} in PEM"
        ) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise UpstreamError(
            f"{trust.path} is no key that signs models; expected one on curve P-256, P-384 or P-521"
        )
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).digest()


def _subject(certificate: bytes) -> str:
    from cryptography import x509

    return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()


def _parsed(path: Path, data: bytes, trust: _Trust) -> SignatureFile:
    try:
        says = parse_signature_file(data)
    except UpstreamError as error:
        raise UpstreamError(f"{path}: {error}") from None
    if says.method is not trust.method:
        option = "--public-key" if says.method is UpstreamMethod.KEY else "--certificate-chain"
        raise UpstreamError(
            f"{path} was made with a {says.method}, and {trust.path} was given as a "
            f"{trust.method}: name the signer with {option}"
        )
    return says


def _files_of(source: Path, signature: Path) -> dict[str, bytes]:
    """Every file that a signature may be over, by its path from there; itself left out."""
    if not source.is_dir():
        return {ONE_FILE: _read(source, ARTIFACT_SIZE_MAX, "what the vendor signed")}
    itself = signature.resolve()
    files: dict[str, bytes] = {}
    size = 0
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if name.parts[0] in NEVER_SIGNED or path.resolve() == itself:
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UpstreamError(f"{path} is no plain file: a signature is over plain files alone")
        if path.is_dir():
            continue
        files[name.as_posix()] = data = _read(path, ARTIFACT_SIZE_MAX, "what the vendor signed")
        size += len(data)
        if len(files) > MEMBERS_MAX or size > ARTIFACT_SIZE_MAX:
            raise UpstreamError(
                f"{source}: more than {MEMBERS_MAX} files or {ARTIFACT_SIZE_MAX >> 20} MiB: ask "
                "the vendor for a signature over what is run alone"
            )
    return files


def _verify(verifier: _Verifier, trust: _Trust, bundle: bytes, files: Mapping[str, bytes]) -> None:
    """Have the library judge a private copy; returns if all is right, and raises anything else."""
    with tempfile.TemporaryDirectory(prefix="mesh-artifact-") as name, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the library's affair, no verdict
        model, signature, pem = (Path(name) / part for part in ("model", "signature", "pem"))
        signature.write_bytes(bundle)
        pem.write_bytes(trust.pem)
        if ONE_FILE not in files:
            model.mkdir()
        for path, data in files.items():
            (model / path).parent.mkdir(parents=True, exist_ok=True)
            (model / path).write_bytes(data)
        if trust.method is UpstreamMethod.KEY:
            verifier.use_elliptic_key_verifier(public_key=pem)
        else:
            verifier.use_certificate_verifier(certificate_chain=[pem])
        verifier.verify(model, signature)


def _refusal(
    error: Exception,
    source: Path,
    signature: Path,
    trust: _Trust,
    says: SignatureFile,
    files: Mapping[str, bytes],
) -> UpstreamError:
    """Why a signature was refused, for a person; the verdict is made and not changed by it."""
    text = " ".join(str(error).split()) or type(error).__name__
    if not text.startswith("Signature mismatch"):
        return UpstreamError(
            f"{signature} does not verify with {trust.path} ({text:.120}): somebody else signed, "
            "or it was changed since; fetch it again, or name who signed"
        )
    if (ONE_FILE in files) != (ONE_FILE in says.listed):
        wanted = "that file" if ONE_FILE in says.listed else "the folder that was signed"
        return UpstreamError(f"{source} is not what {signature} is over: give {wanted}")
    told = [
        f"{what} {', '.join(names[:_NAMES_TOLD])}{' …' if len(names) > _NAMES_TOLD else ''}"
        for what, names in _differences(says, files, source).items()
        if names
    ]
    return UpstreamError(
        f"{source} is not what its vendor signed ({'; '.join(told) or 'some file differs'}): fetch "
        "it again"
    )


def _differences(
    says: SignatureFile, files: Mapping[str, bytes], source: Path
) -> dict[str, list[str]]:
    """Names of files that are not as signed; of digests only SHA-256 is looked at here."""

    def left_out(name: str) -> bool:
        return any(PurePosixPath(name).is_relative_to(path) for path in says.ignored)

    altered = [
        source.name if name == ONE_FILE else name
        for name, (algorithm, digest) in sorted(says.listed.items())
        if name in files
        and algorithm == "sha256"
        and hashlib.sha256(files[name]).hexdigest() != digest
    ]
    return {
        "altered:": altered,
        "missing:": sorted(says.listed.keys() - files.keys()),
        "not signed:": sorted(name for name in files.keys() - says.listed if not left_out(name)),
    }


def _read(path: Path, size_max: int, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(size_max + 1)
    except OSError as error:
        raise CommandError(
            f"{path} cannot be read: {error.strerror or error}; expected {what}"
        ) from None
    if len(data) > size_max:
        raise CommandError(f"{path} is larger than {size_max >> 10} KiB; expected {what}")
    return data
