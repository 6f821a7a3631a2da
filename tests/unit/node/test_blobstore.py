"""Files that prove themselves: what is held, what a damage costs, what is removed for room."""

import errno
import os
import stat
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.node.blobstore import BlobStore
from mesh.node.blobstore_errors import (
    BlobDamagedError,
    BlobMissingError,
    BlobStoreDeniedError,
    BlobStoreError,
    BlobStoreFullError,
)
from mesh.orchestration.blob_effects import Found, Sealed
from mesh.orchestration.blob_tree import CHUNK_SIZE, Reference, leaves_of, reference_of

CHUNKS = 4
DATA = Random(1).randbytes(CHUNKS * CHUNK_SIZE - 77)
REFERENCE = reference_of(DATA)
LEAVES = leaves_of(DATA)
ALL = (1 << CHUNKS) - 1


def chunk(index: int, data: bytes = DATA) -> bytes:
    return data[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]


def write(store: BlobStore, *indices: int) -> None:
    for index in indices:
        store.write(REFERENCE, index, memoryview(chunk(index)))


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "artefacts")


def part(store: BlobStore) -> Path:
    (path,) = store._folder.glob("*.part")
    return path


def test_what_is_put_is_loaded_found_and_read(store: BlobStore) -> None:
    assert store.put(DATA) == (REFERENCE, LEAVES)
    assert store.put(DATA) == (REFERENCE, LEAVES)
    assert store.load(REFERENCE.digest) == DATA
    assert store.found(REFERENCE) == Found(LEAVES, ALL, is_complete=True)
    assert store.complete() == ((REFERENCE, LEAVES),)
    assert [store.read(REFERENCE, index) for index in range(CHUNKS)] == [
        chunk(index) for index in range(CHUNKS)
    ]
    assert store.used() == len(DATA)


def test_nobody_else_may_read_it(store: BlobStore) -> None:
    store.put(DATA)
    store.begin(reference_of(b"other"), leaves_of(b"other"))
    assert stat.S_IMODE(store._folder.stat().st_mode) == 0o700
    modes = {stat.S_IMODE(path.stat().st_mode) for path in store._folder.iterdir()}
    assert modes == {0o600}


def test_a_part_grows_is_read_and_is_sealed(store: BlobStore) -> None:
    assert store.found(REFERENCE) == Found()
    store.begin(REFERENCE, LEAVES)
    assert store.found(REFERENCE) == Found(LEAVES, 0)
    write(store, 2, 0)
    again = BlobStore(store._folder)
    assert again.found(REFERENCE) == Found(LEAVES, 0b101)
    assert again.read(REFERENCE, 2) == chunk(2)
    assert again.complete() == ()
    assert again.used() == len(DATA)
    write(again, 1, 3)
    assert again.seal(REFERENCE) == Sealed(is_complete=True)
    assert again.seal(REFERENCE) == Sealed(is_complete=True)
    assert again.load(REFERENCE.digest) == DATA
    assert not list(store._folder.glob("*.part"))


@given(st.data())
def test_only_proven_chunks_are_held(data: st.DataObject) -> None:
    """Whatever stands in the file: holes, torn writes, bytes of another place."""
    with TemporaryDirectory() as folder:
        store = BlobStore(Path(folder))
        store.begin(REFERENCE, LEAVES)
        right = data.draw(st.sets(st.integers(0, CHUNKS - 1)))
        write(store, *right)
        content = bytearray(part(store).read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(content) - 1))
            torn = data.draw(st.integers(1, 100))
            content[at : at + torn] = bytes(byte ^ 0xFF for byte in content[at : at + torn])
        part(store).write_bytes(content)
        held = sum(
            1 << index for index in range(CHUNKS) if chunk(index, bytes(content)) == chunk(index)
        )
        assert store.found(REFERENCE) == Found(LEAVES, held)
        whole = held == ALL
        verdict = store.seal(REFERENCE)
        assert verdict == Sealed(is_complete=whole, damaged=0 if whole else ALL & ~held)


@given(
    st.sets(st.integers(0, len(DATA) - 1), max_size=4),
    st.sampled_from(["resumed", "put"]),
    st.booleans(),
)
def test_what_rots_is_mended_and_never_taken_for_whole(
    rotten: set[int], how: str, is_list_lost: bool
) -> None:
    with TemporaryDirectory() as folder:
        store = BlobStore(Path(folder), quota=len(DATA))
        store.put(DATA)
        (blob,) = Path(folder).glob("*.blob")
        content = bytearray(blob.read_bytes())
        for at in rotten:
            content[at] ^= 1
        blob.write_bytes(content)
        if is_list_lost:
            next(Path(folder).glob("*.leaves")).unlink()
        if how == "put":
            store.put(DATA)
        else:
            lost = {at // CHUNK_SIZE for at in rotten}
            held = ALL & ~sum(1 << index for index in lost)
            found = store.found(REFERENCE)
            if is_list_lost and lost:
                assert found == Found()
                store.begin(REFERENCE, LEAVES)
                lost = set(range(CHUNKS))
            else:
                assert found == Found(LEAVES, held, is_complete=not lost)
            assert lost or found.is_complete
            write(store, *lost)
            assert store.seal(REFERENCE) == Sealed(is_complete=True)
        assert store.found(REFERENCE) == Found(LEAVES, ALL, is_complete=True)
        assert store.complete() == ((REFERENCE, LEAVES),)
        assert store.load(REFERENCE.digest) == DATA
        assert store.used() == len(DATA)
        assert not list(Path(folder).glob("*.part"))


def test_what_is_put_while_it_is_fetched_needs_no_part_any_more(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, quota=len(DATA))
    store.pin([])
    store.begin(REFERENCE, LEAVES)
    write(store, 1)
    store.put(DATA)
    assert store.used() == len(DATA)
    assert store.found(REFERENCE).is_complete
    store.put(made(1))
    assert [reference for reference, _ in store.complete()] == [reference_of(made(1))]


def test_what_was_used_last_comes_first(store: BlobStore) -> None:
    references = [store.put(made(number))[0] for number in range(4)]
    for reference, age in zip(references, (3, 1, 4, 2), strict=True):
        os.utime(store._path(reference, "blob"), (age, age))
    ages = [references.index(reference) for reference, _ in store.complete()]
    assert ages == [2, 0, 3, 1]
    store.load(references[1].digest)
    assert store.complete()[0][0] == references[1]


def test_leaves_or_a_part_that_are_torn_are_begun_anew(store: BlobStore) -> None:
    store.begin(REFERENCE, LEAVES)
    write(store, 1)
    (leaves,) = store._folder.glob("*.leaves")
    leaves.write_bytes(LEAVES[:-1])
    assert store.found(REFERENCE) == Found()
    leaves.write_bytes(LEAVES)
    os.truncate(part(store), 100)
    assert store.found(REFERENCE) == Found()
    store.begin(REFERENCE, LEAVES)
    assert store.found(REFERENCE) == Found(LEAVES, 0)


def test_a_digest_that_is_not_its_trees_is_found_and_removed(store: BlobStore) -> None:
    false = Reference(bytes(32), REFERENCE.size, REFERENCE.tree)
    store.begin(false, LEAVES)
    for index in range(CHUNKS):
        store.write(false, index, chunk(index))
    assert store.seal(false) == Sealed(is_complete=False)
    assert store.found(false) == Found()
    assert store.used() == 0


def test_lost_leaves_of_a_complete_one_are_made_anew(store: BlobStore) -> None:
    store.put(DATA)
    (leaves,) = store._folder.glob("*.leaves")
    leaves.unlink()
    assert store.complete() == ((REFERENCE, LEAVES),)
    assert leaves.read_bytes() == LEAVES
    (blob,) = store._folder.glob("*.blob")
    blob.write_bytes(bytes(len(DATA)))
    leaves.unlink()
    assert store.complete() == ()


def test_a_damaged_artefact_is_not_loaded_and_goes(store: BlobStore) -> None:
    store.put(DATA)
    (blob,) = store._folder.glob("*.blob")
    blob.write_bytes(bytes(len(DATA)))
    with pytest.raises(BlobDamagedError, match="fetch it again"):
        store.load(REFERENCE.digest)
    with pytest.raises(BlobMissingError, match="fetch it first"):
        store.load(REFERENCE.digest)


def test_what_is_not_here_is_named(store: BlobStore) -> None:
    with pytest.raises(BlobMissingError, match="is not in"):
        store.read(REFERENCE, 0)
    with pytest.raises(BlobMissingError, match="is not there"):
        store.write(REFERENCE, 0, b"x")
    with pytest.raises(BlobMissingError, match="is not there"):
        store.seal(REFERENCE)


def test_foreign_files_and_leftovers_do_no_harm(store: BlobStore) -> None:
    store.put(DATA)
    for name in ("notes.txt", "a.b.blob", "00.zz.part", f"{'0' * 64}.{'0' * 64}.blob", "x.new"):
        (store._folder / name).touch()
    again = BlobStore(store._folder)
    assert again.complete() == ((REFERENCE, LEAVES),)
    assert not list(store._folder.glob("*.new"))


# Room.


def made(number: int, size: int = 1000) -> bytes:
    return bytes([number]) * size


def test_without_pins_nothing_is_removed(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, quota=2500)
    for number in range(2):
        store.put(made(number))
    with pytest.raises(BlobStoreFullError, match="quota of 2500 bytes"):
        store.put(made(2))
    assert len(store.complete()) == 2


def test_what_was_loaded_longest_ago_goes_first_and_what_is_pinned_stays(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, quota=3500)
    references = [store.put(made(number))[0] for number in range(3)]
    for age, (path, _) in enumerate(store._files("blob")):
        os.utime(path, (age, age))
    store.load(references[0].digest)
    store.pin([references[1].digest])
    store.put(made(3))
    left = {reference.digest for reference, _ in store.complete()}
    assert left == {references[0].digest, references[1].digest, reference_of(made(3)).digest}
    store.put(made(4, 2500))
    left = {reference.digest for reference, _ in store.complete()}
    assert left == {references[1].digest, reference_of(made(4, 2500)).digest}
    with pytest.raises(BlobStoreFullError, match="raise the quota"):
        store.put(made(5, 2501))


def test_what_was_removed_is_told_once_and_parts_are_not(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, quota=3500)
    references = [store.put(made(number))[0] for number in range(3)]
    for age, (path, _) in enumerate(store._files("blob")):
        os.utime(path, (age, age))
    ordered = [reference for _, reference in store._files("blob")]
    store.pin([])
    assert store.removed() == ()
    store.put(made(3, 1600))
    assert [each for each, _ in store.removed()] == ordered[:2]
    assert store.removed() == ()
    store._path(ordered[2], "blob").write_bytes(b"rot" * 400)
    rotten = next(each for _, each in store._files("blob") if each.digest == ordered[2].digest)
    with pytest.raises(BlobDamagedError):
        store.load(ordered[2].digest)
    assert store.removed() == ((rotten, "it was removed: it had rotted on the disk"),)
    part = reference_of(made(9, 1000))
    store.begin(part, leaves_of(made(9, 1000)))
    store.release(part.digest)
    store.put(made(4, 1900))
    assert part not in [each for each, _ in store.removed()], "nobody was told that it is here"
    assert references


def test_a_part_is_kept_until_it_is_released(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, quota=len(DATA) + 100)
    store.pin([])
    store.begin(REFERENCE, LEAVES)
    write(store, 1)
    with pytest.raises(BlobStoreFullError):
        store.put(made(1))
    store.begin(REFERENCE, LEAVES)
    store.release(REFERENCE.digest)
    store.put(made(1))
    assert store.found(REFERENCE) == Found()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put new", "put", "begin", "fetch", "release"]),
            st.integers(1, 4),
            st.sampled_from([7, 30, 40]),
            st.sets(st.integers(1, 4)),
        ),
        max_size=25,
    )
)
def test_the_quota_holds_and_pinned_ones_stay(
    history: list[tuple[str, int, int, set[int]]],
) -> None:
    with TemporaryDirectory() as folder:
        store, kept = BlobStore(Path(folder), quota=100), dict[int, bytes]()
        for what, number, size, pinned in history:
            data = made(number, size)
            if what != "put new":
                data = kept.get(number, data)
            reference, leaves = reference_of(data), leaves_of(data)
            store.pin([reference_of(kept[other]).digest for other in pinned if other in kept])
            before = {reference.digest for reference, _ in store.complete()}
            try:
                if what in ("put", "put new"):
                    assert store.put(data) == (reference, leaves)
                elif what == "release":
                    store.release(reference.digest)
                elif not store.found(reference).is_complete:
                    store.begin(reference, leaves)
                    if what == "fetch":
                        store.write(reference, 0, data)
                        assert store.seal(reference).is_complete
                kept[number] = data
            except BlobStoreFullError:
                assert len(data) > 100 - store.used()
            after = {reference.digest for reference, _ in store.complete()}
            for other in pinned & kept.keys() - {number}:
                digest = reference_of(kept[other]).digest
                assert (digest in before) <= (digest in after)
            assert store.used() <= 100


# What a disk refuses.


@pytest.mark.parametrize(
    ("code", "raised", "said"),
    [
        (errno.ENOSPC, BlobStoreFullError, "no room on the disk for 262067 bytes"),
        (errno.EDQUOT, BlobStoreFullError, "free some"),
        (errno.EACCES, BlobStoreDeniedError, "user that runs this box"),
        (errno.EROFS, BlobStoreDeniedError, "Read-only"),
        (errno.EIO, BlobStoreError, "Input/output error"),
    ],
)
def test_refusals_are_sentences_and_leave_nothing(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch, code: int, raised: type, said: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(raised, match=said):
        store.begin(REFERENCE, LEAVES)
    assert not list(store._folder.glob("*.part"))
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(raised):
        store.put(DATA)
    assert store.complete() == ()
    assert not list(store._folder.glob("*.new"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BlobStoreError, match="Not a directory"):
        BlobStore(tmp_path / "file" / "artefacts")
