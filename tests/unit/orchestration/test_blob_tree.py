"""The tree against RFC 9162's own, recursive definition, and what a reference may be."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.artifact import ARTIFACT_SIZE_MAX
from mesh.orchestration.blob_errors import InvalidReferenceError
from mesh.orchestration.blob_tree import (
    CHUNK_SIZE,
    CHUNKS_MAX,
    SIZE_MAX,
    Reference,
    leaf_hash,
    leaves_of,
    reference_of,
    tree_root,
)


def oracle(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, as it is written."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return sha256(b"\1" + oracle(leaves[:split]) + oracle(leaves[split:])).digest()


def numbered(count: int) -> list[bytes]:
    return [sha256(index.to_bytes(4, "big")).digest() for index in range(count)]


@given(st.integers(1, 300))
def test_the_root_is_that_of_the_rfc(count: int) -> None:
    leaves = numbered(count)
    assert tree_root(b"".join(leaves)) == oracle(leaves)


@given(st.integers(1, 70), st.data())
def test_no_other_list_of_that_length_has_the_root(count: int, data: st.DataObject) -> None:
    leaves = numbered(count)
    at = data.draw(st.integers(0, count * 32 - 1))
    changed = bytearray(b"".join(leaves))
    changed[at] ^= data.draw(st.integers(1, 255))
    assert tree_root(bytes(changed)) != oracle(leaves)
    order = data.draw(st.permutations(leaves))
    assert (tree_root(b"".join(order)) == oracle(leaves)) == (order == leaves)


@pytest.mark.parametrize("size", [1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE])
def test_a_reference_fits_its_bytes(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    reference = reference_of(data)
    leaves = leaves_of(data)
    assert reference.digest == sha256(data).digest()
    assert reference.size == size
    assert len(leaves) == 32 * reference.chunks
    assert tree_root(leaves) == reference.tree
    spans = [reference.chunk_size(index) for index in range(reference.chunks)]
    assert sum(spans) == size
    assert min(spans) > 0
    for index in range(reference.chunks):
        chunk = data[index * CHUNK_SIZE : index * CHUNK_SIZE + spans[index]]
        assert leaf_hash(chunk) == leaves[32 * index : 32 * index + 32]


def test_a_node_is_no_leaf() -> None:
    left, right = numbered(2)
    assert leaf_hash(left + right) != tree_root(left + right)


def test_the_id_binds_all_three() -> None:
    base = Reference(bytes(32), 5, bytes(32))
    others = [
        Reference(b"\1" + bytes(31), 5, bytes(32)),
        Reference(bytes(32), 6, bytes(32)),
        Reference(bytes(32), 5, b"\1" + bytes(31)),
    ]
    assert len({base.id, *(other.id for other in others)}) == 4
    assert Reference(bytes(32), 5, bytes(32)).id == base.id


def test_what_is_exchanged_is_what_a_box_can_open() -> None:
    assert SIZE_MAX == ARTIFACT_SIZE_MAX


def test_the_largest_has_the_most_chunks() -> None:
    assert Reference(bytes(32), SIZE_MAX, bytes(32)).chunks == CHUNKS_MAX


@pytest.mark.parametrize(
    ("digest", "size", "tree", "said"),
    [
        (bytes(31), 1, bytes(32), "digest of 31 bytes"),
        (bytes(32), 1, bytes(33), "tree of 33 bytes"),
        (bytes(32), 0, bytes(32), "size 0"),
        (bytes(32), -1, bytes(32), "size -1"),
        (bytes(32), SIZE_MAX + 1, bytes(32), "split"),
    ],
)
def test_what_names_no_artefact_is_refused(
    digest: bytes, size: int, tree: bytes, said: str
) -> None:
    with pytest.raises(InvalidReferenceError, match=said):
        Reference(digest, size, tree)


def test_an_empty_artefact_is_none() -> None:
    with pytest.raises(InvalidReferenceError, match="0 bytes"):
        reference_of(b"")
