"""No claim of the demo holds whatever happens: each is seen to hold, and to fail.

The claims are read from the demo's source. Each must be what a case of the sabotage suite is after,
or fail by a flaw that is planted in the evidence that it is judged by; so one that is added without
either turns this red.
"""

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import mesh.demo
from tests.unit.demo import (
    test_hold_verdict,
    test_partition_verdict,
    test_reaction_verdict,
    test_rollout_verdict,
    test_run_claims,
    test_trust_claims,
)
from tools.sabotage import CASES

PLANTED: tuple[ModuleType, ...] = (
    test_hold_verdict,
    test_partition_verdict,
    test_reaction_verdict,
    test_rollout_verdict,
    test_run_claims,
    test_trust_claims,
)
"""What has planted evidence: see `tests.unit.demo.planted`."""
PLAYED = frozenset(claim for case in CASES for claim in case.claims)
"""What the cases of the sabotage suite are after."""
TREES = [
    ast.parse(path.read_text(), path.name)
    for path in sorted(Path(mesh.demo.__file__).parent.rglob("*.py"))
]


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """Yield the calls of functions and methods with these names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Attribute(attr=name) | ast.Name(id=name):
                    if name in names:
                        yield node
                case _:
                    pass


def named(name: ast.expr, where: ast.AST) -> set[str]:
    """Return the claims that an argument names; `*` for what is filled in."""
    match name:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.JoinedStr(values=parts):
            texts = [part.value if isinstance(part, ast.Constant) else "*" for part in parts]
            return {"".join(map(str, texts))}
        case ast.Name(id=variable):
            return parameters(variable, where) | loops(variable, where)
        case _:
            return set()


def parameters(variable: str, where: ast.AST) -> set[str]:
    """Return what is passed to the function of which a variable is the first parameter."""
    match where:
        case (
            ast.FunctionDef(name=function, args=taken)
            | ast.AsyncFunctionDef(name=function, args=taken)
        ):
            ours = [one.arg for one in taken.args if one.arg != "self"]
            passed = [call.args[0] for tree in TREES for call in calls(tree, function)]
            texts = {str(one.value) for one in passed if isinstance(one, ast.Constant)}
            return texts if ours[:1] == [variable] else set()
        case _:
            return set()


def loops(variable: str, where: ast.AST) -> set[str]:
    """Return the texts that a loop of a function gives to the first of its variables."""
    return {
        str(row.elts[0].value)
        for loop in ast.walk(where)
        if isinstance(loop, ast.For)
        and isinstance(loop.target, ast.Tuple)
        and ast.unparse(loop.target.elts[0]) == variable
        and isinstance(loop.iter, ast.Tuple)
        for row in loop.iter.elts
        if isinstance(row, ast.Tuple) and isinstance(row.elts[0], ast.Constant)
    }


def claims_of_source() -> dict[str, set[str]]:
    """Return the claims by the call that judges them, as it is written."""
    return {
        f"{tree_name}: {ast.unparse(call.args[0])} in {where.name}": named(call.args[0], where)
        for tree_name, tree in enumerate(TREES)
        for where in ast.walk(tree)
        if isinstance(where, ast.FunctionDef | ast.AsyncFunctionDef)
        for call in calls(where, "check", "fall")
        if call.args
    }


@cache
def flawless_of(planted: ModuleType) -> dict[str, bool]:
    """Return by claim whether it holds where nothing is wrong."""
    judged: dict[str, bool] = planted.judged_with(None)
    return judged


FOUND = claims_of_source()
CLAIMS = sorted({claim for claims in FOUND.values() for claim in claims})
FALLS = frozenset(
    claim for tree in TREES for call in calls(tree, "fall") for claim in named(call.args[0], tree)
)
"""What is only named if it happens."""


def test_every_call_names_its_claims() -> None:
    assert [call for call, claims in FOUND.items() if not claims] == []
    assert {"latency", "attack:*", "bridges_carry_again", "own_store", "processes"} <= set(CLAIMS)


def test_every_case_of_the_sabotage_suite_is_after_a_claim() -> None:
    stray = [one for one in PLAYED if not any(fnmatchcase(one, claim) for claim in CLAIMS)]
    assert stray == []


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_can_fail(claim: str) -> None:
    flaws = [
        (planted, flaw)
        for planted in PLANTED
        for flaw, failed in planted.FLAWS.items()
        if any(fnmatchcase(one, claim) for one in failed)
    ]
    if not flaws:
        assert any(fnmatchcase(one, claim) for one in PLAYED), "neither sabotage nor a flaw"
    for planted, flaw in flaws[:1]:
        flawless, flawed = flawless_of(planted), planted.judged_with(flaw)
        assert all(flawless.values())
        assert claim in FALLS or any(fnmatchcase(one, claim) for one in flawless)
        assert any(fnmatchcase(one, claim) for one, held in flawed.items() if not held)
