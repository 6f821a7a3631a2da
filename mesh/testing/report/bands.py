"""When and for whom the network was cut, by the steps of a run or what was seen of it."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from mesh.testing.report.recording import Band, Recording, Timed
from mesh.testing.scenarios.steps import Cut, Hole, OneWay, Several

__all__ = ["bands"]

_REPLACED = " (old)"


def bands(recording: Recording) -> list[Band]:
    """Return what was cut in a run, in order of time; what was never healed lasts to its end."""
    standing: dict[str, tuple[float, Several]] = {}
    found = list(recording.cut_off)

    def close(label: str, at_s: float) -> None:
        from_s, who = standing.pop(label)
        found.append(Band(label, from_s, at_s, _chosen(who, recording.lines)))

    for timed in recording.steps:
        made = _made(timed)
        if made is not None:
            standing[made[0]] = (timed.at_s, made[1])
        elif timed.step.verb == "heal":
            healed = str(timed.step.heal)
            for label in [label for label in standing if healed in {label, "all"}]:
                close(label, timed.at_s)
    for label in list(standing):
        close(label, recording.end_s)
    return sorted(found, key=lambda band: band.from_s)


def _made(timed: Timed) -> tuple[str, Several] | None:
    """The label of a cut and whom it is about: who is cut off, or is not told any more."""
    deed = timed.step.deed
    if isinstance(deed, Cut):
        return deed.label, deed.side
    if isinstance(deed, Hole):
        return deed.label, deed.who
    return (deed.label, deed.receivers) if isinstance(deed, OneWay) else None


def _chosen(who: Several, names: Collection[str]) -> frozenset[str]:
    patterns: Sequence[str] = (who,) if isinstance(who, str) else who
    return frozenset(
        name
        for name in names
        if any(fnmatchcase(name.removesuffix(_REPLACED), pattern) for pattern in patterns)
    )
