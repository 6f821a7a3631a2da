"""The nemesis: whatever may happen to a fleet, drawn by chance, in the order of a scenario.

    scenario = chaos(nodes=8, hours=0.5, seed=7)
    assert run_scenario(scenario).word != "broken"

A run draws a *swarm* first: a random half of the kinds of faults and deeds that there are, and only
those happen in it. Runs that have everything are all alike, and some bugs show only where something
is absent (Groce et al., "Swarm Testing", ISSTA 2012). Then episodes are laid over the time: each
begins a fault and ends it, some overlap. At the end all is mended, and the fleet must come to rest.

What comes out is an ordinary scenario file, so a run can be saved, replayed and shrunk. Every
number is drawn from the generator that is handed in: the same draws give the same scenario.
`mesh.testing.strategies` hands in one of hypothesis.
"""

import json
import math
import random
from collections.abc import Collection, Mapping, Sequence

from mesh.testing.chance.nemesis_drawing import SIGNING_S, Episode, Laid, Nemesis
from mesh.testing.chance.nemesis_rollouts import rollout
from mesh.testing.checkers.registry import CHECKERS
from mesh.testing.scenarios.scenario import STEPS_MAX, Scenario, parse_scenario

__all__ = [
    "DEEDS", "FAULTS", "LASTING", "Laid", "chaos", "chaos_text", "drawn_text", "laid",
    "swarm",
]  # fmt: skip

EPISODE_S = 15.0
"""Virtual seconds between the beginnings of two episodes, on average."""
EPISODES_MAX = 90
"""Most episodes of a run, and fewer if a scenario cannot hold their steps."""
STEPS_OF_AN_EPISODE = 8
"""Most steps that an episode adds, those in which time passes among them."""
COMPANY_SHARE = 0.5
"""How many episodes begin while the one before lasts: what breaks a fleet is often two things."""
LASTS_S = 60
"""Longest time of an episode, virtual seconds; a cut is noticed after ten."""
SAYS_S = 4
"""Virtual seconds between two events of a box, at least."""
SAYS_MAX = 200
"""Events of one box in a run, about."""
OLD_SAYS = 5
"""Events of a box whose hardware was replaced, afterwards."""
WELL = {"latency_ms": 5, "jitter_ms": 1, "loss": 0, "duplication": 0, "reordering": 0,
        "kbit_s": 1_000_000}  # fmt: skip
"""Links that are well again."""
LIES = ("forge", "replay", "back_date", "equivocate", "poison", "withhold", "eclipse")
"""How boxes lie for as long as they live."""
FLOOD_S = 3
"""Longest flood, virtual seconds; each takes as long to play as a minute of anything else."""

# ------------------------------------------------------------------------------------- the faults


def _cut(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    side = nemesis.rng.choice(["north/*", nemesis.some(nemesis.anybody()[:-1])])
    label = f"cut {nemesis.number()}"
    nemesis.happens(from_s, cut={"label": label, "side": side})
    nemesis.happens(to_s, heal=label)


def _one_way(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    names = nemesis.some(nemesis.anybody()[:-1])
    others = [name for name in nemesis.anybody() if name not in names]
    label = f"one-way {nemesis.number()}"
    way = {"label": label, "from": names, "to": nemesis.some(others)}
    nemesis.happens(from_s, cut_one_way=way)
    nemesis.happens(to_s, heal=label)


def _hole(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    label = f"hole {nemesis.number()}"
    nemesis.happens(from_s, blackhole={"label": label, "who": nemesis.some(nemesis.anybody())[:2]})
    nemesis.happens(to_s, heal=label)


def _bad_links(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    rng = nemesis.rng
    drawn = {
        "latency_ms": rng.choice([1, 20, 80, 400]),
        "jitter_ms": rng.choice([0, 5, 50, 300]),
        "loss": rng.choice([0.01, 0.05, 0.2]),
        "duplication": rng.choice([0.01, 0.2]),
        "reordering": rng.choice([0.01, 0.2]),
        "kbit_s": rng.choice([64, 500, 10_000]),
    }
    chosen = nemesis.some(sorted(drawn))
    nemesis.happens(from_s, links={field: drawn[field] for field in chosen})
    nemesis.happens(to_s, links=WELL)


def _nat(nemesis: Nemesis, from_s: float, _to_s: float) -> None:
    nemesis.happens(from_s, behind_nat=nemesis.rng.choice(nemesis.boxes))


def _crash(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    name = nemesis.take(nemesis.anybody(), from_s, to_s)
    if name is not None:
        nemesis.happens(from_s, crash=name)
        nemesis.happens(to_s, restart=name)


def _power_cut(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    found = [
        nemesis.take(nemesis.anybody(), from_s, to_s) for _ in range(nemesis.rng.randint(1, 4))
    ]
    names = [name for name in found if name is not None]
    if names:
        keep = nemesis.rng.choice([0, 0, 1, 3])
        nemesis.happens(from_s, power_cut={"who": names, "keep": keep})
        nemesis.happens(to_s, restart=names)


def _old_disk(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    name = nemesis.take(nemesis.boxes, from_s, to_s)
    if name is not None:  # what people wrote at their own machine since could be lost for good
        label, off_s = f"backup {nemesis.number()}", (from_s + to_s) / 2
        nemesis.happens(from_s, backup={"name": name, "label": label})
        nemesis.happens(off_s, power_cut={"who": name})
        nemesis.happens(to_s, restore={"name": name, "label": label})
        nemesis.happens(to_s, restart=name)


def _full_disk(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    names = nemesis.some(nemesis.anybody())[:3]
    nemesis.happens(from_s, disk={"who": names, "full": True})
    nemesis.mends(to_s, "disk", names, full=False)


def _slow_disk(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    names = nemesis.some(nemesis.anybody())
    took_ms = nemesis.rng.choice([50, 400, 3_000])
    nemesis.happens(from_s, disk={"who": names, "sync_ms": took_ms})
    nemesis.mends(to_s, "disk", names, sync_ms=2)


def _slow_box(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    names = nemesis.some(nemesis.anybody())[:2]
    factor = nemesis.rng.choice([5, 20, 100])
    nemesis.happens(from_s, slow={"who": names, "factor": factor})
    nemesis.mends(to_s, "slow", names, factor=1)


def _wrong_clock(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    name = nemesis.take(nemesis.anybody(), from_s, to_s)
    if name is None:
        return
    off = nemesis.rng.choice(["200ms", "2s", "1m", "3h"])
    first, then = nemesis.rng.choice([("ahead", "behind"), ("behind", "ahead")])
    nemesis.happens(from_s, clock={"who": name, first: off})
    nemesis.happens(to_s, clock={"who": name, then: off})


def _drift(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    name = nemesis.rng.choice(nemesis.anybody())
    ppm = nemesis.rng.choice([-300, -50, 50, 300])
    nemesis.happens(from_s, clock={"who": name, "drift_ppm": ppm})
    nemesis.mends(to_s, "clock", [name], drift_ppm=0)


def _liar(nemesis: Nemesis, from_s: float, _to_s: float) -> None:
    name = nemesis.take(nemesis.boxes, from_s, math.inf)
    if name is not None:
        behaviour = nemesis.rng.choice(LIES)
        nemesis.happens(from_s, turn={"name": name, "behaviour": behaviour})


def _flood(nemesis: Nemesis, from_s: float, _to_s: float) -> None:
    name = nemesis.take(nemesis.boxes, from_s, math.inf)
    if name is not None:  # who once lied is not honest again: it goes on in a cheaper way
        then, lasts_s = nemesis.rng.choice(LIES), nemesis.rng.randint(1, FLOOD_S)
        nemesis.happens(from_s, turn={"name": name, "behaviour": "flood"})
        nemesis.happens(from_s + lasts_s, turn={"name": name, "behaviour": then})


# -------------------------------------------------------------------------------------- the deeds


def _put(nemesis: Nemesis, from_s: float, _to_s: float) -> None:
    signer = nemesis.signer(from_s, nemesis.rng.choice(["north", "south"]))
    if signer is not None:
        key = f"{'' if signer == 'centre' else signer.split('/')[0] + '/'}limit"
        nemesis.happens(from_s, put={"key": key, "value": nemesis.number(), "by": signer})


def _grant(nemesis: Nemesis, from_s: float, _to_s: float) -> None:
    bank = nemesis.rng.choice(["north", "south"])
    signer = nemesis.signer(from_s, bank)
    if signer is not None:
        name = f"{bank}/box-{1000 + nemesis.number()}"
        nemesis.happens(from_s, grant={"name": name, "by": signer})


def _revoke(nemesis: Nemesis, from_s: float, _to_s: float) -> None:
    _sign(nemesis, from_s, "revoke")


def _swap(nemesis: Nemesis, from_s: float, _to_s: float) -> None:
    name = _sign(nemesis, from_s, "swap_hardware")
    if name is not None:  # the old box is somewhere, and goes on
        old = {"who": f"{name} (old)", "count": OLD_SAYS, "every": f"{SAYS_S}s"}
        nemesis.happens(from_s + SIGNING_S, publish=old)


def _sign(nemesis: Nemesis, at_s: float, verb: str) -> str | None:
    bank = nemesis.rng.choice(["north", "south"])
    signer = nemesis.signer(at_s, bank)
    names = [name for name in nemesis.boxes if name.startswith(f"{bank}/")]
    name = None if signer is None else nemesis.take(names, at_s, math.inf)
    if name is not None:
        nemesis.happens(at_s, **{verb: {"name": name, "by": signer}})
    return name


FAULTS: Mapping[str, Episode] = {
    "bad links": _bad_links,
    "black holes": _hole,
    "crashes": _crash,
    "cuts": _cut,
    "drifting clocks": _drift,
    "floods": _flood,
    "full disks": _full_disk,
    "liars": _liar,
    "NAT": _nat,
    "old disks": _old_disk,
    "one-way cuts": _one_way,
    "power cuts": _power_cut,
    "slow boxes": _slow_box,
    "slow disks": _slow_disk,
    "wrong clocks": _wrong_clock,
}
"""What fate does, by name."""

DEEDS: Mapping[str, Episode] = {
    "grants": _grant,
    "registers": _put,
    "revocations": _revoke,
    "rollouts": rollout,
    "swaps": _swap,
}
"""What people do, by name."""

LASTING = frozenset({"floods", "liars", "NAT"})
"""What is not mended: who lied is not honest again, and who is behind a NAT stays there."""


def swarm(rng: random.Random) -> list[str]:
    """Return a random half of the faults and deeds, sorted."""
    both = sorted({**FAULTS, **DEEDS})
    return [kind for kind in both if rng.random() < 0.5] or [rng.choice(both)]


def _nemesis(rng: random.Random, nodes: int, length_s: float, kinds: Collection[str]) -> Nemesis:
    """Return one who has laid its episodes."""
    nemesis = Nemesis(rng, nodes, length_s)
    nemesis.take(["centre"], 0, 1 + SIGNING_S)
    chosen = {**FAULTS, **DEEDS}
    count = min(EPISODES_MAX, max(1, round(length_s / EPISODE_S)))
    from_s, to_s = 0.0, length_s
    for _ in range(count if kinds else 0):
        if len(nemesis.steps()) + STEPS_OF_AN_EPISODE + 3 > STEPS_MAX:
            break
        kind = rng.choice(sorted(kinds))
        is_company = rng.random() < COMPANY_SHARE
        first_s, last_s = (from_s, min(to_s, length_s)) if is_company else (0, length_s)
        from_s = round(rng.uniform(first_s, last_s), 1)
        to_s = from_s + rng.randint(1, LASTS_S)
        nemesis.lay(kind, chosen[kind], from_s, to_s)
    return nemesis


def chaos_text(
    rng: random.Random, *, nodes: int, length_s: float, kinds: Collection[str], seed: int
) -> str:
    """Return a scenario file in which these kinds of things happen."""
    nemesis = _nemesis(rng, nodes, length_s, kinds)
    every_s = max(SAYS_S, round(length_s / SAYS_MAX))
    nemesis.happens(
        0, publish={"who": "*/box-*", "count": int(length_s / every_s) + 1, "every": f"{every_s}s"}
    )
    nemesis.happens(1, put={"key": "chaos", "value": 1})
    told = ", ".join(sorted(kinds)) or "nothing"
    lines = [
        f"name: chaos-{seed}",
        f"why: {json.dumps(f'Drawn by chance, seed {seed}. The swarm: {told}.')}",
        f"seed: {seed}",
        f"fleet: {{boxes: {nodes}}}",
        "steps:",
        *(f"  - {json.dumps(step)}" for step in nemesis.steps()),
        f"invariants: [{', '.join(sorted(CHECKERS))}]",
        "expect: {entries_exchanged: 1}",
    ]
    return "\n".join(lines) + "\n"


def chaos(
    *, nodes: int = 4, hours: float = 0.05, seed: int = 0, kinds: Collection[str] | None = None
) -> Scenario:
    """Return a scenario of random faults and deeds, in the end of which all is mended.

    Every invariant that there is is looked at. Some may lack their subject in a short run, so ask
    of the result whether it is *broken*, and do not mind *vacuous*.

    Args:
        nodes: how many boxes, beside two stewards and a centre.
        hours: for how long something happens, virtual.
        seed: decides everything.
        kinds: of `FAULTS` and `DEEDS`, which may happen; a random half unless given. The
            scenario's `why` tells them.
    """
    text = drawn_text(nodes=nodes, hours=hours, seed=seed, kinds=kinds)
    return parse_scenario(text.encode(), f"chaos {seed}", checkers=tuple(CHECKERS))


def drawn_text(*, nodes: int, hours: float, seed: int, kinds: Collection[str] | None = None) -> str:
    """Return the file of what `chaos` returns, to be kept or changed."""
    rng, chosen = _swarm_of(seed, kinds)
    return chaos_text(rng, nodes=nodes, length_s=hours * 3600, kinds=chosen, seed=seed)


def laid(
    *, nodes: int, hours: float, seed: int, kinds: Collection[str] | None = None
) -> Sequence[Laid]:
    """Return the episodes of what `chaos` returns, in the order in which they were drawn."""
    rng, chosen = _swarm_of(seed, kinds)
    return _nemesis(rng, nodes, hours * 3600, chosen).laid


def _swarm_of(seed: int, kinds: Collection[str] | None) -> tuple[random.Random, Collection[str]]:
    rng = random.Random(f"chaos/{seed}")  # noqa: S311  (a seed decides everything)
    return rng, swarm(rng) if kinds is None else kinds
