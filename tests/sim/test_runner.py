"""The runner: what a result says, and that a scenario in which nothing happened fails."""

import json
from collections import Counter

import pytest

from mesh.testing.checkers import Breach
from mesh.testing.fleets.sight import Sight
from mesh.testing.scenarios.runner import run_scenario, to_json
from tests.sim.playing import play, scenario


class Own:
    """A checker as a user writes it: nobody may be down."""

    subject = 0

    def look(self, sight: Sight):
        for box in sight.boxes:
            self.subject += 1
            if not box.is_up:
                yield Breach(box.name, "it is down")


def test_an_own_checker_is_told_when_and_who():
    found = play(scenario("run: 2s\ncrash: south/box-1\nrun: 2s", "Own"), Own)
    assert found.word == "broken"
    finding = found.invariants["Own"]
    assert (finding.word, finding.at_s, finding.who) == ("broken", 2.0, "south/box-1")
    assert found.sentences == ["Own broken: at 2.0 s, south/box-1: it is down"]


def test_a_scenario_in_which_nothing_happened_is_vacuous():
    quiet = play(scenario("run: 3s", "Own", expect="{seconds_cut: 2, refused: {stale: 1}}"), Own)
    assert (quiet.word, quiet.invariants["Own"].word) == ("vacuous", "held")
    assert quiet.sentences == [
        "expected seconds_cut ≥ 2, there were 0",
        "expected refused.stale ≥ 1, there were 0",
    ]
    assert to_json([quiet])["ok"] is False


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (
            "crash: centre\ncrash: centre",
            "step 2 (crash) at 0.0 s: switch off centre: none of them is up",
        ),
        ("restart: centre", "restart centre: none of them is down"),
        ("restore: {name: centre}", "there is no backup 'backup': taken were none"),
        ("crash: nobody", "nobody is called 'nobody': there are centre, north/steward"),
        ("revoke: {name: nobody}", "nobody is held by nobody: expected one of"),
        ("crash: centre\nput: {key: a, value: 1}", "step 2 (put) at 0.0 s: centre is down"),
        (
            "publish: {who: centre}\nrun: 1s",
            "step 1 (publish) at 0.0 s: centre stands nowhere: only boxes publish",
        ),
        (
            "cut: {side: centre}\nblackhole: {who: south/box-1}\nsettle: 1s",
            "a cut stands: heal 'cut' and 'hole', or run instead of settling",
        ),
        ("crash: north/boks-0", "nobody is called 'north/boks-0': did you mean north/box-0?"),
        ("settle: 5s\nat: 5s\nrun: 1s", ""),
        ("check_runs: {model: v2, boxes: 0}", "nobody released 'v2': there are none"),
        (
            "release: {model: v2}\ncheck_runs: {model: delivered, at_most: 1}",
            "delivered runs on 2 boxes (north/box-0, south/box-1): expected 0 to 1",
        ),
        (
            "release: {model: v2}\ncheck_runs: {model: v2, boxes: 2}",
            "v2 runs on 0 boxes (none): expected 2",
        ),
        (
            "release: {model: v2}\napply: {model: v2, stages: [{percent: 100}], refused: no}",
            "v2 was rolled out: expected a refusal that says 'no'",
        ),
        (
            "release: {model: v2}\npause: {rollout: v2}",
            "step 2 (pause) at 0.0 s: pause v2: no rollout is called 'v2'",
        ),
        (
            "check_trust: {name: centre, current: false}",
            "centre is held by somebody current in the views of centre, north/steward,",
        ),
        (
            'cut: {side: "*"}',
            "step 1 (cut) at 0.0 s: a cut of everybody from nobody: leave somebody",
        ),
        (
            "check_trust: {name: north/boks-0, current: false}",
            "nobody was ever called 'north/boks-0': did you mean north/box-0?",
        ),
        (
            "swap_hardware: {name: north/box-7, by: centre}",
            "step 1 (swap_hardware) at 0.0 s: nobody is called 'north/box-7'",
        ),
        (
            "grant: {name: north/box 7, by: centre}",
            "step 1 (grant) at 0.0 s: 'north/box 7' cannot be a box",
        ),
        ("heal: river", "step 1 (heal) at 0.0 s: no cut is called 'river': none stands"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(steps: str, told: str):
    lines = steps.replace("at: 5s\nrun: 1s", "{at: 5s, run: 1s}")
    found = play(scenario(lines, "Own"), Own)
    if told:
        assert found.word == "broken"
    assert told in found.trouble


def test_what_may_be_refused_is_done_or_refused_and_counted():
    """A plan may refuse it; whatever else is wrong with it breaks the scenario all the same."""
    apply = "apply: {model: v2, stages: [{percent: 100}], by: BY, may_be_refused: true}"
    orders = (
        "undo: {rollout: v2, may_be_refused: true}\npromote: {rollout: v2, may_be_refused: true}"
    )
    steps = f"release: {{model: v2}}\n{apply}\nrun: 30s\ncheck_runs: {{model: v2, boxes: N}}\n"
    for by, boxes, refused in (("centre", 2, 1), ("north/box-0", 0, 3)):
        lines = (steps + orders).replace("BY", by).replace("boxes: N", f"boxes: {boxes}")
        found = play(scenario(lines, "Own"), Own)
        assert not found.trouble
        assert found.counts["refused_by_plan"] == refused
    down = play(scenario(f"crash: centre\n{orders}", "Own"), Own)
    assert down.trouble == "step 2 (undo) at 0.0 s: centre is down: restart it first"


def test_the_time_of_a_step_is_kept():
    times: list[tuple[str, float]] = []

    def watch(sight: Sight) -> None:
        if sight.step:
            times.append((sight.step, round(sight.now_s, 3)))

    steps = "run: 1500ms\n{at: 4s, put: {key: a, value: 1}}\nsettle: 9s\n{at: 20s, run: 1s}"
    found = play(scenario(steps, "Own"), Own, watch=watch)
    assert times == [("run", 1.5), ("put", 4.0), ("settle", 4.1), ("run", 21.0)]
    assert found.virtual_s == 21.0


def test_checkers_look_at_each_second_and_after_each_step():
    looks: Counter[str] = Counter()
    play(scenario("run: 3s\ncrash: centre", "Own"), Own, watch=lambda s: looks.update([s.step]))
    assert looks == {"": 4, "run": 1, "crash": 1}


STORY = scenario(
    """
    publish: {who: "*/box-*", count: 3}
    run: 2s
    crash: south/box-1
    run: 3s
    restart: south/box-1
    run: 20s
    settle: 30s
    """,
    "LivenessAfterHeal",
    expect="{deliveries: 3, crashes: 1, requests: 3, published: 4}",
)


def test_the_same_seed_gives_the_same_run_and_another_another():
    first, again, other = (play(STORY, seed=seed) for seed in (3, 3, 4))
    assert first.word == again.word == other.word == "held"
    assert (first.trace, first.counts) == (again.trace, again.counts)
    assert first.trace != other.trace


def test_what_the_faults_did_is_counted_and_without_them_nothing_is():
    """Each count grows by what a fault does, and not by its being noted."""
    faults = """
        cut: {side: south/box-1}
        run: 13s
        heal: all
        links: {loss: 0.2}
        disk: {who: north/box-0, full: true}
        disk: {who: centre, sync_ms: 5000}
        grant: {name: north/box-8, by: north/steward}
        put: {key: lost, value: 1}
        run: 2s
        power_cut: {who: centre}
        restart: centre
        run: 5s
    """
    found = play(scenario(faults, "NothingLost"))
    counts = found.counts
    assert not found.trouble
    assert (counts["facts"], counts["restarts"]) == (1, 1)
    assert 1 <= counts["unseen_s"] <= counts["seconds_cut"] + 5
    assert min(counts["packets_lost"], counts["writes_refused"], counts["writes_lost"]) > 0
    calm = play(scenario("run: 20s", "NothingLost")).counts
    for count in ("facts", "restarts", "unseen_s", "packets_lost", "writes_refused", "writes_lost"):
        assert calm[count] == 0, count


def test_results_are_written_as_json():
    result = run_scenario(STORY)
    written = json.loads(json.dumps(to_json([result])))
    assert written["ok"] is True
    (row,) = written["scenarios"]
    assert (row["name"], row["verdict"]) == ("short", "held")
    assert row["invariants"] == {"LivenessAfterHeal": "held"}
    assert row["counts"]["crashes"] == 1
    assert row["counts"]["alive_again_s"] < 30
    assert row["trace"] == result.trace
    assert row["seconds"] > 0
    assert to_json([])["ok"] is False, "who ran nothing has shown nothing"
    assert result.speed > 1
