"""Model records: what they say, and that the most restrictive decides."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.capability import cell_contains
from mesh.choreography.cells import cell_at
from mesh.coordination.models import ModelRecord, Models, ModelState, parse_model
from tests.unit.coordination.views import register

HERE = cell_at(52.01, 4.36, 9)
AROUND = cell_at(52.01, 4.36, 6)
ELSEWHERE = cell_at(48.0, 2.0, 6)
DIGEST = bytes([7]) * 32
OTHER = bytes([8]) * 32
TYPE = "traffic.near_miss"
ORDER = ["approved", "superseded", "candidate", "withdrawn"]


def record(
    state: str = "approved",
    digest: bytes = DIGEST,
    events: object = ("traffic.*",),
    area: object = "*",
) -> dict[str, object]:
    return {
        "digest": digest,
        "state": state,
        "events": list(events) if isinstance(events, tuple) else events,
        "area": list(area) if isinstance(area, tuple) else area,
    }


@pytest.mark.parametrize(
    ("state", "accepted"),
    [("approved", True), ("superseded", True), ("candidate", False), ("withdrawn", False)],
)
def test_which_states_are_accepted(state: str, accepted: bool):
    models = Models({"model/a": register(record(state))})
    assert models.state(DIGEST, TYPE, HERE) is ModelState(state)
    assert models.accepts(DIGEST, TYPE, HERE) == accepted
    assert models.accepted(TYPE, HERE) == ((DIGEST,) if accepted else ())


def test_a_record_speaks_of_its_types_and_its_area():
    models = Models({"model/a": register(record(area=(AROUND,)))})
    assert models.accepts(DIGEST, TYPE, HERE)
    assert not models.accepts(DIGEST, TYPE, ELSEWHERE)
    assert not models.accepts(DIGEST, "weather.rain", HERE)
    assert not models.accepts(DIGEST, "traffic", HERE)
    assert models.state(OTHER, TYPE, HERE) is None
    assert "1 digests" in repr(models)


RECORDS = st.builds(
    record,
    state=st.sampled_from(ORDER),
    digest=st.sampled_from([DIGEST, OTHER]),
    events=st.sampled_from([("*",), ("traffic.*",), ("weather.rain",), ()]),
    area=st.sampled_from(["*", (AROUND,), (ELSEWHERE,), ()]),
)


@given(st.lists(st.lists(RECORDS, min_size=1, max_size=3), max_size=4))
def test_the_most_restrictive_decides(contests: list[list[dict]]):
    """First among the contenders of one register, then among the records that apply."""
    deciding = [
        one for values in contests for one in values if severity(one) == max(map(severity, values))
    ]
    registers = {f"model/{at}": register(*values) for at, values in enumerate(contests)}
    registers["place/x"] = register(record("approved"))
    models = Models(registers)
    for digest in (DIGEST, OTHER):
        applying = [
            severity(one)
            for one in deciding
            if one["digest"] == digest
            and any(pattern in ("*", "traffic.*") for pattern in one["events"])
            and (one["area"] == "*" or any(cell_contains(c, HERE) for c in one["area"]))
        ]
        assert models.accepts(digest, TYPE, HERE) == (bool(applying) and max(applying) == 0)


def severity(value: dict) -> int:
    return max(0, ORDER.index(value["state"]) - 1)


@given(st.lists(RECORDS, min_size=1, max_size=4))
def test_the_order_of_contenders_changes_nothing(values: list[dict]):
    answers = {
        Models({"model/a": register(*permuted)}).accepted(TYPE, HERE)
        for permuted in itertools.permutations(values)
    }
    assert len(answers) == 1


MALFORMED: list[object] = [
    None,
    [],
    {},
    record(digest=bytes(31)),
    {**record(), "digest": "text"},
    {**record(), "state": 1},
    record("retired"),
    record(events="traffic.*"),
    record(events=["no type"]),
    record(events=[7]),
    record(events=["a"] * 65),
    record(area="everywhere"),
    record(area=[bytes(8)]),
    record(area=["*"]),
    record(area=[HERE] * 65),
    record(area=None),
]


@pytest.mark.parametrize("value", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_record_says_nothing(value: object):
    assert parse_model(value) is None
    assert Models({"model/a": register(value)}).state(DIGEST, TYPE, HERE) is None


def test_unknown_fields_are_ignored():
    parsed = parse_model({**record(area=(HERE,)), "note": "night"})
    assert parsed == ModelRecord(DIGEST, ModelState.APPROVED, ("traffic.*",), (HERE,))
