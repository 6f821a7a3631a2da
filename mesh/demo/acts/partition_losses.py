"""What the cut cost: facts, events, and how long a revoked box was still believed.

*Lost* is what nobody can have any more. An event that found no bridge is lost for the other bank,
and each box there must have counted it as missed. A fact is lost if a box lacks it once all agree
again: an entry of authority by its id, a box's word about itself if only an older one is held.

*Exposure* is how long a revoked box was still believed: from the moment its revocation was signed
to the last event of it that a box of the far bank accepted. While the bridges are down nothing can
shorten it; what counts is that it ends, at the latest, when all agree again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast as typed

from mesh.demo.acts.partition_verdict import Answers, Keys, Outcome, times_in
from mesh.demo.acts.reaction_times import Report
from mesh.demo.acts.riverside import Riverside
from mesh.demo.acts.trust_verdict import keys_of
from mesh.demo.claims import Claims
from mesh.units import SECOND

__all__ = [
    "SPOKEN_AFTER_MIN",
    "Exposure",
    "are_all_held",
    "judge_events",
    "judge_exposure",
    "judge_facts",
]

SPOKEN_AFTER_MIN = 3
"""Events that the revoked box must have tried after all agreed, or its silence proves nothing."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """When what happened to the revoked box, monotonic nanoseconds.

    Attributes:
        said: when each of its notices was asked for, by event.
        revoked_ns: when its revocation was signed.
        healed_ns: when the bridges stood again.
        agreed_ns: when everyone was seen to hold one view.
    """

    said: Mapping[bytes, int]
    revoked_ns: int
    healed_ns: int
    agreed_ns: int


def judge_facts(
    side: Riverside, key: bytes, before: Answers, after: Answers, outcome: Outcome, claims: Claims
) -> None:
    """See that whatever anybody held before the heal, everybody holds after it.

    Args:
        side: where the boxes stand.
        key: of the revoked box: its word about itself no longer counts.
        before: what each box held, taken before the heal.
        after: the same, once all agree.
        outcome: is filled in.
        claims: where the claim is judged.
    """
    boxes = {box for box in side.boxes if box != side.revoked}
    facts, lost = _facts(side, key, before, after)
    outcome.entries_lost = len(lost)
    claims.check(
        "facts_lost",
        boxes <= before.keys() and bool(facts) and not lost,
        f"{len(lost)} of {len(facts)} facts are lost to somebody",
    )


def are_all_held(side: Riverside, key: bytes, before: Answers, after: Answers) -> bool:
    """Whether every fact that somebody held is held by everybody; the arguments are those above."""
    return not _facts(side, key, before, after)[1]


def _facts(
    side: Riverside, key: bytes, before: Answers, after: Answers
) -> tuple[set[bytes], set[bytes]]:
    """Return the facts that somebody held, and those of them that somebody lacks."""
    boxes = [box for box in side.boxes if box != side.revoked]
    lasting = {fact for held in before.values() for fact in keys_of(held.get("lasting"))}
    heads: dict[bytes, tuple[int, int]] = {}
    for held in before.values():
        for author, head in _heads(held).items():
            if author != key:
                heads[author] = max(head, heads.get(author, head))
    lost: set[bytes] = set()
    for box in boxes:
        held = after.get(box, {})
        lost |= lasting - set(keys_of(held.get("lasting")))
        mine = _heads(held)
        lost |= {author for author, head in heads.items() if mine.get(author, (-1, -1)) < head}
    return (lasting | set(heads) if lasting and heads else set()), lost


def judge_events(
    side: Riverside,
    keys: Keys,
    spoken: Mapping[str, int],
    before: Answers,
    after: Answers,
    outcome: Outcome,
    claims: Claims,
) -> None:
    """See that each box counted what it missed of the other bank, no more and no less.

    Args:
        side: where the boxes stand.
        keys: of every box.
        spoken: how many events each box published during the cut.
        before: reports taken before the cut, when everybody had heard everybody.
        after: reports taken after everybody was heard again.
        outcome: is filled in.
        claims: where the claim is judged.
    """
    wrong: list[str] = []
    lost = 0
    boxes = [box for box in side.boxes if box != side.revoked]
    for box in boxes:
        first, last = (times_in(one.get(box, {}), "missed") for one in (before, after))
        for other in side.across(box):
            if other in boxes:
                missed = last.get(keys[other], 0) - first.get(keys[other], 0)
                lost += missed
                wrong += [f"{box} of {other}"] if missed != spoken.get(other, 0) else []
    outcome.events_lost = lost
    claims.check(
        "events_counted",
        not wrong and lost > 0,
        f"{lost} deliveries across the river were lost, each counted {wrong or ''}",
    )


def judge_exposure(
    side: Riverside, exposure: Exposure, reports: Answers, outcome: Outcome, claims: Claims
) -> None:
    """See for how long the revoked box was believed, and that it ended.

    Args:
        side: where the boxes stand.
        exposure: when what happened.
        reports: of the boxes, some time after all agreed.
        outcome: is filled in.
        claims: where the claims are judged.
    """
    believed: list[int] = []
    for box in side.far:
        if box != side.revoked:
            heard = times_in(reports.get(box, {}), "notices")
            believed += [heard[event] for event in exposure.said if event in heard]
    last_ns = max(believed, default=0)
    outcome.exposure_s = round(max(0, last_ns - exposure.revoked_ns) / SECOND, 2)
    outcome.exposure_healed_s = round(max(0, last_ns - exposure.healed_ns) / SECOND, 2)
    after = sum(asked_ns > exposure.agreed_ns for asked_ns in exposure.said.values())
    claims.check(
        "exposure_ends",
        exposure.revoked_ns < last_ns <= exposure.agreed_ns and after >= SPOKEN_AFTER_MIN,
        f"the far bank believed {side.revoked} for {outcome.exposure_s:g} s after it was revoked, "
        f"{outcome.exposure_healed_s:g} s of it after the heal; {after} events later were refused",
    )
    fooled = [
        box for box in side.near if exposure.said.keys() & times_in(reports.get(box, {}), "notices")
    ]
    claims.check("near_bank_refuses", not fooled, f"the near bank believed none {fooled or ''}")


def _heads(held: Report) -> dict[bytes, tuple[int, int]]:
    """Return how far each author's own word is held."""
    rows = held.get("heads")
    found: dict[bytes, tuple[int, int]] = {}
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, list):
            head = typed("int", row[1]), typed("int", row[2])
            author = typed("bytes", row[0])
            found[author] = max(head, found.get(author, head))
    return found
