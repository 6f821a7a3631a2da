"""Places for inbound connections: never more than allowed, all of them given back."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.net.admission import Admission
from mesh.net.limits import (
    CONNECTIONS_MAX,
    CONNECTIONS_PER_ADDRESS_MAX,
    HANDSHAKES_MAX,
    HANDSHAKES_PER_ADDRESS_MAX,
)


@given(st.lists(st.tuples(st.sampled_from("afer"), st.integers(0, 3)), max_size=300))
def test_limits_hold_and_places_come_back(steps: list[tuple[str, int]]) -> None:
    subject = Admission()
    shaking: list[str] = []
    standing: list[str] = []
    for action, number in steps:
        address = f"192.0.2.{number}"
        if action == "a" and subject.admit(address):
            shaking.append(address)
        elif action == "f" and shaking:
            subject.failed(shaking.pop())
        elif action == "e" and shaking:
            standing.append(shaking.pop())
            subject.established(standing[-1])
        elif action == "r" and standing:
            subject.released(standing.pop())
        assert subject.handshakes == len(shaking) <= HANDSHAKES_MAX
        assert subject.standing == len(standing)
    for address in shaking:
        subject.failed(address)
    for address in standing:
        subject.released(address)
    assert vars(subject) == vars(Admission())


def test_one_address_cannot_take_every_handshake() -> None:
    subject = Admission()
    assert [subject.admit("192.0.2.1") for _ in range(HANDSHAKES_PER_ADDRESS_MAX + 1)].count(
        True
    ) == HANDSHAKES_PER_ADDRESS_MAX
    assert subject.admit("192.0.2.2")


def test_all_addresses_together_cannot_take_more_handshakes_than_there_are() -> None:
    subject = Admission()
    taken = sum(subject.admit(f"192.0.2.{number}") for number in range(HANDSHAKES_MAX + 1))
    assert taken == HANDSHAKES_MAX


def test_standing_connections_are_bounded_for_one_and_for_all() -> None:
    subject = Admission()

    def take(address: str) -> int:
        taken = 0
        while subject.admit(address):
            subject.established(address)
            taken += 1
        return taken

    assert take("192.0.2.1") == CONNECTIONS_PER_ADDRESS_MAX
    assert sum(take(f"192.0.2.{number}") for number in range(2, 9)) == (
        CONNECTIONS_MAX - CONNECTIONS_PER_ADDRESS_MAX
    )
