"""`mesh artifact build --signature`: a vendor's models, agents and limits at the release desk."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from model_signing import verifying

import mesh.demo.releases.canary
from inference import packaged_model_path
from inference.artifact import parse_artifact
from inference.bundle import parse_bundle
from mesh.demo.releases.canary import CanaryPictures, render_canary
from tests.repo.tree import ROOT, run_python
from tests.unit.cli.commands import Mesh
from tests.unit.cli.vendors import FORM, Vendor, a_vendor, certify, sign_certified

CENTRE = ("-c", "fleet/authority.toml")
SAID = ("--version", "1", "--licence", "MIT")
KEY = ("--public-key", "vendor.pub")
MANIFEST = '{"name": "planner", "version": "v2", "entry": "main.py"}'

BLOCKED = """
import sys
sys.modules["model_signing"] = None
from mesh.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""`mesh` as where the extra is not installed."""


@pytest.fixture(scope="module")
def pictures() -> CanaryPictures:
    return render_canary(3, by_day=0, by_night=1, moments=1)


@pytest.fixture(autouse=True)
def few_frames(monkeypatch: pytest.MonkeyPatch, pictures: CanaryPictures) -> None:
    monkeypatch.setattr(mesh.demo.releases.canary, "render_canary", lambda seed: pictures)


@pytest.fixture
def vendor(mesh: Mesh) -> Vendor:
    """Somebody who signed a configuration and a folder with a model."""
    made = a_vendor(Path.cwd())
    Path("limits.toml").write_text("most = 3\n")
    made.sign(Path("limits.toml"), Path("limits.sig"))
    Path("model").mkdir()
    Path("model/detector.onnx").write_bytes(packaged_model_path().read_bytes())
    Path("model/LICENCE").write_text("Apache-2.0")
    made.sign(Path("model"), Path("model/model.sig"))
    return made


def test_the_vendor_of_a_model_stays_on_record(mesh: Mesh, vendor: Vendor):
    words = ("--signature", "model/model.sig", *KEY)
    said = mesh.ok("artifact", "build", "model", "-o", "v.artifact", *words)
    der = vendor.secret.public_key().public_bytes(serialization.Encoding.DER, FORM)
    signer = f"sha256:{hashlib.sha256(der).hexdigest()}"
    assert f"handed over under model/model.sig, signed by key {signer}\n" in said
    mesh.ok("artifact", "sign", "v.artifact", *CENTRE)
    made = parse_artifact(Path("v.signed.artifact").read_bytes())
    assert made.payload == packaged_model_path().read_bytes()
    assert made.manifest.upstream is not None
    shown = mesh.ok("artifact", "show", "v.signed.artifact")
    file = hashlib.sha256(Path("model/model.sig").read_bytes()).hexdigest()
    for line in (
        "upstream.method: key",
        f"upstream.signer: {signer}",
        f"upstream.digest: sha256:{made.manifest.upstream.digest.hex()}",
        f"upstream.signature: sha256:{file}",
    ):
        assert line in shown.splitlines()
    told = json.loads(mesh.ok("artifact", "show", "v.signed.artifact", "--json"))
    assert told["upstream"]["signer"] == signer


@pytest.mark.usefixtures("vendor")
def test_what_nobody_was_asked_for_has_no_vendor(mesh: Mesh):
    mesh.ok("artifact", "build", "limits.toml", *SAID, "-o", "plain.artifact")
    mesh.ok("artifact", "build", "limits.toml", *SAID, "--signature", "limits.sig", *KEY)
    plain, handed = (Path(name).read_bytes() for name in ("plain.artifact", "limits-1.artifact"))
    assert parse_artifact(plain).payload == parse_artifact(handed).payload
    assert "upstream" not in mesh.ok("artifact", "show", "plain.artifact")
    assert "upstream.method: key" in mesh.ok("artifact", "show", "limits-1.artifact")


def test_a_certificate_is_shown_with_its_subject(mesh: Mesh, vendor: Vendor):
    root = certify("root", signs_certificates=True)
    trusted = root.pem(Path("root.pem"))
    leaf = certify("models", root)
    sign_certified(leaf, Path("limits.toml"), Path("limits.sig"), along=[trusted])
    words = ("--signature", "limits.sig", "--certificate-chain", "root.pem")
    said = mesh.ok("artifact", "build", "limits.toml", *SAID, *words)
    assert "signed by certificate sha256:" in said
    shown = mesh.ok("artifact", "show", "limits-1.artifact")
    assert "upstream.subject: CN=models,O=Street Vision" in shown.splitlines()


def test_a_subject_that_would_write_on_the_screen_is_refused(mesh: Mesh, vendor: Vendor):
    root = certify("root", signs_certificates=True)
    trusted = root.pem(Path("root.pem"))
    leaf = certify("models\x1b[2J", root)
    sign_certified(leaf, Path("limits.toml"), Path("limits.sig"), along=[trusted])
    words = ("--signature", "limits.sig", "--certificate-chain", "root.pem")
    outcome = mesh("artifact", "build", "limits.toml", *SAID, *words)
    assert outcome.code == 2
    assert "a printable subject" in outcome.err


def test_a_signed_agent_is_packed_without_what_is_not_signed(mesh: Mesh, vendor: Vendor):
    Path("planner/.hidden").mkdir(parents=True)
    Path("planner/.hidden/note").write_text("signed, and hidden")
    Path("planner/manifest.json").write_text(MANIFEST)
    Path("planner/main.py").write_text("print()")
    vendor.sign(Path("planner"), Path("planner/planner.sig"))
    words = ("--licence", "MIT", "--signature", "planner/planner.sig", *KEY)
    mesh.ok("artifact", "build", "planner", *words)
    made = parse_artifact(Path("planner-v2.artifact").read_bytes())
    assert sorted(parse_bundle(made.payload).files) == ["main.py", "manifest.json"]
    assert made.manifest.upstream is not None


def test_a_file_exchanged_while_it_is_judged_is_not_built(
    mesh: Mesh, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
):
    """Between the verdict and the artefact nothing is read again."""
    judge = verifying.Config.verify
    packed = {
        "limits.toml": b"most = 3\n",
        "planner": b"print()",
        "model": packaged_model_path().read_bytes(),
    }
    Path("planner").mkdir()
    Path("planner/manifest.json").write_text(MANIFEST)
    Path("planner/main.py").write_bytes(packed["planner"])
    vendor.sign(Path("planner"), Path("planner.sig"))
    Path("model/model.sig").rename("model.sig")
    for source, file in (
        ("limits.toml", "limits.toml"),
        ("planner", "planner/main.py"),
        ("model", "model/detector.onnx"),
    ):

        def judge_and_exchange(
            self: verifying.Config, model: Path, signature: Path, file: str = file
        ) -> None:
            judge(self, model, signature)
            Path(file).write_bytes(b"most = 4\n")

        monkeypatch.setattr(verifying.Config, "verify", judge_and_exchange)
        said = SAID if source == "limits.toml" else ("--licence", "MIT")
        words = ("--signature", f"{Path(source).stem}.sig", *KEY, "-o", f"{source}.artifact")
        mesh.ok("artifact", "build", source, *said, *words)
        assert Path(file).read_bytes() == b"most = 4\n"
        made = parse_artifact(Path(f"{source}.artifact").read_bytes())
        payload = parse_bundle(made.payload).files["main.py"] if source == "planner" else None
        assert (payload or made.payload) == packed[source]


CASES: list[tuple[tuple[str, ...], str]] = [
    (("limits.toml", *KEY), "limits.toml: vendor.pub is named and no signature given: add"),
    (("limits.toml", "--signature", "limits.sig"), "whose is it? name the vendor's key"),
    (
        ("limits.toml", "--signature", "limits.sig", *KEY, "--certificate-chain", "root.pem"),
        "--public-key and --certificate-chain: give the one that signed",
    ),
    (("limits.toml", "--signature", "no.sig", *KEY), "no.sig cannot be read: No such file"),
    (
        ("limits.toml", "--signature", "limits.sig", "--public-key", "no.pub"),
        "no.pub cannot be read: No such file or directory; expected a key in PEM",
    ),
    (("no.toml", "--signature", "limits.sig", *KEY), "no.toml cannot be read: No such file"),
    (("limits.toml", "--signature", "limits.toml", *KEY), "limits.toml: no signature of OpenSSF"),
    (("other.toml", "--signature", "limits.sig", *KEY), "(altered: other.toml): fetch it again"),
    (("model", "--signature", "limits.sig", *KEY), "model is not what limits.sig is over: give"),
    (
        ("limits.toml", "--signature", "limits.sig", "--public-key", "other.pub"),
        "limits.sig does not verify with other.pub",
    ),
    (("docs", "--signature", "docs.sig", *KEY), "docs was signed with 0 models (.onnx) and no"),
    (
        ("empty.toml", "--signature", "limits.sig", *KEY),
        "empty.toml is not what its vendor signed",
    ),
]


@pytest.mark.parametrize(("words", "said"), CASES, ids=[" ".join(words) for words, _ in CASES])
def test_what_is_not_as_signed_is_one_sentence_and_no_artefact(
    mesh: Mesh, vendor: Vendor, words: tuple[str, ...], said: str
):
    a_vendor(Path.cwd(), "other")
    Path("other.toml").write_text("most = 4\n")
    Path("empty.toml").touch()
    Path("docs").mkdir()
    Path("docs/card.md").write_text("# A card\n")
    vendor.sign(Path("docs"), Path("docs.sig"))
    outcome = mesh("artifact", "build", *words, *SAID, "-o", "made.artifact")
    assert outcome.code == 2, outcome.out
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
    assert not Path("made.artifact").exists()


@pytest.mark.usefixtures("vendor")
def test_without_the_extra_a_signature_says_what_to_install():
    home = Path.cwd()
    words = ("artifact", "build", str(home / "limits.toml"), *SAID)
    plain = run_python("-c", BLOCKED, *words, "-o", str(home / "plain.artifact"), cwd=ROOT)
    assert plain.returncode == 0, plain.stderr
    signed = ("--signature", str(home / "limits.sig"), "--public-key", str(home / "vendor.pub"))
    asked = run_python("-c", BLOCKED, *words, *signed, "-o", str(home / "v.artifact"), cwd=ROOT)
    assert asked.returncode == 2, asked.stdout
    assert "pip install 'threerooms[desk]'" in asked.stderr
    assert asked.stderr.count("\n") == 1
    assert not (home / "v.artifact").exists()


@pytest.mark.usefixtures("vendor")
@pytest.mark.parametrize("name", ["model.sig", "limits.sig", "limits.toml.sig"])
def test_a_signature_that_was_forgotten_is_named_and_the_build_goes_on(mesh: Mesh, name: str):
    Path("limits.sig").rename(name)
    outcome = mesh("artifact", "build", "limits.toml", *SAID)
    assert outcome.code == 0
    assert f"{name} lies beside limits.toml and was not checked: give --signature" in outcome.err
    Path("limits-1.artifact").unlink()
    asked = mesh("artifact", "build", "limits.toml", *SAID, "--signature", name, *KEY)
    assert "not checked" not in asked.err


@pytest.mark.usefixtures("vendor")
def test_where_no_signature_lies_nothing_is_said_of_one(mesh: Mesh):
    Path("limits.sig").unlink()
    assert mesh("artifact", "build", "limits.toml", *SAID).err == ""


@pytest.mark.usefixtures("vendor")
def test_a_vendors_folder_given_bare_is_told_of_its_signature(mesh: Mesh):
    outcome = mesh("artifact", "build", "model")
    assert outcome.code == 2
    assert "model holds detector.onnx and no manifest.json" in outcome.err
    assert "give --signature model/model.sig" in outcome.err
    Path("model/model.sig").unlink()
    assert "build model/detector.onnx itself" in mesh("artifact", "build", "model").err
