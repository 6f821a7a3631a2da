"""Rollout files: what people write, and what they are told when it is wrong."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from identity.encoding import decode, encode
from mesh.files.yaml_tree import DEPTH_MAX, YAML_SIZE_MAX, YamlError, plain, read_tree
from mesh.orchestration.errors import RolloutFileError
from mesh.orchestration.intent import Gate
from mesh.orchestration.intent_checks import parse_intent
from mesh.orchestration.rollout_file import (
    _EXPECTED,
    _PARTS,
    RolloutFile,
    parse_rollout_file,
    rollout_schema,
)
from mesh.orchestration.wish import parse_wish, wish_in
from tests.laws.rollouts.world import intent_of, names

GOOD = f"""\
apiVersion: mesh/v1
kind: Rollout
metadata: {{name: pedestrian-v1.4}}
spec:
  artifact: sha256:{"9c" * 32}
  cohort: {{within: city, labels: {{camera: "true", side: n}}}}
  stages:
    - {{percent: 10, soak: 30m}}
    - percent: 50.5
      soak: 2h
    - {{percent: 100}}
  gate: {{min_reports: 0.07, success: ">= 0.99", p95_ms: "<= 40.5", map50: ">= 0.80"}}
  on_partition: continue
"""
LINES = GOOD.count("\n") + 1


def parse(text: str | bytes) -> RolloutFile:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return parse_rollout_file(data, "rollout.yaml")


def parse_or_refusal(text: str | bytes) -> RolloutFile | RolloutFileError:
    try:
        return parse(text)
    except RolloutFileError as error:
        return error


def test_a_file_is_read_whole_and_what_is_left_out_is_the_careful_choice():
    found = parse(GOOD)
    spec = found.spec
    assert found.metadata.name == "pedestrian-v1.4"
    assert (spec.digest, spec.slot) == (bytes([0x9C]) * 32, "")
    assert (spec.cohort.within, spec.cohort.labels) == ("city", {"camera": "true", "side": "n"})
    assert [(stage.share_ppm, stage.soak_ms) for stage in spec.stages] == [
        (100_000, 1_800_000),
        (505_000, 7_200_000),
        (1_000_000, 0),
    ]
    assert spec.gate.counted() == {
        "min_reports": 70_000,
        "success": 990_000,
        "p95_us": 40_500,
        "map50": 800_000,
    }
    assert (spec.on_partition, spec.on_failure) == ("continue", "rollback")


def test_the_gate_and_the_partition_have_careful_values_of_their_own():
    lines = [line for line in GOOD.splitlines() if "gate" not in line and "on_" not in line]
    spec = parse("\n".join(lines)).spec
    assert spec.gate.counted() == {"min_reports": 900_000, "success": 990_000}
    assert (spec.on_partition, spec.on_failure) == ("hold", "rollback")


near = st.none() | st.integers(0, 1_000_000)


@given(
    st.builds(
        Gate,
        min_reports_ppm=st.integers(0, 1_000_000),
        success_ppm=st.integers(0, 1_000_000),
        p95_us_max=st.none() | st.integers(1, 3_600_000_000),
        map50_ppm_min=near,
        disagreement_ppm_max=near,
    )
)
def test_what_a_file_asks_of_reports_is_what_boxes_judge_by(gate: Gate):
    """From the text over the console's request and the signed record, no threshold is lost."""
    asked = (
        ("min_reports", "", gate.min_reports_ppm, 1_000_000),
        ("success", ">= ", gate.success_ppm, 1_000_000),
        ("p95_ms", "<= ", gate.p95_us_max, 1000),
        ("map50", ">= ", gate.map50_ppm_min, 1_000_000),
        ("disagreement", "<= ", gate.disagreement_ppm_max, 1_000_000),
    )
    texts = [
        f"{name}: {sign and chr(34)}{sign}{Decimal(value) / scale:f}{sign and chr(34)}"
        for name, sign, value, scale in asked
        if value is not None
    ]
    lines = [line for line in GOOD.splitlines() if "gate" not in line]
    wish = wish_in(parse("\n".join([*lines, f"  gate: {{{', '.join(texts)}}}"])))
    assert wish.gate == gate
    assert parse_wish(decode(encode(wish.to_value()))).gate == gate
    intent = intent_of("x", names(1), gate=gate)
    signed = parse_intent(decode(encode(intent.to_value())))
    assert signed is not None
    assert signed.gate == gate


@pytest.mark.parametrize(
    ("soak", "expected_ms"), [("5ms", 5), ("5s", 5000), ("5m", 300_000), ("90d", 7_776_000_000)]
)
def test_a_soak_has_a_unit(soak: str, expected_ms: int):
    assert parse(GOOD.replace("30m", soak)).spec.stages[0].soak_ms == expected_ms


THRESHOLD = "expected a threshold in quotes such as"
CASES: list[tuple[str, str, int, str]] = [
    ("percent: 50.5", "percent: 500", 9, "spec.stages[1].percent is 500: expected a number above"),
    ("percent: 50.5", "percent: 0", 9, "percent is 0: expected a number above 0"),
    ("percent: 50.5", "percent: 10", 9, "is 10: expected more than the 10 of the stage before"),
    ("percent: 50.5", "percent: 10.00001", 9, "10.00001: expected at most 4 digits of a fraction"),
    ("percent: 50.5", "percnt: 50", 9, "has no field 'percnt': did you mean percent?"),
    ("percent: 50.5", "x: 50", 9, "has no field 'x': expected one of percent, soak"),
    ("percent: 50.5", "percent: '50'", 9, "is '50': expected a number above 0 and at most 100"),
    ("percent: 50.5\n      soak", "soak", 9, "spec.stages[1] lacks percent: expected a number"),
    ("continue", "wait", 13, "spec.on_partition is 'wait': expected hold or continue"),
    ("on_partition", "on_failure", 13, "is 'continue': expected rollback or pause"),
    ("soak: 2h", "soak: 2 hours", 10, "is '2 hours': expected a number and ms, s, m, h or d"),
    ("soak: 2h", "soak: 2", 10, "spec.stages[1].soak is 2: expected a number and ms, s"),
    ("soak: 2h", "soak: 91d", 10, "spec.stages[1].soak is '91d': expected at most 90d"),
    ("sha256:9c", "sha256:zz", 5, "expected sha256: and 64 hexadecimal digits"),
    ('">= 0.99"', '"> 0.99"', 12, f"spec.gate.success is '> 0.99': {THRESHOLD} \">= 0.99\""),
    ('">= 0.99"', '"<= 0.99"', 12, f"is '<= 0.99': {THRESHOLD}"),
    ('">= 0.99"', "0.99", 12, f"spec.gate.success is 0.99: {THRESHOLD}"),
    ('">= 0.99"', '">= 1.1"', 12, "is '>= 1.1': expected at most 1, in steps of 0.000001"),
    ('">= 0.80"', '">= 0.1234567"', 12, "spec.gate.map50 is '>= 0.1234567': expected at most 1"),
    ('map50: ">= 0.80"', 'disagreement: "<= 1.1"', 12, "spec.gate.disagreement is '<= 1.1'"),
    ('"<= 40.5"', '"<= 3600001"', 12, "expected at most 3600000, in steps of 0.001"),
    ("min_reports: 0.07", "min_reports: 9", 12, "min_reports is 9: expected a number from 0 to 1"),
    ("min_reports: 0.07", "min_reports: 0.1234567", 12, "in steps of 0.000001"),
    ("kind: Rollout\n", "kind: Rollout\nkind: R\n", 3, "'kind' is there twice, first in line 2"),
    ("kind: Rollout\n", "", 1, "the file lacks kind: expected Rollout"),
    ("kind: Rollout", "kind: Deployment", 2, "kind is 'Deployment': expected Rollout"),
    ("mesh/v1", "v1", 1, "apiVersion is 'v1': expected mesh/v1"),
    ("kind: Rollout", "kind: Rollout\nwhen: now", 3, "the file has no field 'when'"),
    ('"true"', "true", 6, "labels['camera'] is true: expected text of 1 to 63 characters, in quot"),
    ('"true"', "1", 6, "spec.cohort.labels['camera'] is 1: expected text"),
    ('"true"', "''", 6, "spec.cohort.labels['camera'] is '': expected text"),
    ('camera: "true"', '"": "true"', 6, "spec.cohort.labels[''] is 'true': expected text"),
    ("camera:", "[camera]:", 6, "a key is a list or a mapping: expected a word"),
    ("within: city,", "", 6, "spec.cohort lacks within: expected a name such as city/north"),
    ("within: city", "within: *everyone", 6, "alias *everyone: write the value out"),
    ("within: city", "within: &a city", 6, "anchor &a: write the value out"),
    ("within: city", "within: !!binary city", 6, "tag 'tag:yaml.org,2002:binary': expected a"),
    ("within: city", "within: null", 6, "spec.cohort.within is null: expected a name"),
    ("within: city", f"within: {'x' * 1100}", 6, "has 1100 characters: expected at most 1024"),
    ("{name: pedestrian-v1.4}", "[a, b]", 3, "metadata is a list of 2: expected a mapping with n"),
    ("{name: pedestrian-v1.4}", "{}", 3, "metadata lacks name: expected 1 to 63 characters"),
    ("{percent: 10, soak: 30m}", "10", 8, "spec.stages[0] is 10: expected a mapping such as"),
    ("{percent: 10, soak: 30m}", "[", 9, "no YAML: while parsing a flow"),
    ("percent: 10,", "\tpercent: 10,", 8, "no YAML: while scanning"),
    ('"true"', r'"\ud800"', 6, "is half a character: write it whole"),
    ('"true"', r'"\UFFFFFFFF"', 6, "no YAML: behind this no such character exists"),
    ("on_partition", "\ton_partition", 13, "no YAML: while scanning"),
    ("  on_partition: continue", "--- 1", 13, "a second document begins"),
    ("on_partition", "\x07", 13, r"no YAML: the character '\x07' may not stand there"),
]


@pytest.mark.parametrize(("old", "new", "line", "told"), CASES)
def test_a_mistake_is_told_with_its_line_its_value_and_what_was_expected(
    old: str, new: str, line: int, told: str
):
    assert GOOD.count(old) >= 1
    spoilt = GOOD.replace(old, new, 1)
    with pytest.raises(RolloutFileError) as caught:
        parse(spoilt)
    words = str(caught.value)
    assert told in words
    assert words.startswith(f"rollout.yaml:{line}:"), words
    assert caught.value.line == line
    assert "\n" not in words
    assert len(words) < 300


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 1, "the file is empty"),
        ("# nothing\n", 1, "the file is empty"),
        (b"a: 1\nb: \xff\n", 2, "byte 0xff is no UTF-8 text"),
        ("[" * 5000, 1, f"nested more than {DEPTH_MAX} deep"),
        ("- 1\n", 1, "the file is a list of 1: expected a mapping with apiVersion"),
        ("7", 1, "the file is 7: expected a mapping"),
        (b"x" * (YAML_SIZE_MAX + 1), 1, f"larger than {YAML_SIZE_MAX} bytes"),
        ("a: 1\n---\nb: 2\n", 2, "a second document begins"),
        ("!!python/object/apply:os.system ['true']", 1, "expected a plain value"),
        ("{[a]: 1}", 1, "a key is a list or a mapping"),
        ("? {a: 1}\n: 1", 1, "a key is a list or a mapping"),
    ],
)
def test_what_is_no_rollout_at_all_is_one_sentence(text: str | bytes, line: int, told: str):
    with pytest.raises(RolloutFileError) as caught:
        parse(text)
    assert told in str(caught.value)
    assert caught.value.line == line


def test_the_deepest_and_the_largest_that_are_taken():
    assert plain(read_tree(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)) is not None
    with pytest.raises(YamlError):
        read_tree(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1))
    assert plain(read_tree(b"1 #".ljust(YAML_SIZE_MAX, b"x"))) == 1


def test_words_stay_words():
    read = plain(
        read_tree(b"\xef\xbb\xbf[no, on, 1:30, 2020-01-01, 010, 1e9, -2, .5, True, ~, '1']")
    )
    assert read == ["no", "on", "1:30", "2020-01-01", 10, "1e9", -2, 0.5, True, None, "1"]
    assert plain(read_tree(b"a: |\n  1\n  2\n")) == {"a": "1\n2\n"}


_words = st.sampled_from(
    ["apiVersion: mesh/v1", "kind: Rollout", "spec:", "  stages:", "  - ", "{", "}", "&a", "*a",
     "percent", ": ", "1e999", "2020-01-01", "!!binary xx", "\t", "? ", "|", "'", "\n", "null",
     "9" * 400, "-.5", "%YAML 1.9", "---", "...", "!<", "\u2028", "\x85", "\ufeff"]
)  # fmt: skip


@given(st.one_of(st.lists(_words).map("".join), st.text(), st.binary()))
def test_any_bytes_give_a_rollout_or_one_sentence_with_a_line(text: str | bytes):
    _read_or_refused(text)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 9), st.one_of(st.binary(max_size=3), _words))
def test_a_spoilt_file_gives_a_rollout_or_one_sentence_with_a_line(
    at: int, cut: int, junk: bytes | str
):
    raw = GOOD.encode()
    new = junk.encode() if isinstance(junk, str) else junk
    _read_or_refused(raw[:at] + new + raw[at + cut :])


def _read_or_refused(text: str | bytes) -> None:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    found = parse_or_refusal(data)
    event(type(found).__name__)
    if isinstance(found, RolloutFileError):
        lines = 1 + sum(data.count(end) for end in (b"\n", b"\r", b"\xc2\x85", b"\xe2\x80"))
        assert 1 <= found.line <= lines
        assert str(found).startswith(f"rollout.yaml:{found.line}:")
        assert len(str(found)) < 400
    else:
        shares = [stage.share_ppm for stage in found.spec.stages]
        assert shares == sorted(set(shares))
        assert all(isinstance(value, int) for value in found.spec.gate.counted().values())


_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_paths = st.sampled_from(
    ["metadata", "spec", "spec.cohort", "spec.cohort.labels", "spec.stages", "spec.gate",
     "spec.artifact", "spec.slot", "spec.on_failure", "kind", "spec.gate.map50", "metadata.name"]
)  # fmt: skip


@given(_paths, st.recursive(_leaves, lambda i: st.lists(i) | st.dictionaries(st.text(), i)))
def test_any_value_in_any_place_is_taken_or_told_by_its_path(path: str, value: object):
    whole = plain(read_tree(GOOD.encode()))
    *above, last = path.split(".")
    inner = whole
    for step in above:
        inner = inner[step]
    inner[last] = value
    found = parse_or_refusal(json.dumps(whole))
    if isinstance(found, RolloutFileError) and not isinstance(value, dict | list | str):
        assert path in str(found)


def test_the_schema_names_what_the_reader_accepts():
    schema = json.loads(rollout_schema())
    assert schema["$ref"] == "#/$defs/RolloutFile"
    spec = schema["$defs"]["Spec"]
    assert set(spec["required"]) == {"artifact", "cohort", "stages"}
    assert all(part["additionalProperties"] is False for part in schema["$defs"].values())
    assert schema["$defs"]["Stage"]["properties"]["percent"]["maximum"] == 100
    assert {found["title"] for found in schema["$defs"].values()} == {
        part.__name__ for part in _PARTS.values()
    }


def test_every_field_says_what_is_expected_of_it():
    fields = {
        f"{path}.{field.name}".lstrip(".")
        for path, part in _PARTS.items()
        for field in msgspec.structs.fields(part)
    }
    assert fields <= set(_EXPECTED)
    assert set(_PARTS) <= set(_EXPECTED)
