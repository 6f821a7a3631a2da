"""What a report counts as: every threshold of a gate decides by itself, and as the oracle says."""

from dataclasses import fields

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from mesh.orchestration.fields import MILLION
from mesh.orchestration.gate import read_gate
from mesh.orchestration.intent import Gate
from mesh.orchestration.report import Metrics, Outcome, Report, Verdict, verdict_of
from mesh.orchestration.sight import Sight
from tests.laws.rollouts import oracle
from tests.laws.rollouts.world import intent_of, names

LISTED = names(4)
INTENT = intent_of("x", LISTED)

THRESHOLDS = {
    "p95_us_max": ("p95_us", 1),
    "map50_ppm_min": ("map50_ppm", -1),
    "disagreement_ppm_max": ("disagreement_ppm", 1),
}
"""Each threshold of a gate: the value that it is about, and in which direction that is worse."""
SHARES = ("min_reports_ppm", "success_ppm")
"""The fields of a gate that are about all reports of a stage."""

near = st.none() | st.integers(1, 3) | st.integers(0, MILLION)
gates = st.builds(
    Gate,
    min_reports_ppm=st.integers(0, MILLION),
    success_ppm=st.integers(0, MILLION),
    p95_us_max=near,
    map50_ppm_min=near,
    disagreement_ppm_max=near,
)
measurements = st.builds(Metrics, near, near, near, st.integers(0, 3))


def report(outcome: Outcome, metrics: Metrics, name: str = LISTED[0]) -> Report:
    """A report that nobody signed: a verdict asks for what it says alone."""
    return Report(
        ns=bytes(16),
        key=bytes(32),
        intent=INTENT.id,
        name=name,
        attempt=1,
        outcome=outcome,
        artefact=INTENT.artefact,
        metrics=metrics,
    )


def test_no_field_of_a_gate_is_without_a_law():
    assert {each.name for each in fields(Gate)} == {*THRESHOLDS, *SHARES}


@given(gates, measurements, st.sampled_from([*Outcome, Outcome.GOOD, Outcome.GOOD]))
def test_a_verdict_is_what_the_oracle_says(gate: Gate, metrics: Metrics, outcome: Outcome):
    said = report(outcome, metrics)
    verdict = verdict_of(said, gate)
    event(f"{outcome}: {verdict.value}")
    assert (verdict is Verdict.BAD) == oracle.is_bad(intent_of("x", LISTED, gate=gate), said)
    assert (verdict is Verdict.GOOD) <= (outcome is Outcome.GOOD)


@pytest.mark.parametrize("threshold", THRESHOLDS)
@given(asked=st.integers(1, MILLION - 1), others=measurements, is_measured=st.booleans())
def test_each_threshold_decides_by_itself(
    threshold: str, asked: int, others: Metrics, *, is_measured: bool
):
    """With one threshold alone: its own value at it is good, one step beyond it or none is bad."""
    value, worse = THRESHOLDS[threshold]
    gate = Gate(min_reports_ppm=0, success_ppm=MILLION, **{threshold: asked})
    rest = {each.name: getattr(others, each.name) for each in fields(Metrics)}
    met = report(Outcome.GOOD, Metrics(**{**rest, value: asked}))
    beyond = asked + worse if is_measured else None
    missed = report(Outcome.GOOD, Metrics(**{**rest, value: beyond}))
    assert verdict_of(met, gate) is Verdict.GOOD
    assert verdict_of(missed, gate) is Verdict.BAD
    nothing = Gate(min_reports_ppm=0, success_ppm=MILLION)
    assert verdict_of(missed, nothing) is Verdict.GOOD, "what is not asked for decides nothing"


@pytest.mark.parametrize(
    ("min_reports_ppm", "success_ppm", "good", "bad", "passes"),
    [
        (750_000, 0, 3, 0, True),
        (750_000, 0, 2, 0, False),
        (0, 750_000, 3, 1, True),
        (0, 750_001, 3, 1, False),
        (0, MILLION, 1, 0, True),
    ],
)
def test_each_share_decides_by_itself(
    min_reports_ppm: int, success_ppm: int, good: int, bad: int, *, passes: bool
):
    gate = Gate(min_reports_ppm=min_reports_ppm, success_ppm=success_ppm)
    outcomes = [Outcome.GOOD] * good + [Outcome.FAILED] * bad
    shown = read_gate(
        intent_of("x", LISTED, gate=gate),
        LISTED,
        current=LISTED,
        sight=Sight(seen=frozenset(LISTED)),
        reports={
            name: report(outcome, Metrics(), name)
            for name, outcome in zip(LISTED, outcomes, strict=False)
        },
        forgiven=(),
    )
    assert shown.passes is passes
