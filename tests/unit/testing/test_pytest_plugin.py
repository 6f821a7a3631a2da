"""The plugin: a fleet as a fixture, a failure that tells its seed, and the same run for it."""

import re
import sys
import tomllib

import pytest

from tests.repo.tree import ROOT, run_python
from tests.unit.testing.sessions import session

AGAIN = re.compile(r"^again: pytest (?P<test>\S+) --mesh-seed (?P<seed>\d+)$", re.MULTILINE)

LOSSY = """
    import pytest

    @pytest.mark.fleet(boxes=1, loss=0.1)
    @pytest.mark.parametrize("number", range({times}))
    def test_own(fleet, number):
        fleet.crash("centre")
        fleet.run(seconds=3)
        print(f"trace {{fleet.trace}}")
        assert {holds}
    """


def traces(printed: str) -> list[str]:
    return re.findall(r"trace (\w+)$", printed, re.MULTILINE)


def test_the_project_names_the_plugin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "mesh.testing.pytest_plugin" in project["entry-points"]["pytest11"].values()


def test_loading_it_loads_nothing_else():
    script = "import sys, pytest; bare = {*sys.modules}; import mesh.testing.pytest_plugin; "
    script += "print(*sorted({name.split('.')[0] for name in {*sys.modules} - bare}))"
    asked = run_python("-c", script)
    loaded = set(asked.stdout.split())
    assert "mesh" in loaded, asked.stderr
    foreign = loaded - {"mesh"} - set(sys.stdlib_module_names)
    assert not foreign, "import it where a fixture needs it"


def test_a_failure_prints_its_seed_which_gives_the_same_run_a_hundred_times(tmp_path):
    status, told = session(tmp_path, LOSSY.format(times=1, holds=False))
    assert status == 1, told
    (first,) = traces(told)
    again = AGAIN.search(told)
    assert again, told
    assert again["test"] == "'test_own.py::test_own[0]'"
    assert f"mesh: --mesh-seed {again['seed']}" in told
    assert "centre dies" in told
    runs: list[str] = []
    for hash_seed in "12":
        status, told = session(
            tmp_path,
            LOSSY.format(times=50, holds=True),
            *("-s", "-q", "--mesh-seed", again["seed"]),
            PYTHONHASHSEED=hash_seed,
        )
        assert status == 0, told
        runs += traces(told)
    assert runs == [first] * 100


def test_each_session_has_a_seed_of_its_own_unless_the_ini_file_gives_it(tmp_path):
    own = "def test_own(mesh_seed):\n    print(f'trace {mesh_seed}')\n"
    seeds = {tuple(traces(session(tmp_path, own, "-s")[1])) for _ in range(2)}
    assert len(seeds) == 2
    (tmp_path / "pytest.ini").write_text("[pytest]\nmesh_seed = 7\n", encoding="utf-8")
    assert traces(session(tmp_path, own, "-s")[1]) == ["7"]
    assert traces(session(tmp_path, own, "-s", "--mesh-seed", "8")[1]) == ["8"]
    (tmp_path / "pytest.ini").write_text("[pytest]\nmesh_seed = x\n", encoding="utf-8")
    status, told = session(tmp_path, own)
    assert (status, "mesh_seed: 'x' is no seed: expected 0 to 4294967295" in told) == (4, True)


def test_processes_of_one_session_have_one_seed(tmp_path):
    own = "import pytest\n@pytest.mark.parametrize('n', range(4))\n"
    own += "def test_own(mesh_seed, n):\n    assert 0\n"
    _, told = session(tmp_path, own, "-p", "xdist", "-n", "2")
    assert len({again["seed"] for again in AGAIN.finditer(told)}) == 1, told
    assert len(AGAIN.findall(told)) == 4


def test_a_failure_without_a_fleet_tells_of_none(tmp_path):
    status, told = session(tmp_path, "def test_own():\n    assert 0\n")
    assert status == 1
    assert "again:" not in told


def test_a_failure_tells_which_events_were_refused(tmp_path):
    own = """
    import mesh
    import pytest

    @mesh.event("parking.space_freed")
    class SpaceFreed:
        spaces: int

    @pytest.mark.fleet(boxes=2)
    @pytest.mark.parametrize("is_told", [True, False])
    def test_own(fleet, is_told):
        fleet.listen_everywhere(SpaceFreed)
        fleet.run(seconds=10)
        fleet.publish("north/box-0", SpaceFreed(3)) if is_told else None
        fleet.run(seconds=2)
        assert 0
    """
    _, told = session(tmp_path, own)
    before, after = told.split("again:")[1:]
    assert re.search(
        r"^events that boxes refused, by reason: not_granted \d+$", before, re.MULTILINE
    )
    assert "no box, link, disk or clock was touched" in before
    assert "refused" not in after


def test_a_fixture_that_fails_tells_its_seed_too(tmp_path):
    own = """
    import pytest

    @pytest.mark.fleet(boxes=2, loss=1.0)
    def test_own(fleet):
        pass
    """
    status, told = session(tmp_path, own)
    assert status == 1
    assert "the fleet does not stand after 60 virtual seconds" in told
    assert AGAIN.search(told)


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("6", "name what you give, as boxes=6"),
        ("box=6", "the mark `fleet` knows no 'box': expected boxes, latency_ms, loss, events"),
    ],
)
def test_a_mark_that_says_nothing_known_is_refused(tmp_path, mark: str, told: str):
    own = f"""
    import pytest

    @pytest.mark.fleet({mark})
    def test_own(fleet):
        pass
    """
    status, printed = session(tmp_path, own)
    assert status
    assert told in printed


@pytest.mark.parametrize("seed", ["-1", "4294967296"])
def test_what_is_no_seed_is_refused(tmp_path, seed: str):
    status, told = session(tmp_path, "def test_own():\n    pass\n", f"--mesh-seed={seed}")
    assert status == 4
    assert f"'{seed}' is no seed: expected 0 to 4294967295" in told


LIVE = """
    import pytest

    async def app(node):
        {body}

    @pytest.mark.fleet(boxes=1)
    {define} test_own(live_fleet):
        await live_fleet.crash("centre")
        live_fleet.embed(app)
        await live_fleet.run(minutes=5)
        assert live_fleet.now_s > 300
    """
TRIO = ("-p", "pytest_trio.plugin")


def test_a_live_fleet_is_run_in_virtual_time(tmp_path):
    status, told = session(tmp_path, LIVE.format(body="pass", define="async def"), *TRIO)
    assert (status, "1 passed" in told) == (0, True), told


def test_an_application_that_raises_fails_its_test_which_tells_its_seed(tmp_path):
    body = "raise ZeroDivisionError('planted')"
    status, told = session(tmp_path, LIVE.format(body=body, define="async def"), *TRIO)
    assert (status, "planted" in told) == (1, True)
    assert AGAIN.search(told), told
    assert "centre dies" in told


def test_what_a_live_fleet_needs_is_said(tmp_path):
    status, told = session(tmp_path, LIVE.format(body="pass", define="async def"))
    assert (status, "install pytest-trio for it" in told) == (4, True)
    own = "def test_own(live_fleet):\n    pass\n"
    status, told = session(tmp_path, own, *TRIO)
    assert (status, "make it `async def`, or use `fleet`" in told) == (4, True)
