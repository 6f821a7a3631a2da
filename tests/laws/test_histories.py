"""Each history of the table holds, for the oracle and for the fold alike."""

import pytest

from .histories import HISTORIES, History
from .views import Folding, fold_view, oracle_view

FOLDINGS = pytest.mark.parametrize(
    "folding", [pytest.param(oracle_view, id="oracle"), pytest.param(fold_view, id="fold")]
)
TOLD = pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)


@FOLDINGS
@TOLD
def test_history_holds(history: History, folding: Folding) -> None:
    history.check(folding(history.genesis, history.statements, history.entries))


@TOLD
def test_fold_says_what_the_oracle_says(history: History) -> None:
    told = (history.genesis, history.statements, history.entries)
    assert fold_view(*told) == oracle_view(*told)
