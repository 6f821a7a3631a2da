"""What committed text may say: nothing of a machine it was written on, and no link into nowhere."""

import re

from tests.repo.tree import ROOT, committed, listing

HERE = "tests/repo/test_words.py"
TEXT = (".md", ".py", ".toml", ".txt", ".json", ".proto", ".yaml", ".yml", ".cfg", "Makefile")

MACHINE_PATH = re.compile(r"(?<![\w.])/(work|root|home/\w+|Users/\w+)/|\.\./shared|\.\./reference")
REGISTRY = re.compile(
    r"\b(pypi\.org|files\.pythonhosted\.org|pypi\.python\.org|registry\.npmjs\.org|crates\.io"
    r"|proxy\.golang\.org|repo1?\.maven\.org|deb\.debian\.org)\b"
)
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
NAMED_PAGE = re.compile(r"`(?P<page>[\w./-]+\.md)`")
MAKE_COMMAND = re.compile(r"\bmake ([a-z]+)\b")
MAKE_TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)


def texts(*endings: str) -> list[tuple[str, str]]:
    """(path, text) of every committed file whose name ends so, this file apart."""
    paths = (path for path in committed() if path.endswith(endings) and path != HERE)
    return [(path, (ROOT / path).read_text(encoding="utf-8")) for path in paths]


def lines_with(pattern: re.Pattern[str], *endings: str) -> list[str]:
    """`path:line: what` wherever a pattern occurs."""
    return [
        f"{path}:{number}: {found[0]}"
        for path, text in texts(*endings)
        for number, line in enumerate(text.splitlines(), start=1)
        if (found := pattern.search(line))
    ]


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings make."""
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_no_committed_text_names_a_path_of_a_machine():
    found = lines_with(MACHINE_PATH, *TEXT, ".ci/run")
    assert not found, f"speak of the project alone, with paths from its root:{listing(found)}"


def test_only_the_lock_names_a_registry():
    found = lines_with(REGISTRY, *TEXT, ".ci/run")
    assert not found, f"name the package, not the host it comes from:{listing(found)}"


def test_the_changelog_has_a_place_for_what_is_not_released():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## Unreleased$", text, re.MULTILINE), "add `## Unreleased` to CHANGELOG.md"


def test_links_between_pages_lead_somewhere():
    found: list[str] = []
    for path, text in texts(".md"):
        for match in LINK.finditer(text):
            target, _, anchor = match["target"].partition("#")
            if "://" in target:
                continue
            page = (ROOT / path).parent / target if target else ROOT / path
            if not page.exists():
                found.append(f"{path}: {match['target']}")
            elif anchor and anchor not in anchors(page.read_text(encoding="utf-8")):
                found.append(f"{path}: {match['target']} (no such heading)")
    assert not found, f"mend the link:{listing(found)}"


def test_pages_named_in_text_and_code_exist():
    found = [
        f"{path}: {match['page']}"
        for path, text in texts(".md", ".py")
        for match in NAMED_PAGE.finditer(text)
        if not any((base / match["page"]).exists() for base in (ROOT, (ROOT / path).parent))
    ]
    assert not found, f"name a page by its path from the root or beside this one:{listing(found)}"


def test_every_make_command_in_the_pages_exists():
    targets = set(MAKE_TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    found = [
        f"{path}: make {command}"
        for path, text in texts(".md")
        for code in re.findall(r"`([^`\n]+)`|^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for command in MAKE_COMMAND.findall("\n".join(code))
        if command not in targets
    ]
    assert not found, f"give the Makefile that target, or mend the page:{listing(found)}"


def test_architecture_decisions_are_numbered_without_a_gap():
    names = [path.rsplit("/", 1)[-1] for path in committed() if path.startswith("docs/adr/")]
    numbers = [int(name[:4]) for name in names if re.match(r"\d{4}-", name)]
    assert numbers == list(range(1, len(numbers) + 1)), f"renumber docs/adr: {numbers}"


def test_every_decision_bears_the_number_of_its_file_and_stands_in_the_list():
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    lost = [
        path
        for path, text in texts(".md")
        if (name := re.match(r"docs/adr/(\d{4})-", path))
        and not (
            text.startswith(f"# {int(name[1])}. ")
            and f"| {int(name[1])} | [" in index
            and f"]({path.removeprefix('docs/adr/')})" in index
        )
    ]
    assert not lost, f"give it its file's number, and a line in docs/adr/README.md:{listing(lost)}"
