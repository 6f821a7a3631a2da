"""What the boxes of both banks did while the bridges were down; the fourth act's claims.

That the wire was cut is read from the boxes' own links, presence and events, and from what the wire
counted: one that delays what it should lose would be found by nobody else.
What the cut cost is judged by `mesh.demo.acts.partition_losses`.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast as typed

from identity.encoding import Value
from mesh.demo.acts.expectation import RADIUS_M
from mesh.demo.acts.reaction_times import Report, report_rows
from mesh.demo.acts.reaction_verdict import (
    Shown,
    Truths,
    is_as_planned,
    name_incidents,
    shown_incidents,
)
from mesh.demo.acts.riverside import Riverside, reactions_on_bank
from mesh.demo.acts.trust_verdict import keys_of, link_classes, same_view
from mesh.demo.city.model import ground_distance_m
from mesh.demo.claims import Claims
from mesh.demo.scenes.plan import ScenePlan
from mesh.testing.wires.wire import WireCounts

__all__ = [
    "AGREE_S_MAX",
    "Answers",
    "Keys",
    "Outcome",
    "agree",
    "is_cut",
    "judge_sides",
    "judge_skip",
    "judge_wire",
    "judge_word",
    "times_in",
    "unheard",
    "who_know",
]

AGREE_S_MAX = 15.0
"""Seconds after the heal within which everyone must hold one view: a peer that is no neighbour is
dialled again after at most so many."""

Answers = Mapping[str, Report]
Keys = Mapping[str, bytes]


@dataclass(slots=True)
class Outcome:
    """What the act counted; the JSON's names.

    Attributes:
        skipped: whether the machine gives no network namespaces, and nothing was played.
        why: what it said.
        cut_s: how long the bridges were down.
        noticed_s: after how long no box had a link across any more.
        heal_to_agree_s: from the heal until every box held one view; None if it never did.
        views_equal: whether they did.
        entries_lost: facts that somebody held before the heal and somebody lacks after it.
        events_inside_sides: incidents' events that were heard on all of their own bank.
        events_lost: deliveries across the river that did not happen, as the boxes counted them.
        exposure_s: from the revocation to the last event of the revoked box that was accepted.
        exposure_healed_s: the part of it after the heal.
    """

    skipped: bool = False
    why: str = ""
    cut_s: float = 0.0
    noticed_s: float = 0.0
    heal_to_agree_s: float | None = None
    views_equal: bool = False
    entries_lost: int = 0
    events_inside_sides: int = 0
    events_lost: int = 0
    exposure_s: float = 0.0
    exposure_healed_s: float = 0.0


# -------------------------------------------------------------------------------------- the cut


def judge_skip(granted: str, why: str, claims: Claims) -> None:
    """See that the act is skipped only where the machine gives no network namespaces to anybody.

    Args:
        granted: the command of the system's that was given one; "" for none.
        why: what we were told.
        claims: where the claim is judged.
    """
    if granted:
        claims.check(
            "partition_played",
            False,
            f"skipped ({why}), although `{granted}` is given a network namespace here",
        )


def judge_wire(at_cut: WireCounts, at_heal: WireCounts, claims: Claims) -> None:
    """See by the wire's own count that it let nothing through while it was cut, and lost some.

    Args:
        at_cut: what it had counted when it was cut.
        at_heal: what it had when it was healed.
        claims: where the claim is judged.
    """
    crossed, lost = at_heal.copied - at_cut.copied, at_heal.dropped - at_cut.dropped
    claims.check(
        "wire_cut",
        crossed == 0 and lost > 0,
        f"{crossed} packets crossed while the bridges were down, {lost} were lost",
    )


def is_cut(side: Riverside, keys: Keys, answers: Answers) -> bool:
    """Whether by their own word no box has a link across the river, or thinks somebody is there.

    Args:
        side: where the boxes stand.
        keys: of every box.
        answers: each box's links and presence.
    """
    if set(answers) != set(side.boxes):
        return False
    for box, answer in answers.items():
        across = {keys[other] for other in side.across(box)}
        if any(link_classes({box: answer}, key) for key in across):
            return False
        gone = {*keys_of(answer.get("dark")), *keys_of(answer.get("unknown"))}
        members = across - {keys[side.revoked]}  # one who is revoked is not looked for
        if across & set(keys_of(answer.get("seen"))) or not members <= gone:
            return False
    return True


def unheard(boxes: Collection[str], said: Mapping[str, Value], reports: Answers) -> list[str]:
    """Return who said a notice that not every other box was handed.

    Args:
        boxes: who must have spoken, and must have heard.
        said: a notice's event by box.
        reports: of the boxes.
    """
    heard = {box: set(times_in(report, "notices")) for box, report in reports.items()}
    return [
        box
        for box in boxes
        if any(said.get(box) not in heard.get(other, ()) for other in boxes if other != box)
    ]


# ---------------------------------------------------------------------------------- either side


def judge_sides(
    side: Riverside,
    plan: ScenePlan,
    truths: Truths,
    reports: Answers,
    notices: Mapping[bytes, str],
    outcome: Outcome,
    claims: Claims,
) -> None:
    """See that each bank reacted to what it saw, and knows nothing of the other.

    Args:
        side: where the boxes stand.
        plan: what was to be shown during the cut.
        truths: states of the lane by camera, int8 [frames]: what was shown.
        reports: of the boxes, taken before the heal.
        notices: who said which notice during the cut.
        outcome: is filled in.
        claims: where each claim is judged.
    """
    silent = sorted(set(side.boxes) - reports.keys())
    claims.check("sides_report", not silent, f"everybody says what they did {silent or ''}")
    published = {box: report_rows(report, "published") for box, report in reports.items()}
    shown = shown_incidents(truths)
    name_incidents(shown, published)
    _judge_seen(side, plan, shown, claims)
    entered = {
        box: {typed("bytes", row["event"]) for row in report_rows(report, "entered")}
        for box, report in reports.items()
    }
    events = {typed("bytes", row["event"]): box for box, rows in published.items() for row in rows}
    whole = [event for event, box in events.items() if _heard_on_bank(side, event, box, entered)]
    outcome.events_inside_sides = len(whole)
    claims.check(
        "heard_inside",
        bool(events) and len(whole) == len(events),
        f"{len(whole)} of {len(events)} events were heard on all of their own bank",
    )
    crossed = _crossed(side, {**events, **notices}, entered, reports)
    claims.check(
        "nothing_crossed",
        not crossed,
        f"{crossed} of {len(events) + len(notices)} events were heard across the river",
    )
    _judge_reactions(side, shown, reports, claims)


def _judge_seen(side: Riverside, plan: ScenePlan, shown: Sequence[Shown], claims: Claims) -> None:
    """See that each camera's box announced what stood before it, and that both banks had one."""
    missed = [str(one) for one in shown if one.incident is None]
    idle = [bank for bank in (side.near, side.far) if not {one.box for one in shown} & set(bank)]
    claims.check(
        "both_banks_see",
        is_as_planned(plan, shown) and not missed and not idle,
        f"{len(shown) - len(missed)} of {len(plan.cameras)} incidents, on both banks, were "
        f"announced {missed or ''}",
    )


def _heard_on_bank(
    side: Riverside, event: bytes, box: str, entered: Mapping[str, set[bytes]]
) -> bool:
    position = side.city.place(box).position
    return all(
        event in entered.get(other, ())
        for other in side.bank(box)
        if other != box and ground_distance_m(position, side.city.place(other).position) <= RADIUS_M
    )


def _crossed(
    side: Riverside,
    said: Mapping[bytes, str],
    entered: Mapping[str, set[bytes]],
    reports: Answers,
) -> int:
    """Count deliveries to the other bank."""
    heard = {
        box: entered[box] | set(times_in(report, "notices")) for box, report in reports.items()
    }
    return sum(
        event in heard.get(other, ()) for event, box in said.items() for other in side.across(box)
    )


def _judge_reactions(
    side: Riverside, shown: Sequence[Shown], reports: Answers, claims: Claims
) -> None:
    """Compare the reactions with those that the own bank owes to each incident of the scene.

    Owed is what the ground truth and the city ask for, whatever the boxes said: an incident that
    nobody announced is owed its reactions too.
    """
    wanted: Counter[tuple[Value, str, str, int]] = Counter(
        (one.incident, owed.box, owed.kind, round(owed.seconds * 1000))
        for one in shown
        for owed in reactions_on_bank(side.city, one.box)
    )
    made: Counter[tuple[Value, str, str, int]] = Counter(
        (row["incident"], box, str(row["kind"]), typed("int", row["seconds_ms"]))
        for box, report in reports.items()
        for row in report_rows(report, "requests")
    )
    idle = [bank for bank in (side.near, side.far) if not any(who in bank for _, who, *_ in made)]
    claims.check(
        "both_banks_react",
        made == wanted and not idle,
        f"{made.total()} reactions of {wanted.total()} owed, {(made - wanted).total()} unexpected",
    )


# ------------------------------------------------------------------------------------- the word


def judge_word(side: Riverside, key: bytes, views: Answers, claims: Claims) -> None:
    """See that the near bank knows of the revocation, and the far bank cannot.

    Args:
        side: where the boxes stand.
        key: of the revoked box.
        views: each box's view of its name, taken during the cut.
        claims: where the claim is judged.
    """
    knowing = who_know(key, views)
    near = [box for box in side.near if box in knowing]
    far = [box for box in side.far if box in views and box not in knowing]
    claims.check(
        "word_stays",
        len(near) == len(side.near) and len(far) == len(side.far),
        f"{len(near)} of {len(side.near)} on the near bank know that {side.revoked} is revoked; "
        f"{len(far)} of {len(side.far)} on the far bank cannot",
    )


def who_know(key: bytes, views: Answers) -> list[str]:
    """Return the boxes in whose view a key no longer holds the name that they were asked for."""
    return [box for box, view in views.items() if not _is_current(view, key)]


def agree(side: Riverside, key: bytes, views: Answers) -> bool:
    """Whether every box but the revoked one holds one view, in which that one is revoked."""
    boxes = [box for box in side.boxes if box != side.revoked]
    held = {box: view for box, view in views.items() if box in boxes}
    return same_view(held, boxes) and who_know(key, held) == list(held)


def _is_current(view: Report, key: bytes) -> bool:
    rows = view.get("holders")
    held = [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
    return any(row[0] == key and row[-1] is True for row in held)


def times_in(report: Report, name: str) -> dict[bytes, int]:
    """Return the numbers that a report holds under a name, by key."""
    rows = report.get(name)
    pairs = [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
    return {typed("bytes", row[0]): typed("int", row[1]) for row in pairs}
