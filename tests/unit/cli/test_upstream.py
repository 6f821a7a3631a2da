"""A vendor's model is taken as it was signed by whom a person named, or not at all."""

import base64
import contextlib
import hashlib
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from model_signing import hashing, verifying

import mesh.cli.upstream
from inference.upstream import Upstream, UpstreamMethod
from mesh.cli.options import CommandError
from mesh.cli.upstream import HandedOver, UpstreamError, accept_upstream
from mesh.cli.upstream_bundle import parse_signature_file
from tests.unit.cli.vendors import (
    FORM,
    PEM,
    PLAIN,
    Vendor,
    a_vendor,
    certify,
    leaving_out,
    sign_certified,
    statement_of,
)

MODEL = bytes(range(256))
FOLDER = {"model.onnx": MODEL, "LICENCE": b"MIT", "cards/card.md": b"# A detector\n"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@dataclass(frozen=True)
class Delivery:
    """A model and a folder that a vendor signed, and somebody else's key."""

    home: Path
    vendor: Vendor
    other: Vendor

    @property
    def model(self) -> Path:
        return self.home / "model.onnx"

    @property
    def signature(self) -> Path:
        return self.home / "model.sig"

    @property
    def folder(self) -> Path:
        return self.home / "folder"

    @property
    def over_folder(self) -> Path:
        return self.folder / "model.sig"

    def spoilt(self, path: Path, data: bytes) -> HandedOver:
        """What is taken of the model or the folder while one of its files holds other bytes."""
        before = path.read_bytes()
        source = self.folder if path.is_relative_to(self.folder) else self.model
        signature = self.over_folder if source == self.folder else self.signature
        path.write_bytes(data)
        try:
            return accept_upstream(source, signature, self.vendor.public, None)
        finally:
            path.write_bytes(before)


def a_delivery(home: Path) -> Delivery:
    made = Delivery(home, a_vendor(home), a_vendor(home, "other"))
    made.model.write_bytes(MODEL)
    for name, data in FOLDER.items():
        (made.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (made.folder / name).write_bytes(data)
    made.vendor.sign(made.model, made.signature)
    made.vendor.sign(made.folder, made.over_folder)
    return made


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return a_delivery(tmp_path)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    """One for all examples of a property, which leave it as it was."""
    return a_delivery(tmp_path_factory.mktemp("delivery"))


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_a_signed_file_is_taken_with_who_signed_it(tmp_path: Path, curve: ec.EllipticCurve):
    vendor = a_vendor(tmp_path, curve=curve)
    model = tmp_path / "a.onnx"
    model.write_bytes(MODEL)
    signature = vendor.sign(model, tmp_path / "a.sig")
    taken = accept_upstream(model, signature, vendor.public, None)
    der = vendor.secret.public_key().public_bytes(serialization.Encoding.DER, FORM)
    digest = statement_of(signature.read_bytes())["subject"][0]["digest"]["sha256"]
    assert taken.files == {".": MODEL}
    assert taken.upstream == Upstream(
        method=UpstreamMethod.KEY,
        signer=hashlib.sha256(der).digest(),
        subject="",
        digest=bytes.fromhex(digest),
        signature=hashlib.sha256(signature.read_bytes()).digest(),
    )


def test_of_a_signed_folder_only_what_is_signed_is_taken(delivery: Delivery):
    for name in ("notes.txt", ".gitignore"):
        (delivery.folder / name).write_text("not signed")
    hashed = leaving_out("model.sig", "notes.txt")
    delivery.vendor.sign(delivery.folder, delivery.over_folder, hashed=hashed)
    taken = accept_upstream(delivery.folder, delivery.over_folder, delivery.vendor.public, None)
    assert taken.files == FOLDER


def test_a_signature_beside_what_it_signs_need_not_say_that_it_left_itself_out(delivery: Delivery):
    delivery.over_folder.unlink()
    outside = delivery.vendor.sign(delivery.folder, delivery.home / "outside.sig")
    outside.rename(delivery.over_folder)
    given_ = (delivery.folder, delivery.over_folder, delivery.vendor.public, None)
    assert accept_upstream(*given_).files == FOLDER


def test_files_may_be_hashed_with_blake3_too(delivery: Delivery):
    signature = delivery.home / "outside.sig"
    delivery.over_folder.unlink()
    hashed = hashing.Config().use_file_serialization(hashing_algorithm="blake3")
    delivery.vendor.sign(delivery.folder, signature, hashed=hashed)
    given_ = (delivery.folder, signature, delivery.vendor.public, None)
    assert accept_upstream(*given_).files == FOLDER
    (delivery.folder / "model.onnx").write_bytes(MODEL[::-1])
    with pytest.raises(UpstreamError, match=r"is not what its vendor signed \(some file differs"):
        accept_upstream(*given_)


@pytest.mark.parametrize(
    ("hashed", "said"),
    [
        (hashing.Config().use_file_serialization(hashing_algorithm="blake2"), "files, blake2b"),
        (hashing.Config().use_shard_serialization(shard_size=100), "shards, sha256"),
    ],
    ids=["blake2", "shards"],
)
def test_what_the_library_signs_and_cannot_verify_is_named(
    delivery: Delivery, hashed: hashing.Config, said: str
):
    delivery.vendor.sign(delivery.model, delivery.signature, hashed=hashed)
    with pytest.raises(UpstreamError, match=rf"hashed as {said}.*; expected files, sha256 or"):
        accept_upstream(delivery.model, delivery.signature, delivery.vendor.public, None)


@given(st.sampled_from(["model.onnx", "model.sig", *(f"folder/{name}" for name in FOLDER),
                        "folder/model.sig"]), st.data())  # fmt: skip
def test_a_spoilt_byte_anywhere_is_refused(kept: Delivery, name: str, data: st.DataObject):
    path = kept.home / name
    spoilt = bytearray(path.read_bytes())
    spoilt[data.draw(st.integers(0, len(spoilt) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UpstreamError):
        kept.spoilt(path, bytes(spoilt))


@given(st.sampled_from(["model.sig", "model.onnx"]), st.data())
def test_what_is_cut_short_or_goes_on_is_refused(kept: Delivery, name: str, data: st.DataObject):
    whole = (kept.home / name).read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    for spoilt in (whole[:cut], whole + b"\0"):
        with pytest.raises(UpstreamError):
            kept.spoilt(kept.home / name, spoilt)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [at for key in keys for at in places(value[key])]


@given(json_values, st.data())
def test_any_field_of_a_signature_replaced_is_refused(
    kept: Delivery, value: object, data: st.DataObject
):
    bundle = json.loads(kept.signature.read_bytes())
    container, key = data.draw(st.sampled_from(places(bundle)))
    before = container[key]
    container[key] = value
    if type(value) is type(before) and value == before:
        assert kept.spoilt(kept.signature, json.dumps(bundle).encode()).files == {".": MODEL}
        return
    with pytest.raises(UpstreamError):
        kept.spoilt(kept.signature, json.dumps(bundle).encode())


@given(st.text(max_size=4).filter(lambda name: name not in {"hint", "sig"}), json_values, st.data())
def test_a_field_that_nobody_checks_is_refused(
    kept: Delivery, name: str, value: object, data: st.DataObject
):
    bundle = json.loads(kept.signature.read_bytes())
    tables = [bundle, *(at[key] for at, key in places(bundle) if isinstance(at[key], dict))]
    data.draw(st.sampled_from(tables))[name] = value
    with pytest.raises(UpstreamError, match="no signature of OpenSSF Model Signing"):
        kept.spoilt(kept.signature, json.dumps(bundle).encode())


@given(json_values, st.data())
def test_whatever_statement_a_vendor_signs_is_read_or_refused(
    kept: Delivery, value: object, data: st.DataObject
):
    """The signature is right, so only the content can be refused; the bytes stay those of MODEL."""
    statement = statement_of(kept.signature.read_bytes())
    container, key = data.draw(st.sampled_from(places(statement)))
    container[key] = value
    signed = kept.vendor.sign_statement(statement, kept.signature.read_bytes())
    with contextlib.suppress(UpstreamError):
        assert kept.spoilt(kept.signature, signed).files == {".": MODEL}


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_signature_or_refused_as_one(data: bytes):
    with pytest.raises(UpstreamError, match="no signature of OpenSSF Model Signing"):
        parse_signature_file(data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda home: (home / "LICENCE").unlink(), r"signed \(missing: LICENCE\)"),
        (lambda home: (home / "run.py").touch(), r"signed \(not signed: run\.py\)"),
        (lambda home: (home / "LICENCE").write_text("GPL"), r"signed \(altered: LICENCE\)"),
        (
            lambda home: (home / "LICENCE").rename(home / "LICENSE"),
            r"\(missing: LICENCE; not signed: LICENSE\)",
        ),
        (
            lambda home: [(home / f"{number}.py").touch() for number in range(9)],
            r"\(not signed: 0\.py, 1\.py, 2\.py …\)",
        ),
        (lambda home: (home / "link").symlink_to("/etc/hostname"), "link is no plain file"),
        (lambda home: (home / "link").symlink_to(home / "cards"), "link is no plain file"),
    ],
    ids=["missing", "extra", "altered", "renamed", "many", "link", "folder link"],
)
def test_a_folder_that_is_not_as_signed_is_refused_by_name(
    delivery: Delivery, change: Callable[[Path], object], said: str
):
    change(delivery.folder)
    with pytest.raises(UpstreamError, match=said):
        accept_upstream(delivery.folder, delivery.over_folder, delivery.vendor.public, None)


def test_a_signature_over_a_folder_is_none_over_a_file_and_the_other_way_round(delivery: Delivery):
    inside = delivery.folder / "model.onnx"
    with pytest.raises(UpstreamError, match="give the folder that was signed"):
        accept_upstream(inside, delivery.over_folder, delivery.vendor.public, None)
    with pytest.raises(UpstreamError, match="give that file"):
        accept_upstream(delivery.folder, delivery.signature, delivery.vendor.public, None)


def test_another_key_than_the_one_named_is_refused(delivery: Delivery):
    with pytest.raises(UpstreamError, match=r"does not verify with .*other\.pub .*name who signed"):
        accept_upstream(delivery.model, delivery.signature, delivery.other.public, None)
    # Also where the file claims to be of the key that was named.
    bundle = json.loads(delivery.signature.read_bytes())
    pem = delivery.other.public.read_bytes()
    bundle["verificationMaterial"]["publicKey"]["hint"] = hashlib.sha256(pem).hexdigest()
    delivery.signature.write_text(json.dumps(bundle))
    with pytest.raises(UpstreamError, match=r"does not verify with .*other\.pub \(InvalidSig"):
        accept_upstream(delivery.model, delivery.signature, delivery.other.public, None)


def public_pem(key: Any) -> bytes:
    return key.public_key().public_bytes(PEM, FORM)


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (b"", "holds no key that can be read; expected a public key in PEM"),
        (b"\xff" * 40, "holds no key that can be read"),
        (ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, *PLAIN), "holds no key that"),
        (public_pem(ed25519.Ed25519PrivateKey.generate()), "expected one on curve P-256"),
        (public_pem(rsa.generate_private_key(65_537, 2048)), "expected one on curve P-256"),
        (public_pem(ec.generate_private_key(ec.SECP256K1())), "expected one on curve P-256"),
    ],
    ids=["empty", "no text", "secret", "Ed25519", "RSA", "secp256k1"],
)
def test_a_key_that_cannot_sign_models_is_named(delivery: Delivery, pem: bytes, said: str):
    delivery.vendor.public.write_bytes(pem)
    with pytest.raises(UpstreamError, match=said):
        accept_upstream(delivery.model, delivery.signature, delivery.vendor.public, None)


def change_keyless(bundle: dict[str, Any]) -> None:
    bundle["verificationMaterial"] = {"certificate": {"rawBytes": "AAAA"}, "tlogEntries": [{}]}


def change_logged(bundle: dict[str, Any]) -> None:
    bundle["verificationMaterial"]["tlogEntries"] = [{"logIndex": "1"}]


def change_before_1_1(bundle: dict[str, Any]) -> None:
    bundle["verificationMaterial"]["publicKey"] = {"rawBytes": "AAAA"}


def change_media_type(bundle: dict[str, Any]) -> None:
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.1+json"


def change_certificates(bundle: dict[str, Any]) -> None:
    chain = {"certificates": [{"rawBytes": "AAAA"}]}
    bundle["verificationMaterial"] = {"x509CertificateChain": chain}


def change_second_signature(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["signatures"] *= 2


def change_base64(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["payload"] += "\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_keyless, "keyless, by a transparency log.* ask for a signature with a key"),
        (change_logged, "keyless, by a transparency log"),
        (change_before_1_1, "neither a key's hint nor certificates; .* 1.1 or later"),
        (change_media_type, "mediaType is 'application/vnd.dev.sigstore.bundle.v0.1"),
        (change_certificates, "was made with a certificate.* signer with --certificate-chain"),
        (change_second_signature, "with one signature"),
        (change_base64, "payload is '.*expected base64"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_signature_of_another_kind_says_what_to_ask_for(
    delivery: Delivery, change: Callable[[dict[str, Any]], None], said: str
):
    bundle = json.loads(delivery.signature.read_bytes())
    change(bundle)
    with pytest.raises(UpstreamError, match=said):
        delivery.spoilt(delivery.signature, json.dumps(bundle).encode())


def test_a_statement_from_before_1_0_is_refused_although_the_library_would_take_it(
    delivery: Delivery,
):
    subject = {"name": ".", "digest": {"sha256": hashlib.sha256(MODEL).hexdigest()}}
    old = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject],
        "predicateType": "https://model_signing/Digests/v0.1",
        "predicate": {},
    }
    signed = delivery.vendor.sign_statement(old, delivery.signature.read_bytes())
    delivery.signature.write_bytes(signed)
    config = verifying.Config().use_elliptic_key_verifier(public_key=delivery.vendor.public)
    config.verify(delivery.model, delivery.signature)
    with pytest.raises(UpstreamError, match="what is signed is 'https://model_signing/Digests"):
        accept_upstream(delivery.model, delivery.signature, delivery.vendor.public, None)


def test_a_signer_who_left_everything_out_signed_nothing(delivery: Delivery):
    statement = statement_of(delivery.signature.read_bytes())
    statement["predicate"]["serialization"]["ignore_paths"] = ["."]
    statement["predicate"]["resources"] = []
    statement["subject"][0]["digest"]["sha256"] = hashlib.sha256().hexdigest()
    signed = delivery.vendor.sign_statement(statement, delivery.signature.read_bytes())
    delivery.signature.write_bytes(signed)
    config = verifying.Config().use_elliptic_key_verifier(public_key=delivery.vendor.public)
    config.verify(delivery.model, delivery.signature)
    with pytest.raises(UpstreamError, match="covers nothing of"):
        accept_upstream(delivery.model, delivery.signature, delivery.vendor.public, None)


def test_certificates_up_to_a_named_root_are_followed(delivery: Delivery):
    home = delivery.home
    root = certify("root", signs_certificates=True)
    between = certify("models", root, signs_certificates=True)
    # It ended in 2020: without a trusted time, when it was signed cannot be known.
    leaf = certify("Lane, Detector", between, days=30)
    trusted, link = root.pem(home / "root.pem"), between.pem(home / "between.pem")
    sign_certified(leaf, delivery.model, delivery.signature, along=[link])
    given_ = (delivery.model, delivery.signature, None)
    taken = accept_upstream(*given_, trusted)
    der = leaf.certificate.public_bytes(serialization.Encoding.DER)
    assert taken.files == {".": MODEL}
    assert taken.upstream.method is UpstreamMethod.CERTIFICATE
    assert taken.upstream.signer == hashlib.sha256(der).digest()
    assert taken.upstream.subject == r"CN=Lane\, Detector,O=Street Vision"
    stranger = certify("root", signs_certificates=True).pem(home / "stranger.pem")
    for other in (stranger, link):
        with pytest.raises(UpstreamError, match=rf"does not verify with {other} \(.*certificate"):
            accept_upstream(*given_, other)
    with pytest.raises(UpstreamError, match=r"was made with a certificate, .* given as a key"):
        accept_upstream(delivery.model, delivery.signature, delivery.vendor.public, None)
    delivery.vendor.public.write_text("")
    with pytest.raises(UpstreamError, match="holds no certificate that can be read"):
        accept_upstream(*given_, delivery.vendor.public)


def test_a_certificate_for_something_else_signs_no_model(delivery: Delivery):
    root = certify("root", signs_certificates=True)
    leaf = certify("web server", root, signs_code=False)
    trusted = root.pem(delivery.home / "root.pem")
    sign_certified(leaf, delivery.model, delivery.signature, along=[trusted])
    with pytest.raises(UpstreamError, match=r"cannot be used for signing|unsuitable"):
        accept_upstream(delivery.model, delivery.signature, None, trusted)


@given(st.data())
def test_a_spoilt_byte_of_a_certificate_or_of_what_it_signed_is_refused(
    certified: tuple[Path, Path, Path], data: st.DataObject
):
    model, signature, trusted = certified
    whole = signature.read_bytes()
    spoilt = bytearray(whole)
    spoilt[data.draw(st.integers(0, len(spoilt) - 1))] ^= data.draw(st.integers(1, 255))
    signature.write_bytes(spoilt)
    try:
        with pytest.raises(UpstreamError):
            accept_upstream(model, signature, None, trusted)
    finally:
        signature.write_bytes(whole)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    home = tmp_path_factory.mktemp("certified")
    root = certify("root", signs_certificates=True)
    between = certify("models", root, signs_certificates=True)
    leaf, link = certify("detector", between), between.pem(home / "between.pem")
    model = home / "model.onnx"
    model.write_bytes(MODEL)
    signature = sign_certified(leaf, model, home / "model.sig", along=[link])
    return model, signature, root.pem(home / "root.pem")


def test_what_is_judged_is_what_is_taken(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    """A file exchanged in the middle of it makes no difference."""
    judge = verifying.Config.verify

    def exchange_and_judge(self: verifying.Config, model: Path, signature: Path) -> None:
        delivery.model.write_bytes(b"another")
        delivery.signature.write_bytes(b"another")
        judge(self, model, signature)

    monkeypatch.setattr(verifying.Config, "verify", exchange_and_judge)
    digest = hashlib.sha256(delivery.signature.read_bytes()).digest()
    taken = accept_upstream(delivery.model, delivery.signature, delivery.vendor.public, None)
    assert delivery.model.read_bytes() == b"another"
    assert (taken.files, taken.upstream.signature) == ({".": MODEL}, digest)


def test_no_network_is_asked(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError(f"the network was asked: {arguments}")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    taken = accept_upstream(delivery.model, delivery.signature, delivery.vendor.public, None)
    assert taken.files == {".": MODEL}


def test_what_is_too_large_is_not_read_to_its_end(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
):
    given_ = (delivery.vendor.public, None)
    monkeypatch.setattr(mesh.cli.upstream, "ARTIFACT_SIZE_MAX", len(MODEL))
    accept_upstream(delivery.model, delivery.signature, *given_)
    with pytest.raises(UpstreamError, match="more than 1024 files or 0 MiB"):
        accept_upstream(delivery.folder, delivery.over_folder, *given_)
    for limit, source, signature in (
        ("ARTIFACT_SIZE_MAX", delivery.model, delivery.signature),
        ("SIGNATURE_SIZE_MAX", delivery.model, delivery.signature),
        ("TRUST_SIZE_MAX", delivery.model, delivery.signature),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(mesh.cli.upstream, limit, 100)
            with pytest.raises(CommandError, match="is larger than 0 KiB; expected"):
                accept_upstream(source, signature, *given_)


def test_base64_has_one_spelling(delivery: Delivery):
    """The unused bits at its end would otherwise be anybody's."""
    text = delivery.signature.read_text()
    sig = json.loads(text)["dsseEnvelope"]["signatures"][0]["sig"]
    while not sig.endswith("="):  # a third of all signatures has no bits to spare
        delivery.vendor.sign(delivery.model, delivery.signature)
        text = delivery.signature.read_text()
        sig = json.loads(text)["dsseEnvelope"]["signatures"][0]["sig"]
    at = len(sig.rstrip("=")) - 1
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = sig[:at] + alphabet[alphabet.index(sig[at]) | 1] + sig[at + 1 :]
    assert other != sig
    assert base64.b64decode(other) == base64.b64decode(sig)
    with pytest.raises(UpstreamError, match=r"sig is .*expected base64"):
        delivery.spoilt(delivery.signature, text.replace(sig, other).encode())
