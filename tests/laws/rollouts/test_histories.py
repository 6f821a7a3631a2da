"""The histories of docs/rollouts.md, each on a city whose every step the oracle judges."""

import pytest

from mesh.orchestration.command import Verb
from mesh.orchestration.intent import Gate, Stage
from tests.laws.rollouts.city import City
from tests.laws.rollouts.world import DELIVERED, GATE, Revoked, digest_of, model

HOUR_MS = 3_600_000


def complete(city: City, intent) -> None:
    for _ in range(4):
        city.settle(ms=2000)
    assert city.who_runs(intent) == set(city.listed), city.explain(city.listed[0], intent)


def test_a_good_model_reaches_everybody_stage_by_stage():
    city = City(12)
    intent = city.apply(city.listed[0], "x")
    city.settle()
    assert city.who_runs(intent) == set(city.first(intent))
    assert city.explain(city.listed[0], intent).why == ("stage 0 passes and soaks",)
    city.settle(ms=1000)
    assert city.who_runs(intent) == set(city.first(intent, 1))
    city.settle(ms=1000)
    assert city.who_runs(intent) == set(city.listed)
    assert city.explain(city.listed[0], intent).state == "complete"
    city.settle(ms=HOUR_MS)
    assert all(len(box.swaps) == 1 for box in city.boxes.values())


@pytest.fixture
def halted():
    """A city whose model fails in one box of the first stage, which rolled it back."""
    city = City(12)
    probe = city.apply(city.listed[0], "x")
    sick = city.first(probe)[1]
    city.fates = {probe.artefact: {sick: "fails"}}
    city.settle()
    assert city.halts_signed >= 1
    assert not city.who_runs(probe)
    assert city.fold(city.listed[3]).by_id[probe.id].dead == "halted"
    return city, probe, sick


def test_halt_repair_resume_and_the_same_kept_report_never_halts_again(halted):
    city, intent, _ = halted
    signed = city.halts_signed
    city.fates = {}
    city.settle(ms=HOUR_MS)
    assert not city.who_runs(intent), "nothing starts without a resume"
    city.order(city.listed[0], Verb.RESUME, intent)
    city.settle()
    assert city.who_runs(intent) == set(city.first(intent)), "anew from the first stage"
    complete(city, intent)
    assert city.halts_signed == signed


def test_a_box_dark_since_before_the_resume_brings_an_old_halt_and_nothing_happens(halted):
    city, intent, sick = halted
    dark = next(name for name in city.listed if name != sick and name not in city.first(intent))
    held = dict(city.boxes[dark].records)
    city.kill(dark)
    city.fates = {}
    city.order(city.listed[0] if city.listed[0] != dark else city.listed[1], Verb.RESUME, intent)
    for _ in range(4):
        city.settle(ms=2000)
    running = city.who_runs(intent)
    assert running == set(city.listed) - {dark}
    city.boxes[dark].records = held
    city.start(dark)
    city.sync()
    city.settle(ms=2000)
    assert city.who_runs(intent) == set(city.listed)
    assert all(len(city.boxes[name].swaps) <= 3 for name in city.listed)


def test_a_halt_under_pause_freezes_and_rolls_nobody_back():
    city = City(12)
    intent = city.apply(city.listed[0], "x", on_failure="pause")
    sick = city.first(intent)[1]
    city.fates = {intent.artefact: {sick: "fails"}}
    city.settle()
    city.settle(ms=HOUR_MS)
    assert city.who_runs(intent) == {city.first(intent)[0]}
    assert city.fold(city.listed[0]).by_id[intent.id].obstacle == "halted: pause, until a resume"
    city.fates = {}
    city.order(city.listed[0], Verb.RESUME, intent)
    complete(city, intent)


def test_a_model_that_kills_silently_runs_in_the_first_stage_at_most():
    city = City(20)
    intent = city.apply(city.listed[0], "x")
    city.fates = {intent.artefact: dict.fromkeys(city.listed, "kills")}
    for _ in range(6):
        city.settle(ms=HOUR_MS)
    assert city.who_runs(intent) <= set(city.first(intent))
    assert not city.halts_signed, "a silence proves nothing, it only holds"


@pytest.mark.parametrize("gone", ["die", "revoked"])
def test_without_the_boxes_of_the_first_stage_nothing_opens(gone: str):
    city = City(20)
    intent = city.apply(city.listed[0], "x")
    city.settle()
    first = city.first(intent)
    for name in first:
        if gone == "die":
            city.kill(name)
        else:
            teller = next(name for name in city.listed if name not in first)
            city.say(teller, Revoked(city.boxes[name].pair))
    for _ in range(4):
        city.settle(ms=HOUR_MS)
    assert city.who_runs(intent) <= set(first)
    survivor = next(name for name in city.listed if name not in first)
    city.order(survivor, Verb.PROMOTE, intent, stage=1)
    city.settle()
    assert set(city.first(intent, 1)) - set(first) <= city.who_runs(intent)


def test_a_first_stage_on_one_bank_and_a_cut_in_halves_hold():
    city = City(12)
    intent = city.apply(city.listed[0], "x")
    city.settle()
    first = city.first(intent)
    other = [name for name in city.listed if name not in first]
    west = [*first, *other[:4]]
    city.split(west, other[4:])
    for _ in range(3):
        city.settle(ms=HOUR_MS)
    assert city.who_runs(intent) == set(first)
    told = city.explain(west[0], intent)
    assert any("partitioned" in why for why in told.why)
    city.heal()
    city.sync()
    complete(city, intent)


def test_an_intent_signed_inside_a_cut_starts_nothing_under_hold():
    city = City(12)
    west, east = city.listed[:6], city.listed[6:]
    city.split(west, east)
    intent = city.apply(west[0], "x")
    for _ in range(3):
        city.settle(ms=HOUR_MS)
    assert not city.who_runs(intent)
    assert city.cut_while_open is False
    city.heal()
    city.sync()
    complete(city, intent)


def test_continue_goes_on_inside_a_cut_but_never_on_fewer_than_three_reports():
    city = City(30)
    stages = (Stage(200_000, 1000), Stage(1_000_000))
    west = city.listed[:20]
    city.split(west, city.listed[20:])
    intent = city.apply(west[0], "x", on_partition="continue", stages=stages)
    city.settle()
    mine = set(city.first(intent)) & set(west)
    assert city.who_runs(intent) == mine
    city.settle(ms=2000)
    assert (city.who_runs(intent) == set(west)) == (len(mine) >= 3)


def test_a_bank_fades_box_by_box_and_at_most_one_side_goes_on():
    city = City(12)
    intent = city.apply(city.listed[0], "x")
    city.settle()
    west = list(city.listed)
    east: list[str] = []
    for _ in range(7):
        east.append(west.pop())
        city.split(west, east)
        city.settle()
    for _ in range(3):
        city.settle(ms=HOUR_MS)
    opened = city.tops(intent)
    assert not (any(opened[n] > 0 for n in west) and any(opened[n] > 0 for n in east))


def test_a_soak_that_ends_inside_the_cut_opens_nothing_before_the_sync():
    city = City(12)
    intent = city.apply(city.listed[0], "x")
    city.settle()
    first = city.first(intent)
    city.split(city.listed[:6], city.listed[6:])
    city.settle(ms=HOUR_MS)
    city.heal()
    city.settle()
    assert max(city.tops(intent).values()) == 0, "the soak of before the cut does not count"
    city.settle(ms=HOUR_MS)
    unsynced = [name for name, box in city.boxes.items() if not city.sight(box).whole]
    assert len(unsynced) == 8, "two on each side of both bridges"
    assert not any(city.tops(intent)[name] for name in unsynced)
    teller = next(iter(unsynced))
    assert "one whole sync with each" in city.explain(teller, intent).needs
    city.sync()
    city.round()
    assert min(city.tops(intent).values()) == 1, "the soak ran since the links healed"
    assert set(first) <= city.who_runs(intent)


def test_a_soak_begins_anew_when_the_partition_ends():
    city = City(12)
    intent = city.apply(city.listed[0], "x", on_partition="continue")
    city.settle()
    city.split(city.listed[:6], city.listed[6:])
    city.settle(ms=900)
    city.heal()
    city.sync()
    city.round(2)
    city.round(2, wait_ms=400)
    assert max(city.tops(intent).values()) <= 0
    city.round(wait_ms=300)
    assert max(city.tops(intent).values()) == 1


def test_of_two_intents_that_do_not_name_each_other_no_box_swaps_twice():
    city = City(12)
    one = city.apply(city.listed[0], "x", names_heads=False)
    two = city.apply(city.listed[5], "y", names_heads=False)
    city.round(2)
    swapped = {name: list(box.swaps) for name, box in city.boxes.items()}
    for _ in range(3):
        city.settle(ms=HOUR_MS)
    assert {name: box.swaps for name, box in city.boxes.items()} == swapped
    assert "contends" in city.explain(city.listed[0], one).state
    city.order(city.listed[0], Verb.ABORT, two)
    complete(city, one)


def test_x_then_y_y_halted_x_aborted_and_back_to_the_last_approved():
    city = City(6)
    x = city.apply(city.listed[0], "x")
    complete(city, x)
    y = city.apply(city.listed[0], "y")
    assert y.supersedes == (x.id,)
    sick = city.first(y)[0]
    city.settle()
    assert city.who_runs(y) == set(city.first(y))
    city.lie(sick, y)
    city.round()
    city.order(city.listed[2], Verb.ABORT, x)
    city.settle()
    assert set(city.running().values()) == {DELIVERED}


def test_y_halted_alone_goes_back_to_x():
    city = City(6)
    x = city.apply(city.listed[0], "x")
    complete(city, x)
    y = city.apply(city.listed[0], "y")
    city.settle()
    city.lie(city.first(y)[0], y)
    city.settle()
    assert set(city.running().values()) == {x.artefact}
    assert not city.fold(city.listed[0]).by_id[x.id].superseded_by, "the dead supersede nothing"


def test_an_approved_model_is_gone_back_to_though_its_intent_is_dead():
    city = City(4)
    x = city.apply(city.listed[0], "x")
    complete(city, x)
    y = city.apply(city.listed[0], "y")
    complete(city, y)
    city.say(city.listed[0], model(x.artefact, "approved", 1))
    city.order(city.listed[0], Verb.UNDO, x)
    city.order(city.listed[0], Verb.UNDO, y)
    city.settle()
    assert set(city.running().values()) == {x.artefact}


def test_a_withdrawn_model_is_left_and_never_gone_back_to():
    city = City(4)
    x = city.apply(city.listed[0], "x")
    complete(city, x)
    y = city.apply(city.listed[0], "y")
    complete(city, y)
    city.say(city.listed[0], model(x.artefact, "withdrawn", 1))
    city.say(city.listed[0], model(y.artefact, "withdrawn", 1))
    city.settle()
    assert set(city.running().values()) == {DELIVERED}


def test_after_a_liars_halt_and_its_revocation_everybody_holds_until_a_resume():
    city = City(12)
    intent = city.apply(city.listed[0], "x")
    city.settle()
    liar = city.first(intent)[1]
    dark = city.first(intent)[0]
    city.kill(dark)
    city.lie(liar, intent)
    city.settle()
    assert city.who_runs(intent) == {dark}
    teller = next(name for name in city.listed if name not in (liar, dark))
    city.say(teller, Revoked(city.boxes[liar].pair))
    city.settle(ms=HOUR_MS)
    city.start(dark)
    city.sync()
    for _ in range(3):
        city.settle(ms=HOUR_MS)
    assert city.who_runs(intent) <= {dark}, "revoking the culprit is not a resume"
    assert city.fold(teller).by_id[intent.id].holds
    city.order(teller, Verb.RESUME, intent)
    for _ in range(4):
        city.settle(ms=2000)
    assert set(city.listed) - {liar} <= city.who_runs(intent), "nobody is split off"


def test_beside_one_dead_box_a_city_goes_on_and_beside_two_adjacent_ones_it_says_why_not():
    city = City(12)
    intent = city.apply(city.listed[0], "x", stages=(Stage(1_000_000, 1000),))
    del intent
    city = City(14, None)
    stages = (Stage(500_000, 1000), Stage(1_000_000))
    intent = city.apply(city.listed[0], "x", stages=stages, gate=Gate(
        min_reports_ppm=1_000_000, success_ppm=990_000))  # fmt: skip
    city.settle()
    place = {name: number for number, name in enumerate(city.listed)}
    dead = city.first(intent)[0]
    city.kill(dead)
    city.fates = {}
    beside = city.listed[(place[dead] + 1) % 14]
    city.settle()
    teller = city.listed[(place[dead] + 7) % 14]
    assert city.explain(teller, intent).stages[0].dark == 1
    city.kill(beside)
    city.settle()
    told = city.explain(teller, intent)
    assert told.stages[1].unknown == 2
    city.say(teller, Revoked(city.boxes[dead].pair))
    city.say(teller, Revoked(city.boxes[beside].pair))
    for _ in range(3):
        city.settle(ms=2000)
    assert city.who_runs(intent) >= set(city.listed) - {dead, beside}


def test_applied_again_with_edited_yaml_the_same_boxes_run_it():
    city = City(20)
    one = city.apply(city.listed[0], "x")
    city.settle()
    running = city.who_runs(one)
    two = city.apply(city.listed[0], "x", gate=GATE, stages=(Stage(100_000, 5000), Stage(400_000)))
    city.settle()
    assert city.who_runs(two) == running
    assert all(len(box.swaps) <= 1 for box in city.boxes.values())


@pytest.fixture
def approved():
    """A city that runs a model which a person approved; its reports are taken out everywhere."""
    city = City(12)
    intent = city.apply(city.listed[0], "x")
    complete(city, intent)
    city.say(city.listed[0], model(intent.artefact, "approved", 1))
    city.settle()
    city.snapshot()
    city.settle()
    assert not city.fold(city.listed[0]).by_id[intent.id].reports
    assert city.explain(city.listed[0], intent).state == "complete"
    return city, intent


@pytest.mark.parametrize("fate", ["fails", "slow"])
def test_new_hardware_on_which_an_approved_model_is_bad_sends_nobody_back(fate: str):
    city = City(12)
    gate = Gate(min_reports_ppm=900_000, success_ppm=990_000, p95_us_max=40_000)
    intent = city.apply(city.listed[0], "x", gate=gate)
    complete(city, intent)
    city.say(city.listed[0], model(intent.artefact, "approved", 1))
    city.settle()
    sick = city.first(intent)[0]
    city.renew(sick, intent, fate)
    city.sync()
    for _ in range(3):
        city.settle(ms=HOUR_MS)
        city.snapshot()
    assert not city.halts_signed, "a person answered the gate"
    gone = {sick} if fate == "fails" else set()
    assert city.who_runs(intent) == set(city.listed) - gone, "it goes back alone"
    assert city.running()[sick] == (DELIVERED if gone else intent.artefact)
    told = city.fold(city.listed[7]).by_id[intent.id].reports
    assert set(told) == {sick}, "what stands against it stays to be read"
    city.fates = {}
    city.order(city.listed[0], Verb.RESUME, intent)
    city.settle()
    city.snapshot()
    city.settle()
    assert city.who_runs(intent) == set(city.listed), "forgiven, it starts again"
    assert not city.fold(city.listed[7]).by_id[intent.id].reports


@pytest.mark.parametrize("where", ["among others", "in a cut", "alone"])
def test_new_hardware_of_the_last_stage_starts_what_is_approved(approved, where: str):
    city, intent = approved
    late = next(name for name in city.listed if name not in city.first(intent, 1))
    if where != "among others":
        with_it = [late] if where == "alone" else [late, *sorted(city.neighbours[late])]
        city.split([name for name in city.listed if name not in with_it], with_it)
    city.renew(late, intent, "good")
    city.round()
    assert city.boxes[late].goal.artefact == intent.artefact, "it prepares before any sync"
    city.sync()
    city.settle()
    assert city.running()[late] == intent.artefact, "and asks no gate"
    assert city.tops(intent)[late] < 2, "nothing is latched: it is open while the record counts"


def test_what_holds_a_candidate_holds_an_approved_model_too(approved):
    city, intent = approved
    late = next(name for name in city.listed if name not in city.first(intent, 1))
    city.order(city.listed[0], Verb.PAUSE, intent)
    city.settle()
    city.renew(late, intent, "good")
    city.sync()
    city.settle(ms=HOUR_MS)
    assert city.running()[late] == DELIVERED, "a pause is lifted by a resume alone"
    city.order(city.listed[0], Verb.RESUME, intent)
    city.settle()
    assert city.who_runs(intent) == set(city.listed)
    city.order(city.listed[0], Verb.UNDO, intent)
    city.settle()
    assert not city.who_runs(intent)


def test_a_halt_that_counts_is_not_forgiven_by_an_approval(halted):
    city, intent, _ = halted
    city.fates = {}
    city.say(city.listed[0], model(intent.artefact, "approved", 1))
    for _ in range(3):
        city.settle(ms=HOUR_MS)
    assert not city.who_runs(intent), "a halt is checked from itself alone"
    assert city.fold(city.listed[3]).by_id[intent.id].dead == "halted"
    city.order(city.listed[0], Verb.RESUME, intent)
    city.settle()
    assert city.who_runs(intent) == set(city.listed), "and then no stage waits for a gate"


def test_boxes_enrolled_later_start_with_the_last_stage():
    city = City(6, late=2)
    intent = city.apply(city.listed[0], "x")
    late = set(city.boxes) - set(city.listed)
    city.settle(ms=1000)
    assert not late & city.who_runs(intent)
    for _ in range(3):
        city.settle(ms=2000)
    assert late <= city.who_runs(intent)


def test_pause_freezes_promote_lifts_nothing_and_abort_is_final():
    city = City(12)
    intent = city.apply(city.listed[0], "x")
    city.settle()
    first = city.who_runs(intent)
    city.order(city.listed[0], Verb.PAUSE, intent)
    city.order(city.listed[0], Verb.PROMOTE, intent, stage=2)
    city.settle(ms=HOUR_MS)
    assert city.who_runs(intent) == first, "freeze is not rollback, promote lifts no pause"
    city.order(city.listed[0], Verb.RESUME, intent)
    city.settle()
    assert city.who_runs(intent) == set(city.listed), "promoted without gate"
    city.order(city.listed[0], Verb.ABORT, intent)
    city.settle()
    city.order(city.listed[0], Verb.RESUME, intent)
    city.settle(ms=HOUR_MS)
    assert set(city.running().values()) == {DELIVERED}


def test_what_waits_is_no_failure_and_is_tried_again():
    city = City(8)
    artefact = digest_of("x")
    city.fates = {artefact: dict.fromkeys(city.listed, "waits")}
    intent = city.apply(city.listed[0], "x")
    city.settle(ms=HOUR_MS)
    assert not city.who_runs(intent)
    assert not city.halts_signed
    assert city.explain(city.listed[0], intent).stages[0].held == 2
    city.fates = {}
    complete(city, intent)


def test_a_crash_between_the_report_and_the_swap_recovers():
    city = City(8)
    intent = city.apply(city.listed[0], "x")
    first = city.first(intent)[0]
    for _ in range(3):
        city.round()
        city.kill(first)
        city.start(first)
        city.sync()
    complete(city, intent)
    assert len(city.boxes[first].swaps) == 1
