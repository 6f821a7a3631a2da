"""The errors of the package are one tree, and each is drawn in it."""

import importlib
import inspect
import pkgutil

import mesh.orchestration
from mesh.orchestration import blob_errors, errors
from mesh.orchestration.errors import OrchestrationError


def test_every_error_has_the_one_root_and_is_drawn() -> None:
    drawn = f"{errors.__doc__}{blob_errors.__doc__}"
    found: list[str] = []
    for module in pkgutil.iter_modules(mesh.orchestration.__path__, "mesh.orchestration."):
        for name, each in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(each, Exception) and each.__module__ == module.name:
                found.append(name)
                assert issubclass(each, OrchestrationError), name
                assert name in drawn, name
    assert {"BlobFrameError", "InvalidIntentError"} <= set(found)
