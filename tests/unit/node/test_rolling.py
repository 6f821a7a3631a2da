"""The verbs of rollouts at a console: what is read from a request, and what is refused."""

from pathlib import Path

import pytest

from crdt.entry import Entry
from crdt.replica import Replica
from inference.artifact import ARTIFACT_SIZE_MAX, sign_artifact
from mesh.node.clock_doubts import HeardClock
from mesh.node.control import ControlError
from mesh.node.rolling import rollout_verbs
from mesh.node.shelf import DiskShelf
from mesh.orchestration.describing import Watch
from mesh.orchestration.sight import Sight
from tests.laws.writing import key_of, public
from tests.unit.inference.artifacts import a_configuration
from tests.unit.orchestration.town import BOXES, Town, wish


class Signer:
    """The authority of a town."""

    addresses = ()

    def __init__(self, town: Town, *, writes: bool = True) -> None:
        self._town = town
        self._writes = writes
        self.kinds: list[str] = []

    @property
    def replica(self) -> Replica:
        return self._town.replica

    @property
    def public(self) -> bytes:
        return public("centre")

    async def write(self, kind: str, body: object) -> Entry:
        self.kinds.append(kind)
        if not self._writes:
            return next(self._town.replica.entries(), None)  # pyright: ignore
        return self._town.write("centre", (kind, body))


def artefact(folder: Path) -> tuple[str, bytes]:
    """A signed configuration in a file, and its digest."""
    made = sign_artifact(a_configuration(), key_of("centre"))
    path = folder / "limits.artifact"
    path.write_bytes(made.raw)
    return str(path), made.digest


async def test_what_a_running_node_sees_is_told(tmp_path: Path):
    path, digest = artefact(tmp_path)
    seen = Sight(seen=frozenset(BOXES[:1]), dark=frozenset(BOXES[1:2]))
    signer = Signer(Town())
    verbs = rollout_verbs(signer, DiskShelf(tmp_path / "blobs"), lambda: Watch(sight=seen))
    asked = wish(artefact=digest).to_value()
    told = await verbs["apply"]({"wish": asked, "artifact": path})
    assert (told["names"], told["slot"], signer.kinds) == (4, "config/limits", ["put"])
    assert told["intent"].hex().startswith(str(told["id"]))
    presence = [(await verbs["explain"]({"box": name}))["presence"] for name in BOXES[:3]]
    assert presence == ["seen", "dark", "unknown"]
    told = (await verbs["rollout"]({"name": "v1.4"}))["rollout"]
    assert told["bars"][1]["unknown"] == 2  # pyright: ignore
    assert told["bars"][1]["dark"] == 1  # pyright: ignore


async def test_what_is_wrong_with_a_request_is_told(tmp_path: Path):
    path, digest = artefact(tmp_path)
    asked = wish(artefact=digest).to_value()
    shelf = DiskShelf(tmp_path / "blobs")
    signer = Signer(Town())
    ahead = HeardClock(offset_ms=-86_400_000, is_trusted=False, neighbours=2)
    wrong = rollout_verbs(signer, shelf, hear_clock=lambda: ahead)
    with pytest.raises(ControlError, match="clock is 24 h ahead of its 2 neighbours': set it"):
        await wrong["apply"]({"wish": asked, "artifact": path})
    verbs = rollout_verbs(signer, shelf)
    with pytest.raises(ControlError, match="expected a rollout as `mesh apply` sends it"):
        await verbs["apply"]({"wish": {}})
    with pytest.raises(ControlError, match=r"'fly': expected one of promote, resume, pause, undo"):
        await verbs["command"]({"name": "v1.4", "command": "fly"})
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(ARTIFACT_SIZE_MAX + 1)
    with pytest.raises(ControlError, match="large is larger than 192 MiB"):
        await verbs["apply"]({"wish": asked, "artifact": str(large)})
    assert signer.kinds == []
    assert not (tmp_path / "blobs").exists(), "nothing is kept that is not rolled out"


async def test_what_was_signed_and_does_not_count_is_told(tmp_path: Path):
    path, digest = artefact(tmp_path)
    verbs = rollout_verbs(Signer(Town(), writes=False), DiskShelf(tmp_path / "blobs"))
    with pytest.raises(ControlError, match=r"v1.4 was signed and does not count"):
        await verbs["apply"]({"wish": wish(artefact=digest).to_value(), "artifact": path})


async def test_a_damaged_artefact_is_not_at_hand(tmp_path: Path):
    path, digest = artefact(tmp_path)
    shelf = DiskShelf(tmp_path / "blobs")
    await shelf.keep(Path(path).read_bytes())
    (blob,) = (tmp_path / "blobs").glob("*.blob")
    blob.write_bytes(bytes(blob.stat().st_size))
    verbs = rollout_verbs(Signer(Town()), shelf)
    with pytest.raises(ControlError, match="is not in this store, so no box could fetch it"):
        await verbs["apply"]({"wish": wish(artefact=digest).to_value()})


async def test_what_is_no_artefact_is_told_with_its_file_and_nothing_is_kept(tmp_path: Path):
    path, digest = artefact(tmp_path)
    whole = Path(path).read_bytes()
    damaged = bytearray(whole)
    damaged[-1] ^= 1
    verbs = rollout_verbs(signer := Signer(Town()), DiskShelf(tmp_path / "blobs"))
    for junk, said in (
        (b"", "no artefact; make one"),
        (bytes(10 << 20), "no artefact; make one"),
        (b"\x0fW|" * 2000, "no artefact; make one"),
        (whole[:22] + b"\xff" * 5000, "announces a manifest of 4294967295 bytes in a file of 5022"),
        (whole[:22] + bytes(10 << 20), "ends at byte 0 inside a value"),
        *((whole[:size], "limits.artifact: ") for size in range(1, len(whole), 97)),
        (bytes(damaged), "limits.artifact: "),
    ):
        Path(path).write_bytes(junk)
        with pytest.raises(ControlError) as refused:
            await verbs["apply"]({"wish": wish(artefact=digest).to_value(), "artifact": path})
        assert str(refused.value).startswith(f"{path}: "), "which file"
        assert said in str(refused.value)
    assert signer.kinds == []
    assert not (tmp_path / "blobs").exists()
