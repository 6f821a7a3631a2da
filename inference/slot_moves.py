"""What happens to a record, as functions of it; see `inference.slots` for when."""

from dataclasses import replace

from inference.slot_events import Outcome, OutcomeKind, Report
from inference.slot_record import FAILED_MAX, REASON_SIZE_MAX, Failure, Key, SlotRecord

__all__ = [
    "failed_report",
    "failure_of",
    "free_side",
    "good_report",
    "with_failures",
    "without_active",
    "without_unsound",
]


def without_active(record: SlotRecord, failures: tuple[Failure, ...]) -> SlotRecord:
    """What runs is given up; in its place the other side if it is vouched for, else the factory's.

    A side that became unsound meanwhile is no place to go back to, so callers clear those first.
    """
    active = record.active
    if active is None:
        return record
    other = record.side(1 - active)
    return replace(
        record,
        sides=record.with_side(active, None),
        active=1 - active if other is not None and other.vouched else None,
        starts=0,
        failed=with_failures(record, failures),
    )


def with_failures(record: SlotRecord, failures: tuple[Failure, ...]) -> tuple[Failure, ...]:
    """The failures kept once these came; one a key, the latest."""
    keys = [failure.key for failure in failures]
    kept = (failure for failure in record.failed if failure.key not in keys)
    return (*kept, *failures)[-FAILED_MAX:]


def free_side(record: SlotRecord) -> int:
    """The side to be written: never the one that runs; of two, the one that is least worth."""
    if record.active is not None:
        return 1 - record.active
    worth = [0 if held is None else 2 if held.vouched else 1 for held in record.sides]
    return worth.index(min(worth))


def failure_of(key: Key, reason: str) -> Failure:
    """A failure with a reason of bounded length."""
    return Failure(key, reason[:REASON_SIZE_MAX])


def failed_report(failure: Failure) -> Report:
    """It was given up."""
    return Report(Outcome(OutcomeKind.FAILED, failure.key, failure.reason))


def good_report(key: Key, metrics: dict[str, int]) -> Report:
    """It gave a good live inference."""
    return Report(Outcome(OutcomeKind.GOOD, key, metrics=metrics))


def without_unsound(record: SlotRecord, intact: tuple[bool, bool]) -> SlotRecord:
    """The record without sides that are damaged or withdrawn."""
    for number, held in enumerate(record.sides):
        if held is None or (intact[number] and held.digest not in record.withdrawn):
            continue
        if number == record.active:
            record = without_active(record, ())
        else:
            record = replace(record, sides=record.with_side(number, None))
    return record
