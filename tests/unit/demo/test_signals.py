"""No sequence of requests moves a lamp out of the envelope, judged by the lamps alone."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.demo.boxes.signals import (
    REMEMBERED_MAX,
    Decision,
    Lamp,
    Outcome,
    SignalController,
    SignalPlan,
    SignalPlanError,
)

SECOND = 1_000_000_000
KINDS = ("extend_red", "advance_yellow")

plans = st.builds(
    SignalPlan,
    groups=st.sampled_from([("watched", "crossing"), ("a", "b", "c")]),
    green_s=st.sampled_from([8.0, 12.5, 24.0]),
    yellow_s=st.sampled_from([3.0, 4.5]),
    clearance_s=st.sampled_from([0.0, 2.0]),
    green_min_s=st.sampled_from([5.0, 8.0]),
    pedestrian_clearance_s=st.sampled_from([2.0, 5.0]),
    extend_red_max_s=st.sampled_from([0.0, 4.0, 8.0]),
    advance_yellow_max_s=st.sampled_from([0.0, 3.0, 20.0]),
    red_max_s=st.just(90.0),
    expiry_s=st.sampled_from([1.0, 30.0]),
)
asks = st.tuples(
    st.floats(0, 20),
    st.sampled_from(KINDS),
    st.floats(0.01, 30),
    st.integers(0, 200).map(str),
    st.integers(0, 2),
)


@dataclass
class Span:
    """One lamp of one group, from when to when, in nanoseconds."""

    group: str
    lamp: Lamp
    begin: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.begin) / SECOND


def run(plan: SignalPlan, sequence: list[tuple[float, str, float, str, int]]):
    """Plays a sequence of requests and three quiet cycles; the spans, and who could walk when."""
    controller = SignalController(plan, 0)
    spans = [Span(group, lamp, 0, 0) for group, lamp in controller.lamps(0).items()]
    open_spans = {span.group: span for span in spans}
    walks: list[tuple[int, bool]] = []
    decisions: list[Decision] = []

    def observe(now: int) -> None:
        for group, lamp in controller.lamps(now).items():
            if open_spans[group].lamp is not lamp:
                open_spans[group].end = now
                open_spans[group] = Span(group, lamp, now, now)
                spans.append(open_spans[group])
        walks.append((now, controller.walks(now)))

    def pass_until(now: int) -> None:
        while controller.next_change_ns() <= now:
            observe(controller.next_change_ns())
        observe(now)

    now = 0
    for wait, kind, seconds, because, index in sequence:
        now += round(wait * SECOND)
        pass_until(now)
        group = plan.groups[index % len(plan.groups)]
        decisions.append(controller.request(kind, seconds, because, now, group=group))
        observe(now)
    pass_until(now + 400 * SECOND)
    return spans, walks, decisions


@settings(max_examples=80)
@given(plans, st.lists(asks, max_size=25))
def test_the_lamps_stay_in_the_envelope(
    plan: SignalPlan, sequence: list[tuple[float, str, float, str, int]]
) -> None:
    spans, walks, _ = run(plan, sequence)
    whole = [span for span in spans if span.end > span.begin]
    order = {Lamp.GREEN: Lamp.YELLOW, Lamp.YELLOW: Lamp.RED, Lamp.RED: Lamp.GREEN}
    for group in plan.groups:
        mine = [span for span in whole if span.group == group]
        for before, after in itertools.pairwise(mine):
            assert after.lamp is order[before.lamp]
    for span in whole:
        if span.lamp is Lamp.GREEN:
            assert plan.green_min_s <= span.seconds + 1e-9 <= plan.green_s + 2e-9
            walked = [at for at, walk in walks if walk and span.begin <= at < span.end]
            assert all((span.end - at) / SECOND >= plan.pedestrian_clearance_s for at in walked)
            stopped = [at for at, walk in walks if not walk and span.begin <= at < span.end]
            assert not walked or not stopped or max(walked) <= min(stopped)
        elif span.lamp is Lamp.YELLOW:
            assert span.seconds == pytest.approx(plan.yellow_s)
        else:
            assert span.seconds <= plan.red_max_s
    moving = sorted((s for s in whole if s.lamp is not Lamp.RED), key=lambda s: s.begin)
    for before, after in itertools.pairwise(moving):
        if before.group != after.group:
            assert (after.begin - before.end) / SECOND >= plan.clearance_s - 1e-9


@settings(max_examples=60)
@given(plans, st.lists(asks, max_size=25))
def test_the_bounds_of_a_cycle_hold_for_all_requests_together(
    plan: SignalPlan, sequence: list[tuple[float, str, float, str, int]]
) -> None:
    spans, _, decisions = run(plan, sequence)
    moving = [s for s in spans if s.lamp is not Lamp.RED and s.end > s.begin]
    held, advanced = 0.0, dict.fromkeys(plan.groups, 0.0)
    last_yellow_end: int | None = None
    for span in sorted(moving, key=lambda s: s.begin):
        if span.lamp is Lamp.YELLOW:
            last_yellow_end = span.end
            continue
        if last_yellow_end is not None:
            held += (span.begin - last_yellow_end) / SECOND - plan.clearance_s
        assert held <= plan.extend_red_max_s + 1e-6
        if span.group == plan.groups[0]:
            held = 0.0
        advanced[span.group] = plan.green_s - span.seconds
        assert advanced[span.group] <= plan.advance_yellow_max_s + 1e-6
    for decision, (_, _, seconds, _, _) in zip(decisions, sequence, strict=True):
        assert 0 <= decision.granted_s <= seconds
        assert (decision.granted_s == 0) == (decision.outcome is Outcome.REFUSED)
        assert (decision.granted_s == seconds) >= (decision.outcome is Outcome.ACCEPTED)


@settings(max_examples=40)
@given(plans, st.lists(asks, max_size=15))
def test_after_the_requests_the_plan_returns(
    plan: SignalPlan, sequence: list[tuple[float, str, float, str, int]]
) -> None:
    """Nothing oscillates: two cycles after the last request each stage is as planned."""
    spans, _, _ = run(plan, sequence)
    last = sum(wait for wait, *_ in sequence) + 2 * (plan.planned_red_s + plan.green_s + 40)
    for span in spans:
        if span.begin >= last * SECOND and span.end > span.begin:
            planned = {Lamp.GREEN: plan.green_s, Lamp.YELLOW: plan.yellow_s}
            assert span.seconds == pytest.approx(planned.get(span.lamp, plan.planned_red_s))


@settings(max_examples=40)
@given(plans, st.lists(asks, max_size=15))
def test_one_sequence_has_one_course(
    plan: SignalPlan, sequence: list[tuple[float, str, float, str, int]]
) -> None:
    assert run(plan, sequence) == run(plan, sequence)


@given(st.lists(asks, max_size=15))
def test_observing_changes_nothing(sequence: list[tuple[float, str, float, str, int]]) -> None:
    plan = SignalPlan()
    observing, idle = SignalController(plan, 0, observe_only=True), SignalController(plan, 0)
    now = 0
    for wait, kind, seconds, because, _ in sequence:
        now += round(wait * SECOND)
        assert observing.request(kind, seconds, because, now).reason == "observe_only"
        assert observing.lamps(now) == idle.lamps(now)
    assert observing.statistics()["refused"] == len(sequence)


def test_each_answer_has_its_reason() -> None:
    controller = SignalController(SignalPlan(), 0)

    def ask(kind: str, seconds: float, because: str, at: float, group: str | None = None):
        decision = controller.request(kind, seconds, because, round(at * SECOND), group=group)
        return decision.outcome.value, decision.granted_s, decision.reason

    refused = ("refused", 0.0)
    assert ask("extend_red", 4.0, "i1", 20.0) == ("accepted", 4.0, "waiting")
    assert ask("extend_red", 4.0, "i1", 20.0) == (*refused, "already_granted")
    assert ask("extend_red", 4.0, "i2", 20.0) == (*refused, "already_waiting")
    assert ask("advance_yellow", 2.0, "i1", 20.0) == (*refused, "pedestrian_clearance")
    assert ask("flash", 4.0, "i1", 20.0) == (*refused, "unknown_kind")
    assert ask("extend_red", 4.0, "i1", 20.0, "nobody") == (*refused, "unknown_group")
    assert ask("extend_red", 0.0, "i1", 20.0) == (*refused, "not_positive")
    assert ask("extend_red", float("nan"), "i1", 20.0) == (*refused, "not_positive")
    assert controller.next_change_ns() == 24 * SECOND
    controller.advance(56 * SECOND)
    assert controller.next_change_ns() == 62 * SECOND, "the clearance of 2 s was held for 4"
    assert ask("extend_red", 9.0, "i3", 57.0) == ("trimmed", 4.0, "cycle_bound")
    assert ask("extend_red", 9.0, "i4", 57.0) == (*refused, "cycle_bound")
    assert ask("advance_yellow", 2.0, "i5", 66.5) == ("accepted", 2.0, "now")
    assert ask("advance_yellow", 9.0, "i6", 66.5) == ("trimmed", 4.0, "cycle_bound")
    assert dict(controller.statistics()) == {"accepted": 2, "trimmed": 2, "refused": 8}
    assert repr(controller) == "<SignalController watched green>"


def test_an_expired_request_lapses() -> None:
    controller = SignalController(SignalPlan(expiry_s=5.0), 0)
    decision = controller.request("extend_red", 4.0, "i1", 1 * SECOND)
    assert decision.reason == "waiting"
    decision = controller.request("advance_yellow", 4.0, "i1", 25 * SECOND)
    assert decision.reason == "waiting"
    controller.advance(150 * SECOND)
    idle = SignalController(SignalPlan(), 0)
    idle.advance(150 * SECOND)
    assert controller.next_change_ns() == idle.next_change_ns()


def test_old_reasons_are_forgotten_and_time_never_runs_backwards() -> None:
    controller = SignalController(SignalPlan(advance_yellow_max_s=10.0), 0)
    for number in range(REMEMBERED_MAX + 1):
        assert controller.request("advance_yellow", 0.01, str(number), 5).granted_s == 0.01
    assert controller.request("advance_yellow", 0.01, "1", 0).reason == "already_granted"
    assert controller.request("advance_yellow", 0.01, "0", 0).granted_s == 0.01


@pytest.mark.parametrize(
    "wrong",
    [
        {"groups": ("one",)},
        {"groups": ("one", "one")},
        {"yellow_s": 2.9},
        {"green_min_s": 25.0},
        {"pedestrian_clearance_s": 9.0},
        {"clearance_s": -1.0},
        {"extend_red_max_s": -1.0},
        {"red_max_s": 40.0},
    ],
)
def test_a_plan_that_breaks_its_own_bounds_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SignalPlanError):
        SignalPlan(**wrong)  # pyright: ignore[reportArgumentType]
