"""A scenario becomes a file that is read back as the same scenario, whatever it says."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.choreography.verdict import Reason
from mesh.testing.checkers.registry import CHECKERS
from mesh.testing.scenarios.library import library, read_scenario
from mesh.testing.scenarios.scenario import Expect, FleetPlan, Scenario, parse_scenario
from mesh.testing.scenarios.steps import Clock, Cut, Links, OneWay, Publish, Put, Step
from mesh.testing.scenarios.writing import scenario_text


def read_again(found: Scenario) -> Scenario:
    return parse_scenario(scenario_text(found).encode(), "s.yaml", checkers=tuple(CHECKERS))


@pytest.mark.parametrize("name", sorted(library()))
def test_the_library_is_written_as_it_was_read(name: str):
    found = read_scenario(library()[name])
    assert read_again(found) == found


_awkward = st.sampled_from(
    ["yes", "null", "7", "1.5", "~", "- a", "a: b", "#", '"', "\\", "\x85", "\N{BOM}", "a\nb", " a",
     "[", "{x", "*", "&a", "!t", "10s", "10s\n", "all", "%", "@", "`", "\x7f", "\U0001f6a6"]
)  # fmt: skip
_labels = _awkward | st.text(min_size=1, max_size=63)
_who = _awkward | st.text(min_size=1, max_size=200)
_several = _who | st.lists(_who, min_size=1, max_size=3).map(tuple)
_shares = st.floats(0, 0.999).map(lambda share: round(share, 9))
_counts = st.integers(1, 1 << 40)
_lengths = st.tuples(st.integers(0, 99), st.sampled_from(["ms", "s", "m"])).map(
    lambda parts: f"{parts[0]}{parts[1]}"
)
_deeds = st.one_of(
    st.builds(Cut, side=_several, label=_labels).map(lambda deed: {"cut": deed}),
    st.builds(OneWay, senders=_several, receivers=_several).map(lambda d: {"cut_one_way": d}),
    st.builds(Put, key=_labels, value=_who | st.integers(-(10**17), 10**17), by=_who).map(
        lambda deed: {"put": deed}
    ),
    st.builds(Publish, who=_several, count=st.integers(1, 1000), every=_lengths).map(
        lambda deed: {"publish": deed}
    ),
    st.builds(Links, loss=_shares, between=st.none() | st.tuples(_who, _who)).map(
        lambda deed: {"links": deed}
    ),
    st.builds(Clock, who=_several, ahead=_lengths).map(lambda deed: {"clock": deed}),
    _labels.map(lambda label: {"heal": label}),
    _several.map(lambda who: {"crash": who}),
    _lengths.map(lambda length: {"run": length}),
)
_scenarios = st.builds(
    Scenario,
    name=st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,62}\Z"),
    why=_awkward | st.text(min_size=1, max_size=1000),
    seed=st.integers(0, (1 << 32) - 1),
    fleet=st.builds(FleetPlan, boxes=st.integers(1, 1000), loss=_shares),
    steps=st.lists(_deeds.map(lambda deed: Step(**deed)), min_size=1, max_size=6).map(tuple),
    invariants=st.sampled_from(sorted(CHECKERS)).map(lambda name: (name,)),
    expect=st.builds(
        Expect,
        crashes=_counts,
        deliveries=st.none() | _counts,
        refused=st.dictionaries(st.sampled_from(list(Reason)).map(str), _counts),
    ),
)


@given(_scenarios)
def test_whatever_it_says_is_read_back(found: Scenario):
    assert read_again(found) == found, scenario_text(found)


def test_it_reads_as_people_write():
    found = parse_scenario(
        json.dumps({
            "name": "short", "why": "two banks", "fleet": {"boxes": 8},
            "steps": [
                {"cut": {"label": "river", "side": "north/*"}},
                {"at": "20s", "publish": {"who": ["centre", "*/box-*"], "every": "1s"}},
                {"heal": "river"},
                {"links": {"loss": 0.0}},
            ],
            "invariants": ["Convergence"], "expect": {"seconds_cut": 9, "refused": {"late": 1}},
        }).encode(),
        "s.yaml",
        checkers=("Convergence",),
    )  # fmt: skip
    assert scenario_text(found) == (
        "name: short\nwhy: two banks\nseed: 0\nsteps:\n"
        '  - cut: {side: "north/*", label: river}\n'
        '  - {at: 20s, publish: {who: [centre, "*/box-*"]}}\n'
        "  - heal: river\n"
        "  - links: {loss: 0.0}\n"
        "invariants: [Convergence]\nexpect: {seconds_cut: 9, refused: {late: 1}}\n"
    )
