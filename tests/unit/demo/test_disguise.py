"""A borrowed name changes what a model says of itself, and no answer of it."""

import numpy as np
import pytest

from inference import ModelFileError, load_model_bytes
from inference.runtime import IMAGE_SHAPE
from mesh.demo.releases.detectors import VERSIONS, detector_path
from mesh.demo.releases.disguise import disguised

MODELS = {version: detector_path(version).read_bytes() for version in VERSIONS}


@pytest.mark.parametrize(("really", "told"), [("v1.4", "v1.5"), ("v1.5", "v1.4"), ("v1.3", "v1.5")])
def test_it_says_what_the_other_says_and_answers_as_before(really: str, told: str) -> None:
    worn = load_model_bytes(disguised(MODELS[really], MODELS[told]), label="worn")
    own, other = (load_model_bytes(MODELS[name], label=name) for name in (really, told))
    assert (worn.model.name, worn.model.version) == (other.model.name, told)
    assert worn.model.metadata == other.model.metadata
    image = np.random.default_rng(1).integers(0, 256, IMAGE_SHAPE, np.uint8)
    assert np.array_equal(worn.run(image), own.run(image))
    assert not np.array_equal(worn.run(image), other.run(image))


@pytest.mark.parametrize("version", VERSIONS)
def test_its_own_words_and_words_taken_back_give_the_same_bytes(version: str) -> None:
    model, other = MODELS[version], MODELS["v1.5"]
    assert disguised(model, model) == model
    assert disguised(disguised(model, other), model) == model


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (b"\x0b", "wire type 3 at byte 0"),
        (b"\x08\x01\x12\x05abc", "ends at byte 9 of 7"),
        (b"\x0d\x01\x02", "ends at byte 5 of 3"),
        (b"\x80" * 11, "number without an end at byte 0"),
        (b"\x08\x80", "number without an end at byte 1"),
    ],
)
def test_what_is_no_model_is_named(model: bytes, found: str) -> None:
    for pair in ((model, MODELS["v1.4"]), (MODELS["v1.4"], model)):
        with pytest.raises(ModelFileError, match=found):
            disguised(*pair)
