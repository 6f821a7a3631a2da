"""A process killed while it writes artefacts: what was there stays, what is held is right."""

import subprocess
import sys
from pathlib import Path
from random import Random

from mesh.node.blobstore import BlobStore
from mesh.orchestration.blob_tree import CHUNK_SIZE, leaves_of, reference_of

KILLS = 18
CHUNKS = 6

WRITER = """
import sys
from pathlib import Path
from mesh.node.blobstore import BlobStore
from tests.live.test_blobstore_killed import artefact, fetch
store = BlobStore(Path(sys.argv[1]))
number = int(sys.argv[2])
print("ready", flush=True)
for done in fetch(store, artefact(number)):
    print(done, flush=True)
store.put(artefact(1000 + number))
print("put", flush=True)
"""


def artefact(number: int) -> bytes:
    return Random(number).randbytes(CHUNKS * CHUNK_SIZE - number)


def fetch(store: BlobStore, data: bytes):
    """Go on with an artefact as an exchange would, saying what is done."""
    reference, leaves = reference_of(data), leaves_of(data)
    found = store.found(reference)
    if found.leaves is None:
        store.begin(reference, leaves)
        yield "begun"
    for index in range(reference.chunks):
        if not found.held >> index & 1:
            store.write(reference, index, data[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE])
            yield str(index)
    assert store.seal(reference).is_complete
    yield "sealed"


def run_until(folder: Path, number: int, lines: int) -> list[str]:
    """Kill a writer after it has said a few lines; returns them."""
    command = [sys.executable, "-c", WRITER, str(folder), str(number)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(lines)]
        process.kill()
        process.stdout.close()
    return said


def test_nothing_is_torn_by_a_kill(tmp_path: Path) -> None:
    rng, number, held = Random(7), 1, 0
    for _ in range(KILLS):
        data = artefact(number)
        reference = reference_of(data)
        said = run_until(tmp_path, number, 1 + rng.randrange(5))
        store = BlobStore(tmp_path)
        found = store.found(reference)
        written = sum(1 << int(line) for line in said if line.isdecimal())
        assert found.held & (held | written) == held | written, said
        for index in range(CHUNKS):
            if found.held >> index & 1:
                at = index * CHUNK_SIZE
                assert store.read(reference, index) == data[at : at + CHUNK_SIZE]
        assert found.is_complete or "sealed" not in said
        for other, _ in store.complete():
            assert reference_of(store.load(other.digest)) == other
        held = found.held
        if found.is_complete:
            assert store.load(reference.digest) == data
            number, held = number + 1, 0
    assert number > 3, "nothing was ever completed between two kills"
