"""One frame behind at most: what a camera delivers faster than a detector looks is dropped.

A queue in front of a detector only makes answers late: the frames in it grow old, and an incident
is reported seconds after it began. So there is room for one waiting frame; a newer one takes its
place, and every frame that nobody will look at is counted. Pure; not for several threads at once.
"""

from typing import Generic, TypeVar

__all__ = ["LatestFrame"]

Item = TypeVar("Item")


class LatestFrame(Generic[Item]):
    """Room for one waiting frame.

    Attributes:
        offered: frames that were put.
        dropped: frames that were replaced before anybody took them.
    """

    def __init__(self) -> None:
        self._waiting: list[Item] = []
        self.offered = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, frame: Item) -> bool:
        """Let a frame wait, in place of one that waits already.

        Returns:
            Whether an older one was dropped.
        """
        is_dropping = bool(self._waiting)
        self.dropped += is_dropping
        self.offered += 1
        self._waiting = [frame]
        return is_dropping

    def take(self) -> Item | None:
        """The newest frame; None if none came since the last one was taken."""
        return self._waiting.pop() if self._waiting else None
