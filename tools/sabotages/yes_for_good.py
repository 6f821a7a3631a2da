"""Trust that goes on saying yes, and takes a member for one, when who holds what has changed."""

from mesh.coordination.trust import PeerClass, Trust

_refresh = Trust._refresh


def refresh(self: Trust) -> None:
    """Look at the new views, and keep every yes that was given."""
    yes = {question: answer for question, answer in self._answers.items() if answer.ok}
    members = {
        key: sort for key, sort in self._sorts.items() if sort.peer_class is PeerClass.MEMBER
    }
    _refresh(self)
    self._answers.update(yes)
    self._sorts.update(members)


Trust._refresh = refresh
