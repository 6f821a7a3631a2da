"""Keys: signatures under a domain, peer ids and did:keys there and back, key files at rest."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity import domain
from identity.did import did_from_public, public_from_did
from identity.errors import InvalidKeyError, KeyFileError
from identity.keys import (
    SecretKey,
    is_valid_point,
    peer_id,
    peer_id_bytes,
    public_from_peer_id,
    verify,
)
from identity.keystore import (
    create_private_file,
    generate_unlock_file,
    load_key,
    read_unlock_file,
    save_key,
)

SEEDS = st.binary(min_size=32, max_size=32)
KEY = SecretKey.from_seed(bytes(range(32)))


@given(SEEDS, st.binary(max_size=100))
def test_a_signature_holds_under_its_own_domain_only(seed, raw):
    key = SecretKey.from_seed(seed)
    signature = key.sign(domain.ENTRY, raw)
    assert verify(key.public, domain.ENTRY, raw, signature)
    assert not verify(key.public, domain.EVENT, raw, signature)
    assert not verify(KEY.public, domain.ENTRY, raw, signature)
    assert not verify(key.public, domain.ENTRY, raw + b"x", signature)


@given(st.binary(max_size=40), st.binary(max_size=70))
def test_verify_never_raises(public, signature):
    assert not verify(public, domain.ENTRY, b"raw", signature)


@given(SEEDS)
def test_every_way_to_write_a_key_leads_back(seed):
    public = SecretKey.from_seed(seed).public
    assert is_valid_point(public)
    assert public_from_peer_id(peer_id(public)) == public
    assert public_from_peer_id(peer_id_bytes(public)) == public
    assert public_from_did(did_from_public(public)) == public


def test_known_forms():
    """The peer id as libp2p 0.8.1 makes it of this seed; the first vector of the did:key method."""
    assert peer_id(KEY.public) == "12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB"
    zeros = SecretKey.from_seed(bytes(32)).public
    assert did_from_public(zeros) == "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"


@pytest.mark.parametrize(
    "text", ["", "12D3", "0OIl", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "1" * 500]
)
def test_other_peer_ids_are_refused(text):
    with pytest.raises(InvalidKeyError):
        public_from_peer_id(text)


@pytest.mark.parametrize("text", ["", "did:web:a", "did:key:z0", "did:key:zQ3sh", "did:key:z" * 90])
def test_other_dids_are_refused(text):
    with pytest.raises(InvalidKeyError):
        public_from_did(text)


def test_wrong_sizes_are_refused():
    for make in (SecretKey.from_seed, peer_id_bytes, did_from_public):
        with pytest.raises(InvalidKeyError, match="31 bytes"):
            make(bytes(31))


def test_a_small_order_point_is_no_key():
    assert not is_valid_point(bytes(32))
    assert not is_valid_point(b"\x01" + bytes(31))
    assert not is_valid_point(b"short")


def test_a_secret_does_not_print():
    assert KEY.seed.hex() not in repr(KEY)
    assert peer_id(KEY.public) in repr(KEY)


def test_a_key_file_opens_with_its_secret_only(tmp_path):
    path = tmp_path / "box.key"
    unlock = generate_unlock_file(tmp_path / "box.unlock")
    save_key(path, KEY, unlock)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY.seed not in path.read_bytes()
    assert load_key(path, read_unlock_file(tmp_path / "box.unlock")).public == KEY.public
    with pytest.raises(KeyFileError, match="does not open"):
        load_key(path, b"another")
    with pytest.raises(KeyFileError, match="exists"):
        save_key(path, KEY, unlock)


def test_a_key_file_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "box.key"
    save_key(path, KEY, b"secret")
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_key(path, b"secret")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x81\x01", bytes(5000)])
def test_other_files_are_no_key_files(tmp_path, content):
    path = tmp_path / "box.key"
    create_private_file(path, content)
    with pytest.raises(KeyFileError):
        load_key(path, b"secret")


def test_a_key_file_whose_costs_would_exhaust_a_box_is_refused(tmp_path):
    from identity.encoding import decode, encode

    save_key(tmp_path / "a.key", KEY, b"secret")
    value = decode((tmp_path / "a.key").read_bytes())
    for place, cost in ((2, 10**6), (3, 1 << 40)):
        forged = list(value)
        forged[place] = cost
        path = tmp_path / f"{place}.key"
        create_private_file(path, encode(forged))
        with pytest.raises(KeyFileError, match="no key file"):
            load_key(path, b"secret")


def test_a_key_file_that_names_another_key_is_refused(tmp_path):
    from identity.encoding import decode, encode

    save_key(tmp_path / "a.key", KEY, b"secret")
    value = decode((tmp_path / "a.key").read_bytes())
    value[5] = SecretKey.from_seed(bytes(32)).public
    create_private_file(tmp_path / "b.key", encode(value))
    with pytest.raises(KeyFileError, match="another key"):
        load_key(tmp_path / "b.key", b"secret")


def test_missing_places_are_named(tmp_path):
    with pytest.raises(KeyFileError, match="nowhere"):
        load_key(tmp_path / "nowhere" / "box.key", b"secret")
    with pytest.raises(KeyFileError, match="nowhere"):
        save_key(tmp_path / "nowhere" / "box.key", KEY, b"secret")
    with pytest.raises(KeyFileError, match="empty unlock"):
        save_key(tmp_path / "box.key", KEY, b"")
    (tmp_path / "pass").write_bytes(b"")
    (tmp_path / "pass").chmod(0o600)
    with pytest.raises(KeyFileError, match="is empty"):
        read_unlock_file(tmp_path / "pass")


def test_a_passphrase_file_may_end_in_a_newline(tmp_path):
    create_private_file(tmp_path / "pass", b"correct horse\n")
    assert read_unlock_file(tmp_path / "pass") == b"correct horse"


def test_a_directory_or_device_is_no_secret(tmp_path):
    with pytest.raises(KeyFileError):
        read_unlock_file(tmp_path)
    with pytest.raises(KeyFileError, match="plain file"):
        read_unlock_file(tmp_path.__class__("/dev/null"))
