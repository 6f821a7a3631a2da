"""The rollouts of a run on its page: what opened when on which side, what held it, who ran what."""

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from mesh.pages.charts import WIDTH, Row, timeline
from mesh.testing.report.page import Played, render_report
from mesh.testing.report.recording import Band, Recording
from mesh.testing.report.rollouts import sides_of
from mesh.testing.scenarios.runner import run_scenario
from tests.sim.playing import scenario
from tests.unit.pages.reading import HOSTILE, Page

HOLD = """
    release: {model: v2}
    apply: {model: v2, stages: [{percent: 50, soak: 15s}, {percent: 100}], on_partition: hold}
    run: 5s
    cut: {label: river, side: "north/*"}
    run: 40s
    heal: river
    run: 30s
    settle: 30s
    """
HALT = """
    release: {model: v3}
    release: {model: v3, does: fails, on: "north/*"}
    cut: {label: river, side: "north/*"}
    run: 12s
    apply: {model: v3, stages: [{percent: 50, soak: 8s}, {percent: 100}], on_partition: continue}
    run: 20s
    heal: river
    run: 20s
    settle: 30s
    """


@cache
def played(steps: str) -> tuple[Played, list]:
    story = scenario(steps, "RolloutSafety", fleet="{boxes: 6}")
    recording, moves = Recording(story.name, story.steps), []

    def watch(sight) -> None:
        recording.watch(sight)
        moves.extend(sight.moves)

    return Played(run_scenario(story, watch=watch), recording), moves


def rows(page: Page) -> dict[str, str]:
    """What is said of each row of a timeline."""
    told = (said.split(": ", 1) for said in page.texts if ": " in said)
    return {name: said for name, said in told if name.endswith((" north", " south"))}


def test_a_rollout_that_holds_shows_its_stages_side_by_side():
    one, moves = played(HOLD)
    assert one.result.word == "held", one.result.sentences
    page = Page(render_report([one]))
    said = rows(page)
    first = min(m.at_s for m in moves if m.deed == "opened" and m.stage == 1)
    assert first > 45, "nothing opened while the cut stood"
    assert set(said) == {
        *(f"{stage} {side}" for stage in ("50 %", "100 %") for side in ("north", "south")),
        "holds north", "holds south",
    }  # fmt: skip
    assert said["100 % north"].endswith("seen by 3 of 3")
    assert f"{first:.1f} s" in {said[f"100 % {side}"].split(",")[0] for side in ("north", "south")}
    assert said["holds north"] == "it counts itself partitioned (3 boxes)"
    assert "river from 5.0 to 45.0 s" in page.said
    (story,) = one.recording.rollouts.stories.values()
    assert all(5 < each.from_s < each.to_s < 50 for each in story.held)


def test_a_halt_is_shown_with_who_ran_what_until_then():
    one, moves = played(HALT)
    page = Page(render_report([one]))
    said = rows(page)
    assert said["stopped south"] == "halted (3 boxes)"
    back = [move for move in moves if move.deed == "swapped" and move.situation is None]
    assert back, "somebody ran it and went back"
    for move in back:
        (line,) = (text for text in page.texts if text.startswith(f"{move.who} ran delivered from")
                   and text.endswith(f" to {one.recording.end_s:.1f} s"))  # fmt: skip
        assert f"from {move.at_s:.1f} " in line
        assert f"{move.who} ran v3 from" in page.said
    assert page.count("rect", "stop") == 2
    assert page.count("rect", "wait") == 0, "it continues"


def test_without_a_rollout_there_is_no_word_of_one():
    story = scenario("run: 2s", "Convergence")
    recording = Recording(story.name, story.steps)
    page = Page(render_report([Played(run_scenario(story, watch=recording.watch), recording)]))
    assert "Rollout" not in page.said
    assert "Who ran what" not in page.said


_times = st.lists(st.floats(0, 1000), min_size=0, max_size=8).map(sorted)


@given(st.lists(st.tuples(st.sampled_from(["10 %", *HOSTILE]), _times), max_size=5))
def test_no_bar_of_a_timeline_leaves_it(drawn: list[tuple[str, list[float]]]):
    found = [
        Row(name, name, list(zip(times[::2], times[1::2], strict=False))) for name, times in drawn
    ]
    svg = timeline(found, 1000.0, title="t", shades=[("cut", 0.0, 1000.0)])
    page = Page(f"<html><body>{svg}</body></html>")
    bars = [bar for bar in svg.split("<rect")[1:] if 'class="bar"' in bar]
    assert len(bars) == sum(len(row.spans) for row in found)
    assert page.count("text", "axis never") == sum(not row.spans for row in found)
    for bar in bars:
        x, width = (float(bar.split(f'{field}="')[1].split('"')[0]) for field in (" x", "width"))
        assert x >= 0
        assert x + width <= WIDTH


def test_sides_are_told_apart_by_the_cuts_they_are_in():
    north, south = frozenset({"north/box-1", "north/box-2"}), frozenset({"south/box-3"})
    everybody = north | south
    assert sides_of([], everybody) == [("", everybody)]
    river = Band("river", 0.0, 1.0, north)
    assert sides_of([river], everybody) == [("north", north), ("south", south)]
    one = Band("one", 0.0, 1.0, frozenset({"north/box-1"}))
    assert [name for name, _ in sides_of([one], north)] == ["one", "elsewhere"]
    many = [Band(f"{n}", 0.0, 1.0, frozenset({f"north/box-{n}"})) for n in range(9)]
    assert sides_of(many, {f"north/box-{n}" for n in range(9)})[0][0] == ""
