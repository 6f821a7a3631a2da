"""The report of scenarios: one page for who was not there, as `mesh.pages` says.

What is not well stands first and open: the verdict with its evidence, the moments around the
breach, the whole run, how views came together again, how long events and facts were on their way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mesh.pages.markup import Markup, element, join
from mesh.pages.parts import facts, page, table
from mesh.testing.report.figures import (
    FIGURES_STYLE,
    chosen,
    drawn,
    folded,
    latency,
    spreads,
    titled,
)
from mesh.testing.report.recording import Recording
from mesh.testing.report.rollouts import rollout_figures
from mesh.testing.report.side_by_side import side_by_side
from mesh.testing.scenarios.runner import Finding, Result
from mesh.testing.scenarios.writing import scenario_text, step_text

__all__ = ["Played", "render_report"]

STEPS_MAX = 100
"""Steps that are listed."""
CLASSES = {"held": "held", "broken": "failed", "vacuous": "vacuous"}

STYLE = (
    FIGURES_STYLE
    + """
.vacuous { color: var(--yellow); font-weight: 600; }
details.run { border-top: 1px solid var(--rule); padding: 0.3rem 0 0.6rem; }
details.run > summary { font-size: 1.1rem; font-weight: 600; }
pre { overflow-x: auto; font-size: 0.8rem; padding: 0.6rem; border: 1px solid var(--rule);
  overflow-wrap: normal; }
"""
)


@dataclass(frozen=True, slots=True)
class Played:
    """One scenario that was run: what became of it, what it looked like, and what it got down to.

    Attributes:
        result: the verdict.
        recording: of that run.
        small: text of the smaller file that still breaks, if one was looked for.
        on_wires: it was run by real processes, and its seconds were seconds.
        beside: the same scenario in simulation, of one that was run on wires.
    """

    result: Result
    recording: Recording
    small: str = ""
    on_wires: bool = False
    beside: "Played | None" = None


def render_report(played: Sequence[Played]) -> str:
    """Return the page."""
    held = sum(one.result.word == "held" for one in played)
    others = [one for one in played if one.beside and one.beside.result.word != one.result.word]
    is_well = bool(played) and held == len(played) and not others
    told = f"{held} of {len(played)} scenarios held."
    if others:
        names = ", ".join(one.result.scenario.name for one in others)
        told += f" In simulation the verdict is another: {names}."
    command = "mesh net" if any(one.on_wires for one in played) else "mesh sim"
    header = element(
        "header",
        element("h1", command),
        element("p", told, class_="verdict held" if is_well else "verdict failed"),
        _overview(played),
    )
    order = sorted(played, key=lambda one: ("broken", "vacuous", "held").index(one.result.word))
    return page(command, header, *map(_scenario, order), style=STYLE)


def _overview(played: Sequence[Played]) -> Markup:
    heads = ["scenario", "verdict", "boxes", "time", "speed"]
    rows: list[list[object]] = []
    for one in played:
        result = one.result
        pace = "real" if one.on_wires else f"{result.speed:.0f}x"
        boxes = result.scenario.fleet.boxes
        took = f"{result.virtual_s:.0f} s"
        rows.append([result.scenario.name, _word(result.word), boxes, took, pace])
    if any(one.beside for one in played):
        heads.insert(2, "in simulation")
        for row, one in zip(rows, played, strict=True):
            row.insert(2, _word(one.beside.result.word) if one.beside else "")
    return table(heads, rows)


def _word(word: str) -> Markup:
    return element("span", word, class_=CLASSES[word])


def _scenario(one: Played) -> Markup:
    result = one.result
    parts = [element("p", result.scenario.why), *_parts(one)]
    if one.beside is not None:
        both = side_by_side(result, one.recording, one.beside.result, one.beside.recording)
        parts.insert(1, titled("On wires and in simulation", both))
        parts.append(folded("The same file in simulation", join(_parts(one.beside))))
    summary = element("summary", f"{result.scenario.name}: ", _word(result.word))
    is_open = {} if result.word == "held" else {"open": "open"}
    return element("details", summary, *parts, class_="run", **is_open)


def _parts(one: Played) -> list[Markup]:
    """Return what one run has to show."""
    result, recording = one.result, one.recording
    broken = _first_broken(result)
    parts = [
        _how(one),
        _wrong(one),
        _invariants(result),
        _drawn(recording, broken),
        rollout_figures(recording, _names(recording, broken)),
        titled("Latency", latency(recording)),
        titled("Facts on their way", spreads(recording)),
        _steps(one),
        folded("Counts; what is not told is 0", facts(result.telling)),
        folded("The file, without what has its usual value",
                element("pre", scenario_text(result.scenario))),
    ]  # fmt: skip
    if one.small:
        parts.insert(2, join((element("h3", "Made small"), element("pre", one.small))))
    return parts


def _how(one: Played) -> Markup:
    result = one.result
    if one.on_wires:
        told = f"{result.virtual_s:.0f} seconds of real processes, seed {result.scenario.seed}"
        return element("p", told)
    told = f"{result.virtual_s:.0f} virtual seconds, seed {result.scenario.seed}, trace "
    return element("p", told, element("code", result.trace[:12] or "none"))


def _first_broken(result: Result) -> tuple[str, Finding] | None:
    found = [(name, each) for name, each in result.invariants.items() if each.word == "broken"]
    return min(found, key=lambda item: item[1].at_s, default=None)


def _wrong(one: Played) -> Markup:
    result = one.result
    told = join(element("p", sentence, class_="failed") for sentence in result.sentences)
    broken = _first_broken(result)
    if broken is None or one.on_wires:  # no two runs on wires are the same
        return told
    name, finding = result.scenario.name, broken[1]
    again = f"mesh sim replay {name} --until {finding.at_s:g} --node '{finding.who}'"
    seed = f" --seed {result.scenario.seed}"
    return join((told, element("p", "Look at it: ", element("code", again + seed), class_="note")))


def _invariants(result: Result) -> Markup:
    rows = [
        (_word(finding.word), name, str(finding)) for name, finding in result.invariants.items()
    ]
    return table(("", "invariant", "what was found"), rows)


# ------------------------------------------------------------------------------------ figures


def _drawn(recording: Recording, broken: tuple[str, Finding] | None) -> Markup:
    names = _names(recording, broken)
    if broken is None:
        return drawn(recording, names)
    mark = (broken[0], broken[1].at_s, broken[1].who)
    return drawn(recording, names, close=("Around the breach", mark[1]), broken=mark)


def _names(recording: Recording, broken: tuple[str, Finding] | None) -> list[str]:
    said = " ".join(step_text(timed.step) for timed in recording.steps)
    return chosen(recording, said, broken[1].who if broken else "")


# ------------------------------------------------------------------------------------- pieces


def _steps(one: Played) -> Markup:
    """List what was done, then what could not be, then what was not come to."""
    done, steps = one.recording.steps, one.result.scenario.steps
    rows: list[tuple[object, ...]] = [
        (timed.number, f"{timed.at_s:.1f} s", element("code", step_text(timed.step)))
        for timed in done[:STEPS_MAX]
    ]
    more = len(done) - len(rows)
    for number, step in enumerate(steps[len(done) :], len(done) + 1):
        is_first = number == len(done) + 1 and one.result.trouble
        when = element("span", "not done", class_="failed") if is_first else "not reached"
        if is_first or len(rows) < STEPS_MAX:
            rows.append((number, when, element("code", step_text(step))))
        else:
            more += 1
    name = f"Steps, with when each was done{f'; {more} more are not listed' if more else ''}"
    return folded(name, table(("", "done at", "step"), rows))
