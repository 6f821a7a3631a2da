"""The mutants fit the code that they are bugs of, and their page names each of them."""

from tests.repo.tree import ROOT, listing
from tools.mutants import MUTANTS
from tools.mutants_mutant import problems

PAGE = "docs/mutants.md"


def test_every_mutant_fits_the_code():
    found = problems(ROOT, MUTANTS)
    assert not found, f"write the mutant anew for the code as it is (make mutants):{listing(found)}"


def test_every_mutant_has_one_name_and_a_row_of_the_page():
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)
    rows = (ROOT / PAGE).read_text(encoding="utf-8").splitlines()
    told = [row.split("|")[1].strip() for row in rows if row.startswith("| ")]
    missing = [name for name in names if name not in told]
    stale = [name for name in told if name not in (*names, "mutant")]
    assert not missing, f"add a row to {PAGE}:{listing(missing)}"
    assert not stale, f"no such mutant any more, take its row out of {PAGE}:{listing(stale)}"
