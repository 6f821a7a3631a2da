"""A fleet in virtual time, to be broken on purpose: towns, scenarios, and what must hold.

    from mesh.testing import Fleet

    fleet = Fleet(boxes=8, seed=1)
    fleet.stand()

From the ground up: `simulator`, `fleets`, `checkers`, `scenarios`, `chance`, `report`, then `wires`
and `live`. See docs/scenarios.md. What a name needs is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mesh.testing.chance.nemesis import chaos
    from mesh.testing.chance.shrinking import NothingToShrinkError, Shrunk, shrink
    from mesh.testing.checkers import Breach, Checker
    from mesh.testing.checkers.registry import CHECKERS
    from mesh.testing.fleets.fleet import Fleet, FleetBox, FleetError
    from mesh.testing.fleets.sight import Sight
    from mesh.testing.live.fleet import LiveFleet
    from mesh.testing.live.opening import open_live_fleet
    from mesh.testing.live.virtual_time import run_in_virtual_time
    from mesh.testing.scenarios.library import library, read_scenario
    from mesh.testing.scenarios.runner import Result, run_scenario
    from mesh.testing.scenarios.scenario import Scenario, ScenarioFileError, parse_scenario
    from mesh.testing.scenarios.world import SimulatedWorld, World
    from mesh.testing.scenarios.writing import scenario_text

__all__ = [
    "CHECKERS",
    "Breach",
    "Checker",
    "Fleet",
    "FleetBox",
    "FleetError",
    "LiveFleet",
    "NothingToShrinkError",
    "Result",
    "Scenario",
    "ScenarioFileError",
    "Shrunk",
    "Sight",
    "SimulatedWorld",
    "World",
    "chaos",
    "library",
    "open_live_fleet",
    "parse_scenario",
    "read_scenario",
    "run_in_virtual_time",
    "run_scenario",
    "scenario_text",
    "shrink",
]

_HOMES = {
    "CHECKERS": "mesh.testing.checkers.registry",
    "Breach": "mesh.testing.checkers",
    "Checker": "mesh.testing.checkers",
    "Fleet": "mesh.testing.fleets.fleet",
    "FleetBox": "mesh.testing.fleets.fleet",
    "FleetError": "mesh.testing.fleets.fleet",
    "LiveFleet": "mesh.testing.live.fleet",
    "NothingToShrinkError": "mesh.testing.chance.shrinking",
    "Result": "mesh.testing.scenarios.runner",
    "Scenario": "mesh.testing.scenarios.scenario",
    "ScenarioFileError": "mesh.testing.scenarios.scenario",
    "Shrunk": "mesh.testing.chance.shrinking",
    "Sight": "mesh.testing.fleets.sight",
    "SimulatedWorld": "mesh.testing.scenarios.world",
    "World": "mesh.testing.scenarios.world",
    "chaos": "mesh.testing.chance.nemesis",
    "library": "mesh.testing.scenarios.library",
    "open_live_fleet": "mesh.testing.live.opening",
    "parse_scenario": "mesh.testing.scenarios.scenario",
    "read_scenario": "mesh.testing.scenarios.library",
    "run_in_virtual_time": "mesh.testing.live.virtual_time",
    "run_scenario": "mesh.testing.scenarios.runner",
    "scenario_text": "mesh.testing.scenarios.writing",
    "shrink": "mesh.testing.chance.shrinking",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mesh.testing' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
