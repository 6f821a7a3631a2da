"""The pytest plugin: a fleet as a fixture, and the seed of every failure.

    def test_a_split_city_agrees_again(fleet):
        with fleet.partition(*fleet.split("river")):
            fleet.revoke("north/box-1")
            fleet.run(minutes=10)
        fleet.settle()
        assert fleet.views_agree()

pytest finds it by itself wherever this library is installed. `fleet` stands already; the mark
`fleet(boxes=12, latency_ms=40)` says how it is made. One seed a session decides everything: drawn
anew each time, unless `--mesh-seed` or `mesh_seed` of the ini file gives it. A test that fails
prints it, with the command that runs the very same again. With `--mesh-report DIR` each failure of
a simulated fleet is a page, too. See docs/testing.md.

Loading this file costs nothing: what a fixture needs is imported when a test asks for it.
"""

import random
import shlex
from argparse import ArgumentTypeError
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from inspect import iscoroutinefunction, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mesh.testing.fleets.fleet import Fleet
    from mesh.testing.live.fleet import LiveFleet
    from mesh.testing.report.fleet_watch import FleetWatch as Watch

__all__ = [
    "fleet",
    "live_fleet",
    "mesh_seed",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_report_header",
    "pytest_runtest_makereport",
]

SEED_MAX = 1 << 32
"""Seeds are below it, as those of scenario files."""
HAPPENINGS_FLEET = 12
"""Lines of a fleet's journal that a failure shows."""

AGAIN = "again: "
"""What stands before the command that runs a failed test again."""

_SEED = pytest.StashKey[int]()
_FLEET = pytest.StashKey["Fleet | LiveFleet"]()
_WATCH = pytest.StashKey["Watch"]()
_PAGE = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--mesh-seed`, `mesh_seed` and `--mesh-report`."""
    told = "seed of the fleets of this session, to run a failed test again as it was"
    group = parser.getgroup("mesh", "fleets in virtual time")
    group.addoption("--mesh-seed", type=_seed, metavar="SEED", help=told)
    parser.addini("mesh_seed", f"{told}; a new one each time unless given")
    told = "write a page of the fleet of each failed test into this folder"
    group.addoption("--mesh-report", type=Path, metavar="DIR", help=told)


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed of the session, see that pages can be written, and name the mark."""
    config.addinivalue_line(
        "markers",
        "fleet(boxes, latency_ms, loss, events): how `fleet` or `live_fleet` is made",
    )
    if config.getoption("mesh_seed") is None:
        config.option.mesh_seed = _seed_of(config)
    if config.getoption("mesh_report") is not None:
        config.option.mesh_report = _folder_of(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give the processes of pytest-xdist the seed of the session."""
    node.workerinput["mesh_seed"] = node.config.getoption("mesh_seed")


def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Run tests of live fleets in virtual time, by pytest-trio."""
    live = [item for item in items if "live_fleet" in getattr(item, "fixturenames", ())]
    if not live:
        return
    if not any(config.pluginmanager.has_plugin(name) for name in ("trio", "pytest_trio.plugin")):
        raise pytest.UsageError(f"{live[0].nodeid} uses `live_fleet`: install pytest-trio for it")
    from mesh.testing.live.virtual_time import run_in_virtual_time

    for item in live:
        if not iscoroutinefunction(getattr(item, "function", None)):
            told = "uses `live_fleet`: make it `async def`, or use `fleet`"
            raise pytest.UsageError(f"{item.nodeid} {told}")
        if {"autojump_clock", "mock_clock"} & set(getattr(item, "fixturenames", ())):
            told = "uses `live_fleet`, which has a clock of its own: leave the other one out"
            raise pytest.UsageError(f"{item.nodeid} {told}")
        item.add_marker(pytest.mark.trio(run=run_in_virtual_time), append=False)


def pytest_report_header(config: pytest.Config) -> str:
    """Say the seed at the top."""
    return f"mesh: --mesh-seed {config.getoption('mesh_seed')}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have a failure say how to see it again, and what was done to the fleet."""
    report = yield
    seed = item.stash.get(_SEED, None)
    if report.failed and seed is not None:
        lines = _lines(item, seed)
        text = "\n".join([*lines, *_page(item, lines[0].removeprefix(AGAIN), report)])
        if hasattr(report.longrepr, "addsection"):
            report.longrepr.addsection("mesh", text)  # pyright: ignore  (of ExceptionRepr alone)
        else:
            report.sections.append(("mesh", text))
    return report


@pytest.fixture
def mesh_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this session; a failure of whoever uses it prints it."""
    seed = request.config.getoption("mesh_seed")
    assert isinstance(seed, int)
    request.node.stash[_SEED] = seed
    return seed


@pytest.fixture
def fleet(request: pytest.FixtureRequest, mesh_seed: int) -> "Fleet":
    """A simulated fleet that stands: boxes on two banks, a steward for each and one centre."""
    from mesh.testing.fleets.fleet import Fleet

    made = Fleet(seed=mesh_seed, **_wishes(request.node, Fleet))
    request.node.stash[_FLEET] = made
    if request.config.getoption("mesh_report") is not None:
        from mesh.testing.report.fleet_watch import FleetWatch

        request.node.stash[_WATCH] = FleetWatch(made, request.node.nodeid)
    made.stand()
    return made


@pytest.fixture
async def live_fleet(request: pytest.FixtureRequest, mesh_seed: int) -> "AsyncGenerator[LiveFleet]":
    """A fleet of real nodes that stands, in virtual time: for applications with own tasks."""
    from mesh.testing.live.opening import open_live_fleet

    async with open_live_fleet(seed=mesh_seed, **_wishes(request.node, open_live_fleet)) as made:
        request.node.stash[_FLEET] = made
        await made.stand()
        yield made


def _seed(text: str) -> int:
    """Return the seed in an option."""
    if not text.isdecimal() or int(text) >= SEED_MAX:
        raise ArgumentTypeError(f"{text!r:.60} is no seed: expected 0 to {SEED_MAX - 1}")
    return int(text)


def _seed_of(config: pytest.Config) -> int:
    """Return the seed of the session whose process this is, that of the ini file, or a new one."""
    given = getattr(config, "workerinput", {}).get("mesh_seed")
    if isinstance(given, int):
        return given
    text = config.getini("mesh_seed")
    if not text:
        return random.SystemRandom().randrange(SEED_MAX)
    try:
        return _seed(str(text))
    except ArgumentTypeError as error:
        raise pytest.UsageError(f"mesh_seed: {error}") from None


def _folder_of(config: pytest.Config) -> Path:
    """Return where pages go, wherever a test may go to meanwhile."""
    from mesh.testing.report.page_files import check_folder

    given: Path = config.option.mesh_report
    folder = config.invocation_params.dir / given
    try:
        check_folder(folder)
    except OSError as error:
        why = f"cannot be written to: {error.strerror or error}; expected a folder for pages"
        raise pytest.UsageError(f"--mesh-report {folder} {why}") from None
    return folder


def _wishes(node: pytest.Item, made: Callable[..., object]) -> dict[str, Any]:
    """Return what the mark of a test says; of several the nearest counts, field by field."""
    wishes: dict[str, Any] = {}
    fields = [name for name in signature(made).parameters if name != "seed"]
    for mark in node.iter_markers("fleet"):
        if mark.args:
            told = f"@pytest.mark.fleet{mark.args}: name what you give, as boxes={mark.args[0]!r}"
            raise pytest.UsageError(f"{node.nodeid}: {told}")
        unknown = [name for name in mark.kwargs if name not in fields]
        if unknown:
            told = f"the mark `fleet` knows no {unknown[0]!r}: expected {', '.join(fields)}"
            raise pytest.UsageError(f"{node.nodeid}: {told}")
        wishes = {**mark.kwargs, **wishes}
    return wishes


def _lines(item: pytest.Item, seed: int) -> list[str]:
    """Return what a failure tells."""
    lines = [f"{AGAIN}pytest {shlex.quote(item.nodeid)} --mesh-seed {seed}"]
    told = item.stash.get(_FLEET, None)
    if told is not None:
        journal = list(told.journal)
        before = f"what was done to it ({len(journal[:-HAPPENINGS_FLEET])} lines before these):"
        done = before if journal else "no box, link, disk or clock was touched"
        lines.append(f"it failed {told.now_s:.3f} virtual seconds after the fleet was made; {done}")
        lines += [f"  {happening}" for happening in journal[-HAPPENINGS_FLEET:]]
        if refused := getattr(told, "refusals", dict[str, int])():
            each = ", ".join(f"{reason} {count}" for reason, count in sorted(refused.items()))
            lines.append(f"events that boxes refused, by reason: {each}")
    return lines


def _page(item: pytest.Item, again: str, report: pytest.TestReport) -> list[str]:
    """Write the page of a failure, if one is wanted; returns what to say of it."""
    folder: Path | None = item.config.getoption("mesh_report")
    watch: Watch | None = item.stash.get(_WATCH, None)
    if folder is None or _FLEET not in item.stash:
        return []
    if watch is None:
        return ["no page: --mesh-report shows simulated fleets alone, those of `fleet`"]
    if _PAGE not in item.stash:
        from mesh.testing.report.page_files import write_failure

        crash = getattr(report.longrepr, "reprcrash", None)
        sentence = str(report.longrepr) if crash is None else str(crash.message)
        item.stash[_PAGE] = write_failure(folder, watch, sentence=sentence, again=again)
    return [item.stash[_PAGE]]
