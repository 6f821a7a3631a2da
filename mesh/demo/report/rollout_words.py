"""The first act in sentences: only what took place, whatever ended the act early."""

from collections.abc import Mapping, Sequence
from typing import cast

__all__ = ["bad_release_told", "comeback_told", "opened_told", "poison_told"]

Part = Mapping[str, object]


def bad_release_told(bad: Part) -> str:
    """What became of the release that must not come through."""
    if bad.get("tried") is False:
        return "No bad release was tried."
    percent, ran = bad.get("held_at_percent"), bad.get("boxes_ever_ran")
    held = f"held at {percent} %" if percent else "not seen at any stage"
    boxes = "1 box" if ran == 1 else f"{ran} boxes"
    back = "rolled back" if bad.get("rolled_back") is True else "not seen to be rolled back"
    return f"The bad release was {held}, ran on {boxes}, and was {back}."


def comeback_told(back: Part) -> str:
    """What became of the box that was killed in the middle."""
    box, fetched = back.get("box"), back.get("bytes_fetched")
    if not box:
        return "no box was killed"
    if fetched is None:
        return f"{box} was killed, and did not say that it was back"
    release = "with the release" if back.get("began_with_release") is True else "without it"
    return f"{box} was killed and began again {release}; {fetched} bytes fetched"


def poison_told(poison: Part) -> str:
    """What became of the wrong bytes that a member offered."""
    sent = poison.get("chunks_sent")
    if not sent:
        return "no wrong bytes were seen to be sent"
    offered, refused = poison.get("boxes_offered"), poison.get("boxes_refused")
    return (
        f"{sent} chunks with wrong bytes were sent to {_listed(offered)}; refused, with their "
        f"sender, by {_listed(refused)}"
    )


def opened_told(opened_s: object) -> str:
    """When a stage opened, seconds."""
    return "never" if opened_s is None else str(opened_s)


def _listed(names: object) -> str:
    listed = cast("Sequence[object]", names) if isinstance(names, list | tuple) else ()
    return ", ".join(map(str, listed)) or "nobody"
