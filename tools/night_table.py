"""What a night met: how often each fault, refusal and invariant, so that nobody takes it on trust.

A tally is a count by name. Those of two nights, or of two pieces of one, add up.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from mesh.testing.chance.nemesis import DEEDS, FAULTS, LASTING, Laid
from mesh.testing.scenarios.runner import Result
from mesh.testing.scenarios.scenario import Scenario

__all__ = ["WORDS", "is_vacuous", "most_at_once", "table", "tally_of"]

WORDS = ("held", "vacuous", "broken")
"""What may become of a seed."""
AT_ONCE_MAX = 4
"""So many kinds of faults at one time or more are told of together."""


def most_at_once(laid: Iterable[Laid]) -> int:
    """Return how many kinds of faults there were at one time, at most."""
    spans = [
        (each.kind, each.from_s, math.inf if each.kind in LASTING else each.to_s)
        for each in laid
        if each.kind in FAULTS
    ]
    return max(
        (
            len({kind for kind, from_s, to_s in spans if from_s <= begin_s < to_s})
            for _, begin_s, _ in spans
        ),
        default=0,
    )


def is_vacuous(laid: Sequence[Laid], result: Result) -> bool:
    """Whether a run shows nothing: nothing befell anybody, or nobody heard or learnt anything."""
    return not laid or bool(result.missing) or not result.counts.get("deliveries")


def tally_of(word: str, scenario: Scenario, laid: Sequence[Laid], result: Result) -> Counter[str]:
    """Return what one run met."""
    tally = Counter({"runs": 1, f"word {word}": 1, f"at once {most_at_once(laid)}": 1})
    tally.update(f"episodes {each.kind}" for each in laid)
    tally.update({f"kind {each.kind}" for each in laid})
    tally.update(_chosen(scenario))
    tally.update(
        f"subject {name}" for name, found in result.invariants.items() if found.word != "vacuous"
    )
    for name, count in result.counts.items():
        tally[f"count {name}"] += int(count)
        tally[f"with {name}"] += bool(count)
    return tally


def _chosen(scenario: Scenario) -> set[str]:
    """Return what was chosen among the sorts of a kind: how boxes lied, what models did."""
    chosen: set[str] = set()
    for step in scenario.steps:
        if step.verb == "turn":
            chosen.add(f"sort liar, {step.deed.behaviour}")
        elif step.verb == "release":
            chosen.add(f"sort model, {step.deed.does}")
        elif step.verb == "apply":
            chosen.add(f"sort rollout, {step.deed.on_partition}")
        elif step.verb in {"pause", "resume", "promote", "undo", "abort"}:
            chosen.add(f"sort rollout, {step.verb}")
        elif step.verb == "approve_model":
            chosen.add(f"sort model, {step.deed.state}")
    return chosen


def table(tally: Counter[str]) -> str:
    """Return a tally as lines for people."""
    runs = tally["runs"]
    words = ", ".join(f"{tally[f'word {word}']} {word}" for word in WORDS)
    return "\n".join([f"{runs} runs: {words}", *_kinds(tally), *_counts(tally), *_rest(tally)])


def _kinds(tally: Counter[str]) -> Iterator[str]:
    yield f"{'what befell them':28}{'runs':>8}{'times':>10}"
    for kind in (*sorted(FAULTS), *sorted(DEEDS)):
        yield f"  {kind:26}{tally[f'kind {kind}']:>8}{tally[f'episodes {kind}']:>10}"
    for name in sorted(tally):
        if name.startswith("sort "):
            yield f"  {name.removeprefix('sort '):26}{tally[name]:>8}"


def _counts(tally: Counter[str]) -> Iterator[str]:
    yield f"{'what was counted':28}{'runs':>8}{'in all':>14}"
    for name in sorted(tally):
        if name.startswith("count "):
            word = name.removeprefix("count ")
            yield f"  {word:26}{tally[f'with {word}']:>8}{tally[name]:>14,}"


def _rest(tally: Counter[str]) -> Iterator[str]:
    yield f"{'invariants with a subject':28}{'runs':>8}"
    for name in sorted(tally):
        if name.startswith("subject "):
            yield f"  {name.removeprefix('subject '):26}{tally[name]:>8}"
    yield f"{'kinds of faults at one time':28}{'runs':>8}"
    for many in range(AT_ONCE_MAX):
        yield f"  {many:<26}{tally[f'at once {many}']:>8}"
    more = sum(
        count
        for name, count in tally.items()
        if name.startswith("at once ") and int(name.removeprefix("at once ")) >= AT_ONCE_MAX
    )
    yield f"  {f'{AT_ONCE_MAX} or more':26}{more:>8}"
