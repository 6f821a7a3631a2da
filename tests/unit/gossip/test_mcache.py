"""Ids seen, messages kept."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.mcache import SeenIds
from mesh.units import SECOND
from tests.unit.gossip.network import key_of


def test_ids_are_forgotten_a_little_at_each_insertion() -> None:
    seen = SeenIds(10 * SECOND, 100)
    for number in range(10):
        seen.add(key_of(number), 0)
    seen.add(key_of(0), 5 * SECOND)
    assert len(seen) == 10
    seen.add(key_of(10), 11 * SECOND)
    assert len(seen) == 9
    assert key_of(0) not in seen
    assert key_of(2) in seen
    assert not seen.holds(key_of(2), 11 * SECOND)
    assert seen.holds(key_of(10), 21 * SECOND)
    assert not seen.holds(key_of(99), 0)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5 * SECOND))), st.integers(1, 8))
def test_never_more_than_allowed_and_never_too_early(
    steps: list[tuple[int, int]], size_max: int
) -> None:
    seen = SeenIds(10 * SECOND, size_max)
    added: dict[int, int] = {}
    now_ns = 0
    for number, elapsed_ns in steps:
        now_ns += elapsed_ns
        if key_of(number) not in seen:
            added[number] = now_ns
        seen.add(key_of(number), now_ns)
        assert len(seen) <= size_max
        assert key_of(number) in seen
        young = [n for n, at in added.items() if at + 10 * SECOND >= now_ns]
        if len(young) <= size_max - len(added):
            assert all(key_of(n) in seen for n in young)
