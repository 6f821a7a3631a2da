"""Every record survives being written and read, and whatever else is read is none."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.encoding import decode, encode
from identity.errors import EncodingError
from mesh.orchestration.cohort import (
    Cohort,
    encode_names,
    parse_names,
    stage_size,
)
from mesh.orchestration.command import (
    FORGIVEN_MAX,
    Command,
    Verb,
    check_command,
    command_key,
    parse_command,
    parse_command_key,
)
from mesh.orchestration.errors import (
    InvalidCohortError,
    InvalidCommandError,
    InvalidIntentError,
    InvalidMemoryError,
    InvalidReportError,
)
from mesh.orchestration.halt import HALT_SIZE_MAX, Halt, check_halt, parse_halt
from mesh.orchestration.intent import (
    HALT_REPORTS_MAX,
    Gate,
    Stage,
    intent_key,
    parse_intent_key,
)
from mesh.orchestration.intent_checks import check_intent, parse_intent
from mesh.orchestration.memory import (
    PAST_MAX,
    IntentMemory,
    Latch,
    Memory,
    Phase,
    Running,
    SlotMemory,
)
from mesh.orchestration.report import (
    REPORT_SIZE_MAX,
    Metrics,
    Outcome,
    clip_reason,
    parse_report,
    seal_report,
)
from mesh.orchestration.tables import command_at
from tests.laws.rollouts.world import command_of, digest_of, intent_of, names, report_of
from tests.laws.writing import key_of

LISTED = names(10)
INTENT = intent_of("x", LISTED, labels=(("camera", "true"),))

values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.binary(max_size=33) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(values)
def test_any_value_is_a_record_or_none(value: object):
    assert parse_intent(value) is None
    assert parse_command(value) is None
    assert parse_halt(value) is None
    assert command_at("rollout/x", value) is None


@given(st.sampled_from(sorted(INTENT.to_value())), values)
def test_an_intent_with_another_field_is_another_or_none(field: str, value: object):
    read = parse_intent({**INTENT.to_value(), field: value})
    assert read is None or read.to_value() == {**INTENT.to_value(), field: value}
    assert (
        read is None
        or field in ("title", "labels", "within", "stages", "gate", "supersedes")
        or getattr(read, field) == value
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_a_named_error(data: bytes):
    assert parse_report(data) is None
    for parse, error in ((parse_names, InvalidCohortError), (Memory.parse, InvalidMemoryError)):
        with suppress(error):
            assert parse(data) is not None


@given(values)
def test_any_cbor_is_a_memory_or_a_named_error(value: object):
    for shape in (value, [1, value, value], [1, {"model/x": value}, {"00" * 16: value}]):
        try:
            data = encode(shape)
        except EncodingError:
            continue
        with suppress(InvalidMemoryError):
            assert Memory.parse(data).encode() == data


MEMORY = [3, "started", None, [[1, [bytes(16)], [bytes(32)]]], [bytes(16)]]


@pytest.mark.parametrize(
    ("place", "junk"),
    [(0, -1), (0, True), (1, "walking"), (2, b"junk"), (3, [[1]]), (3, [[99, [], []]]),
     (3, [[1, [b"x"], []]]), (4, 7), (4, [b"short"])],
)  # fmt: skip
def test_a_memory_with_one_wrong_field_is_none(place: int, junk: object):
    good = encode([1, {}, {"00" * 16: MEMORY}])
    assert Memory.parse(good).encode() == good
    spoilt = [junk if number == place else field for number, field in enumerate(MEMORY)]
    with pytest.raises(InvalidMemoryError):
        Memory.parse(encode([1, {}, {"00" * 16: spoilt}]))


def test_a_memory_comes_back_as_it_was_written():
    report = report_of(INTENT, LISTED[0], Outcome.STARTED)
    held = IntentMemory(2, Phase.STARTED, report, (Latch(1, (bytes(16),), (bytes(32),)),), ())
    slot = SlotMemory(Running(digest_of("x"), INTENT.id), (Running(digest_of("y")),))
    memory = Memory({"model/detector": slot, "agent/a": SlotMemory()}, {INTENT.id: held})
    assert Memory.parse(memory.encode()) == memory
    with pytest.raises(InvalidMemoryError, match="hexadecimal"):
        Memory.parse(encode([1, {}, {"xy": MEMORY}]))


def test_a_slot_remembers_what_it_ran_the_first_of_all_among_it():
    slot = SlotMemory(Running(digest_of("delivered")))
    for number in range(20):
        slot = slot.advanced(Running(digest_of(str(number)), bytes(16)))
    assert len(slot.past) == PAST_MAX
    assert slot.past[-1] == Running(digest_of("delivered"))
    again = slot.advanced(Running(digest_of("19"), b"\1" * 16))
    assert again.past == slot.past
    assert SlotMemory().advanced(Running(digest_of("x"))).past == ()


@given(st.integers(1, 1_000_000), st.integers(1, 3000))
def test_a_stage_is_exact(share_ppm: int, count: int):
    size = stage_size(share_ppm, count)
    assert min(2, count) <= size <= count
    assert size * 1_000_000 >= share_ppm * count
    assert size == min(2, count) or (size - 1) * 1_000_000 < share_ppm * count


def test_seven_percent_of_a_hundred_is_seven():
    assert stage_size(70_000, 100) == 7


def test_a_list_of_names_is_read_as_it_was_written():
    data = encode_names(tuple(reversed(LISTED)))
    assert parse_names(data) == LISTED
    for wrong in ((), ("city/a", "city/a"), ("City",)):
        with pytest.raises(InvalidCohortError):
            encode_names(wrong)
    for wrong in ([], ["b", "a"], ["a", "a"], [1], ["A"], "a", {"a": 1}):
        with pytest.raises(InvalidCohortError):
            parse_names(encode(wrong))


def test_a_name_knows_its_stage():
    cohort = Cohort.of(digest_of("x"), LISTED, (100_000, 500_000))
    stages = [cohort.stage_of(name) for name in cohort.ranked]
    assert stages == [0, 0, 1, 1, 1, None, None, None, None, None]
    assert cohort.stage_of("city/other") is None
    assert cohort.is_within("city")
    assert not cohort.is_within("city/north")


def test_an_intent_comes_back_as_it_was_signed():
    assert parse_intent(decode(encode(INTENT.to_value()))) == INTENT
    assert parse_intent_key(intent_key("city", INTENT.id)) == ("city", INTENT.id)
    assert parse_intent_key(intent_key("", INTENT.id)) == ("", INTENT.id)
    for wrong in ("place/x", "intent/x", "intent/" + "zz" * 16):
        assert parse_intent_key(wrong) is None
    assert parse_intent({**INTENT.to_value(), "later": 1}) is None, "what is not understood"


TWO_STAGES = (Stage(100_000), Stage(100_000))


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("title", "", "printable"),
        ("scope", "City", "expected a name"),
        ("scope", "/".join(["x" * 30] * 5), "too long"),
        ("within", "other", "not under scope"),
        ("slot", "detector", "model/…"),
        ("slot", "model", "model/…"),
        ("artefact", b"x", "SHA-256"),
        ("cohort", b"x", "SHA-256"),
        ("size", 0, "bytes"),
        ("size", (512 << 20) + 1, "bytes"),
        ("tree", b"x", "SHA-256"),
        ("cohort_size", 0, "bytes"),
        ("cohort_tree", b"x", "SHA-256"),
        ("count", 0, "check `within`"),
        ("labels", (("b", "1"), ("a", "1")), "ascending"),
        ("labels", (("a", ""),), "printable"),
        ("stages", (), "0 stages"),
        ("stages", TWO_STAGES, "ascend strictly"),
        ("stages", (Stage(0),), "more than 0"),
        ("stages", (Stage(1, -1),), "soak"),
        ("gate", Gate(min_reports_ppm=-1, success_ppm=0), "gate.min_reports"),
        ("gate", Gate(min_reports_ppm=0, success_ppm=1_000_001), "gate.success"),
        ("gate", Gate(min_reports_ppm=0, success_ppm=0, disagreement_ppm_max=-1), "disagreement"),
        ("gate", Gate(min_reports_ppm=0, success_ppm=0, map50_ppm_min=-1), "gate.map50"),
        ("gate", Gate(min_reports_ppm=0, success_ppm=0, p95_us_max=0), "gate.p95_ms"),
        ("on_partition", "wait", "hold or continue"),
        ("on_failure", "cry", "rollback or pause"),
        ("supersedes", (b"x",), "supersedes"),
        ("nonce", b"", "nonce"),
    ],
)
def test_a_senseless_intent_is_refused_in_words_and_folds_as_nothing(
    field: str, value: object, told: str
):
    wrong = replace(INTENT, **{field: value})
    with pytest.raises(InvalidIntentError, match=told):
        check_intent(wrong)
    assert parse_intent(wrong.to_value()) != wrong


def test_an_intent_tolerates_no_more_than_a_halt_can_prove():
    many = Gate(min_reports_ppm=0, success_ppm=900_000)
    check_intent(replace(INTENT, count=270, gate=many))
    with pytest.raises(InvalidIntentError, match="a halt can prove 28"):
        check_intent(replace(INTENT, count=280, gate=many))


def test_the_largest_halt_fits_its_entry():
    long = ["/".join(["n" * 32] * 5 + [f"{'x' * 30}{n:02d}"]) for n in range(HALT_REPORTS_MAX)]
    metrics = Metrics(3_600_000_000, 1_000_000, 1_000_000, (1 << 32) - 1)
    reports = tuple(
        report_of(INTENT, name, Outcome.FAILED, attempt=(1 << 32) - 1, metrics=metrics,
                  reason="r" * 64)
        for name in long
    )  # fmt: skip
    assert max(len(report.wire) for report in reports) <= REPORT_SIZE_MAX
    halt = Halt(INTENT.id, 0, reports)
    check_halt(halt)
    assert len(encode(halt.to_value())) <= HALT_SIZE_MAX


def test_a_report_is_signed_by_its_own_key_and_within_its_bounds():
    report = report_of(INTENT, LISTED[0], Outcome.GOOD)
    assert parse_report(report.wire) == report
    with pytest.raises(InvalidReportError, match="sign it with that key"):
        seal_report(report, key_of("other"))
    for change in ({"attempt": 0}, {"reason": "x" * 65}, {"name": "X"}, {"intent": b"x"},
                   {"metrics": Metrics(errors=-1)}, {"metrics": Metrics(p95_us=-1)}):  # fmt: skip
        with pytest.raises(InvalidReportError, match="out of range"):
            seal_report(replace(report, **change), key_of(LISTED[0]))
    assert clip_reason("a\nb\ud800 " + "ü" * 60) == "a b? " + "ü" * 29


@given(st.sampled_from(Verb), st.integers(0, 3), st.booleans(), st.booleans())
def test_a_command_comes_back_or_is_refused(verb: Verb, stage: int, names_some: bool, gives: bool):
    command = Command(
        verb=verb,
        intent=INTENT.id,
        nonce=bytes(8),
        names=(bytes(16),) if names_some else (),
        forgives=(bytes(32),) if gives else (),
        stage=stage or None,
    )
    fits = (stage > 0) == (verb is Verb.PROMOTE)
    fits = fits and (verb is Verb.RESUME or not gives)
    fits = fits and (verb in (Verb.RESUME, Verb.PROMOTE) or not names_some)
    if not fits:
        with pytest.raises(InvalidCommandError, match=str(verb)):
            check_command(command)
        assert parse_command(command.to_value()) is None
        return
    check_command(command)
    assert parse_command(decode(encode(command.to_value()))) == command
    assert parse_command_key(command_key("a/b", command)) == ("a/b", INTENT.id, command.id)
    assert parse_command_key(command_key("", command)) == ("", INTENT.id, command.id)


def test_a_command_has_bounds():
    resume = command_of(Verb.RESUME, INTENT)
    for wrong in (
        replace(resume, forgives=(bytes(32),) * (FORGIVEN_MAX + 1)),
        replace(resume, nonce=b""),
        replace(resume, verb=Verb.PROMOTE, stage=16),
    ):
        with pytest.raises(InvalidCommandError):
            check_command(wrong)
    for wrong in ("rollout/x", "rollout/" + "zz" * 16 + "/" + "00" * 16, "place/x",
                  "rollout/" + "00" * 15 + "/" + "00" * 16):  # fmt: skip
        assert parse_command_key(wrong) is None
    assert parse_command({**resume.to_value(), "command": "dance"}) is None
    full = replace(resume, forgives=(bytes(32),) * FORGIVEN_MAX)
    assert len(encode(full.to_value())) < 15 << 10
