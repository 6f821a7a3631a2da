"""Who reacted to what was seen where, summed up for a map.

The boxes report one row a request; a person wants to see which crossing moves which. An incident
bears the id of its first event, so the box that published that event is where it was seen.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from identity.encoding import Value
from mesh.demo.acts.reaction_times import Report, report_rows

__all__ = ["Flow", "Flows", "reaction_flows"]


@dataclass(frozen=True, slots=True, order=True)
class Flow:
    """Reactions of one kind, of one box to the incidents of another.

    Attributes:
        seen_at: the box that saw the incidents; "" if nobody published them.
        box: who reacted.
        kind: `extend_red` or `advance_yellow`.
        count: how often.
    """

    seen_at: str
    box: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Flows:
    """All reactions of a scene.

    Attributes:
        seen: how many incidents each box saw.
        flows: the reactions, ordered.
    """

    seen: Mapping[str, int] = field(default_factory=dict[str, int])
    flows: tuple[Flow, ...] = ()


def reaction_flows(reports: Mapping[str, Report]) -> Flows:
    """Sum up the reactions that the boxes report.

    Args:
        reports: by box, with the rows `published` and `requests`.
    """
    seen_at: dict[Value, str] = {}
    for box, report in reports.items():
        for row in report_rows(report, "published"):
            if row["event"] == row["incident"]:
                seen_at[row["incident"]] = box
    made = Counter(
        (seen_at.get(row["incident"], ""), box, str(row["kind"]))
        for box, report in reports.items()
        for row in report_rows(report, "requests")
    )
    flows = sorted(Flow(*which, count) for which, count in made.items())
    return Flows(Counter(seen_at.values()), tuple(flows))
