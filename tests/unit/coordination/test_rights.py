"""Who may sign what, told before it is signed; the fold is the judge of what counts."""

import pytest

from crdt.kinds import KEY_RULES
from mesh.coordination.enrolment import holders, revocation_body
from mesh.coordination.rights import (
    UnentitledError,
    able,
    granting,
    pinning,
    putting,
    revoking,
)
from tests.laws.writing import public, put

from .test_enrolment import BOX, Office


@pytest.fixture
def office() -> Office:
    made = Office()
    made.enrol("box", BOX, by="steward")
    return made


def refusal(check, *arguments, **options) -> str:
    with pytest.raises(UnentitledError) as caught:
        check(*arguments, **options)
    return str(caught.value)


def revoke(office: Office, label: str, name: str, *, by: str) -> None:
    body = revocation_body(office.replica, holders(office.replica, name)[0].pair)
    office.sign(by, "revoke", body)
    assert public(label) not in {
        held.pair.key for held in holders(office.replica, name) if held.current
    }


def test_whoever_holds_the_verb_may_and_is_returned(office: Office):
    (held,) = able(office.replica, public("steward"), "grant", BOX)
    assert held.pair.name == "city/steward"


def test_who_may_not_is_told_what_the_key_is(office: Office):
    replica = office.replica
    assert "holds no grant in this fleet: it cannot grant" in refusal(
        able, replica, public("stranger"), "grant", BOX
    )
    assert f"{BOX} may not grant city/n: expected a key that holds `grant` over it" in refusal(
        able, replica, public("box"), "grant", "city/n"
    )
    told = refusal(able, replica, public("steward"), "grant", BOX, below=2)
    assert told.endswith("over it at a stratum below 2")
    revoke(office, "box", BOX, by="steward")
    assert "is not current any more: it signs nothing" in refusal(
        able, replica, public("box"), "state", BOX
    )


def test_a_revocation_reaches_whom_a_senior_named_and_nobody_else(office: Office):
    replica = office.replica
    (target,) = revoking(replica, public("steward"), BOX)
    assert target.pair.key == public("box")
    assert "own name: only a senior can revoke it" in refusal(
        revoking, replica, public("steward"), "city/steward"
    )
    assert "may not revoke" in refusal(revoking, replica, public("box"), "city/steward")
    office.enrol("other", "city/other", by="centre", stratum=2, caps=office_caps(office))
    assert "stands at stratum 2: only a senior of it can revoke it" in refusal(
        revoking, replica, public("steward"), "city/other"
    )
    revoke(office, "box", BOX, by="steward")
    assert "is revoked already" in refusal(revoking, replica, public("steward"), BOX)


def office_caps(office: Office):
    """What the steward of the office holds."""
    return holders(office.replica, "city/steward")[0].capabilities


def test_a_name_that_a_senior_granted_is_not_taken(office: Office):
    replica = office.replica
    (issuer,) = granting(replica, public("steward"), "city/n/new", "box", 3)
    assert issuer.pair.name == "city/steward"
    told = refusal(granting, replica, public("steward"), "city/steward", "box", 3)
    assert told == (
        "city/steward is granted at stratum 2: a box (stratum 3) cannot take it; "
        "choose another name"
    )


def test_a_put_that_would_fold_as_nothing_is_refused(office: Office):
    replica, rules = office.replica, KEY_RULES
    assert "no register is called 'two words'" in refusal(
        putting, replica, public("centre"), "two words", 1, rules
    )
    assert "may not put city/limit" in refusal(
        putting, replica, public("box"), "city/limit", 1, rules
    )
    putting(replica, public("centre"), "city/limit", 1, rules)
    office.sign("centre", *put("city/limit", 1))
    assert replica.registers["city/limit"].value == 1


def test_only_what_is_forked_and_undecided_is_pinned(office: Office):
    replica = office.replica
    assert "is forked and undecided: there is nothing to pin" in refusal(
        pinning, replica, public("centre"), "city/steward"
    )
    first = office.heads["steward"]
    for number in (1, 2):
        twin = office.fleet.write("steward", put("city/limit", number), after=first)
        office.replica.offer(twin)
    heads = pinning(replica, public("centre"), "city/steward")
    assert [head.author for head in heads] == [public("steward")]
    assert "may not pin" in refusal(pinning, replica, public("box"), "city/steward")
