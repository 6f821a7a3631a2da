"""What the nemesis draws: sound scenarios, all kinds of them, in whose end all is mended."""

import random
from collections import Counter

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from mesh.files.durations import milliseconds
from mesh.mind.syncing import Syncing
from mesh.testing.chance.nemesis import DEEDS, FAULTS, chaos, drawn_text, swarm
from mesh.testing.fleets.town import banks, held_by, replaced
from mesh.testing.scenarios.deeds import select
from mesh.testing.scenarios.runner import run_scenario
from mesh.testing.scenarios.scenario import Scenario
from mesh.testing.strategies import faults, scenarios, topologies, workloads

SEEDS = st.integers(0, (1 << 32) - 1)
KINDS = (*FAULTS, *DEEDS)
PEOPLE = ("centre", "north/steward", "south/steward")


def listed(who: object) -> list[str]:
    return [who] if isinstance(who, str) else list(who)


def bare(who: list[str]) -> list[str]:
    return sorted({held_by(name) for name in who})


def unmended(scenario: Scenario) -> Counter[str]:
    """What is broken at the end of a scenario, by name: its cuts, who is down, whose disk is full.

    What was replaced stays replaced, and who lies goes on lying.
    """
    broken = Counter[str]()
    for step in scenario.steps:
        deed = step.deed
        if step.verb in {"cut", "cut_one_way", "blackhole"}:
            broken[deed.label] += 1
        elif step.verb == "heal":
            broken[deed] -= 1
        elif step.verb in {"crash", "power_cut"}:
            broken.update(listed(deed if step.verb == "crash" else deed.who))
        elif step.verb == "restart":
            broken.subtract(listed(deed))
        elif step.verb == "disk" and deed.full is not None:
            broken.update({f"disk of {name}": 1 if deed.full else -1 for name in bare(deed.who)})
    return +broken + -broken


FAULTY = ("full disks", "slow disks", "slow boxes", "drifting clocks", "swaps")
WELL = {
    "disk": lambda deed: deed.full is False or deed.sync_ms == 2,
    "slow": lambda deed: deed.factor == 1,
    "clock": lambda deed: deed.drift_ppm == 0,
}


@settings(max_examples=15)
@given(SEEDS)
def test_what_is_mended_are_the_machines_that_broke_and_no_others(seed: int):
    """With more than ten boxes one name begins with another: box-1 and box-10."""
    names = [*PEOPLE, *(name for bank in banks(25).values() for name in bank)]
    machines = {name: (name, 1) for name in names}
    broken: list[tuple[str, set[tuple[str, int]]]] = []
    for step in chaos(nodes=25, hours=0.5, seed=seed, kinds=FAULTY).steps:
        deed = step.deed
        if step.verb == "swap_hardware":
            machines[replaced(deed.name, 1)] = machines[deed.name]
            machines[deed.name] = (deed.name, 2)
        elif step.verb in WELL:
            meant = {machines[name] for name in select(deed.who, machines)}
            if not WELL[step.verb](deed):
                broken.append((step.verb, meant))
                continue
            assert any(
                verb == step.verb and those <= meant and dict(those).keys() == dict(meant).keys()
                for verb, those in broken
            ), deed


def lasts_s(scenario: Scenario) -> float:
    runs = [step.run for step in scenario.steps if str(step.run).endswith("ms")]
    return sum(milliseconds(run) for run in runs) / 1000


@given(SEEDS, st.integers(1, 12), st.sampled_from([0.01, 0.05, 0.5, 2.0]))
def test_in_the_end_all_is_mended(seed: int, nodes: int, hours: float):
    scenario = chaos(nodes=nodes, hours=hours, seed=seed)
    assert not unmended(scenario)
    assert [step.verb for step in scenario.steps[-2:]] == ["run", "settle"]
    assert lasts_s(scenario) <= hours * 3600 + 61
    assert (scenario.fleet.boxes, scenario.seed) == (nodes, seed)


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(KINDS))
def test_a_day_of_one_kind_is_a_scenario(seed: int, kind: str):
    """Many steps fit into no file, and a quiet morning into no step: both are cut."""
    scenario = chaos(nodes=2, hours=24, seed=seed, kinds=[kind])
    assert not unmended(scenario)
    assert lasts_s(scenario) <= 24 * 3600 + 61


@given(SEEDS)
def test_who_floods_lies_in_a_cheaper_way_after_a_few_seconds(seed: int):
    scenario = chaos(nodes=4, hours=0.2, seed=seed, kinds=["floods"])
    now_s = 0.0
    turned: dict[str, list[tuple[float, str]]] = {}
    for step in scenario.steps:
        now_s += milliseconds(step.run) / 1000 if step.verb == "run" else 0
        if step.verb == "turn":
            turned.setdefault(step.deed.name, []).append((now_s, step.deed.behaviour))
    assert turned
    for (began_s, first), (ended_s, then) in turned.values():
        assert first == "flood" != then
        assert 0.999 <= ended_s - began_s <= 3.001


@given(SEEDS)
def test_a_seed_gives_one_scenario_and_its_swarm_is_told(seed: int):
    text = drawn_text(nodes=4, hours=0.05, seed=seed)
    assert text == drawn_text(nodes=4, hours=0.05, seed=seed)
    assert text != drawn_text(nodes=4, hours=0.05, seed=(seed + 1) % (1 << 32))
    told = ", ".join(swarm(random.Random(f"chaos/{seed}")))
    assert chaos(seed=seed).why == f"Drawn by chance, seed {seed}. The swarm: {told}."


def test_each_kind_is_drawn_and_left_out():
    drawn = Counter(kind for seed in range(200) for kind in swarm(random.Random(seed)))
    assert set(drawn) == set(KINDS)
    assert all(70 < count < 130 for count in drawn.values()), drawn


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_by_itself_can_be_played_and_breaks_nothing(kind: str):
    scenario = chaos(nodes=3, hours=0.015, seed=1, kinds=[kind])
    assert len(scenario.steps) > 6, f"{kind} did nothing"
    result = run_scenario(scenario)
    assert result.word != "broken", result.sentences


def test_it_finds_a_bug(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Syncing, "receive", lambda *_: None)  # nobody asks for what it lacks
    result = run_scenario(chaos(nodes=2, hours=0.05, seed=1, kinds=["cuts", "registers"]))
    assert result.word == "broken"
    assert result.invariants["Convergence"].word == "broken"


# ----------------------------------------------------------------------------- with hypothesis


@given(scenarios())
def test_drawn_ones_are_sound_and_mended(scenario: Scenario):
    assert not unmended(scenario)


@given(topologies(boxes_max=3), faults(), workloads())
def test_what_they_are_made_of_is_known(fleet, drawn, done):
    assert 2 <= fleet.boxes <= 3
    assert drawn <= set(FAULTS)
    assert done <= set(DEEDS)


def test_they_shrink_to_what_matters():
    def has_crash(scenario: Scenario) -> bool:
        return any(step.verb == "crash" for step in scenario.steps)

    quick = settings(database=None, derandomize=True, max_examples=60)
    small = find(
        scenarios(boxes_max=3, minutes_max=1, among=["crashes", "cuts", "registers"]),
        has_crash,
        settings=quick,
    )
    assert "crashes" in small.why
    assert (small.fleet.boxes, small.seed) == (2, 0)
    assert lasts_s(small) <= 60 + 61, "a minute, and an episode that begins in it"


@settings(max_examples=3)
@given(scenarios(boxes_max=3, minutes_max=1, among=["crashes", "cuts", "registers"]))
def test_drawn_ones_can_be_played(scenario: Scenario):
    assert run_scenario(scenario).word != "broken"


@given(scenarios(boxes_max=3, minutes_max=1, among=["cuts"]))
@settings(max_examples=5)
def test_what_nobody_may_do_is_not_drawn(scenario: Scenario):
    assert "registers" not in scenario.why


@pytest.mark.parametrize("drawn", [faults, workloads, lambda among: scenarios(among=among)])
def test_what_cannot_happen_is_refused_by_its_name(drawn):
    with pytest.raises(ValueError, match="'crash' does not happen here: expected"):
        find(drawn(["crash"]), lambda _: True)
