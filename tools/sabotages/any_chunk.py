"""An exchange that takes any chunk for the one that was asked for."""

from mesh.orchestration.blob_transfer import Blob


def is_chunk(self: Blob, index: int, data: object) -> bool:
    """Believe the sender."""
    del self, index, data
    return True


Blob.is_chunk = is_chunk
