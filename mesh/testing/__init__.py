"""A fleet in virtual time, to be broken on purpose: towns, scenarios, and what must hold.

    from mesh.testing import Fleet

    fleet = Fleet(boxes=8, seed=1)
    fleet.stand()

See docs/scenarios.md. What a name needs is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mesh.testing.checkers import Breach, Checker
    from mesh.testing.checkers.registry import CHECKERS
    from mesh.testing.fleet import Fleet, FleetBox, FleetError
    from mesh.testing.live import LiveFleet, open_live_fleet
    from mesh.testing.nemesis import chaos
    from mesh.testing.runner import Result, run_scenario
    from mesh.testing.scenario import Scenario, ScenarioFileError, parse_scenario
    from mesh.testing.scenario_library import library, read_scenario
    from mesh.testing.scenario_world import SimulatedWorld, World
    from mesh.testing.scenario_writing import scenario_text
    from mesh.testing.shrinking import NothingToShrinkError, Shrunk, shrink
    from mesh.testing.sight import Sight
    from mesh.testing.virtual_time import run_in_virtual_time

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
    "Fleet": "mesh.testing.fleet",
    "FleetBox": "mesh.testing.fleet",
    "FleetError": "mesh.testing.fleet",
    "LiveFleet": "mesh.testing.live",
    "NothingToShrinkError": "mesh.testing.shrinking",
    "Result": "mesh.testing.runner",
    "Scenario": "mesh.testing.scenario",
    "ScenarioFileError": "mesh.testing.scenario",
    "Shrunk": "mesh.testing.shrinking",
    "Sight": "mesh.testing.sight",
    "SimulatedWorld": "mesh.testing.scenario_world",
    "World": "mesh.testing.scenario_world",
    "chaos": "mesh.testing.nemesis",
    "library": "mesh.testing.scenario_library",
    "open_live_fleet": "mesh.testing.live",
    "parse_scenario": "mesh.testing.scenario",
    "read_scenario": "mesh.testing.scenario_library",
    "run_in_virtual_time": "mesh.testing.virtual_time",
    "run_scenario": "mesh.testing.runner",
    "scenario_text": "mesh.testing.scenario_writing",
    "shrink": "mesh.testing.shrinking",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mesh.testing' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
