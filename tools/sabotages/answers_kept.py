"""Trust that goes on giving the answers it remembers when who holds what has changed."""

from mesh.coordination.trust import Trust

_refresh = Trust._refresh


def refresh(self: Trust) -> None:
    """Look at the new views, and keep the old answers."""
    kept = dict(self._answers)
    _refresh(self)
    self._answers = kept


Trust._refresh = refresh
