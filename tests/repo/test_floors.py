"""The floors hold, the contracts that say so are complete, and a planted violation is caught."""

import shutil
import sys
import tomllib
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.repo.tree import PRODUCT, ROOT, committed, listing, run_python

LINT_IMPORTS = (
    "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"
)
PURE = "Pure code imports no clock, randomness, file, socket, thread or runtime"
UPWARD = "Floors: mesh stands on crdt and inference, both stand on identity"
QUARANTINE = "Only mesh.net imports libp2p"
ORACLE = "The oracle never sees the fold"

IMPURE = {
    "identity.keystore": "key files",
    "crdt.projection": "pycrdt",
    "crdt.store": "SQLite",
}
"""The only modules of the two lower floors that may touch the world, and what they are for."""

FOLDLESS = {"crdt.entry", "crdt.errors", "crdt.projection", "crdt.store", "crdt.store_records"}
"""Modules of crdt that say nothing of the fold."""


def contracts() -> dict[str, dict[str, list[str]]]:
    """The import contracts of pyproject.toml, by name."""
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {row["name"]: row for row in configured["tool"]["importlinter"]["contracts"]}


def module_names(folder: str) -> set[str]:
    """Every module of a flat package."""
    paths = (path for path in committed() if path.startswith(f"{folder}/"))
    modules = {path[:-3].replace("/", ".") for path in paths if path.endswith(".py")}
    return {name for name in modules if not name.endswith(".__init__")}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree, for violations to be planted in."""
    root = tmp_path_factory.mktemp("planted")
    for path in committed():
        if path == "pyproject.toml" or path.split("/", 1)[0] in (*PRODUCT, "tests"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, root / path)
    (root / ".venv").symlink_to(sys.prefix)
    return root


def plant(root: Path, path: str, line: str) -> None:
    """Add a line at the end of a file of the copy."""
    with (root / path).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{line}\n")


def lint_imports(root: Path) -> CompletedProcess[str]:
    return run_python("-c", LINT_IMPORTS, "--no-cache", cwd=root)


def verdicts(output: str) -> dict[str, str]:
    """Contract name → KEPT or BROKEN."""
    lines = (line.rsplit(" ", 1) for line in output.splitlines())
    return {line[0]: line[1] for line in lines if line[-1] in {"KEPT", "BROKEN"}}


def test_the_floors_hold():
    checked = lint_imports(ROOT)
    assert checked.returncode == 0, f"import downwards only (make check):\n{checked.stdout}"


def test_planted_imports_break_their_contracts(copy: Path):
    plant(copy, "identity/did.py", "import time")
    plant(copy, "crdt/entry.py", "import mesh.units")
    plant(copy, "mesh/gossip/params.py", "import libp2p")
    plant(copy, "tests/laws/oracle/__init__.py", "import crdt.registers")
    checked = lint_imports(copy)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    told = verdicts(checked.stdout)
    assert {told[name] for name in (PURE, UPWARD, QUARANTINE, ORACLE)} == {"BROKEN"}, told


def test_a_planted_untyped_function_fails_the_type_check(copy: Path):
    path = "identity/domain.py"
    check = ("-m", "basedpyright", "--pythonpath", sys.executable, path)
    before = run_python(*check, cwd=copy)
    assert before.returncode == 0, before.stdout + before.stderr
    plant(copy, path, "def double(value):\n    return value + value")
    after = run_python(*check, cwd=copy)
    assert after.returncode == 1, after.stdout + after.stderr
    assert "reportMissingParameterType" in after.stdout


def test_the_pure_contract_names_every_module_of_the_lower_floors():
    every = module_names("identity") | module_names("crdt")
    missing = sorted(every - set(contracts()[PURE]["source_modules"]) - set(IMPURE))
    assert not missing, f"add to the pure contract in pyproject.toml:{listing(missing)}"


def test_the_oracle_contract_names_every_module_of_the_fold():
    named = set(contracts()[ORACLE]["forbidden_modules"])
    missing = sorted(module_names("crdt") - FOLDLESS - named)
    assert not missing, f"add to the oracle's contract in pyproject.toml:{listing(missing)}"
