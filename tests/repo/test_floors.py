"""The floors hold, the contracts that say so are complete, and a planted violation is caught."""

import ast
import re
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

VERDICT = re.compile(r"^(.+) (KEPT|BROKEN)(?: \(.*\))?$", re.MULTILINE)
"""What lint-imports says of a contract, and in brackets how many imports it was told to ignore."""

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
    (root / ".typing").mkdir()
    return root


def plant(root: Path, path: str, line: str) -> None:
    """Add a line at the end of a file of the copy."""
    with (root / path).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{line}\n")


def lint_imports(root: Path) -> CompletedProcess[str]:
    return run_python("-c", LINT_IMPORTS, "--no-cache", cwd=root)


def verdicts(output: str) -> dict[str, str]:
    """Contract name → KEPT or BROKEN."""
    return dict(VERDICT.findall(output))


def test_the_floors_hold():
    checked = lint_imports(ROOT)
    assert checked.returncode == 0, f"import downwards only (make check):\n{checked.stdout}"


def test_planted_imports_break_their_contracts(copy: Path):
    plant(copy, "identity/did.py", "import time")
    plant(copy, "crdt/feed.py", "import datetime")
    plant(copy, "mesh/choreography/event.py", "import uuid")
    plant(copy, "crdt/entry.py", "import mesh.units")
    plant(copy, "mesh/gossip/params.py", "import libp2p")
    plant(copy, "tests/laws/oracle/__init__.py", "import crdt.registers")
    checked = lint_imports(copy)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    told = verdicts(checked.stdout)
    assert {told[name] for name in (PURE, UPWARD, QUARANTINE, ORACLE)} == {"BROKEN"}, told
    for found in (
        "identity.did -> time",
        "crdt.feed -> datetime",
        "mesh.choreography.event -> uuid",
    ):
        assert found in checked.stdout, checked.stdout


def impure_imports(package: str, text: str) -> set[str]:
    """What a package's own module imports of what the pure contract forbids."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = (package if node.level else None, node.module)
            home = ".".join(part for part in parts if part)
            imported |= {f"{home}.{alias.name}" for alias in node.names}
    forbidden = contracts()[PURE]["forbidden_modules"]
    return {
        name for name in forbidden if any(f"{each}.".startswith(f"{name}.") for each in imported)
    }


@pytest.mark.parametrize("package", PRODUCT)
def test_a_package_itself_imports_nothing_impure(package: str):
    """An import contract that names a package means all below it, so none can name these."""
    text = (ROOT / package / "__init__.py").read_text(encoding="utf-8")
    found = impure_imports(package, text)
    assert not found, f"{package}/__init__.py: import it where it is used:{listing(sorted(found))}"


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "import os.path",
        "from concurrent import futures",
        "from . import store",
        "from .store import Store",
        "from crdt import store",
    ],
)
def test_a_planted_import_of_a_package_itself_is_found(line: str):
    assert impure_imports("crdt", f"import struct\n{line}\n")


def test_a_planted_function_without_a_return_type_fails_ruff(copy: Path):
    """Strict pyright infers the return type of a function of no parameters, and is content."""
    path = "identity/keys.py"
    check = ("-m", "ruff", "check", "--no-cache", path)
    before = run_python(*check, cwd=copy)
    assert before.returncode == 0, before.stdout + before.stderr
    plant(copy, path, 'def planted():\n    """Return a number."""\n    return 42')
    after = run_python(*check, cwd=copy)
    assert after.returncode == 1, after.stdout + after.stderr
    assert "ANN20" in after.stdout


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
