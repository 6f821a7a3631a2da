"""The page of a failed test: what was done is on it, and looking on changes nothing."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mesh.testing.fleets.adversaries import Behaviour
from mesh.testing.fleets.fleet import Fleet
from mesh.testing.report import fleet_watch, recording
from mesh.testing.report.bands import bands
from mesh.testing.report.failure import Failure, render_failure
from mesh.testing.report.fleet_watch import FleetWatch
from mesh.testing.report.page_files import NAME_MAX, file_name
from mesh.testing.report.recording import Recording
from tests.unit.pages.reading import HOSTILE, Page
from tests.unit.testing.sessions import session

FAILS = """
    import pytest

    @pytest.mark.fleet(boxes=4)
    @pytest.mark.parametrize("place", ["a/b", "a b"])
    def test_own(fleet, place, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        fleet.listen_everywhere()
        fleet.run(seconds=8)
        with fleet.partition(*fleet.split("river")):
            fleet.publish("south/box-2")
            fleet.run(seconds=12)
            fleet.revoke("south/box-3", reason="stolen")
            fleet.crash("north/box-0")
            fleet.run(seconds=4)
        print(f"trace {fleet.trace}")
        assert False, "it <fails>"

    @pytest.mark.fleet(boxes=1)
    def test_well(fleet):
        fleet.run(seconds=1)
    """


def quarrel(fleet: Fleet) -> None:
    """Cuts of every kind, crashes, lost power, a swap, an own fact, events all the while."""
    with fleet.partition(*fleet.split("river")):
        fleet.publish("north/box-0")
        fleet.revoke("south/box-2", reason="stolen")
        fleet.crash("north/box-1")
        fleet.run(seconds=12)
    fleet.restart("north/box-1")
    fleet.cut_one_way("deaf", ["centre"], "south/steward")
    fleet.power_cut("south/box-3")
    fleet.centre.put("own", 1)
    fleet.swap_hardware("north/box-0", by="north/steward")
    fleet.run(seconds=13)
    fleet.heal()
    fleet.restart("south/box-3")
    fleet.publish("north/box-0")
    fleet.settle()


def rollout(fleet: Fleet) -> None:
    fleet.deliver()
    fleet.release("quick")
    fleet.run(seconds=2)
    fleet.apply("quick")
    fleet.run(seconds=40)


def lies(behaviour: Behaviour) -> Callable[[Fleet], None]:
    def told(fleet: Fleet) -> None:
        fleet.turn("north/box-0", behaviour)
        for name in ("north/box-0", "north/box-1", "south/box-2"):
            fleet.publish(name)
            fleet.centre.put(f"said/{name}", 1)
            fleet.run(seconds=4)

    return told


STORIES = {
    "quarrel": quarrel,
    "rollout": rollout,
    **{each.value: lies(each) for each in (Behaviour.FORGE, Behaviour.EQUIVOCATE, Behaviour.FLOOD)},
}


def played(
    story: Callable[[Fleet], None], *, is_watched: bool, seed: int = 3
) -> tuple[Fleet, FleetWatch | None]:
    fleet = Fleet(boxes=4, seed=seed, loss=0.05)
    watch = FleetWatch(fleet, "story") if is_watched else None
    fleet.stand()
    fleet.listen_everywhere()
    fleet.run(seconds=6)
    story(fleet)
    return fleet, watch


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_who_looks_on_changes_nothing(story: Callable[[Fleet], None]):
    alone, _ = played(story, is_watched=False)
    watched, watch = played(story, is_watched=True)
    assert watch is not None
    seen = watch.finish()
    assert (alone.trace, alone.now_ns) == (watched.trace, watched.now_ns)
    assert list(alone.journal) == list(watched.journal)
    assert seen.heard_count == len(watched.deliveries)
    spans = [span for line in seen.lines.values() for span in line]
    assert spans
    assert all(0 <= seen.begin_s <= span.from_s <= span.to_s <= seen.end_s for span in spans)
    failure = Failure("story", "it failed", "pytest story", seen, watched.refusals())
    assert "it failed" in Page(render_failure(failure)).said


@pytest.fixture(scope="module")
def quarrelled() -> Recording:
    _, watch = played(quarrel, is_watched=True)
    assert watch is not None
    return watch.finish()


def test_cuts_last_from_their_verb_to_their_end(quarrelled: Recording):
    found = {band.label: band for band in bands(quarrelled)}
    done = {deed.words: deed.at_s for deed in quarrelled.deeds}
    partition, deaf = found["partition 1"], found["deaf"]
    north = {"north/steward", "north/box-0", "north/box-1"}
    assert north <= partition.names
    assert not {"centre", "south/box-2"} & partition.names
    assert partition.from_s == done["centre revokes south/box-2: stolen"]
    assert (partition.to_s, deaf.from_s) == (done["healed partition 1"],) * 2
    assert (deaf.names, deaf.to_s) == ({"south/steward"}, done["healed all cuts"])


def test_everything_that_was_done_is_told_in_its_order(quarrelled: Recording):
    words = [deed.words for deed in quarrelled.deeds]
    spoken = [at for at, each in enumerate(words) if each.startswith("north/box-0 publishes")]
    cut = next(at for at, each in enumerate(words) if each.startswith("partition 1: "))
    stolen, healed = (
        words.index("centre revokes south/box-2: stolen"),
        words.index("healed all cuts"),
    )
    assert cut < spoken[0] < stolen < healed < spoken[1]
    assert "centre writes a fact: put" in words
    assert "south/box-3 loses its power" in words
    assert sum("revoke" in each for each in words) == 1
    assert [deed.number for deed in quarrelled.deeds] == list(range(1, len(words) + 1))
    assert {f"{spread.fact.entry.kind}" for spread in quarrelled.spreads} >= {"revoke", "grant"}


def test_what_is_never_healed_is_cut_off_to_the_end():
    fleet = Fleet(boxes=1)
    watch = FleetWatch(fleet, "late")
    fleet.stand()
    fleet.cut("late", "centre")
    began_s = fleet.now_s
    fleet.run(seconds=0.5)
    (band,) = watch.finish().cut_off
    assert (band.from_s, band.to_s, band.names) == (began_s, fleet.now_s, {"centre"})


def test_a_long_run_is_looked_at_more_rarely(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fleet_watch, "LOOKS", 10)
    fleet = Fleet(boxes=1)
    watch, looks = FleetWatch(fleet, "long"), []
    monkeypatch.setattr(watch.recording, "watch", looks.append)
    fleet.run(minutes=10)
    assert 30 < len(looks) < 150


def test_the_last_deeds_and_events_are_those_that_are_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fleet_watch, "DEEDS_MAX", 3)
    monkeypatch.setattr(recording, "HEARD_MAX", 4)
    fleet = Fleet(boxes=1)
    watch = FleetWatch(fleet, "many")
    fleet.stand()
    for number in range(5):
        fleet.publish("north/box-0")
        fleet.note(f"note {number}")
        watch.recording.hear("north/box-0", float(number), number + 0.5, "centre")
    kept = watch.finish()
    assert [deed.number for deed in kept.deeds] == [5, 6, 7, 8, 9, 10]
    assert kept.heard[-1].heard_s == 4.5
    assert len(kept.heard) <= 4


def test_a_failed_test_has_a_page_and_a_well_one_has_none(tmp_path: Path):
    folder = tmp_path / "pages" / "new"
    status, told = session(tmp_path, FAILS, "-s", "--mesh-seed=4", "--mesh-report=pages/new")
    assert status == 1
    tests = [f"test_own.py::test_own[{place}]" for place in ("a/b", "a b")]
    assert {path.name for path in folder.iterdir()} == {file_name(test) for test in tests}
    for test in tests:
        assert f"page: {folder / file_name(test)}" in told
    page = Page((folder / file_name(tests[0])).read_text(encoding="utf-8"))
    for said in (
        tests[0], "AssertionError: it <fails>", "pytest 'test_own.py::test_own[a/b]' --mesh-seed 4",
        "Before it failed", "The whole run", "partition 1: cut off from", "north/box-0 dies",
        "centre revokes south/box-3: stolen", "south/box-2 publishes traffic.near_miss;",
        "event: south/box-2 at", "How many views there were", "Deliveries by latency",
        "No event that was refused in this run.", "revoke",
    ):  # fmt: skip
        assert said in page.said, said
    assert page.count("line", "told") > 0
    without = session(tmp_path, FAILS, "-s", "--mesh-seed=4")[1]
    traces = [re.findall(r"trace (\w{64})$", each, re.MULTILINE) for each in (told, without)]
    assert traces[0] == traces[1]
    assert len(traces[0]) >= len(tests)
    assert "page: " not in without


def test_a_fleet_that_does_not_stand_and_refused_events_are_shown(tmp_path: Path):
    own = """
    import mesh
    import pytest

    @mesh.event("parking.space_freed")
    class SpaceFreed:
        spaces: int

    @pytest.fixture
    def after():
        yield
        assert 0, "the second failure"

    @pytest.mark.fleet(boxes=2)
    def test_refused(fleet, after):
        fleet.listen_everywhere(SpaceFreed)
        fleet.run(seconds=10)
        fleet.publish("north/box-0", SpaceFreed(3))
        fleet.run(seconds=2)
        assert 0, "the first failure"

    @pytest.mark.fleet(boxes=2, loss=1.0)
    def test_lost(fleet):
        pass
    """
    status, told = session(tmp_path, own, "--mesh-report", str(tmp_path))
    assert (status, told.count("page: ")) == (1, 3), told
    said = {path.name[:20]: Page(path.read_text("utf-8")).said for path in tmp_path.glob("*.html")}
    assert len(said) == 2
    lost, refused = (said[name] for name in sorted(said))
    assert "the fleet does not stand after 60 virtual seconds" in lost
    assert "not_granted" in refused
    assert ("the first failure" in refused, "the second failure" in refused) == (True, False)


def test_a_live_fleet_has_no_page_and_that_is_told(tmp_path: Path):
    own = """
    import pytest

    @pytest.mark.fleet(boxes=1)
    async def test_own(live_fleet):
        assert 0
    """
    arguments = ("-p", "pytest_trio.plugin", "--mesh-report", "pages")
    _, told = session(tmp_path, own, *arguments)
    assert "no page: --mesh-report shows simulated fleets alone, those of `fleet`" in told
    assert not list((tmp_path / "pages").iterdir())
    bare = session(tmp_path, "def test_own(mesh_seed):\n    assert 0\n", "--mesh-report=pages")[1]
    assert "page" not in bare.partition("again:")[2]


def test_a_folder_that_cannot_be_written_to_is_told_before_any_test_runs(tmp_path: Path):
    status, told = session(tmp_path, FAILS, "--mesh-report", "test_own.py")
    assert (status, "test_own" in told) == (4, True)
    why = "cannot be written to: File exists; expected a folder for pages"
    assert f"--mesh-report {tmp_path / 'test_own.py'} {why}" in told


def test_a_page_that_cannot_be_written_any_more_is_told_beside_the_failure(tmp_path: Path):
    own = """
    import pathlib, pytest

    @pytest.mark.fleet(boxes=1)
    def test_own(fleet):
        pathlib.Path("pages").rmdir()
        assert 0
    """
    status, told = session(tmp_path, own, "--mesh-report", "pages")
    assert (status, "1 failed" in told) == (1, True)
    assert "page: none; " in told
    assert "cannot be written: No such file or directory" in told


def test_names_of_pages_are_fit_for_files_and_never_the_same():
    tests = ["a::b[1/2]", "a::b[1 2]", "a::b[1-2]", "a::B[1-2]", "x" * 999, "y" + "x" * 999]
    names = [file_name(test) for test in (*tests, *HOSTILE[:-4])]
    assert len({name.lower() for name in names}) == len(names)
    assert all(name.replace("-", "").replace("_", "").replace(".", "").isalnum() for name in names)
    assert all(len(name) <= NAME_MAX + 12 for name in names)


def test_no_name_breaks_out_of_the_page():
    for hostile in HOSTILE:
        Page(render_failure(Failure(hostile, hostile, hostile, Recording(hostile), {hostile: 1})))
