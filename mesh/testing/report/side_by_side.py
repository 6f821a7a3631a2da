"""One scenario on wires and in simulation: the same sums beside each other."""

from collections.abc import Sequence

from mesh.pages.markup import Markup
from mesh.pages.parts import table
from mesh.testing.report.recording import Recording
from mesh.testing.scenarios.runner import Result

__all__ = ["SHARES", "below", "side_by_side"]

SHARES = {"50 %": 0.5, "99 %": 0.99}
"""Of the latencies, what is told."""
NOTHING = "none"


def below(recording: Recording, share: float) -> str:
    """Return the bound below which a share of the latencies lies, for people."""
    if not recording.heard_count:
        return NOTHING
    bound = recording.share_of_latencies(share)
    return "more" if bound is None else f"{bound:g} ms"


def side_by_side(
    wires: Result, recorded: Recording, simulated: Result, beside: Recording
) -> Markup:
    """Return the table of both runs: the verdicts, when things happened, and what was counted."""
    pairs: list[tuple[str, object, object]] = [
        ("verdict", wires.word, simulated.word),
        ("seconds, wires; virtual", f"{wires.virtual_s:.0f}", f"{simulated.virtual_s:.0f}"),
        ("views of who may do what", recorded.views, beside.views),
        ("events heard", recorded.heard_count, beside.heard_count),
    ]
    pairs += [
        (f"… {name} within", below(recorded, share), below(beside, share))
        for name, share in SHARES.items()
    ]
    for name in wires.invariants:
        found = [_word(each, name) for each in (wires, simulated)]
        pairs.append((name, found[0], found[1]))
    counted: Sequence[str] = list(dict.fromkeys([*wires.telling, *simulated.telling]))
    for name in counted:
        told = [_number(each.counts.get(name)) for each in (wires, simulated)]
        pairs.append((name.replace("_", " "), told[0], told[1]))
    return table(("", "on wires", "in simulation"), pairs)


def _word(result: Result, name: str) -> str:
    finding = result.invariants.get(name)
    return NOTHING if finding is None else finding.word


def _number(count: float | None) -> str:
    return NOTHING if count is None else f"{count:,.10g}"
