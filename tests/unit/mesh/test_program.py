"""`mesh.run`: one line for a mistake, a traceback for an application's own bug."""

from pathlib import Path

import pytest

import mesh
from mesh.config import ConfigError
from mesh.net.errors import ListenError
from tests.repo.tree import ROOT, run_python


async def open_it(path: str) -> None:
    async with mesh.open_node(path):
        raise AssertionError("nothing to open")


async def fail(*errors: Exception) -> None:
    raise ExceptionGroup("a nursery", list(errors))


def test_an_application_runs_with_its_arguments() -> None:
    seen: list[str] = []

    async def main(word: str) -> None:
        seen.append(word)

    mesh.run(main, "a")
    assert seen == ["a"]


@pytest.mark.parametrize("text", [None, "no TOML at all", 'key = "a.key"\n'])
def test_a_configuration_that_cannot_be_used_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    path = tmp_path / "you.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit) as ended:
        mesh.run(open_it, str(path))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("mesh: ")
    assert said.count("\n") == 1


def test_what_comes_out_of_a_nursery_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mesh.run(fail, ListenError("cannot listen"), ConfigError("other"))
    assert capsys.readouterr().err == "mesh: cannot listen\n"


def test_an_applications_own_error_keeps_its_traceback() -> None:
    with pytest.raises(ExceptionGroup):
        mesh.run(fail, ConfigError("a line"), ZeroDivisionError("a bug"))
    with pytest.raises(ExceptionGroup):
        mesh.run(fail, FileNotFoundError("the application's own file"))


def test_ctrl_c_is_no_traceback() -> None:
    async def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        mesh.run(main)
    assert ended.value.code == 130


SWALLOWED = """
import signal, trio, mesh

async def deaf():
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        print("swallowed")

async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(deaf)
        await trio.sleep(30)
    print("nobody ended it")

mesh.run(main)
"""


def test_ctrl_c_is_heard_whatever_task_it_meets() -> None:
    """A task that contains its errors may not contain this one."""
    done = run_python("-c", SWALLOWED)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_example_ends_with_one_line_where_its_box_is_missing() -> None:
    program = str(ROOT / "examples" / "near_miss.py")
    code = f"import runpy, sys; sys.argv[1:] = ['none.toml']; runpy.run_path({program!r})"
    done = run_python("-c", code)
    assert done.returncode == 2
    assert done.stderr.startswith("mesh: none.toml cannot be read")
    assert done.stderr.count("\n") == 1
