"""The report of a run: one HTML page that needs nothing but itself (`mesh.pages`).

It is for somebody who was not there: first whether the run held what it claims, what failed before
what held, then each act that was played.

The page is made of the result as the JSON has it, and says of an act that was not played only that.
So a page can be made of any run, however early it ended.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from mesh.demo.acts.reaction_flows import Flows
from mesh.demo.city.model import City
from mesh.demo.claims import Judged
from mesh.demo.report.figures import city_map
from mesh.demo.report.rollout_words import bad_release_told, comeback_told, poison_told
from mesh.demo.report.style import MAP_STYLE
from mesh.pages.charts import latency_histogram, spread_bar, stage_timeline
from mesh.pages.markup import Markup, element, join
from mesh.pages.parts import absent, facts, names, page, section, table

__all__ = ["render_report"]

NUMBER_MAX = 1e12
"""Largest number that a figure draws."""
ROLLOUT_TOLD = frozenset(
    {"stages", "boxes_on_approved", "bad_release", "seconds", "comeback", "poison"}
)
"""What the rollout's own words say; the rest of its result is listed as it is."""

Result = Mapping[str, object]


def render_report(result: Result, judged: Sequence[Judged], city: City | None, flows: Flows) -> str:
    """Return the page.

    Args:
        result: what the JSON says.
        judged: every claim that was judged, in the order of time.
        city: where the boxes stand; None if the run ended before there were any.
        flows: the reactions of the scene.
    """
    failed = [str(name) for name in _items(result.get("failed"))]
    sections = (
        section("Claims", _claims(judged, failed)),
        section("Reactions", _map(city, flows)),
        section("Rollout", _rollout(_mapping(result.get("rollout")))),
        section("Refusals", _refusals(result)),
        section("Latency", _reaction(_mapping(result.get("reaction")))),
        section("Partition", _partition(_mapping(result.get("partition")))),
    )
    title = f"mesh demo, seed {result.get('seed', '')}"
    return page(title, _verdict(result, judged, failed), *sections, style=MAP_STYLE)


# ----------------------------------------------------------------------------- the whole run


def _verdict(result: Result, judged: Sequence[Judged], failed: Sequence[str]) -> Markup:
    held = sum(one.held for one in judged)
    ok = result.get("ok") is True
    return element(
        "header",
        element("h1", "mesh demo"),
        element(
            "p",
            f"Every claim held: {held} of {len(judged)}."
            if ok
            else f"Failed: {', '.join(failed) or 'the run'}.",
            class_="verdict held" if ok else "verdict failed",
        ),
        element(
            "p",
            f"Seed {result.get('seed')}, {result.get('boxes')} boxes, "
            f"{result.get('processes')} processes, {result.get('duration_s')} s.",
        ),
    )


def _claims(judged: Sequence[Judged], failed: Sequence[str]) -> Markup:
    """List the claims, the failed ones first, also those that nobody judged."""
    named = {one.name for one in judged if not one.held}
    unjudged = [Judged(name, False, "") for name in failed if name not in named]
    rows = [
        (
            element("span", "held" if one.held else "FAILED",
                    class_="held" if one.held else "failed"),
            one.name,
            one.sentence,
        )
        for one in sorted((*unjudged, *judged), key=lambda one: one.held)
    ]  # fmt: skip
    return table(("", "claim", "what was found"), rows) if rows else absent("claim")


def _map(city: City | None, flows: Flows) -> Markup:
    if city is None:
        return absent("city")
    drawn = element("figure", city_map(city, flows))
    if not flows.flows:
        return join((drawn, element("p", "No reaction was reported.", class_="note")))
    legend = element(
        "figcaption",
        "A number in a circle: incidents that the box saw. An arrow runs from there to the box "
        "that reacted: ",
        element("span", "solid, more red upstream", class_="key red"),
        "; ",
        element("span", "dashed, yellow earlier downstream", class_="key yellow"),
        "; the thicker, the more often.",
    )
    rows = [(flow.seen_at, flow.box, flow.kind, flow.count) for flow in flows.flows]
    listed = table(("incidents at", "reaction by", "what", "times"), rows)
    every = element("details", element("summary", f"All {len(rows)} as a table"), listed)
    return join((drawn, legend, every))


# ------------------------------------------------------------------------------- each act


def _rollout(rollout: Result | None) -> Markup:
    if rollout is None:
        return absent("rollout")
    stages: list[tuple[str, str, float | None]] = []
    for stage in map(_mapping, _items(rollout.get("stages"))):
        if stage is not None:
            at, boxes = _number(stage.get("opened_s")), stage.get("boxes")
            asked = stage.get("boxes_asked")
            ran = f"ran on {_boxes(boxes)}" + ("" if asked is None else f" of {asked} asked")
            said = f"{ran}, " + ("never opened" if at is None else f"opened at {at:g} s")
            stages.append((f"{stage.get('percent')} %", said, at))
    seconds = _number(rollout.get("seconds"))
    bad = _mapping(rollout.get("bad_release"))
    parts = [
        element("figure", stage_timeline(stages, seconds or 0.0)) if stages else absent("stage"),
        element("p", f"{_boxes(rollout.get('boxes_on_approved'))} ended on the approved release."),
    ]
    if bad is not None:
        parts.append(element("p", bad_release_told(bad)))
    told: dict[str, object] = {}
    for key, tell in (("comeback", comeback_told), ("poison", poison_told)):
        part = _mapping(rollout.get(key))
        if part is not None:
            told[key] = tell(part)
    rest = {key: value for key, value in rollout.items() if key not in ROLLOUT_TOLD}
    return join((*parts, facts({**told, **rest})))


def _refusals(result: Result) -> Markup:
    trust = _mapping(result.get("trust"))
    if trust is not None:
        return _trust(trust)
    rollout = _mapping(result.get("rollout")) or {}
    if (_mapping(rollout.get("poison")) or {}).get("chunks_sent"):
        note = "The act with the attacks was not played; wrong bytes are told under Rollout."
        return element("p", note, class_="note")
    return absent("attack")


def _trust(trust: Result) -> Markup:
    rows: list[tuple[object, ...]] = []
    for attack in map(_mapping, _items(trust.get("attacks"))):
        if attack is not None:
            refused = _items(attack.get("refused_by"))
            accepted = _items(attack.get("accepted_by"))
            rows.append(
                (
                    attack.get("attacker"),
                    attack.get("expected_reason"),
                    attack.get("sent"),
                    len(refused),
                    element("span", names(accepted), class_="failed" if accepted else "held"),
                )
            )
    heads = ("attack", "refused as", "sent to", "refused by", "accepted by")
    swap = _mapping(trust.get("swap")) or {}
    swapped: Result = {"hardware swapped at": "nowhere"}
    if swap.get("epoch"):
        swapped = {
            "hardware swapped at": swap.get("name"),
            "its epoch": swap.get("epoch"),
            "recognised by": f"{_boxes(len(_items(swap.get('recognised_by'))))} "
            f"after {swap.get('seconds')} s",
        }
    return join(
        (
            table(heads, rows) if rows else absent("attack"),
            facts({"centre killed": trust.get("centre_killed"), **swapped}),
        )
    )


def _reaction(reaction: Result | None) -> Markup:
    if reaction is None:
        return absent("reaction")
    bins = [
        (_bin_label(_number(one.get("below_ms"))), round(_number(one.get("count")) or 0))
        for one in map(_mapping, _items(reaction.get("latency_bins")))
        if one is not None
    ]
    parts: list[Markup] = []
    if bins:
        title = "Deliveries by latency, published to handler entered"
        caption = element("figcaption", f"{title}; milliseconds, each class below its label.")
        parts.append(element("figure", latency_histogram(bins, title=title), caption))
    undisturbed = _mapping(reaction.get("undisturbed")) or {}
    spreads = {
        "published to handler": reaction.get("latency_ms"),
        "published to handler, undisturbed": undisturbed.get("latency_ms"),
        "frame to request": reaction.get("frame_to_request_ms"),
        "frame to request, undisturbed": undisturbed.get("frame_to_request_ms"),
        **(_mapping(reaction.get("stages_ms")) or {}),
    }
    parts.append(_spreads(spreads))
    told = {"latency_bins", "latency_ms", "frame_to_request_ms", "stages_ms", "undisturbed"}
    return join((*parts, facts({key: reaction[key] for key in reaction if key not in told})))


def _bin_label(below_ms: float | None) -> str:
    return "more" if below_ms is None else f"{below_ms:g}"


def _spreads(spreads: Result) -> Markup:
    found: dict[str, dict[str, float]] = {}
    for name, spread in spreads.items():
        values = {key: _number(value) for key, value in (_mapping(spread) or {}).items()}
        if values:
            found[name] = {key: value for key, value in values.items() if value is not None}
    if not found:
        return absent("duration")
    most = max((value for values in found.values() for value in values.values()), default=0.0)
    rows = [
        (
            name.replace("_", " "),
            *(f"{values[key]:.2f}" if key in values else "" for key in ("p50", "p99", "max")),
            spread_bar(values, most),
        )
        for name, values in found.items()
    ]
    return table(("from, to", "p50 ms", "p99 ms", "max ms", ""), rows)


def _partition(partition: Result | None) -> Markup:
    if partition is None:
        return absent("partition")
    if partition.get("skipped") is True:
        return element("p", f"Skipped: {partition.get('why')}", class_="note")
    told = {"skipped", "why"}
    return facts({key: value for key, value in partition.items() if key not in told})


# --------------------------------------------------------------------------------- parts


def _boxes(count: object) -> str:
    return "1 box" if count == 1 else f"{count} boxes"


def _mapping(value: object) -> Result | None:
    if not isinstance(value, Mapping):
        return None
    return {str(key): one for key, one in cast("Mapping[object, object]", value).items()}


def _items(value: object) -> list[object]:
    return list(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else []


def _number(value: object) -> float | None:
    """Return a number that can be drawn, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= NUMBER_MAX else None
