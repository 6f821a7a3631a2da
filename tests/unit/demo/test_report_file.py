"""The report is asked for by a path that can be written, and is there also of a failed run."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mesh.cli.app import run as mesh
from mesh.demo import run as run_module
from mesh.demo.run import DemoOptions, Run, run_demo
from mesh.pages.place import check_writable, write_report


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[DemoOptions]:
    """The options of each run that was begun; none is played."""
    found: list[DemoOptions] = []

    def play(options: DemoOptions) -> int:
        found.append(options)
        return 0

    monkeypatch.setattr("mesh.demo.cli.run_demo", play)
    return found


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("none/out.html", "No such file or directory"),
        (".", "no regular file"),
        ("/dev/null", "no regular file"),
        ("file/out.html", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_before_anything_starts(
    path: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    played: list[DemoOptions],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert mesh(["demo", "--report", path]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "--report" in told
    assert why in told
    assert not played
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_json_and_report_are_two_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], played: list[DemoOptions]
) -> None:
    path = str(tmp_path / "out")
    assert mesh(["demo", "--report", path, "--json", path]) == 2
    assert "another file than --json" in " ".join(capsys.readouterr().err.split())
    assert not played


def test_a_path_that_can_be_written_is_handed_on_and_not_touched(
    tmp_path: Path, played: list[DemoOptions]
) -> None:
    path = tmp_path / "out.html"
    assert mesh(["demo", "--report", str(path)]) == 0
    assert [options.report for options in played] == [path]
    assert not list(tmp_path.iterdir())


def test_the_page_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.html"
    path.write_text("old")
    check_writable(path)
    assert path.read_text() == "old"
    write_report(path, "new → page")
    assert path.read_bytes() == "new → page".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_that_cannot_be_put_there_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_report(folder, "page")
    assert list(tmp_path.iterdir()) == [folder]


class _NoProcesses:
    """Stands where the processes are forked; forks none."""

    children = ()

    def __init__(self, preload: Any) -> None:
        del preload

    def __enter__(self) -> "_NoProcesses":
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("how", ["claim", "interrupted"])
def test_a_run_that_fails_has_its_page(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(run: Run, processes: object) -> None:
        del processes
        if how == "interrupted":
            raise KeyboardInterrupt
        run.claims.check("stands", False, "box-9 <sees> nobody")

    monkeypatch.setattr(run_module, "Processes", _NoProcesses)
    monkeypatch.setattr(Run, "main", main)
    path = tmp_path / "out.html"
    code = run_demo(DemoOptions(report=path), Console(file=StringIO()))
    page = path.read_text()
    assert code == 1
    if how == "claim":
        assert "Failed: stands." in page
        assert "box-9 &lt;sees&gt; nobody" in page
    else:
        assert "Failed: interrupted." in page
    assert list(tmp_path.iterdir()) == [path]
