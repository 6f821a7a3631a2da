"""uv.lock installs on a Linux x86-64 machine without a compiler, for every Python we promise."""

import re
import tomllib
from collections import defaultdict
from typing import Any

from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from tests.repo.tree import ROOT, listing

PYTHONS = ((3, 11), (3, 12), (3, 13))
PURE_SOURCES = {"varint", "python-baseconv"}
"""Pure Python, published as sources only; they need no compiler."""


def packages() -> list[dict[str, Any]]:
    """What the lock pins, ourselves apart."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    return [package for package in lock["package"] if "registry" in package["source"]]


def suits(tag: Tag, python: tuple[int, int]) -> bool:
    """Whether a CPython of this version on Linux x86-64 with glibc takes such a wheel."""
    if tag.platform != "any" and not re.fullmatch(r"(many)?linux.*_x86_64", tag.platform):
        return False
    exact = f"cp{python[0]}{python[1]}"
    if tag.interpreter in {"py3", "py2.py3", f"py{python[0]}{python[1]}", exact}:
        return tag.abi in {"none", "abi3", exact}
    built_for = re.fullmatch(r"cp3(\d+)", tag.interpreter)
    return tag.abi == "abi3" and bool(built_for) and int(built_for[1]) <= python[1]


def test_every_locked_package_has_a_wheel_for_linux():
    pythons_served: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for package in packages():
        served = pythons_served[package["name"]]
        for wheel in package.get("wheels", []):
            tags = parse_wheel_filename(wheel["url"].rsplit("/", 1)[-1])[3]
            served |= {python for python in PYTHONS for tag in tags if suits(tag, python)}
    found = [
        f"{name}: none for {', '.join(f'{major}.{minor}' for major, minor in missing)}"
        for name, served in sorted(pythons_served.items())
        if name not in PURE_SOURCES and (missing := sorted(set(PYTHONS) - served))
    ]
    assert not found, (
        "pin a version with a wheel for Linux x86-64 (override-dependencies in pyproject.toml), or "
        f"do without the package:{listing(found)}"
    )


def test_libp2p_is_pinned_exactly_and_fastecdsa_is_overridden():
    versions = {package["name"]: package["version"] for package in packages()}
    assert versions["libp2p"] == "0.8.1", "mesh/net leans on private layers of libp2p 0.8.1"
    assert versions["fastecdsa"] == "4.0.0", "see docs/adr/0001: 2.3.2 has no Linux wheel"
