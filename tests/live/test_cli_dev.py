"""`mesh dev`: a fleet to play with, the example attached to it, and nothing left behind."""

from functools import partial
from pathlib import Path
from signal import SIGKILL

import trio

from tests.live.cli_processes import ROOT, processes_of, running

GONE_S = 10
STANDS_S = 90


async def all_gone(home: Path) -> None:
    with trio.fail_after(GONE_S):
        while processes_of(str(home)):
            await trio.lowlevel.checkpoint()


async def test_the_example_hears_the_fleet(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MESH_TEST_HOME", str(tmp_path))
    example = partial(running, tmp_path, code="")
    async with running(tmp_path, "dev", "--nodes", "3", "--dir", "play") as dev:
        line = await dev.says("examples/near_miss.py", within_s=STANDS_S)
        python, *rest = line.split()
        assert Path(python).name.startswith("python"), "in full where it is not the shell's own"
        assert rest == ["examples/near_miss.py", str(tmp_path / "play/you.toml")]
        async with example(str(ROOT / "examples/near_miss.py"), "play/you.toml") as you:
            await you.says("dev/you listens")
            await you.says("4 s more red, please")
            assert await you.interrupt() == 130, "as of any command that Ctrl-C ends"
            assert "Traceback" not in you.said
        assert await dev.interrupt() == 0
        assert "Traceback" not in dev.said
    await all_gone(tmp_path)


async def test_it_takes_its_processes_along_when_it_is_killed(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MESH_TEST_HOME", str(tmp_path))
    async with running(tmp_path, "dev", "--nodes", "1", "--dir", "play") as dev:
        await dev.says("examples/near_miss.py", within_s=STANDS_S)
        assert len(processes_of(str(tmp_path))) >= 5, "three nodes, the nursery, dev itself"
        dev.process.send_signal(SIGKILL)
    await all_gone(tmp_path)
