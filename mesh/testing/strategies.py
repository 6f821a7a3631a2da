"""Hypothesis strategies: topologies, faults, workloads, and scenarios made of them.

    @given(scenarios(boxes_max=4, minutes_max=2))
    def test_whatever_happens_my_fleet_comes_back(scenario):
        assert run_scenario(scenario).word != "broken"

What fails is shrunk by hypothesis: fewer kinds of faults, fewer boxes, less time, smaller numbers.
The kinds that may happen are drawn first (a swarm, see `chance.nemesis`), and printed first.
This file is the only one that needs hypothesis, which this library does not install.
"""

from collections.abc import Collection

import msgspec
from hypothesis import note
from hypothesis import strategies as st

from mesh.testing.chance.nemesis import DEEDS, FAULTS, chaos_text
from mesh.testing.checkers.registry import CHECKERS
from mesh.testing.scenarios.scenario import SEED_MAX, FleetPlan, Scenario, parse_scenario

__all__ = ["faults", "scenarios", "topologies", "workloads"]

SEEDS = st.integers(0, SEED_MAX - 1)


def topologies(*, boxes_max: int = 6) -> st.SearchStrategy[FleetPlan]:
    """Return fleets: boxes on two banks, and what the links between them are like."""
    return st.builds(
        FleetPlan,
        boxes=st.integers(2, boxes_max),
        latency_ms=st.sampled_from([5.0, 1.0, 40.0, 200.0]),
        loss=st.sampled_from([0.0, 0.01, 0.05]),
    )


def faults(among: Collection[str] = tuple(FAULTS)) -> st.SearchStrategy[frozenset[str]]:
    """Return sets of what fate may do, the empty one too; the names are those of `FAULTS`."""
    return _sets(among, FAULTS)


def workloads(among: Collection[str] = tuple(DEEDS)) -> st.SearchStrategy[frozenset[str]]:
    """Return sets of what people may do beside; the names are those of `DEEDS`. Boxes publish."""
    return _sets(among, DEEDS)


@st.composite
def scenarios(
    draw: st.DrawFn,
    *,
    boxes_max: int = 6,
    minutes_max: int = 3,
    among: Collection[str] = (*FAULTS, *DEEDS),
) -> Scenario:
    """Return scenarios in whose end all is mended.

    Args:
        draw: given by hypothesis.
        boxes_max: most boxes.
        minutes_max: longest time in which something happens, virtual minutes.
        among: what may happen, of `FAULTS` and `DEEDS`.

    Raises:
        ValueError: something in `among` is neither.
    """
    _check(among, (*FAULTS, *DEEDS))
    kinds = draw(faults([kind for kind in among if kind in FAULTS]))
    kinds |= draw(workloads([kind for kind in among if kind in DEEDS]))
    note(f"the swarm: {', '.join(sorted(kinds)) or 'nothing'}")
    fleet = draw(topologies(boxes_max=boxes_max))
    minutes = draw(st.integers(1, minutes_max))
    text = chaos_text(
        draw(st.randoms(use_true_random=False)),
        nodes=fleet.boxes,
        length_s=minutes * 60.0,
        kinds=kinds,
        seed=draw(SEEDS),
    )
    scenario = parse_scenario(text.encode(), "drawn", checkers=tuple(CHECKERS))
    return msgspec.structs.replace(scenario, fleet=fleet)


def _sets(among: Collection[str], known: Collection[str]) -> st.SearchStrategy[frozenset[str]]:
    _check(among, known)
    if not among:
        return st.just(frozenset[str]())
    return st.frozensets(st.sampled_from(sorted(among)))


def _check(among: Collection[str], known: Collection[str]) -> None:
    for kind in among:
        if kind not in known:
            raise ValueError(f"{kind!r} does not happen here: expected {', '.join(sorted(known))}")
