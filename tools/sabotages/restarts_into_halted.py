"""A slot that does not write down that it went back: after a restart it runs what was halted."""

from inference.slot_record import SlotRecord
from inference.slot_store import SlotStore

_save = SlotStore.save
_ran: dict[bytes | None, None] = {}


def save(self: SlotStore, record: SlotRecord) -> None:
    """Write a record down, unless it says that something runs which was left before."""
    last = next(reversed(_ran), None)
    if record.digest in _ran and record.digest != last:
        return
    _ran[record.digest] = None
    _save(self, record)


SlotStore.save = save
