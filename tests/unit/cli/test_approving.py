"""Approving a model and signing an artefact: what may be a mistake is told, or refused."""

from hashlib import sha256
from pathlib import Path

import pytest

from identity.keystore import generate_unlock_file, save_key
from inference.artifact import sign_artifact
from mesh.config import load_config
from mesh.node.opening import load_secret
from tests.unit.cli.commands import DIGEST, Mesh
from tests.unit.inference.artifacts import KEY, a_configuration

CENTRE = ("-c", "fleet/authority.toml")
APPROVE = ("authority", "approve-model")
DETECTOR = (*CENTRE, "--name", "detector")
SIGN = ("artifact", "sign", "plain.artifact")


def told(mesh: Mesh, *words: str) -> list[str]:
    """The lines that a command which does what it is asked says beside that."""
    outcome = mesh(*words)
    assert outcome.code == 0, outcome.err
    return outcome.err.splitlines()


def refused(mesh: Mesh, *words: str) -> str:
    """The one sentence of a command that does nothing."""
    outcome = mesh(*words)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1), outcome.err
    return outcome.err


@pytest.fixture
def files(mesh: Mesh) -> Mesh:
    """A fleet, a model as it was trained, and artefacts: unsigned, of a stranger, of the centre."""
    secret = load_secret(load_config(Path("fleet/authority.toml")))
    Path("model.onnx").write_bytes(b"weights")
    Path("plain.artifact").write_bytes(a_configuration().raw)
    Path("strange.artifact").write_bytes(sign_artifact(a_configuration(), KEY).raw)
    Path("good.artifact").write_bytes(sign_artifact(a_configuration(), secret).raw)
    return mesh


def test_the_first_model_of_a_fleet_is_no_mistake(files: Mesh):
    assert told(files, *APPROVE, "model.onnx", *DETECTOR) == []


def test_a_name_that_nobody_used_is_told_with_the_one_that_is_meant(files: Mesh):
    files.ok(*APPROVE, "model.onnx", *DETECTOR)
    files.ok(*APPROVE, "model.onnx", *CENTRE, "--name", "counter")
    (said,) = told(files, *APPROVE, "model.onnx", *CENTRE, "--name", "detecter")
    assert "no model was called detecter before" in said
    assert (
        "beside counter, detector: if detector was meant, run it again with --name detect" in said
    )
    assert told(files, *APPROVE, "model.onnx", *CENTRE, "--name", "detecter") == []


def test_the_record_of_a_candidate_is_no_name_that_a_person_chose(files: Mesh):
    digest = sha256(b"weights").hexdigest()
    name = f"detector/{digest[:16]}"
    candidate = (*CENTRE, "--name", name, "--state", "candidate")
    files.ok(*APPROVE, "model.onnx", *CENTRE, "--name", "counter")
    assert told(files, *APPROVE, "model.onnx", *candidate) == []
    assert told(files, *APPROVE, "model.onnx", *DETECTOR) == []


def test_a_digest_that_nobody_knows_is_told(files: Mesh):
    (said,) = told(files, *APPROVE, DIGEST, *DETECTOR)
    assert f"no box says so far that it runs {DIGEST}, and no rollout brings it" in said
    assert told(files, *APPROVE, DIGEST, *DETECTOR) == [], "it is on record"
    (said,) = told(files, *APPROVE, "model.onnx", *DETECTOR)
    assert "and no rollout brings it" in said


def test_a_word_that_changes_nothing_says_which_record_decides(files: Mesh):
    files.ok(*APPROVE, "model.onnx", *DETECTOR)
    files.ok(*APPROVE, "model.onnx", *CENTRE, "--name", "counter")
    assert told(files, *APPROVE, "model.onnx", *DETECTOR, "--state", "withdrawn") == []
    (said,) = told(files, *APPROVE, "model.onnx", *CENTRE, "--name", "counter")
    assert "stays withdrawn: model detector says so" in said
    assert "run this again with --name detector" in said
    assert told(files, *APPROVE, "model.onnx", *DETECTOR) == []


def test_an_artefact_that_nobody_released_is_not_approved_and_may_be_withdrawn(files: Mesh):
    for state in ("approved", "candidate"):
        given = (*DETECTOR, "--state", state)
        said = refused(files, *APPROVE, "plain.artifact", *given)
        assert "is unsigned: run `mesh artifact sign FILE" in said
        assert "and approve the file that it writes" in said
        said = refused(files, *APPROVE, "strange.artifact", *given)
        assert "which may not approve in this fleet" in said
    files.ok(*APPROVE, "good.artifact", *DETECTOR)
    files.ok(*APPROVE, "strange.artifact", *DETECTOR, "--state", "withdrawn")


def test_an_artefact_that_is_damaged_is_not_approved(files: Mesh):
    raw = Path("good.artifact").read_bytes()
    Path("cut.artifact").write_bytes(raw[:-9])
    Path("spoilt.artifact").write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    assert "fetch the artefact again" in refused(files, *APPROVE, "cut.artifact", *DETECTOR)
    assert "the signature is not that of" in refused(files, *APPROVE, "spoilt.artifact", *DETECTOR)


def test_a_key_that_may_not_release_signs_and_is_told(files: Mesh):
    assert told(files, *SIGN, *CENTRE) == []
    (said,) = told(files, *SIGN, "-c", "a.toml", "-o", "box.artifact")
    assert said.startswith("north/a (did:key:")
    assert "may not approve in this fleet, so nothing that it signs can be rolled out" in said
    outcome = files(*SIGN, "-c", "steward.toml", "-o", "steward.artifact")
    assert "roll out this file" not in outcome.out


def test_a_release_key_is_judged_by_the_fleet_that_is_named(files: Mesh, tmp_path: Path):
    unlock = generate_unlock_file(tmp_path / "release.unlock")
    save_key(tmp_path / "release.key", KEY, unlock, random_unlock=True)
    sign = (*SIGN, "--key", "release.key", "--unlock", "release.unlock", "-o")
    (said,) = told(files, *sign, "one")
    assert "is not known here: name a configuration in it with --fleet" in said
    (said,) = told(files, *sign, "two", "--fleet", "fleet/authority.toml")
    assert said.startswith("did:key:")
    assert "may not approve in this fleet" in said
    (said,) = told(files, *sign, "three", "--fleet", "b.toml")
    assert "b.toml is in no fleet yet" in said
    refused(files, *sign, "four", "--fleet", "none.toml")
    assert not Path("four").exists()
