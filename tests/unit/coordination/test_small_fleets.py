"""A small fleet is linked completely, and no box of it has more links than in a large one."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from mesh.coordination.topology import FULL_MESH_MAX, MemberPlace, linked_peers, links

KEYS = st.integers(0, 400).map(lambda number: number.to_bytes(32))


@given(st.sets(KEYS, max_size=FULL_MESH_MAX + 4), st.sets(KEYS, max_size=4))
def test_everybody_is_linked_with_everybody_who_is_there(members, dark):
    live = sorted(members - dark)
    chosen = links(dict.fromkeys(sorted(members), MemberPlace()), dark)
    if len(live) <= FULL_MESH_MAX:
        assert chosen == tuple(combinations(live, 2))
    assert all(len(linked_peers(chosen).get(peer, ())) < FULL_MESH_MAX for peer in live)
