"""From a wish to what is signed: what is filled in, what is refused, what follows in a replica."""

from dataclasses import asdict, replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.entry import Lane
from crdt.standing import Pair
from mesh.orchestration.applying import candidate_key, plan_rollout
from mesh.orchestration.blob_tree import reference_of
from mesh.orchestration.cohort import parse_names
from mesh.orchestration.command import FORGIVEN_MAX, Verb
from mesh.orchestration.commanding import plan_command
from mesh.orchestration.describing import (
    Watch,
    describe_box,
    describe_change,
    describe_rollout,
    list_rollouts,
)
from mesh.orchestration.errors import CannotApplyError, InvalidIntentError
from mesh.orchestration.intent import Stage
from mesh.orchestration.intent_checks import SUPERSEDES_MAX
from mesh.orchestration.releasing import may_release
from mesh.orchestration.report import Metrics, Outcome
from mesh.orchestration.sight import Sight
from mesh.orchestration.standpoint import find_rollout, lists_held, reach
from mesh.orchestration.wish import Wish, parse_wish
from tests.laws.writing import box_of, capability, grant, public, put, revoke
from tests.unit.orchestration.town import BOXES, CODE, Town, digest_of, view_rank, wish


@pytest.fixture
def town() -> Town:
    return Town()


# ------------------------------------------------------------------------------- what is planned


def test_a_plan_lists_the_boxes_and_records_the_candidate_before_the_intent(town: Town):
    plan = town.plan(wish())
    assert plan.names == BOXES[:4], "no steward, no bootstrap peer, no box of the south"
    assert parse_names(plan.listing) == plan.names
    intent = plan.intent
    assert intent.cohort_reference == reference_of(plan.listing)
    assert intent.artefact_reference == reference_of(CODE)
    assert (intent.scope, intent.within, intent.count) == ("city/north", "city/north", 4)
    assert intent.slot == "model/detector"
    (record, value), (key, put_value) = plan.puts
    assert record == candidate_key("model/detector", intent.artefact)
    assert value == {"digest": intent.artefact, "state": "candidate", "events": ["traffic.*"],
                     "area": "*"}  # fmt: skip
    assert key == f"intent/city/north/{intent.id.hex()}"
    assert put_value == intent.to_value()
    assert (plan.before, plan.unchanged) == (None, False)
    rollout = town.apply(wish())
    assert rollout.obstacle is None
    assert str(rollout.model) == "candidate"


def test_a_candidate_speaks_of_what_the_approved_model_speaks_of(town: Town):
    value = {"digest": bytes(32), "state": "approved", "events": ["near.*"], "area": [bytes(8)]}
    cell = bytes.fromhex("0891f8d7a49bffff")
    town.write("centre", put("model/detector", {**value, "area": [cell]}))
    (_, record), _ = town.plan(wish()).puts
    assert (record["events"], record["area"]) == (["near.*"], [cell])


def test_a_candidate_speaks_not_of_what_another_candidate_does(town: Town):
    value = {"digest": bytes(32), "state": "candidate", "events": ["near.*"], "area": "*"}
    town.write("centre", put("model/detector", value))
    (_, record), _ = town.plan(wish()).puts
    assert record["events"] == ["traffic.*"]


def test_who_was_an_approver_records_no_candidate(town: Town):
    role = grant("steward", "approver", 1, 1, [capability("approve", "", events=["*"], area="*")])
    town.fleet.declare(role)
    town.replica.offer_root(town.fleet.statements[-1])
    assert len(town.plan(wish(), "steward").puts) == 2
    town.fleet.declare(revoke("steward", "approver", []))
    town.replica.offer_root(town.fleet.statements[-1])
    with pytest.raises(CannotApplyError, match=r"this key may not put one"):
        town.plan(wish(), "steward")


def test_of_two_that_contend_one_applied_again_takes_the_place_of_both(town: Town):
    plans = [town.plan(wish(title=title)) for title in ("one", "two")]
    for plan in plans:
        for key, value in plan.puts:
            town.write("centre", put(key, value))
        town.lists[plan.intent.cohort] = plan.listing
    ids = {plan.intent.id for plan in plans}
    assert all("contends with" in str(town.view().rollouts.by_id[each].obstacle) for each in ids)
    again = town.apply(wish(title="one"))
    assert again.id not in ids
    assert set(again.intent.supersedes) == ids
    assert again.obstacle is None


def test_what_is_on_record_needs_no_candidate_and_a_steward_rolls_it_out(town: Town):
    with pytest.raises(CannotApplyError, match=r"--name detector/.* --state candidate"):
        town.plan(wish(), "steward")
    key, value = town.plan(wish()).puts[0]
    town.write("centre", put(key, value))
    assert len(town.plan(wish(), "steward").puts) == 1
    assert town.apply(wish(), "steward").obstacle is None


def test_agents_and_configurations_need_no_record_and_name_their_slot(town: Town):
    plan = town.plan(wish(), "steward", kind="agent", name="planner")
    assert plan.intent.slot == "agent/planner"
    assert [key.partition("/")[0] for key, _ in plan.puts] == ["intent"]
    assert town.plan(wish(slot="config/x"), "steward", kind="config").intent.slot == "config/x"


def test_labels_choose_among_the_boxes(town: Town):
    for name, said in ((BOXES[0], {"camera": "true", "side": "n"}), (BOXES[1], {"camera": "no"}),
                       (BOXES[2], {"camera": True}), (BOXES[3], "camera")):  # fmt: skip
        town.write(name, ("labels", said), Lane.FLEET)
    plan = town.plan(wish(labels=(("camera", "true"),)))
    assert plan.names == BOXES[:1]
    assert plan.intent.labels == (("camera", "true"),)
    with pytest.raises(CannotApplyError, match=r"none of the 4 boxes .* labels are camera=no, cam"):
        town.plan(wish(labels=(("camera", "false"),)))


def test_the_same_again_is_unchanged_and_another_takes_its_place(town: Town):
    first = town.apply(wish())
    again = town.plan(wish())
    assert (again.unchanged, again.puts, again.intent) == (True, (), first.intent)
    assert describe_change(town.view(), again) == []
    second = town.apply(wish(stages=(Stage(250_000), Stage(1_000_000))))
    assert second.intent.supersedes == (first.id,)
    assert town.view().rollouts.by_id[first.id].superseded_by == (second.id,)
    assert second.obstacle is None


def test_who_was_enrolled_since_changes_nothing(town: Town):
    first = town.apply(wish())
    late = "city/north/late"
    town.fleet.declare(grant(late, late, 3, 1, box_of(late)))
    town.replica.offer_root(town.fleet.statements[-1])
    plan = town.plan(wish())
    assert (plan.unchanged, plan.intent) == (True, first.intent)
    assert plan.notes == ("1 enrolled since start with its last stage",)


def test_what_is_aborted_can_be_applied_again(town: Town):
    first = town.command(town.apply(wish()), Verb.ABORT)
    plan = town.plan(wish())
    assert not plan.unchanged
    assert plan.intent.id != first.id
    assert plan.intent.supersedes == ()
    assert any("brought this artefact before and is aborted" in note for note in plan.notes)


def test_a_halted_one_is_named_too_for_a_resume_would_revive_it(town: Town):
    first = town.apply(wish())
    bad = town.report(first, view_rank(first)[0], Outcome.FAILED, reason="no")
    town.halt(first, view_rank(first)[1], bad)
    assert town.view().rollouts.by_id[first.id].dead == "halted"
    second = town.apply(wish(title="v1.5"), data=b"v1.5")
    assert second.intent.supersedes == (first.id,)
    town.command(first, Verb.RESUME)
    assert town.view().rollouts.by_id[second.id].rivals == ()


def test_no_unfinished_one_contends_when_the_newest_ends(town: Town):
    made = [town.apply(wish(title=f"v{number}"), data=bytes([number])) for number in range(4)]
    assert set(made[3].intent.supersedes) == {each.id for each in made[:3]}
    assert town.command(made[3], Verb.ABORT).dead == "aborted"
    heads = town.view().rollouts.heads("model/detector", BOXES[0])
    assert [each.id for each in heads] == [made[2].id]


def test_of_very_many_the_latest_are_named(town: Town):
    made = [
        town.apply(wish(title=f"v{number}"), data=bytes([number]))
        for number in range(SUPERSEDES_MAX + 3)
    ]
    named = made[-1].intent.supersedes
    assert len(named) == SUPERSEDES_MAX
    assert set(named) == {each.id for each in made[2:-1]}
    assert len(town.view().rollouts.heads("model/detector", BOXES[0])) == 1


def test_a_wider_one_takes_the_place_of_two_narrow_ones(town: Town):
    north = town.apply(wish())
    south = town.apply(wish(within="city/south"), data=b"other")
    wide = town.apply(wish(within="", title="all"), data=b"third")
    assert set(wide.intent.supersedes) == {north.id, south.id}
    assert wide.obstacle is None


# ------------------------------------------------------------------------------- what is refused


def test_a_narrower_one_would_contend_and_is_refused(town: Town):
    wide = town.apply(wish(within="", title="all"))
    with pytest.raises(
        CannotApplyError, match=r"over the whole fleet, and one over city/north can"
    ):
        town.plan(wish(title="x"), data=CODE)
    town.command(wide, Verb.ABORT)
    assert town.plan(wish(title="x")).intent.supersedes == ()


@pytest.mark.parametrize(
    ("asked", "given", "said"),
    [
        ({"within": "city/west"}, {}, "cohort.within city/west: no current box is there; expected"),
        ({"within": "City"}, {}, "cohort.within 'City': expected such as city/north"),
        ({"artefact": bytes(32)}, {}, "and spec.artifact is sha256:0000"),
        ({"labels": (("camera", "true"),)}, {}, "none of the 4 boxes there carries them, none st"),
        ({"slot": "agent/x"}, {}, "is of kind model: expected model/…, such as model/detector"),
        ({"slot": "engine"}, {}, "slot 'engine': expected model/… in lower-case segments"),
        ({}, {"kind": "config", "name": "My limits"}, "set spec.slot"),
        ({}, {"released_by": None}, "v1.4 is unsigned: run `mesh artifact sign FILE"),
        ({}, {"released_by": public("clerk")}, "which may not approve in this fleet"),
        ({}, {"released_by": public("nobody")}, "which may not approve in this fleet"),
    ],
)
def test_a_mistake_is_told_before_anything_is_signed(
    town: Town, asked: dict[str, object], given: dict[str, object], said: str
):
    with pytest.raises(CannotApplyError) as caught:
        town.plan(wish(**asked), **given)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("signer", "within", "said"),
    [
        ("steward", "city", "city/north/steward may not roll out over city: expected the key of"),
        ("steward", "", "may not roll out over the whole fleet"),
        ("clerk", "city/north", "clerk may not roll out over city/north"),
        (BOXES[0], "city/north", "box-0 may not roll out"),
        ("stranger", "city/north", "holds no grant in this fleet"),
    ],
)
def test_who_may_not_is_told_who_may(town: Town, signer: str, within: str, said: str):
    with pytest.raises(CannotApplyError, match=said):
        town.plan(wish(within=within), signer)


def test_a_revoked_signer_releases_and_rolls_out_nothing(town: Town):
    town.write("centre", revoke("steward", "city/north/steward", []))
    with pytest.raises(CannotApplyError, match=r"is not current any more"):
        town.plan(wish(), "steward")
    assert may_release(town.view(), public("centre"))
    town.fleet.declare(revoke("centre", "centre", []))
    town.replica.offer_root(town.fleet.statements[-1])
    assert not may_release(town.view(), public("centre"))


def test_bytes_that_are_not_at_hand_or_withdrawn(town: Town):
    with pytest.raises(CannotApplyError, match=r"is not in this store, .* --artifact FILE"):
        plan_rollout(town.view(), wish(), None, bytes(8))
    value = {"digest": digest_of(CODE), "state": "withdrawn", "events": ["*"], "area": "*"}
    town.write("centre", put("model/detector", value))
    with pytest.raises(CannotApplyError, match=r"is withdrawn: no box may run it"):
        town.plan(wish())
    with pytest.raises(InvalidIntentError, match="stages"):
        town.plan(wish(b"x", stages=(Stage(500_000), Stage(500_000))), data=b"x")


# ---------------------------------------------------------------------------------- commands


def test_pause_and_resume(town: Town):
    rollout = town.apply(wish())
    assert town.command(rollout, Verb.PAUSE).obstacle == "paused"
    with pytest.raises(CannotApplyError, match=r"v1.4 is paused already"):
        town.command(rollout, Verb.PAUSE)
    with pytest.raises(CannotApplyError, match=r"v1.4: paused; `promote` lifts no pause"):
        town.command(rollout, Verb.PROMOTE)
    with pytest.raises(CannotApplyError, match=r"paused at stratum 1 and this key stands at 2"):
        town.command(rollout, Verb.RESUME, "steward")
    assert town.command(rollout, Verb.RESUME).obstacle is None
    with pytest.raises(CannotApplyError, match=r"neither paused nor halted"):
        town.command(rollout, Verb.RESUME)
    town.command(rollout, Verb.PAUSE, "steward")
    assert town.command(rollout, Verb.RESUME, "steward").obstacle is None


def test_a_resume_forgives_all_that_is_held(town: Town):
    rollout = town.apply(wish())
    first, second, third, _ = view_rank(rollout)
    bad = town.report(rollout, first, Outcome.FAILED)
    lost = town.report(rollout, second, Outcome.STARTED)
    missed = town.report(rollout, third, Outcome.GOOD, metrics=Metrics(map50_ppm=1))
    town.halt(rollout, second, bad)
    assert town.view().rollouts.by_id[rollout.id].dead == "halted"
    sight = Sight(seen=frozenset({first, third}))
    again = town.command(rollout, Verb.RESUME, sight=sight)
    assert again.forgiven == {bad.id, lost.id, missed.id}
    assert again.obstacle is None


def test_a_resume_names_no_more_than_fits_into_an_entry(town: Town):
    rollout = town.apply(wish())
    many = tuple(number.to_bytes(32) for number in range(FORGIVEN_MAX + 1))
    proved = replace(rollout, proved=many)
    sight = Sight(seen=frozenset(BOXES))
    commands = plan_command(town.view(), proved, Verb.RESUME, sight=sight, nonce=bytes(8))
    assert [len(each.forgives) for each in commands] == [FORGIVEN_MAX, 1]
    assert len({each.id for each in commands}) == 2
    assert tuple(each for command in commands for each in command.forgives) == many


def test_promote_opens_the_next_stage_or_the_one_that_is_named(town: Town):
    stages = (Stage(250_000), Stage(750_000), Stage(1_000_000))
    rollout = town.apply(wish(stages=stages))
    assert town.command(rollout, Verb.PROMOTE).promoted == 0
    assert town.command(rollout, Verb.PROMOTE, share_ppm=750_000).promoted == 1
    for share_ppm, said in (
        (750_000, "open to 75 % already"),
        (500_000, "no stage of 50 %: expec"),
    ):
        with pytest.raises(CannotApplyError, match=said):
            town.command(rollout, Verb.PROMOTE, share_ppm=share_ppm)
    assert town.command(rollout, Verb.PROMOTE).promoted == 2
    with pytest.raises(CannotApplyError, match=r"open to its last stage, 100 %"):
        town.command(rollout, Verb.PROMOTE)


def test_a_promote_after_a_halt_knows_the_resume(town: Town):
    rollout = town.apply(wish())
    first, second, *_ = view_rank(rollout)
    town.command(rollout, Verb.PROMOTE)
    town.halt(rollout, second, town.report(rollout, first, Outcome.FAILED))
    assert town.command(rollout, Verb.RESUME).promoted == -1
    assert town.command(rollout, Verb.PROMOTE).promoted == 0, "stages open anew from the first"
    assert town.command(rollout, Verb.PROMOTE).promoted == 1


@pytest.mark.parametrize("verb", [Verb.PAUSE, Verb.RESUME, Verb.PROMOTE, Verb.UNDO, Verb.ABORT])
def test_what_is_ended_stays_ended_and_strangers_say_nothing(town: Town, verb: Verb):
    rollout = town.apply(wish())
    with pytest.raises(CannotApplyError, match=f"clerk may not {verb} over city/north"):
        town.command(rollout, verb, "clerk")
    undone = town.command(rollout, Verb.UNDO)
    assert undone.dead == "undone"
    if verb is Verb.ABORT:
        assert town.command(rollout, Verb.ABORT).dead == "aborted"
    with pytest.raises(CannotApplyError, match=r"and that is final"):
        town.command(rollout, verb)


# ------------------------------------------------------------------------- found and described


def test_a_rollout_is_found_by_its_title_or_its_id(town: Town):
    with pytest.raises(CannotApplyError, match=r"no rollout is known here yet"):
        find_rollout(town.view().rollouts, "v1.4")
    old = town.apply(wish())
    new = town.apply(wish(stages=(Stage(1_000_000),)))
    found = town.view().rollouts
    assert find_rollout(found, "v1.4").id == new.id
    assert find_rollout(found, old.id.hex()[:8]).id == old.id
    with pytest.raises(CannotApplyError, match=r"'v1': expected v1.4"):
        find_rollout(found, "v1")
    with pytest.raises(CannotApplyError, match=r"no rollout is called"):
        find_rollout(found, old.id.hex()[:7])
    town.command(new, Verb.ABORT)
    assert find_rollout(town.view().rollouts, "v1.4").id == old.id
    town.command(old, Verb.UNDO)
    with pytest.raises(CannotApplyError, match=r"2 rollouts are called 'v1.4': name one by its id"):
        find_rollout(town.view().rollouts, "v1.4")
    assert reach("") == "the whole fleet"


def test_what_is_shown_of_a_rollout(town: Town):
    rollout = town.apply(wish())
    first, second, third, _ = view_rank(rollout)
    town.report(rollout, first, Outcome.GOOD, metrics=Metrics(map50_ppm=900_000))
    town.report(rollout, second, Outcome.FAILED, reason="golden test")
    view = town.view()
    now = view.rollouts.by_id[rollout.id]
    watch = Watch(sight=Sight(seen=frozenset({first, second, third})))
    told = describe_rollout(now, watch)
    bars = told["bars"]
    assert [(bar["open"], bar["names"], bar["healthy"], bar["failed"]) for bar in bars] == [
        (True, 2, 1, 1),
        (False, 4, 1, 1),
    ]
    assert [(bar["unknown"], bar["held"]) for bar in bars] == [(0, 0), (1, 1)]
    assert (told["ended"], told["complete"], told["state"]) == (False, False, "open")
    assert any("golden test" in why for why in told["why"])
    (row,) = list_rollouts(view)
    assert (row["good"], row["bad"], row["open"], row["names"]) == (1, 1, "50 %", 4)

    def why(name: str) -> str:
        (slot,) = describe_box(view, Pair(public(name), name), watch)
        return str(slot["why"])

    assert why(first) == "runs it (attempt 1)"
    assert why(second) == "tried it and failed (attempt 1): golden test"
    assert why(third).startswith("waits for the stage of 100 %, which is not open: stage 0: 1 bad")
    assert describe_box(view, Pair(public(BOXES[4]), BOXES[4]), watch) == []
    town.command(now, Verb.ABORT)
    view = town.view()
    assert why(first) == "no rollout of it is live"

    def past(name: str) -> list[str]:
        (slot,) = describe_box(view, Pair(public(name), name), watch)
        rows = cast("list[dict[str, object]]", slot["past"])
        return [f"{row['title']}: {row['why']}" for row in rows]

    title = now.intent.title
    assert past(first) == [f"{title}: aborted; it runs it (attempt 1)"]
    assert past(second) == [f"{title}: aborted; it tried it and failed (attempt 1): golden test"]
    assert past(third) == [f"{title}: aborted; it never began with it"]
    assert describe_rollout(view.rollouts.by_id[rollout.id], watch)["ended"] is True
    assert [row["state"] for row in list_rollouts(view)] == ["aborted"]


def test_why_a_box_does_nothing_yet(town: Town):
    rollout = town.apply(wish(stages=(Stage(500_000), Stage(750_000))))
    first, second, _, last = view_rank(rollout)
    watch = Watch(sight=Sight(seen=frozenset({first, last})))

    def why(name: str) -> str:
        (slot,) = describe_box(town.view(), Pair(public(name), name), watch)
        return str(slot["why"])

    assert why(last) == "stays with what it runs: it is not in the cohort"
    town.command(rollout, Verb.PROMOTE)
    assert why(first) == "its stage of 50 % is open, and it has not reported yet"
    assert why(second) == "its stage of 50 % is open, and it is not seen"
    town.report(rollout, second, Outcome.WAITING, reason="no room")
    town.command(rollout, Verb.PAUSE)
    assert why(second) == "waits for bytes or room (attempt 1): no room; paused"
    assert why(first) == "stays with what it runs: paused"


def test_a_list_that_is_not_held_or_none_is_an_obstacle(town: Town):
    rollout = town.apply(wish())
    town.lists[rollout.intent.cohort] = b"junk"
    assert lists_held(town.replica.registers, town.lists.get) == {}
    now = town.view().rollouts.by_id[rollout.id]
    told = describe_rollout(now, Watch.of_store(town.view()))
    assert (told["bars"], told["complete"]) == ([], False)
    assert "not here yet" in str(told["state"])
    assert town.command(rollout, Verb.PROMOTE, share_ppm=1_000_000).promoted == 1


def test_an_approved_rollout_is_told_as_that_with_what_stands_against_it(town: Town):
    rollout = town.apply(wish())
    first, second, *_ = view_rank(rollout)
    town.report(rollout, second, Outcome.FAILED, reason="golden test")
    value = {"digest": rollout.intent.artefact, "state": "approved", "events": ["*"], "area": "*"}
    for key in [each for each in town.replica.registers if each.startswith("model/")]:
        town.write("centre", put(key, value))
    view = town.view()
    watch = Watch(sight=Sight(seen=frozenset({first}), whole=False))
    told = describe_rollout(view.rollouts.by_id[rollout.id], watch)
    assert (told["state"], told["complete"], told["why"]) == ("approved", True, [])
    assert [bar["open"] for bar in told["bars"]] == [True, True]
    (row,) = list_rollouts(view)
    assert (row["open"], row["model"], row["bad"]) == ("100 %", "approved", 1)

    def why(name: str) -> str:
        (slot,) = describe_box(view, Pair(public(name), name), watch)
        return str(slot["why"])

    assert why(second) == "tried it and failed (attempt 1): golden test"
    assert why(first) == (
        "its stage of 50 % is open: the model is approved, and it reports nothing bad"
    )
    with pytest.raises(CannotApplyError, match=r"open to its last stage, 100 %"):
        town.command(rollout, Verb.PROMOTE)
    town.command(rollout, Verb.PAUSE)
    told = describe_rollout(town.view().rollouts.by_id[rollout.id], watch)
    assert (told["state"], told["complete"], told["why"]) == ("paused", False, ["paused"])


def test_a_withdrawn_model_is_not_resumed(town: Town):
    rollout = town.apply(wish())
    value = {"digest": rollout.intent.artefact, "state": "withdrawn", "events": ["*"], "area": "*"}
    town.write("centre", put("model/detector", value))
    with pytest.raises(CannotApplyError, match=r"its model is withdrawn: sign another record"):
        town.command(rollout, Verb.RESUME)


def test_a_rollout_is_complete_when_its_last_gate_passes(town: Town):
    rollout = town.apply(wish(stages=(Stage(1_000_000),)))
    for name in view_rank(rollout):
        told = describe_rollout(town.view().rollouts.by_id[rollout.id], Watch.of_store(town.view()))
        assert not told["complete"]
        town.report(rollout, name, Outcome.GOOD, metrics=Metrics(map50_ppm=900_000))
    view = town.view()
    told = describe_rollout(view.rollouts.by_id[rollout.id], Watch.of_store(view))
    assert (told["complete"], told["state"]) == (True, "complete")


def test_a_difference_is_told_field_by_field(town: Town):
    town.apply(wish())
    town.write("centre", revoke(BOXES[3], BOXES[3], []))
    changed = wish(stages=(Stage(1_000_000),), on_partition="continue")
    rows = {row["field"]: row for row in describe_change(town.view(), town.plan(changed))}
    assert set(rows) == {"stages", "on_partition", "cohort"}
    assert (rows["stages"]["before"], rows["stages"]["after"]) == ("50 % soak 1 s, 100 %", "100 %")
    assert (rows["cohort"]["before"], rows["cohort"]["after"]) == (BOXES[3], "")


@pytest.mark.parametrize(
    ("threshold", "value", "field", "after"),
    [
        ("min_reports_ppm", 800_000, "gate.min_reports", "0.8"),
        ("success_ppm", 980_000, "gate.success", "0.98"),
        ("p95_us_max", 40_500, "gate.p95_ms", "40.5"),
        ("map50_ppm_min", 810_000, "gate.map50", "0.81"),
        ("disagreement_ppm_max", 50_000, "gate.disagreement", "0.05"),
    ],
)
def test_a_difference_of_one_threshold_is_told(
    town: Town, threshold: str, value: int, field: str, after: str
):
    town.apply(wish())
    changed = wish(gate=replace(wish().gate, **{threshold: value}))
    (row,) = describe_change(town.view(), town.plan(changed))
    assert (row["field"], row["after"]) == (field, after)


def test_everything_that_a_box_measured_is_told(town: Town):
    rollout = town.apply(wish())
    measured = Metrics(p95_us=1, map50_ppm=900_000, disagreement_ppm=3, errors=4)
    town.report(rollout, view_rank(rollout)[0], Outcome.GOOD, metrics=measured)
    view = town.view()
    (said,) = describe_rollout(view.rollouts.by_id[rollout.id], Watch.of_store(view))["reports"]
    assert said.items() >= asdict(measured).items()


# ------------------------------------------------------------------------------------- wishes


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.binary(max_size=33) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def read(value: object) -> Wish | CannotApplyError:
    try:
        return parse_wish(value)
    except CannotApplyError as error:
        return error


@given(st.sampled_from(sorted(wish().to_value())), _values)
def test_any_value_is_a_wish_or_one_sentence(field: str, value: object):
    found = read({**wish().to_value(), field: value})
    if isinstance(found, Wish):
        assert found.to_value()[field] == value
    assert isinstance(read(value), CannotApplyError)


def test_a_wish_crosses_whole():
    asked = wish(labels=(("a", "1"), ("b", "2")), on_partition="continue", on_failure="pause")
    assert parse_wish(asked.to_value()) == asked
    assert isinstance(read({**asked.to_value(), "more": 1}), CannotApplyError)


def test_a_rollout_that_ends_below_all_says_how_many_never_get_it(town: Town):
    half = wish(stages=(Stage(500_000), Stage(750_000)))
    left_out = "its last stage is 75 %: 1 of 4 boxes never get it; add a stage of 100 %"
    for _ in range(2):  # the second finds it rolled out already
        assert any(left_out in note for note in town.plan(half).notes)
        town.apply(half)
    assert not any("never get it" in note for note in town.plan(wish()).notes)


def test_a_list_of_rollouts_and_one_of_them_say_the_same_word(town: Town):
    rollout = town.apply(wish())
    for name in view_rank(rollout):
        town.report(rollout, name, Outcome.GOOD, metrics=Metrics(map50_ppm=900_000))
    view = town.view()
    told = describe_rollout(view.rollouts.by_id[rollout.id], Watch.of_store(view))
    assert told["state"] == "complete"
    assert [row["state"] for row in list_rollouts(view)] == ["complete"]
