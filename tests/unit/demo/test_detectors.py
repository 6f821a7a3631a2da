"""The three versions say what they are, and are three different models of one shape."""

import pytest

from inference import ModelFileError, load_model
from inference.onnx import packaged_model_path
from mesh.demo.releases.detectors import VERSIONS, detector_path
from tools.detector_fit import RECIPES


@pytest.mark.parametrize("version", VERSIONS)
def test_each_says_what_it_is_and_how_it_was_made(version: str):
    model = load_model(detector_path(version)).model
    assert (model.name, model.version) == ("intersection-detector", version)
    assert model.metadata["recipe"] == str(RECIPES[version])
    assert model.metadata["licence"] == "Apache-2.0"
    assert model.size <= 1_000_000


def test_they_are_three_models():
    assert len({detector_path(version).read_bytes() for version in VERSIONS}) == len(VERSIONS)
    assert detector_path("v1.4") == packaged_model_path()


def test_an_unknown_version_names_those_that_exist():
    with pytest.raises(ModelFileError, match=r"there is: v1\.3, v1\.4, v1\.5"):
        detector_path("v9")
