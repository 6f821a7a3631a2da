"""Meshes: filled to D, cut above D_hi, back-offs kept on both sides."""

from mesh.gossip import Params, Priority, ScoreParams, Verdict
from mesh.gossip.backoff import Backoffs
from mesh.gossip.messages import subscription_frames
from mesh.units import SECOND
from tests.unit.gossip.lone import Lone, T, controls_to, penalties, recipients
from tests.unit.gossip.network import key_of, sends

D = Params().degree


def grafted(effects: list, numbers: range) -> list[int]:
    return [number for number in numbers if T in controls_to(effects, number).graft]


def test_filled_to_d_from_below_d_and_refilled_when_one_goes() -> None:
    lone = Lone(9)
    mesh = lone.mesh()
    assert len(mesh) == D
    lone.remove(mesh[0])
    effects = lone.wait(1)
    assert len(grafted(effects, range(1, 10))) == 1
    assert len(lone.mesh()) == D
    lone.unsubscribe(mesh[1])
    lone.wait(1)
    assert mesh[1] not in lone.mesh()
    assert len(lone.mesh()) == D


def test_above_d_hi_cut_to_d_keeping_dialled_ones() -> None:
    lone = Lone()
    for number in range(1, 13):
        lone.add(number, outbound=False)
        lone.graft(number)
    for number in (13, 14):
        lone.add(number, outbound=True)
        lone.graft(number)
    assert len(lone.mesh()) == 14
    effects = lone.wait(1)
    mesh = lone.mesh()
    assert len(mesh) == D
    assert {13, 14} <= set(mesh)
    pruned = [number for number in range(1, 15) if controls_to(effects, number).prune]
    assert sorted(pruned + mesh) == list(range(1, 15))
    assert controls_to(effects, pruned[0]).prune == [(T, 60)]


def test_the_best_survive_a_cut() -> None:
    lone = Lone()
    for number in range(1, 16):
        lone.add(number)
        lone.graft(number)
    for number in (3, 7, 11, 15):
        for count in range(5):
            lone.message(number, b"%d %d" % (number, count))
    lone.wait(1)
    assert {3, 7, 11, 15} <= set(lone.mesh())


def test_a_full_mesh_takes_dialled_peers_only() -> None:
    lone = Lone()
    for number in range(1, 13):
        lone.add(number, outbound=False)
        lone.graft(number)
    lone.add(13, outbound=False)
    effects = lone.graft(13)
    assert controls_to(effects, 13).prune == [(T, 60)]
    assert penalties(effects) == []
    assert sends(effects)[0].priority is Priority.CONTROL
    lone.add(14, outbound=True)
    assert lone.graft(14) == []
    assert 14 in lone.mesh()
    assert lone.router.statistics().counters.grafts_refused == 1


def test_a_mesh_without_dialled_peers_gets_two() -> None:
    lone = Lone(D, outbound=False)
    assert len(lone.mesh()) == D
    for number in (7, 8, 9):
        lone.add(number, outbound=True)
        lone.hears(number, *subscription_frames([T], subscribe=True))
    effects = lone.wait(1)
    assert len(grafted(effects, range(7, 10))) == 2
    lone.add(10, outbound=False)
    lone.hears(10, *subscription_frames([T], subscribe=True))
    assert grafted(lone.wait(1), range(1, 11)) == []


def test_graft_of_an_unknown_topic_is_ignored_and_twice_is_once() -> None:
    lone = Lone(1)
    assert lone.graft(1, "unknown") == []
    assert lone.graft(1) == []
    assert lone.mesh() == [1]


def test_a_graft_is_a_subscription() -> None:
    lone = Lone()
    lone.add(1)
    assert lone.graft(1) == []
    assert recipients(lone.router.publish(T, b"event", lone.now_ns, flood=True)) == [1]


def test_graft_in_back_off_is_refused_and_costs_more_the_sooner_it_comes() -> None:
    costs = []
    for wait_s in (5, 30):
        lone = Lone(6, params=Params(score=ScoreParams(behaviour_threshold=0.0)))
        for number in range(1, 7):
            lone.prune(number)
        lone.wait(wait_s)
        effects = lone.graft(1)
        assert penalties(effects) == ["graft_in_backoff"]
        assert controls_to(effects, 1).prune == [(T, 60)]
        costs.append(lone.router.score(key_of(1), lone.now_ns))
    assert costs == [-40.0, -10.0]


def test_a_peer_of_negative_score_is_refused_without_further_penalty() -> None:
    lone = Lone(2)
    lone.judge(b"forged", Verdict.REJECT)
    lone.message(1, b"forged")
    effects = lone.wait(1)
    assert controls_to(effects, 1).prune == [(T, 60)]
    lone.now_ns += 61 * SECOND
    effects = lone.graft(1)
    assert controls_to(effects, 1).prune == [(T, 60)]
    assert penalties(effects) == []


def test_pruned_is_not_grafted_before_the_back_off_and_its_slack() -> None:
    lone = Lone(1)
    lone.prune(1, 30)
    assert grafted(lone.wait(30.9), range(1, 2)) == []
    assert grafted(lone.wait(2), range(1, 2)) == [1]


def test_a_prune_without_back_off_means_sixty_seconds() -> None:
    lone = Lone(1)
    lone.prune(1, 0)
    assert grafted(lone.wait(60.9), range(1, 2)) == []
    assert grafted(lone.wait(2), range(1, 2)) == [1]


def test_nobody_can_ask_for_more_than_an_hour() -> None:
    lone = Lone(1)
    lone.prune(1, 2**63)
    assert grafted(lone.wait(3600.9), range(1, 2)) == []
    assert grafted(lone.wait(2), range(1, 2)) == [1]


def test_a_back_off_outlives_leaving_the_topic() -> None:
    lone = Lone(2)
    lone.prune(1, 60)
    lone.router.leave(T, lone.now_ns)
    lone.prune(2, 60)  # crossed our PRUNE of ten seconds on the way
    lone.prune(2, 60, "never joined")
    effects = lone.router.join(T, lone.now_ns)
    assert grafted(effects, range(1, 3)) == []
    assert grafted(lone.wait(60.9), range(1, 3)) == []
    assert grafted(lone.wait(2), range(1, 3)) == [1, 2]


def test_our_own_leave_costs_ten_seconds() -> None:
    lone = Lone(1)
    lone.router.leave(T, lone.now_ns)
    lone.router.join(T, lone.now_ns)
    assert grafted(lone.wait(10.9), range(1, 2)) == []
    assert grafted(lone.wait(2), range(1, 2)) == [1]


def test_a_back_off_outlives_the_connection() -> None:
    lone = Lone(1)
    lone.prune(1, 60)
    lone.remove(1)
    lone.add(1)
    lone.hears(1, *subscription_frames([T], subscribe=True))
    assert grafted(lone.wait(60.9), range(1, 2)) == []
    assert grafted(lone.wait(2), range(1, 2)) == [1]


def test_back_offs_that_end_where_nobody_waits_change_nothing() -> None:
    lone = Lone(8)
    outside = next(number for number in range(1, 9) if number not in lone.mesh())
    lone.prune(outside, 5)
    lone.router.join("b", lone.now_ns)
    lone.graft(1, "b")
    lone.router.leave("b", lone.now_ns)
    effects = lone.wait(30)
    assert [e for number in range(1, 9) for e in controls_to(effects, number).graft] == []
    assert lone.router.next_heartbeat_ns(lone.now_ns) is None


def test_prune_of_who_is_not_in_the_mesh_only_holds_it_off() -> None:
    lone = Lone()
    lone.add(1)
    lone.prune(1)
    lone.hears(1, *subscription_frames([T], subscribe=True))
    assert grafted(lone.wait(5), range(1, 2)) == []


def test_opportunistic_grafting_once_a_minute() -> None:
    lone = Lone(14)
    mesh = lone.mesh()
    outside = [number for number in range(1, 15) if number not in mesh]
    for count in range(30):
        lone.message(outside[0], b"%d" % count)
    lone.wait(58)  # the first minute since the first heartbeat is not over
    before = set(lone.mesh())
    lone.router.join("alone", lone.now_ns)
    for count in range(30):
        lone.message(outside[0], b"more %d" % count)
    lone.wait(4)
    assert set(lone.mesh()) - before == {outside[0]}


def test_a_mesh_that_serves_is_left_alone() -> None:
    lone = Lone(14)
    mesh = lone.mesh()
    for number in mesh:
        for count in range(10):
            lone.message(number, b"%d %d" % (number, count))
    lone.now_ns += 61 * SECOND
    for number in range(1, 15):
        for count in range(10):
            lone.message(number, b"again %d %d" % (number, count))
    lone.wait(3)
    assert lone.mesh() == mesh


def test_back_offs_are_bounded_and_those_about_to_end_go_first() -> None:
    backoffs = Backoffs(slack_ns=SECOND, size_max=3)
    for number, seconds in enumerate((40, 10, 30, 20)):
        backoffs.extend(T, key_of(number), seconds * SECOND)
    assert len(backoffs) == 3
    assert backoffs.until_ns(T, key_of(1)) is None
    assert backoffs.until_ns(T, key_of(3)) == 20 * SECOND
    backoffs.extend(T, key_of(3), 15 * SECOND)
    assert backoffs.until_ns(T, key_of(3)) == 20 * SECOND
    backoffs.extend(T, key_of(3), 50 * SECOND)
    assert backoffs.due_ns() == 21 * SECOND
    assert backoffs.expire(21 * SECOND) == []
    assert backoffs.due_ns() == 31 * SECOND
    assert backoffs.expire(60 * SECOND) == [T]
    assert (len(backoffs), backoffs.due_ns()) == (0, None)


def test_the_same_draws_for_the_same_seed() -> None:
    meshes = {tuple(Lone(30, seed=4).mesh()) for _ in range(3)}
    assert len(meshes) == 1
    assert tuple(Lone(30, seed=5).mesh()) not in meshes


def test_a_small_degree_is_honoured() -> None:
    params = Params(degree=2, degree_low=1, degree_high=3, degree_outbound=1, degree_score=1)
    assert len(Lone(9, params=params).mesh()) == 2
