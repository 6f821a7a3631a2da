"""What `import mesh` costs and what the wheel holds."""

import json
import sys
import tomllib
import zipfile

import pytest

from tests.repo.tree import PRODUCT, ROOT, committed, listing, run_python

IMPORTED = "import json, sys; bare = set(sys.modules); import mesh; "
IMPORTED += "print(json.dumps(sorted(set(sys.modules) - bare)))"


def test_importing_mesh_loads_nothing_heavy():
    loaded = json.loads(run_python("-c", IMPORTED).stdout)
    ours = [name for name in loaded if name.split(".")[0] in PRODUCT]
    foreign = sorted({name.split(".")[0] for name in loaded if name not in ours})
    heavy = [name for name in foreign if name not in sys.stdlib_module_names]
    assert not heavy, f"import it where it is used, not at the top of mesh:{listing(heavy)}"
    assert len(ours) <= 4, f"`import mesh` is to stay under 60 ms; it reaches:{listing(ours)}"


@pytest.mark.parametrize("package", ["mesh", "mesh.testing", "inference"])
def test_every_public_name_arrives_when_asked_for(package: str):
    script = f"import {package} as p; print(*(n for n in p.__all__ if getattr(p, n) is None))"
    asked = run_python("-c", script)
    assert (asked.returncode, asked.stdout.strip()) == (0, ""), asked.stderr


def test_a_node_without_pictures_loads_nothing_for_pictures():
    script = "import sys, mesh.node; print(*{'numpy', 'onnxruntime', 'libp2p'} & {*sys.modules})"
    asked = run_python("-c", script)
    assert (asked.returncode, asked.stdout.strip()) == (0, ""), asked.stderr


def test_what_only_the_release_desk_needs_reaches_no_box():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    desk = project["project"]["optional-dependencies"]["desk"]
    everywhere = project["project"]["dependencies"]
    assert not {*desk} & {*everywhere}, f"boxes do without:{listing(desk)}"
    tested = project["dependency-groups"]["test"]
    missing = sorted({*desk} - {*tested})
    assert not missing, f"the desk's tests run with what its extra installs:{listing(missing)}"
    script = "import sys, mesh.cli.app; print(*{'model_signing', 'sigstore'} & {*sys.modules})"
    asked = run_python("-c", script)
    assert (asked.returncode, asked.stdout.strip()) == (0, ""), asked.stderr


def test_the_wheel_holds_the_packages_and_the_model_and_nothing_else(tmp_path):
    script = "import sys, hatchling.build as build; build.build_wheel(sys.argv[1])"
    built = run_python("-c", script, str(tmp_path), cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("threerooms-*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {path for path in committed() if path.split("/", 1)[0] in PRODUCT}
    assert held == wanted, f"mend [tool.hatch.build.targets.wheel]:{listing(sorted(held ^ wanted))}"
    assert any(name.endswith(".onnx") for name in held), "the detector belongs in the wheel"
    assert all(name in held for name in (f"{package}/py.typed" for package in PRODUCT)), (
        "put an empty py.typed in each package, or its types are lost on users"
    )


def test_the_model_stays_small():
    found = [
        f"{path}: {size} B"
        for path in committed()
        if path.endswith(".onnx") and (size := (ROOT / path).stat().st_size) > 1_000_000
    ]
    assert not found, f"train a smaller detector, ≤ 1 MB:{listing(found)}"
