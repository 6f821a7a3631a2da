"""The projection shows exactly the view, writes only what differs, and can be watched."""

import pycrdt
import pytest

from crdt.authority import fold_authority
from crdt.projection import MembershipProjection, _normal
from crdt.standing import Authority
from identity.did import did_from_public
from tests.laws.writing import Fleet, box_of, capability, cut_at, grant, public, revoke, two_banks


def view_of(fleet: Fleet) -> Authority:
    return fold_authority(*fleet.history)


@pytest.fixture
def fleet() -> Fleet:
    fleet = two_banks()
    fleet.write("bank-a", grant("box-0", "city/n/0", 3, 1, box_of("city/n/0"), place="plaza"))
    return fleet


def test_every_pair_is_shown(fleet: Fleet) -> None:
    authority = view_of(fleet)
    projection = MembershipProjection(public("me"))
    assert projection.update(authority) == len(authority.standings) + 2
    view = projection.view()
    assert view["root"] == {"number": 1, "id": authority.root.id.hex()}
    key = f"city/n/0 {did_from_public(public('box-0'))}"
    row = view["membership"][key]
    assert row["stratum"] == 3
    assert isinstance(row["stratum"], int)
    assert row["place"] == "plaza"
    assert row["current"] is True
    assert len(row["capabilities"]) == 2
    assert list(view["membership"]) == sorted(view["membership"])
    assert repr(projection) == f"<MembershipProjection of {len(authority.standings)} members>"


def test_only_differences_are_written_and_an_observer_follows(fleet: Fleet) -> None:
    projection = MembershipProjection(public("me"))
    projection.update(view_of(fleet))
    browser = pycrdt.Doc()
    browser.apply_update(projection.state())
    updates: list[bytes] = []
    with projection.observe(updates.append):
        assert projection.update(view_of(fleet)) == 0
        assert updates == []
        (granted,) = fleet.entries
        cut = cut_at(granted)
        fleet.write("bank-a", revoke("box-0", "city/n/0", []), after=granted)
        assert projection.update(view_of(fleet)) == 1
        fleet.declare(revoke("bank-a", "a", [[0, 0, 0, cut[0][3]]]))
        assert projection.update(view_of(fleet)) > 1
    assert len(updates) == 2
    assert max(map(len, updates)) < len(projection.state())
    for update in updates:
        browser.apply_update(update)
    assert (
        _normal(browser.get("membership", type=pycrdt.Map).to_py())
        == projection.view()["membership"]
    )
    projection.update(view_of(two_banks()))
    assert len(updates) == 2, "nobody is called after the context closed"


def test_a_pair_that_is_no_longer_granted_leaves(fleet: Fleet) -> None:
    projection = MembershipProjection(public("me"))
    projection.update(view_of(fleet))
    before = len(projection.view()["membership"])
    projection.update(view_of(two_banks()))
    assert len(projection.view()["membership"]) == before - 1


def test_one_client_id_writes(fleet: Fleet) -> None:
    projections = [MembershipProjection(public("me")) for _ in range(2)]
    for projection in projections:
        projection.update(view_of(two_banks()))
        projection.update(view_of(fleet))
    assert projections[0].view() == projections[1].view()
    browser = pycrdt.Doc(client_id=1)
    browser.apply_update(projections[0].state())
    assert browser.get_state()[0] == 1, "one client in the state vector"


def test_numbers_and_bytes_are_plain_json() -> None:
    shown = {"b": [1.0, 1.5, True, None, "x"], "a": b"\x01", "c": bytearray(b"\x02")}
    assert _normal(shown) == {"a": "01", "b": [1, 1.5, True, None, "x"], "c": "02"}
    assert _normal(capability("state", "a")) == {"names": "a", "verb": "state"}
