"""A panel: only a text is put up, each time is noted, and only a box with the label has one."""

from typing import Any, cast

import pytest

from inference.artifact import build_configuration
from inference.errors import InferenceError
from mesh.demo.boxes.panel import PANEL_LABEL, Panel, panel_beside
from tests.unit.inference.artifacts import a_configuration


def panel() -> Panel:
    return Panel(fetch=lambda digest: None, report=lambda outcome: None)


def configuration(text: str) -> bytes:
    made = build_configuration(text.encode(), name="panel", version="1", licence="Apache-2.0")
    return made.raw


def test_a_text_is_put_up_and_noted_each_time():
    shown = panel()
    one = build_configuration(b'text = "slow"', name="panel", version="1", licence="Apache-2.0")
    assert shown.test(one.raw) == (None, {})
    for data in (None, one.raw, None, one.raw):
        shown.activate(data)
    assert shown.shown == [one.digest, one.digest]


@pytest.mark.parametrize("text", ["# nothing", "text = 7", "words = 'slow'"])
def test_what_is_no_text_is_not_put_up(text: str):
    problem, _ = panel().test(configuration(text))
    assert problem is not None
    assert "expected words" in problem


def test_what_is_no_artefact_is_refused():
    with pytest.raises(InferenceError):
        panel().test(a_configuration(1).raw[:-1])


@pytest.mark.parametrize("labels", [{}, {PANEL_LABEL: "false"}, {"camera": "true"}])
async def test_a_box_without_the_label_has_none(labels: dict[str, str]):
    async with panel_beside(cast("Any", None), labels) as verbs:
        assert verbs == {}
