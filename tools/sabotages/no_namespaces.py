"""Code that takes every machine for one without network namespaces."""

from mesh.testing.wires import wire
from mesh.testing.wires.namespaces import NamespacesUnavailableError


def _refuse() -> str:
    raise NamespacesUnavailableError("planted: the code, not the machine")


wire.open_ground = _refuse
