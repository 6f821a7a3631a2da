"""Whose models are heard: candidates that I hold an intent for.

A candidate's events are accepted from every current name from when I hold an intent for it until
the model is withdrawn. Pausing, halting, aborting and superseding change what boxes *run*, never
what they *hear*: else boxes would refuse each other's safety events. So this reads whether an
intent is there, and never how it stands.
"""

from collections.abc import Mapping

from crdt.registers import Register
from mesh.coordination.models import Models, ModelState
from mesh.orchestration.records import intent_in

__all__ = ["Candidates"]


class Candidates:
    """Answers whether a digest that is no approved model may stand behind an event.

    Args:
        registers: every register of the view; the intents and model records among them are read.
        models: the model records of the same view.
    """

    __slots__ = ("_models", "_proposed")

    def __init__(self, registers: Mapping[str, Register], models: Models) -> None:
        read = (intent_in(key, register) for key, register in registers.items())
        self._proposed = frozenset(intent.artefact for intent in read if intent is not None)
        self._models = models

    def __repr__(self) -> str:
        return f"<Candidates {len(self._proposed)} digests>"

    def accepts(self, digest: bytes, event_type: str, cell: bytes) -> bool:
        """Whether events of this type in this cell may name a candidate's digest.

        The record that calls it a candidate is for the type and cell, and signed by a holder of
        `approve`: who may only roll out cannot make a city listen to a model.
        """
        state = self._models.state(digest, event_type, cell)
        return state is ModelState.CANDIDATE and digest in self._proposed
