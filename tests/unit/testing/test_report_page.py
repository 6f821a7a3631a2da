"""The report of scenarios: what a run was is on the page, and no run breaks it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.testing.fleets.sight import Sight
from mesh.testing.report.bands import bands
from mesh.testing.report.diagram import ARROWS_MAX
from mesh.testing.report.figures import LINES_MAX
from mesh.testing.report.page import STEPS_MAX, Played, render_report
from mesh.testing.report.recording import HEARD_A_SECOND_MAX, Recording
from mesh.testing.scenarios.runner import Finding, Result, run_scenario, to_json
from mesh.testing.scenarios.scenario import Scenario
from mesh.testing.scenarios.steps import Cut, Publish, Step
from tests.sim.playing import scenario
from tests.unit.pages.reading import HOSTILE, Page


@dataclass
class View:
    """An authority view in which everybody is a member."""

    digest: bytes

    def pairs_of(self, key: bytes) -> list[bytes]:
        return [key]

    def current(self, _pair: bytes) -> bool:
        return True


@dataclass
class Box:
    name: str
    is_up: bool
    authority: View
    is_honest: bool = True
    key: bytes = b""
    held: list = field(default_factory=list)

    def entries(self):
        return iter(self.held)

    def rollouts(self):
        return iter(())


def sight(now_s: float, boxes: Sequence[Box], step: str = "") -> Sight:
    return Sight(
        now_s=now_s, step=step, is_last=False, is_whole=True, is_idle=True, calm_s=0.0,
        boxes=boxes, deliveries=[], facts=[], spoken={},
    )  # fmt: skip


def result_of(found: Scenario, finding: Finding, recording: Recording) -> Result:
    return Result(
        scenario=found, word=finding.word, invariants={found.invariants[0]: finding}, missing=[],
        trouble="", counts={"published": 3.0}, trace="ab" * 32, virtual_s=recording.end_s,
        wall_s=0.5,
    )  # fmt: skip


STORY = scenario("run: 1s\ncrash: centre\nrun: 2s", "Convergence")
_states = st.lists(st.none() | st.integers(0, 9), min_size=1, max_size=4)
_names = st.sampled_from(["centre", "north/box-0", "south/box-11 (old)", *HOSTILE])


@given(st.lists(_states, max_size=12), st.lists(_names, min_size=4, max_size=4, unique=True))
def test_a_line_has_no_holes_and_no_two_views_at_once(
    looks: list[list[int | None]], names: list[str]
):
    recording = Recording(STORY.name, STORY.steps)
    for now, states in enumerate(looks):
        boxes = [
            Box(name, view is not None, View(bytes([view or 0])))
            for name, view in zip(names, states, strict=False)
        ]
        recording.watch(sight(float(now), boxes))
        up = {view for view in states if view is not None}
        assert recording.agreement[-1][1] == len(up)
    for name, spans in recording.lines.items():
        seen = [(now, states[names.index(name)]) for now, states in enumerate(looks)
                if names.index(name) < len(states)]  # fmt: skip
        assert spans[0].from_s == seen[0][0]
        assert spans[-1].to_s == seen[-1][0]
        for one, other in pairwise(spans):
            assert one.to_s == other.from_s
            assert one.view != other.view
        assert [s.view is None for s in spans].count(True) <= len(seen)
    Page(render_report([Played(result_of(STORY, Finding("held"), recording), recording)]))


def play(steps: str, invariant: str, **options) -> Played:
    story = scenario(steps, invariant, **options)
    recording = Recording(story.name, story.steps)
    return Played(run_scenario(story, watch=recording.watch), recording)


@pytest.fixture(scope="module")
def broken() -> Played:
    """Views have not agreed again a second after a cut was healed."""
    return play(
        """
        publish: {who: "*/box-*", count: 20}
        cut: {label: river, side: "north/*"}
        run: 11s
        revoke: {name: south/box-2}
        run: 2s
        crash: north/box-1
        run: 2s
        heal: river
        settle: 1s
        """,
        "Convergence",
        fleet="{boxes: 3}",
    )


def test_a_breach_is_shown_with_what_was_around_it(broken: Played):
    (finding,) = broken.result.invariants.values()
    page = Page(render_report([broken]))
    for told in (
        "0 of 1 scenarios held.", "Convergence broken", "Around the breach", "The whole run",
        "river: cut off from 0.0 to 15.0 s", "step 8: heal at 15.0 s", finding.evidence,
        f"mesh sim replay short --until {finding.at_s:g} --node '{finding.who}'",
        "not all", "cut: {side: \"north/*\", label: river}", "How many views there were", "2 views",
    ):  # fmt: skip
        assert told in page.said, told
    assert page.count("circle", "ring") == 2, "in both diagrams"
    assert page.count("line", "told") > 0
    assert page.count("line", "told") <= ARROWS_MAX
    assert page.count("polyline", "stairs") == 1


def test_a_run_is_kept_as_it_was(broken: Played):
    recording = broken.recording
    assert recording.heard_count == sum(recording.latencies) == broken.result.counts["deliveries"]
    (band,) = bands(recording)
    assert band.names == {"north/steward", "north/box-0", "north/box-1"}
    views = {name: spans[-1].view for name, spans in recording.lines.items()}
    assert len({views["centre"], views["north/box-0"]}) == 2
    (spread,) = recording.spreads
    assert (spread.fact.by, spread.all_s) == ("centre", None)
    assert "north/box-0" not in spread.held_s
    assert spread.held_s["south/steward"] - spread.fact.at_s < 2
    assert list(recording.members()) == [
        "north/steward", "north/box-0", "north/box-1", "centre", "south/steward", "south/box-2",
    ]  # fmt: skip


def test_a_step_that_could_not_be_done_is_listed_as_such_and_so_is_what_was_not_reached():
    one = play("run: 2s\nrestart: centre\nrun: 3s\nrun: 4s", "LivenessAfterHeal")
    page = Page(render_report([one]))
    assert one.result.trouble.startswith("step 2 (restart)")
    said = page.said
    assert "1 2.0 s run: 2s 2 not done restart: centre 3 not reached run: 3s 4 not reached" in said
    assert page.count("span", "failed") >= 1


def test_of_many_steps_the_one_that_failed_is_listed():
    steps = "".join(f"put: {{key: a, value: {n}}}\n" for n in range(STEPS_MAX + 20))
    one = play(f"{steps}heal: river\nrun: 1s", "Convergence")
    said = Page(render_report([one])).said
    assert "; 21 more are not listed" in said
    assert f"{STEPS_MAX + 21} not done heal: river" in said


def test_counts_are_told_where_something_happened_or_was_to(broken: Played):
    told = broken.result.telling
    happened = {name for name, count in broken.result.counts.items() if count}
    assert happened | set(broken.result.scenario.expect.wanted()) == set(told)
    assert len(told) < len(broken.result.counts)
    story = scenario("run: 1s", "Convergence", expect="{crashes: 1, refused: {stale: 2}}")
    nothing = run_scenario(story)
    assert {"crashes", "refused.stale"} == {n for n, count in nothing.telling.items() if not count}
    assert to_json([nothing])["scenarios"][0]["counts"] == nothing.telling


def test_what_is_left_out_of_the_file_is_said(broken: Played):
    page = Page(render_report([broken]))
    assert "The file, without what has its usual value" in page.texts


def test_what_held_is_folded_and_has_no_breach():
    held = play("crash: south/box-1\nrun: 2s\nrestart: south/box-1\nrun: 20s", "LivenessAfterHeal")
    page = Page(render_report([held]))
    assert "1 of 1 scenarios held." in page.said
    assert "south/box-1 down from 0.0 to 2.0 s" in page.said
    assert "No event that was heard in this run." in page.said
    assert page.count("circle", "ring") == 0
    assert "Around the breach" not in page.said


def test_what_is_not_well_stands_first(broken: Played):
    name = msgspec.structs.replace(STORY, name="calm")
    calm = Played(result_of(name, Finding("held"), broken.recording), broken.recording)
    said = Page(render_report([calm, broken])).texts
    order = [number for number, text in enumerate(said) if text in {"calm: ", "short: "}]
    assert [said[number] for number in order] == ["short: ", "calm: "]


def test_a_large_fleet_and_much_talk_are_bounded():
    story = scenario('publish: {who: "*/box-*", count: 4, every: 200ms}\nrun: 3s', "Convergence",
                     fleet="{boxes: 24}")  # fmt: skip
    recording = Recording(story.name, story.steps)
    run_scenario(story, watch=recording.watch)
    seconds = {int(way.heard_s) for way in recording.heard}
    assert recording.heard_count > len(recording.heard)
    assert len(recording.heard) <= HEARD_A_SECOND_MAX * len(seconds)
    finding = Finding("broken", 2.0, "south/box-23", "told")
    page = Page(render_report([Played(result_of(story, finding, recording), recording)]))
    assert f"{len(recording.lines) - LINES_MAX} more members are not drawn." in page.said
    assert "south/box-23" in page.texts, "whom it is about is drawn"
    assert page.count("line", "told") <= ARROWS_MAX


@pytest.mark.parametrize("hostile", [text for text in HOSTILE if "\ud800" not in text])
def test_hostile_text_is_shown_as_text(hostile: str):
    steps = (Step(cut=Cut(side="*", label=hostile)), Step(publish=Publish(who=hostile)))
    story = msgspec.structs.replace(STORY, why=hostile, steps=steps)
    recording = Recording(story.name, story.steps)
    for now in (0.0, 1.0, 2.0):
        recording.watch(sight(now, [Box(hostile, True, View(b"a"))], "cut" if now else ""))
    finding = Finding("broken", 1.0, hostile, hostile)
    page = Page(render_report([Played(result_of(story, finding, recording), recording, hostile)]))
    assert page.said.count(hostile) >= 6


def test_a_run_that_ended_before_it_began_has_its_page():
    recording = Recording(STORY.name, STORY.steps)
    played = Played(result_of(STORY, Finding("vacuous"), recording), recording)
    assert "No member in this run." in Page(render_report([played])).said
    assert "0 of 0 scenarios held." in Page(render_report([])).said
