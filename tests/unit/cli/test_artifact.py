"""`mesh artifact`: what is built can be signed, shown and read; mistakes are one sentence."""

import json
from pathlib import Path

import pytest

import mesh.demo.releases.canary
from identity.did import did_from_public
from identity.keystore import generate_unlock_file, save_key
from inference import packaged_model_path
from inference.artifact import check_signature, parse_artifact
from inference.bundle import parse_bundle
from mesh.config import load_config
from mesh.demo.releases.canary import CanaryPictures, render_canary
from mesh.node.opening import load_secret
from tests.unit.cli.commands import Mesh
from tests.unit.inference.artifacts import KEY, OTHER, a_configuration

CENTRE = ("-c", "fleet/authority.toml")
MODEL = str(packaged_model_path())
SAID = ("--version", "1", "--licence", "MIT")
MANIFEST = '{"name": "planner", "version": "v2", "entry": "main.py"}'


@pytest.fixture(scope="module")
def pictures() -> CanaryPictures:
    return render_canary(3, by_day=0, by_night=1, moments=1)


@pytest.fixture
def few_frames(monkeypatch: pytest.MonkeyPatch, pictures: CanaryPictures) -> None:
    monkeypatch.setattr(mesh.demo.releases.canary, "render_canary", lambda seed: pictures)


@pytest.mark.usefixtures("few_frames")
def test_a_models_licence_is_its_own_unless_given(mesh: Mesh):
    for words, licence in (((), "Apache-2.0"), (("--licence", "MIT"), "MIT")):
        file = f"{licence}.artifact"
        mesh.ok("artifact", "build", MODEL, "-o", file, *words)
        assert parse_artifact(Path(file).read_bytes()).manifest.licence == licence


def test_an_output_that_exists_costs_no_rendering(mesh: Mesh, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr("mesh.demo.releases.canary.render_canary")
    name = "intersection-detector-v1.4.artifact"
    for path, words in (("made", ("-o", "made")), (name, ())):
        Path(path).touch()
        outcome = mesh("artifact", "build", MODEL, *words)
        assert f"{path} exists: it is never overwritten" in outcome.err


@pytest.mark.usefixtures("few_frames")
def test_a_model_is_built_signed_and_shown(mesh: Mesh):
    said = mesh.ok("artifact", "build", MODEL, "-o", "v.artifact")
    assert "next: mesh artifact sign v.artifact" in said
    assert "signed_by     nobody: sign it" in mesh.ok("artifact", "show", "v.artifact")
    said = mesh.ok("artifact", "sign", "v.artifact", *CENTRE)
    made = parse_artifact(Path("v.signed.artifact").read_bytes())
    assert f"sha256:{made.digest.hex()}" in said
    assert (made.manifest.name, made.manifest.version) == ("intersection-detector", "v1.4")
    assert made.payload == packaged_model_path().read_bytes()
    key = load_secret(load_config(Path("fleet/authority.toml"))).public
    assert check_signature(made, [key]).key == key
    shown = mesh.ok("artifact", "show", "v.signed.artifact", "--signer", did_from_public(key))
    assert "canary.night: 2 frames, 1 incidents" in shown
    told = json.loads(mesh.ok("artifact", "show", "v.signed.artifact", "--json"))
    assert told["digest"] == f"sha256:{made.digest.hex()}"


def test_an_agents_folder_becomes_a_bundle(mesh: Mesh):
    folder = Path("planner")
    (folder / "data").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "manifest.json").write_text(MANIFEST)
    (folder / "main.py").write_text("print()")
    (folder / "data" / "a.txt").write_text("a")
    (folder / ".git" / "config").write_text("secret")
    (folder / "link").symlink_to("/etc/hostname")
    mesh.ok("artifact", "build", "planner", "--licence", "MIT")
    made = parse_artifact(Path("planner-v2.artifact").read_bytes())
    assert sorted(parse_bundle(made.payload).files) == ["data/a.txt", "main.py", "manifest.json"]


def test_a_release_key_of_its_own_signs_a_configuration(mesh: Mesh, tmp_path: Path):
    Path("limits.toml").write_text("most = 3\n")
    unlock = generate_unlock_file(tmp_path / "release.unlock")
    save_key(tmp_path / "release.key", KEY, unlock, random_unlock=True)
    mesh.ok("artifact", "build", "limits.toml", "--version", "7", "--licence", "MIT")
    words = ("--key", "release.key", "--unlock", "release.unlock")
    mesh.ok("artifact", "sign", "limits-7.artifact", *words)
    mesh.ok("artifact", "show", "limits-7.signed.artifact", "--signer", did_from_public(KEY.public))


CASES: list[tuple[tuple[str, ...], str]] = [
    (("artifact", "build", "none.onnx"), "none.onnx cannot be read: No such file"),
    (("artifact", "build", "a.toml"), "says no version of itself: give it one with --version"),
    (("artifact", "build", "bad.toml", "--version", "1"), "says no licence of itself: give it one"),
    (("artifact", "build", "empty", "--version", "1"), "manifest.json says --name and --version"),
    (("artifact", "build", "empty", "--canary", "1"), "--canary is for models; leave it out"),
    (("artifact", "build", "bad.toml", "--canary", "1"), "--canary is for models; leave it out"),
    (("artifact", "build", "a.key"), "expected a model (.onnx), an agent's folder"),
    (("artifact", "build", "bad.onnx"), "bad.onnx: no ONNX model that can be run"),
    (("artifact", "build", "bad.toml", *SAID), "the configuration is no TOML"),
    (("artifact", "build", "empty"), "has no manifest.json: add one"),
    (("artifact", "build", MODEL, "--canary", "100"), "--canary: canary set 100"),
    (("artifact", "build", "a.toml", *SAID, "-o", "b.toml"), "b.toml exists"),
    (("artifact", "build", "a.toml", *SAID, "-o", "no/x"), "no/x cannot be written"),
    (("artifact", "sign", "plain.artifact"), "nobody to sign: give --config"),
    (("artifact", "sign", "plain.artifact", "--key", "a.key"), "or --key with --unlock"),
    (("artifact", "sign", "a.toml", *CENTRE), "no artefact; make one with `mesh artifact build`"),
    (("artifact", "show", "cut.artifact"), "fetch it again"),
    (("artifact", "show", "none.artifact"), "none.artifact cannot be read"),
    (
        ("artifact", "show", "plain.artifact", "--signer", did_from_public(OTHER.public)),
        "is unsigned: sign it with `mesh artifact sign",
    ),
    (("artifact", "show", "plain.artifact", "--signer", "z6Mk"), "'z6Mk' is no did:key"),
]


@pytest.mark.parametrize(("words", "said"), CASES, ids=[" ".join(words) for words, _ in CASES])
def test_a_mistake_is_one_sentence(
    mesh: Mesh, words: tuple[str, ...], said: str, request: pytest.FixtureRequest
):
    if "100" not in words:
        request.getfixturevalue("few_frames")
    Path("bad.onnx").write_bytes(b"name: detector\n")
    Path("bad.toml").write_text("most = \n")
    Path("empty").mkdir()
    Path("plain.artifact").write_bytes(a_configuration().raw)
    Path("cut.artifact").write_bytes(a_configuration().raw[:-3])
    outcome = mesh(*words)
    assert outcome.code == 2, outcome.out
    assert said in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_raw_model_is_named_with_what_makes_an_artefact_of_it(mesh: Mesh):
    outcome = mesh("artifact", "sign", MODEL, *CENTRE)
    assert outcome.code == 2
    assert f"{MODEL}: begins with" in outcome.err
    assert "make one with `mesh artifact build`" in outcome.err


def test_signing_what_is_signed_is_said(mesh: Mesh):
    Path("plain.artifact").write_bytes(a_configuration().raw)
    assert "signed already" not in mesh("artifact", "sign", "plain.artifact", *CENTRE).err
    again = mesh("artifact", "sign", "plain.signed.artifact", *CENTRE)
    assert again.code == 0
    assert "plain.signed.artifact is signed already, by did:key:" in again.err
