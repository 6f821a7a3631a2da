"""Scenario files: what people write, and what they are told when it is wrong."""

import json

import msgspec
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from mesh.choreography.verdict import Reason
from mesh.files.yaml_tree import plain, read_tree
from mesh.testing.scenarios.deeds import Deeds
from mesh.testing.scenarios.scenario import (
    _FORM,
    Scenario,
    ScenarioFileError,
    parse_scenario,
    scenario_schema,
)
from mesh.testing.scenarios.steps import Cut, Publish, Step
from mesh.testing.scenarios.words import EXPECTED

CHECKERS = ("Convergence", "NoForgery")
GOOD = """\
name: river-cut
why: The bridges are down.
seed: 7
fleet: {boxes: 4, latency_ms: 2.5, loss: 0.01, listen_m: 300}
steps:
  - cut: {label: river, side: "north/*"}
  - {run: 2m}
  - at: 3m
    publish: {who: [north/box-0, south/box-1], count: 5, every: 500ms}
  - clock: {who: centre, ahead: 1h}
  - heal: river
  - settle: 90s
  - crash: "*/box-*"
invariants: [Convergence]
expect: {seconds_cut: 100, refused: {revoked: 1, late: 2}}
"""
LINES = GOOD.count("\n") + 1
FORM = _FORM


def parse(text: str | bytes) -> Scenario:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return parse_scenario(data, "s.yaml", checkers=CHECKERS)


def parse_or_refusal(text: str | bytes) -> Scenario | ScenarioFileError:
    try:
        return parse(text)
    except ScenarioFileError as error:
        return error


def test_a_file_is_read_whole_and_what_is_left_out_has_a_value():
    found = parse(GOOD)
    assert (found.name, found.seed, found.fleet.boxes, found.fleet.loss) == (
        "river-cut", 7, 4, 0.01,
    )  # fmt: skip
    assert [(step.verb, step.at_s) for step in found.steps] == [
        ("cut", None), ("run", None), ("publish", 180.0), ("clock", None), ("heal", None),
        ("settle", None), ("crash", None),
    ]  # fmt: skip
    assert found.steps[0].deed == Cut(label="river", side="north/*")
    assert found.steps[2].deed == Publish(
        who=("north/box-0", "south/box-1"), count=5, every="500ms"
    )
    assert found.expect.wanted() == {"seconds_cut": 100, "refused.revoked": 1, "refused.late": 2}
    bare = "\n".join(line for line in GOOD.splitlines() if not line.startswith(("seed", "fleet")))
    assert (parse(bare).seed, parse(bare).fleet.boxes, parse(bare).fleet.listen_m) == (0, 8, 600)


def test_a_file_that_was_read_cannot_be_changed():
    with pytest.raises(AttributeError):
        parse(GOOD).steps[0].at = "1s"


CASES: list[tuple[str, str, int, str]] = [
    ("run: 2m", "run: 2", 7, "steps[1].run is 2: expected a whole number from 0 to 999999 and ms,"),
    ("run: 2m", "run: -2m", 7, "steps[1].run is '-2m': expected a whole number from 0 to 999999"),
    ("run: 2m", "rn: 2m", 7, "steps[1] has no field 'rn': did you mean run?"),
    ("run: 2m", "run: 2m, heal: river", 7, "steps[1] is a mapping: it does run, heal; expected"),
    ("{run: 2m}", "{at: 2m}", 7, "steps[1] is a mapping: it does nothing; expected a mapping with"),
    ("{run: 2m}", "run", 7, "steps[1] is 'run': expected a mapping with one thing to do"),
    ("run: 2m", "run: 91d", 7, "steps[1].run is '91d': expected at most 90d"),
    ("settle: 90s", "settle: 91d", 12, "steps[5].settle is '91d': expected at most 90d"),
    ("at: 3m", "at: 1m", 8, "steps[2].at is '1m': expected 120s or later, where the steps before"),
    ("at: 3m", "at: soon", 8, "steps[2].at is 'soon': expected a whole number from 0 to"),
    ('side: "north/*"', "side: 4", 6, "steps[0].cut.side is 4: expected a name or a pattern"),
    ('side: "north/*"', "side: [a, 4]", 6, "steps[0].cut.side[1] is 4: expected a name such as"),
    (', side: "north/*"', "", 6, "steps[0].cut lacks side: expected a name or a pattern such as"),
    ("count: 5", "count: 0", 9, "steps[2].publish.count is 0: expected a whole number from 1"),
    ("count: 5", "cuont: 5", 9, "steps[2].publish has no field 'cuont': did you mean count?"),
    ("ahead: 1h", "ahead: 1h, behind: 1h", 10, "steps[3].clock is a mapping: expected either ah"),
    (", ahead: 1h", "", 10, "steps[3].clock is a mapping: expected ahead, behind or drift_ppm"),
    ("clock: {who: centre, ahead: 1h}", "disk: {who: centre}", 10, "expected full or sync_ms"),
    ("clock: {who: centre, ahead: 1h}", "links: {}", 10, "expected something that changes, as"),
    (
        "clock: {who: centre, ahead: 1h}",
        "turn: {name: a, behaviour: lie}",
        10,
        "'lie': expected ba",
    ),
    ("clock: {who: centre, ahead: 1h}", "cut_one_way: {from: a}", 10, "lacks to: expected a name"),
    ("boxes: 4", "boxes: 0", 4, "fleet.boxes is 0: expected a whole number from 1 to 1000"),
    ("loss: 0.01", "loss: 1", 4, "fleet.loss is 1: expected a number from 0 to below 1"),
    ("[Convergence]", "[Convergnce]", 14, "invariants[0] is 'Convergnce': did you mean Converg"),
    ("[Convergence]", "[Peace]", 14, "is 'Peace': expected one of Convergence, NoForgery"),
    ("[Convergence]", "[]", 14, "invariants is a list of 0: expected a list of 1 to 16 checkers"),
    ("[Convergence]", "[NoForgery, NoForgery]", 14, "invariants[1] is 'NoForgery': it is there tw"),
    ("revoked: 1", "revokd: 1", 15, "no event is refused as 'revokd': did you mean revoked?"),
    ("revoked: 1", "revoked: 0", 15, "expect.refused['revoked'] is 0: expected a whole number ab"),
    ("late: 2", "late: true", 15, "expect.refused['late'] is true: expected a whole number above"),
    ("seconds_cut: 100", "seconds_cut: many", 15, "expect.seconds_cut is 'many': expected a whole"),
    ("{seconds_cut: 100, refused: {revoked: 1, late: 2}}", "{}", 15, "expect is an empty mapping"),
    ("name: river-cut", "name: River Cut", 1, "name is 'River Cut': expected lower-case letters"),
    ("why: The bridges are down.\n", "", 1, "the file lacks why: expected 1 to 1000 characters"),
    ("seed: 7", "seed: -1", 3, "seed is -1: expected a whole number from 0 to 4294967295"),
    ("seed: 7", "sed: 7", 3, "the file has no field 'sed': did you mean seed?"),
    ("heal: river", "release: {model: v2, does: evil}", 11, "'evil': expected good, fails, kills"),
    ("heal: river", "apply: {model: v2}", 11, "steps[4].apply lacks stages: expected a list of 1"),
    (
        "heal: river",
        "apply: {model: v2, stages: [{percent: 50}, {percent: 10}]}",
        11,
        "steps[4].apply.stages[1].percent is 10: expected more than the 50 of the stage before",
    ),
    (
        "heal: river",
        'apply: {model: v2, stages: [{percent: 50}], gate: {map50: "0.5"}}',
        11,
        "steps[4].apply.gate.map50 is '0.5': expected a threshold in quotes such as",
    ),
    (
        "heal: river",
        "apply: {model: v2, stages: [{percent: 5}], refused: may not, may_be_refused: true}",
        11,
        "steps[4].apply is a mapping: expected refused or may_be_refused, not both",
    ),
    ("heal: river", "pause: v2", 11, "steps[4].pause is 'v2': expected a mapping such as {rollout"),
    ("heal: river", "check_runs: {model: a}", 11, "expected boxes, at_least or at_most"),
    ("heal: river", "check_trust: {name: a}", 11, "check_trust lacks current: expected true or f"),
    ("heal: river", "heal: *cut", 11, "alias *cut: write the value out"),
]


@pytest.mark.parametrize(("old", "new", "line", "told"), CASES, ids=[case[1] for case in CASES])
def test_a_mistake_is_told_with_its_line_its_value_and_what_was_expected(
    old: str, new: str, line: int, told: str
):
    assert old in GOOD
    with pytest.raises(ScenarioFileError) as caught:
        parse(GOOD.replace(old, new, 1))
    words = str(caught.value)
    assert told in words
    assert words.startswith(f"s.yaml:{line}:"), words
    assert "\n" not in words
    assert len(words) < 500


_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_values = st.recursive(_leaves, lambda i: st.lists(i) | st.dictionaries(st.text(), i))
_places = st.sampled_from([path for path in EXPECTED if path])


@given(_places, _values)
def test_any_value_in_any_place_is_taken_or_told_by_its_path(path: str, value: object):
    """A place in a step is put into a step of its own; what is told then names that step."""
    whole = plain(read_tree(GOOD.encode()))
    spelt = path.replace("[]", "[0]", 1)
    if path.startswith("steps[]"):
        whole["steps"] = [{}]
    if path.count("[]") > 1 or path == "expect.refused[]":
        value, path = [value], path.removesuffix("[]")
        spelt = path.replace("[]", "[0]", 1)
        value = {"late": value[0]} if path == "expect.refused" else value
    _put(whole, [part for part in spelt.replace("[0]", ".0").split(".") if part], value)
    found = parse_or_refusal(json.dumps(whole))
    event(type(found).__name__)
    if isinstance(found, ScenarioFileError) and not isinstance(value, dict | list | str):
        assert spelt in str(found) or "steps[0]" in str(found)


def _put(whole: object, path: list[str], value: object) -> None:
    inner = whole
    for step in path[:-1]:
        inner = inner[int(step)] if isinstance(inner, list) else inner.setdefault(step, {})
    if isinstance(inner, list):
        inner[int(path[-1])] = value
    else:
        inner[path[-1]] = value


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 9), st.binary(max_size=3))
def test_a_spoilt_file_gives_a_scenario_or_one_sentence_with_a_line(at: int, cut: int, junk: bytes):
    raw = GOOD.encode()
    found = parse_or_refusal(raw[:at] + junk + raw[at + cut :])
    if isinstance(found, ScenarioFileError):
        assert 1 <= found.line <= LINES + 3
        assert str(found).startswith(f"s.yaml:{found.line}:")


@given(st.one_of(st.text(), st.binary()))
def test_any_bytes_give_a_scenario_or_one_sentence(text: str | bytes):
    assert isinstance(parse_or_refusal(text), Scenario | ScenarioFileError)


def test_the_schema_names_what_the_reader_accepts():
    schema = json.loads(scenario_schema())
    assert schema["$ref"] == "#/$defs/Scenario"
    assert set(schema["$defs"]["Scenario"]["required"]) == {
        "name", "why", "steps", "invariants", "expect",
    }  # fmt: skip
    assert all(part["additionalProperties"] is False for part in schema["$defs"].values())
    assert set(schema["$defs"]) == {part.__name__ for part in FORM.parts.values()}


def test_every_field_says_what_is_expected_of_it():
    fields = {
        f"{path}.{field.encode_name}".lstrip(".")
        for path, part in FORM.parts.items()
        for field in msgspec.structs.fields(part)
    }
    assert fields <= set(EXPECTED)
    assert {path for path in EXPECTED if path and not path.endswith("[]")} <= fields


def test_every_verb_can_be_done_and_every_deed_has_a_verb():
    verbs = set(Step.__struct_fields__) - {"at", "run", "settle"}
    assert all(callable(getattr(Deeds, f"_{verb}", None)) for verb in verbs)


def test_every_reason_of_admission_can_be_expected():
    for reason in Reason:
        text = GOOD.replace("revoked: 1, late: 2", f"{reason.value}: 3")
        assert parse(text).expect.wanted()[f"refused.{reason.value}"] == 3
