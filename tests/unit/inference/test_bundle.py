"""Bundles: zips that every tool reads, of which only one spelling is accepted."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inference.bundle
from inference.bundle import MANIFEST_NAME, build_bundle, parse_bundle
from inference.errors import MalformedArtifactError
from tests.unit.inference.artifacts import bundles

MANIFEST = b'{"name": "planner", "version": "v1", "entry": "main.py"}'
FILES = {MANIFEST_NAME: MANIFEST, "main.py": b"print()", "data/a.txt": b"a"}


@given(bundles())
def test_any_tool_reads_what_we_write(files: dict[str, bytes]):
    with zipfile.ZipFile(io.BytesIO(build_bundle(files))) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == MANIFEST_NAME
        assert {name: archive.read(name) for name in archive.namelist()} == files


@given(bundles(), st.randoms(use_true_random=False))
def test_bytes_are_a_function_of_the_content(files: dict[str, bytes], rng):
    names = list(files)
    rng.shuffle(names)
    raw = build_bundle({name: files[name] for name in names})
    assert raw == build_bundle(files)
    assert parse_bundle(raw).files == files


@given(bundles(), st.data())
def test_a_changed_bit_is_refused_or_is_another_bundle(
    files: dict[str, bytes], data: st.DataObject
):
    raw = bytearray(build_bundle(files))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(MalformedArtifactError):
        parse_bundle(bytes(raw))


@given(st.binary(max_size=100))
def test_any_bytes_give_a_bundle_or_its_error(tail: bytes):
    for data in (tail, b"PK\3\4" + tail, build_bundle(FILES) + tail + b"x"):
        with pytest.raises(MalformedArtifactError):
            parse_bundle(data)


def zipped(files: dict[str, bytes], method: int) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


def test_a_bomb_is_not_unpacked():
    bomb = zipped({**FILES, "zeros": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    with pytest.raises(MalformedArtifactError, match="is compressed"):
        parse_bundle(bomb)


def test_a_zip_of_another_tool_is_refused_and_says_what_to_do():
    with pytest.raises(MalformedArtifactError, match="make it with `mesh artifact build`"):
        parse_bundle(zipped(FILES, zipfile.ZIP_STORED))


@pytest.mark.parametrize(
    "name", ["../up", "/etc/passwd", "a/../b", ".hidden", "a//b", "a\\b", "", "C:x", "a/", "ü"]
)
def test_a_path_that_leads_elsewhere_is_refused(name: str):
    with pytest.raises(MalformedArtifactError, match="expected a relative path"):
        build_bundle({**FILES, name: b""})


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (None, "has no manifest.json"),
        (b"{}", 'expected texts "name"'),
        (b'{"name": "a", "version": "1", "entry": "missing.py"}', "the last the path of a file"),
        (b"not json", "no JSON"),
    ],
)
def test_a_bundle_without_a_proper_manifest_is_refused(manifest: bytes | None, said: str):
    files = {"main.py": b""} | ({} if manifest is None else {MANIFEST_NAME: manifest})
    with pytest.raises(MalformedArtifactError, match=said):
        build_bundle(files)


def test_limits_hold(monkeypatch: pytest.MonkeyPatch):
    raw = build_bundle(FILES)
    monkeypatch.setattr(inference.bundle, "MEMBERS_MAX", 2)
    for refused in (lambda: build_bundle(FILES), lambda: parse_bundle(raw)):
        with pytest.raises(MalformedArtifactError):
            refused()
    monkeypatch.setattr(inference.bundle, "BUNDLE_SIZE_MAX", 10)
    with pytest.raises(MalformedArtifactError, match="at most 10"):
        parse_bundle(raw)
