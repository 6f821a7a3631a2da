"""Every test gets files of its own, copied from a fleet that is founded once."""

from pathlib import Path

import pytest

from tests.unit.cli.commands import Mesh, copy_fleet, make_fleet

_made: dict[str, Path] = {}


@pytest.fixture
def mesh(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Mesh:
    command = Mesh(capsys)
    monkeypatch.delenv("MESH_CONFIG", raising=False)
    if "fleet" not in _made:
        home = tmp_path_factory.mktemp("fleet")
        monkeypatch.chdir(home)
        make_fleet(command)
        _made["fleet"] = home
    copy_fleet(_made["fleet"], tmp_path)
    monkeypatch.chdir(tmp_path)
    return command
