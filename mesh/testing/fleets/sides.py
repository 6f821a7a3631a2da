"""The two sides of a cut, and what a network refuses to cut."""

from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager

from mesh.testing.fleets.town import FleetError
from mesh.testing.simulator.network import NetworkModelError

__all__ = ["check_cut", "check_sides", "network_says"]

TOLD_MAX = 6
"""Most names in one sentence."""


def check_cut(side: Collection[object], boxes: Mapping[str, object]) -> None:
    """See that somebody is on the other side of a cut: else it counts, and parts nobody.

    Args:
        side: the boxes that are cut off.
        boxes: everybody, by name.

    Raises:
        FleetError: the side is everybody.
    """
    if all(box in side for box in boxes.values()):
        raise FleetError("a cut of everybody from nobody: leave somebody on the other side")


def check_sides(
    side: Collection[object], other: Collection[object], boxes: Mapping[str, object]
) -> None:
    """See that two sides are a whole fleet: a cut parts one side from all others.

    Who is on neither would be with the other side, which the test does not say.

    Args:
        side: the boxes of one side.
        other: those of the other.
        boxes: everybody, by name.

    Raises:
        FleetError: somebody is on both sides, or on neither.
    """
    both = [name for name, box in boxes.items() if box in side and box in other]
    if both:
        raise FleetError(f"{_told(both)} on both sides of the partition: expected on one")
    neither = [name for name, box in boxes.items() if box not in side and box not in other]
    if neither:
        raise FleetError(
            f"{_told(neither)} on neither side of the partition: expected everybody on one, as by "
            "fleet.split(); to cut some off from all others, call cut"
        )


@contextmanager
def network_says() -> Generator[None]:
    """What the network refuses is what a scenario asked for."""
    try:
        yield
    except NetworkModelError as error:
        raise FleetError(str(error)) from None


def _told(names: list[str]) -> str:
    more = " …" if len(names) > TOLD_MAX else ""
    return f"{', '.join(names[:TOLD_MAX])}{more} {'is' if len(names) == 1 else 'are'}"
