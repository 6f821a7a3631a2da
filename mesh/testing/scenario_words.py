"""What a scenario file is expected to hold at each of its places, in a person's words."""

from collections.abc import Mapping

__all__ = ["EXPECTED"]

_DURATION = "a number and ms, s, m, h or d, as 30s"
_WHO = "a name or a pattern such as north/box-1 or north/*, or a list of them"
_NAME = "a name such as north/box-1"
_COUNT = "a whole number above 0"
_SHARE = "a number from 0 to below 1"
_LABEL = "1 to 63 characters of text"

EXPECTED: Mapping[str, str] = {
    "": "a mapping with name, why, steps, invariants and expect",
    "name": "lower-case letters, digits and - as river-cut",
    "why": "1 to 1000 characters of text: what it shows",
    "seed": "a whole number from 0 to 4294967295",
    "fleet": "a mapping such as {boxes: 8, latency_ms: 5}",
    "fleet.boxes": "a whole number from 1 to 1000",
    "fleet.latency_ms": "a number from 0 to 10000",
    "fleet.loss": _SHARE,
    "fleet.listen_m": "a number from 0 to 50000",
    "steps": "a list of 1 to 400 steps such as {run: 2m}",
    "steps[]": "a mapping with one thing to do, as {run: 2m} or {at: 10s, crash: centre}",
    "steps[].at": _DURATION,
    "steps[].run": _DURATION,
    "steps[].settle": _DURATION,
    "steps[].cut": 'a mapping such as {label: river, side: "north/*"}',
    "steps[].cut.side": _WHO,
    "steps[].cut.side[]": _NAME,
    "steps[].cut.label": _LABEL,
    "steps[].heal": "the label of a cut, or all",
    "steps[].links": "a mapping such as {loss: 0.1}",
    "steps[].links.loss": _SHARE,
    "steps[].crash": _WHO,
    "steps[].crash[]": _NAME,
    "steps[].restart": _WHO,
    "steps[].restart[]": _NAME,
    "steps[].disk": "a mapping such as {who: north/box-1, full: true}",
    "steps[].disk.who": _WHO,
    "steps[].disk.who[]": _NAME,
    "steps[].disk.full": "true or false",
    "steps[].clock": "a mapping such as {who: north/box-1, ahead: 1h}",
    "steps[].clock.who": _WHO,
    "steps[].clock.who[]": _NAME,
    "steps[].clock.ahead": _DURATION,
    "steps[].clock.behind": _DURATION,
    "steps[].swap_hardware": "a mapping such as {name: north/box-1, by: north/steward}",
    "steps[].swap_hardware.name": _NAME,
    "steps[].swap_hardware.by": _NAME,
    "steps[].revoke": "a mapping such as {name: north/box-1, by: centre}",
    "steps[].revoke.name": _NAME,
    "steps[].revoke.by": _NAME,
    "steps[].grant": "a mapping such as {name: north/box-9, by: north/steward}",
    "steps[].grant.name": _NAME,
    "steps[].grant.by": _NAME,
    "steps[].put": "a mapping such as {key: limit, value: 30}",
    "steps[].put.key": "1 to 128 characters of text",
    "steps[].put.value": "text or a whole number",
    "steps[].put.by": _NAME,
    "steps[].publish": 'a mapping such as {who: "*/box-*", count: 10, every: 2s}',
    "steps[].publish.who": _WHO,
    "steps[].publish.who[]": _NAME,
    "steps[].publish.count": "a whole number from 1 to 100000",
    "steps[].publish.every": _DURATION,
    "steps[].impersonate": "a mapping such as {by: south/box-5, name: north/box-1}",
    "steps[].impersonate.by": _NAME,
    "steps[].impersonate.name": _NAME,
    "invariants": "a list of 1 to 16 checkers such as Convergence",
    "invariants[]": "the name of a checker such as Convergence",
    "expect": "a mapping with at least one count such as {deliveries: 4}",
    "expect.seconds_cut": _COUNT,
    "expect.crashes": _COUNT,
    "expect.published": _COUNT,
    "expect.deliveries": _COUNT,
    "expect.requests": _COUNT,
    "expect.entries_exchanged": _COUNT,
    "expect.views_differed_s": _COUNT,
    "expect.refused": "a mapping of reasons and whole numbers such as {revoked: 1}",
    "expect.refused[]": _COUNT,
}
"""By path; the items of a list or of a mapping are []."""
