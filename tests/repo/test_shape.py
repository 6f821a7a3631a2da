"""How a file may look: STYLE's lengths, docstrings, exports and forbidden words, each by name."""

import ast
import io
import re
import tokenize

from tests.repo.tree import CODE, PRODUCT, listing, modules, parsed

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
EXCUSED = re.compile(r"#\s*(noqa|type: ignore|pyright: ignore|pragma: no cover)(?P<rest>.*)")
REASON = re.compile(r"[\])\w]\s+\(?[A-Za-z`]\w*.*\s.+")
"""Something like a sentence after the rule's name."""

LATE_IMPORTERS = {
    "inference/__init__.py": "public names, when they are first asked for",
    "mesh/__init__.py": "public names, when they are first asked for",
    "mesh/choreography/cells.py": "h3, which has no annotations",
    "mesh/cli/artifact.py": "the demo's renderer, which stands beside the command line",
    "mesh/cli/dev_camera.py": "likewise: the cameras and the models of `mesh dev`",
    "mesh/cli/app.py": "the demo, which stands beside the command line",
    "mesh/testing/__init__.py": "public names, when they are first asked for",
    "mesh/node/nursery.py": "what its caller wants loaded before it forks",
}
"""May import by a computed name; everywhere else that would slip past the import contracts."""


def test_no_file_is_longer_than_a_reader_can_hold():
    found = [
        f"{path}: {lines} lines"
        for path, text in modules(*PRODUCT)
        if (lines := text.count("\n")) > FILE_LINES_MAX
    ]
    assert not found, f"split at a seam, ≤ {FILE_LINES_MAX} lines a file:{listing(found)}"


def test_no_function_is_longer_than_a_screen():
    found = [
        f"{path}:{node.lineno} {node.name}: {lines} lines"
        for path, tree in parsed(*PRODUCT)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not found, f"take a helper out, ≤ {FUNCTION_LINES_MAX} lines a function:{listing(found)}"


def test_no_line_is_wider_than_the_page():
    found = [
        f"{path}:{number}: {len(line)} columns"
        for path, text in modules(*PRODUCT)
        for number, line in enumerate(text.splitlines(), start=1)
        if len(line) > COLUMNS_MAX
    ]
    assert not found, f"wrap at {COLUMNS_MAX} columns (make format):{listing(found)}"


def test_every_module_opens_with_what_it_promises():
    found = [path for path, tree in parsed(*PRODUCT) if not ast.get_docstring(tree)]
    assert not found, f"write the module's theory as its docstring:{listing(found)}"


def test_exports_are_sorted_as_ruff_sorts_them():
    found: list[str] = []
    for path, tree in parsed(*PRODUCT):
        for node in tree.body:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if not any(
                isinstance(target, ast.Name) and target.id == "__all__" for target in targets
            ):
                continue
            names = [str(name) for name in ast.literal_eval(node.value)]
            if names != sorted(names, key=export_order) or len(set(names)) != len(names):
                found.append(path)
    assert not found, f"sort __all__ (make format), each name once:{listing(found)}"


def export_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest: an isort-style order."""
    if name.isupper():
        return 0, name
    return (1 if name[0].isupper() else 2), name


def test_nothing_is_left_unfinished():
    found = [
        f"{path}:{number}: {line.strip()}"
        for path, text in modules(*CODE)
        if not path.startswith("tests/repo/")
        for number, line in enumerate(text.splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert not found, f"finish it, or leave it out and say so in the changelog:{listing(found)}"


def test_no_test_skips_or_expects_to_fail():
    found = [
        f"{path}:{node.lineno}: {name}"
        for path, tree in parsed("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name | ast.Attribute)
        and (name := ast.unparse(node))
        in {"pytest.skip", "pytest.xfail", "pytest.importorskip"}
        | {f"pytest.mark.{mark}" for mark in ("skip", "skipif", "xfail", "flaky")}
    ]
    assert not found, f"make it pass or take it out:{listing(found)}"


def test_no_test_sleeps_on_the_wall_clock():
    found = [
        f"{path}:{node.lineno}: {name}"
        for path, tree in parsed("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) == "time.sleep"
    ]
    assert not found, f"wait for the event itself, under a deadline:{listing(found)}"


def test_an_exception_to_a_check_says_why():
    found: list[str] = []
    for path, text in modules(*PRODUCT):
        lines = text.splitlines()
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            excused = EXCUSED.search(token.string) if token.type == tokenize.COMMENT else None
            above = lines[token.start[0] - 2].strip() if token.start[0] > 1 else ""
            if excused and not REASON.search(excused["rest"]) and not above.startswith("#"):
                found.append(f"{path}:{token.start[0]}: {token.string}")
    assert not found, f"fix the code, or say why in words beside it or above it:{listing(found)}"


def test_only_the_named_files_import_by_a_computed_name():
    found = [
        f"{path}:{node.lineno}: {name}"
        for path, tree in parsed(*PRODUCT)
        if path not in LATE_IMPORTERS
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (name := ast.unparse(node.func)).split(".")[-1] in {"import_module", "__import__"}
    ]
    assert not found, f"import by name, so that the import contracts see it:{listing(found)}"
