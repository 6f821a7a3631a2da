"""Vendors that sign models with the library itself: with a key, or with certificates."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from model_signing import hashing, signing

BORN = datetime(2020, 1, 1, tzinfo=UTC)
PEM = serialization.Encoding.PEM
FORM = serialization.PublicFormat.SubjectPublicKeyInfo
PLAIN = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True)
class Vendor:
    """Somebody with a key pair in files: NAME.key and NAME.pub."""

    name: str
    home: Path
    secret: ec.EllipticCurvePrivateKey

    @property
    def public(self) -> Path:
        return self.home / f"{self.name}.pub"

    @property
    def key(self) -> Path:
        return self.home / f"{self.name}.key"

    def sign(self, model: Path, signature: Path, *, hashed: hashing.Config | None = None) -> Path:
        config = signing.Config().use_elliptic_key_signer(private_key=self.key)
        config.set_hashing_config(hashed or leaving_out(signature.name)).sign(model, signature)
        return signature

    def sign_statement(self, statement: object, like: bytes) -> bytes:
        """A signature file like another one, over any statement."""
        payload = json.dumps(statement).encode()
        head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode()
        bundle = json.loads(like)
        sig = self.secret.sign(head + payload, ec.ECDSA(hashes.SHA256()))
        bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(sig).decode()
        return json.dumps(bundle).encode()


def leaving_out(*names: str) -> hashing.Config:
    """Hash as the vendor's tool does: all but these, SHA-256."""
    return hashing.Config().set_ignored_paths(paths=names)


def a_vendor(home: Path, name: str = "vendor", curve: ec.EllipticCurve | None = None) -> Vendor:
    secret = ec.generate_private_key(curve or ec.SECP256R1())
    made = Vendor(name, home, secret)
    made.key.write_bytes(secret.private_bytes(PEM, *PLAIN))
    made.public.write_bytes(secret.public_key().public_bytes(PEM, FORM))
    return made


def statement_of(signature: bytes) -> dict[str, Any]:
    """What is signed in a signature file."""
    return json.loads(base64.b64decode(json.loads(signature)["dsseEnvelope"]["payload"]))


@dataclass(frozen=True)
class Certified:
    """A certificate with its key."""

    certificate: x509.Certificate
    secret: ec.EllipticCurvePrivateKey

    def pem(self, path: Path) -> Path:
        path.write_bytes(self.certificate.public_bytes(PEM))
        return path


def certify(
    name: str,
    issuer: Certified | None = None,
    *,
    signs_certificates: bool = False,
    signs_code: bool = True,
    days: int = 36_500,
) -> Certified:
    """A certificate; signed by itself without an issuer."""
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Street Vision"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    usage = dict.fromkeys(
        (
            "content_commitment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BORN)
        .not_valid_after(BORN + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=signs_certificates, path_length=None), True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=signs_code and not signs_certificates,
                key_cert_sign=signs_certificates,
                crl_sign=False,
                key_encipherment=not signs_code,
                **usage,
            ),
            True,
        )
    )
    if not signs_certificates:
        purpose = ExtendedKeyUsageOID
        wanted = purpose.CODE_SIGNING if signs_code else purpose.SERVER_AUTH
        made = made.add_extension(x509.ExtendedKeyUsage([wanted]), False)
    signer = secret if issuer is None else issuer.secret
    return Certified(made.sign(signer, hashes.SHA256()), secret)


def sign_certified(who: Certified, model: Path, signature: Path, *, along: Iterable[Path]) -> Path:
    """Sign with a certificate; the others between it and a root go along."""
    key, own = signature.with_suffix(".key"), signature.with_suffix(".crt")
    key.write_bytes(who.secret.private_bytes(PEM, *PLAIN))
    config = signing.Config().use_certificate_signer(
        private_key=key, signing_certificate=who.pem(own), certificate_chain=along
    )
    config.set_hashing_config(leaving_out(signature.name)).sign(model, signature)
    key.unlink()
    own.unlink()
    return signature
