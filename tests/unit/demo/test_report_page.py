"""The page holds whatever a run was, is well formed whatever it shows, and asks for nothing."""

import re
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.demo.acts.reaction_flows import Flow, Flows, reaction_flows
from mesh.demo.acts.rollout_act import RolloutAct
from mesh.demo.city.generator import generate_city, neighbourhood
from mesh.demo.city.model import City, CityPlace, StreetDirection
from mesh.demo.claims import Claims, Judged
from mesh.demo.report.page import render_report
from mesh.demo.stage.cast import Cast
from mesh.pages.parts import NAMES_MAX
from tests.unit.pages.reading import HOSTILE, Page

words = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12))
numbers = st.one_of(
    st.integers(-(10**12), 10**12), st.floats(), st.booleans(), st.none(), words
)  # fmt: skip


def full_result() -> dict[str, Any]:
    """A result with every act, as the JSON has it."""
    spread = {"p50": 3.25, "p99": 11.5, "max": 14.0}
    attack = {"attacker": "forger", "pid": 7, "expected_reason": "bad_signature", "sent": 2}
    return {
        "ok": True, "failed": [], "seed": 247, "boxes": 12, "processes": 20, "duration_s": 199.5,
        "rollout": {
            "boxes_on_approved": 12, "seconds": 41.5,
            "stages": [
                {"percent": 10, "boxes": 1, "boxes_asked": 2, "opened_s": 2.1},
                {"percent": 50, "boxes": 6, "opened_s": 9.7},
                {"percent": 100, "boxes": 12, "opened_s": None},
            ],
            "bad_release": {"held_at_percent": 10, "boxes_ever_ran": 1, "rolled_back": True},
            "comeback": {"box": "north/box-9", "bytes_fetched": None},
        },
        "trust": {
            "centre_killed": True,
            "swap": {"name": "north/box-247", "epoch": 2, "recognised_by": ["a"], "seconds": 3.1},
            "attacks": [
                {**attack, "refused_by": ["a", "b"], "accepted_by": []},
                {**attack, "attacker": "twice", "refused_by": [], "accepted_by": ["gullible"]},
            ],
        },
        "reaction": {
            "events": 61, "reactions": 170, "missed_detections": ["north/box-3 frames 1-9"],
            "latency_ms": spread, "frame_to_request_ms": None, "stages_ms": {"sent": spread},
            "undisturbed": {"samples": 950, "latency_ms": {**spread, "p99": 7.25}},
            "latency_bins": [{"below_ms": 5.0, "count": 901}, {"below_ms": None, "count": 77}],
        },
        "partition": {"skipped": False, "why": "", "cut_s": 12.5, "heal_to_agree_s": None,
                      "views_equal": False, "entries_lost": 0,
                      "rollout": {"on_partition": "hold", "went_on": 4, "heal_to_complete_s": 5.5}},
    }  # fmt: skip


def render(
    result: Mapping[str, object],
    judged: tuple[Judged, ...] = (),
    city: City | None = None,
    flows: Flows | None = None,
) -> Page:
    return Page(render_report(result, judged, city, flows or Flows()))


def test_the_page_tells_every_act() -> None:
    page = render(full_result())
    for told in (
        "Seed 247, 12 boxes, 20 processes, 199.5 s.",
        "ran on 1 box of 2 asked, opened at 2.1 s", "ran on 12 boxes, never opened",
        "12 boxes ended on the approved", "held at 10 %, ran on 1 box, and was rolled back",
        "north/box-9 was killed, and did not say",
        "bad_signature", "gullible", "north/box-247", "1 box after 3.1 s",
        "901", "77", "11.50", "north/box-3 frames 1-9", "12.5 s", "never",
        "on partition hold; went on 4; heal to complete s 5.5 s",
    ):  # fmt: skip
        assert told in page.said, told
    assert "published to handler, undisturbed 3.25 7.25" in page.said
    assert page.count("rect", "bar") == 2 + 2 + 3  # stages, classes of latency, medians


def test_an_act_that_was_not_played_is_said_to_be_absent() -> None:
    page = render({"ok": False, "failed": ["processes"]})
    for what in ("city", "rollout", "attack", "reaction", "partition"):
        assert f"No {what} in this run." in page.said
    assert "Failed: processes." in page.said


def test_an_act_that_ended_early_is_told_as_far_as_it_came() -> None:
    act = RolloutAct(cast("Cast", None), Claims(False, print), cast("Any", ()), (), print)
    head = {key: value for key, value in full_result().items() if not isinstance(value, dict)}
    page = render({**head, "rollout": act.result()})
    for told in ("No bad release was tried.", "no box was killed", "no wrong bytes were seen"):
        assert told in page.said, told
    for dump in ("None", "held at", "began with release", "bytes fetched", "rolled back"):
        assert dump not in page.said, dump


def test_wrong_bytes_are_pointed_to_where_the_attacks_were_not_played() -> None:
    poison = {"chunks_sent": 5, "boxes_offered": ["a"], "boxes_refused": []}
    said = render({"rollout": {"poison": poison}}).said
    assert "5 chunks with wrong bytes were sent to a; refused, with their sender, by nobody" in said
    assert "wrong bytes are told under Rollout" in said
    assert "No attack in this run." not in said


def test_hardware_that_was_not_swapped_is_not_told_as_swapped() -> None:
    said = render({"trust": {"swap": {"name": "a/b", "epoch": 0, "recognised_by": []}}}).said
    assert "hardware swapped at nowhere" in said
    assert "a/b" not in said


def test_a_run_without_incidents_counts_none() -> None:
    city = neighbourhood(generate_city(247), 6)
    page = render({}, city=city)
    assert "incidents" not in page.said
    assert page.texts.count(city.names[0]) == 1


def test_a_skipped_partition_says_why() -> None:
    page = render({"partition": {"skipped": True, "why": "no user namespaces here"}})
    assert "Skipped: no user namespaces here" in page.said


def test_what_failed_stands_before_what_held() -> None:
    judged = (
        Judged("stands", True, "all"), Judged("hero", False, "no van"), Judged("word", True, "ok"),
    )  # fmt: skip
    page = render({"ok": False, "failed": ["hero", "interrupted"]}, judged)
    order = [page.texts.index(name) for name in ("interrupted", "hero", "stands", "word")]
    assert order == sorted(order)
    assert page.count("span", "failed") == 2
    assert page.count("span", "held") == 2
    assert page.count("p", "verdict failed") == 1


def test_the_claims_remember_what_was_judged_and_what_fell() -> None:
    said: list[str] = []
    claims = Claims(keep_going=True, say=lambda name, held, sentence: said.append(name))
    claims.check("a", True, "1")
    claims.check("b", False, "2")
    claims.fall("processes", "3")
    assert claims.judged == [
        Judged("a", True, "1"), Judged("b", False, "2"), Judged("processes", False, "3"),
    ]  # fmt: skip
    assert claims.failed == ["b", "processes"]
    assert said == ["a", "b", "processes"]


def test_the_map_has_every_crossing_and_every_reaction_between_them() -> None:
    city = neighbourhood(generate_city(247), 12)
    a, b, *_ = city.names
    flows = Flows(
        {a: 4},
        (Flow(a, b, "extend_red", 4), Flow(a, b, "advance_yellow", 1), Flow(a, a, "odd", 1),
         Flow("", b, "extend_red", 1), Flow(a, "elsewhere/box-1", "extend_red", 2)),
    )  # fmt: skip
    page = render({}, city=city, flows=flows)
    assert page.count("circle", "box saw") == 1
    assert page.count("circle", "box") == 11
    assert page.count("path", "arc red") == page.count("path", "arc yellow") == 1
    assert f"{b} reacts to {a}: extend_red, 4 times" in page.texts
    assert "elsewhere/box-1" in page.texts  # in the table, which leaves nothing out
    assert all(name.rpartition("-")[2] in page.texts for name in city.names)


def test_reactions_are_counted_by_where_the_incident_was_seen() -> None:
    def row(incident: bytes, kind: str = "") -> dict[str, Any]:
        return {"event": incident, "incident": incident, "kind": kind}

    again = {"event": b"2", "incident": b"1"}
    found = reaction_flows(
        {
            "x": {"published": [row(b"1"), again, row(b"3")]},
            "y": {"requests": [row(b"1", "red"), row(b"3", "red"), row(b"9", "red")]},
            "z": {"requests": [row(b"1", "yellow")]},
        }
    )
    assert found.seen == {"x": 2}
    assert found.flows == (
        Flow("", "y", "red", 1), Flow("x", "y", "red", 2), Flow("x", "z", "yellow", 1),
    )  # fmt: skip


def test_many_names_are_counted() -> None:
    missed = [f"box-{number}" for number in range(NAMES_MAX + 3)]
    assert "and 3 more" in render({"reaction": {"missed_detections": missed}}).said


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_shown_as_text(hostile: str) -> None:
    result = full_result()
    result["seed"] = hostile
    result["trust"]["attacks"][0]["attacker"] = hostile
    shown = re.sub("[\x00\x1b\ud800]", "\N{REPLACEMENT CHARACTER}", hostile)
    page = render(result, (Judged(hostile, True, hostile),))
    assert page.texts.count(shown) >= 3
    render_report(result, (), None, Flows()).encode()


places = st.lists(words, min_size=1, max_size=4, unique=True)


@given(names=places, hostile=st.lists(words, min_size=4, max_size=4), at=st.data())
def test_no_name_breaks_the_page(names: list[str], hostile: list[str], at: st.DataObject) -> None:
    positions = st.tuples(st.integers(-90_000_000, 90_000_000), st.integers(-(10**8), 10**8))
    streets = [StreetDirection(names[0], to, hostile[0], 0, 1, False, True) for to in names]
    city = City(
        1,
        tuple(
            CityPlace(name, at.draw(positions), hostile[1], tuple(streets if not number else ()))
            for number, name in enumerate(names)
        ),
    )
    flows = Flows({names[0]: 3}, (Flow(names[0], names[-1], hostile[2], 3),))
    judged = tuple(Judged(name, number % 2 == 0, hostile[3]) for number, name in enumerate(names))
    page = render_report({"failed": hostile}, judged, city, flows)
    page.encode()
    Page(page)


shapes = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(("stages", "attacks", "latency_bins", "opened_s", "percent", "count",
                             "below_ms", "p99", "refused_by", "swap", "seconds", "stages_ms")),
            inner, max_size=4,
        ),
    ),
    max_leaves=12,
)  # fmt: skip
acts = ("rollout", "trust", "reaction", "partition", "failed", "ok", "seed")


@given(st.dictionaries(st.sampled_from(acts), shapes, max_size=4))
def test_no_shape_of_a_result_breaks_the_page(result: dict[str, object]) -> None:
    Page(render_report(result, (), None, Flows()))
