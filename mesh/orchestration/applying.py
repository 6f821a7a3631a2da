"""From what a person asks for to what is to be signed: the plan of a rollout.

A plan is computed from one view and writes nothing, so that `diff` shows what `apply` would do. It
fills in what people forget: who the rollout is for (the boxes within, by name, as they stand when
it is signed), whose place it takes, and the record that lets boxes hear a candidate at all. What
could not count, or would harm, is refused before anything is signed.

The new intent names every unfinished rollout of its slot within its scope, those that are
superseded already too: when the one between them dies, what it named is live again, and would
contend. Where more are unfinished than an intent may name, the latest are named.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from crdt.registers import Register
from identity.capability import EVERYWHERE, Capability, covers, is_at_or_under, is_name
from mesh.coordination.models import MODEL_PREFIX, ModelState, parse_model
from mesh.orchestration.approving import DIGEST_SHOWN
from mesh.orchestration.blob_tree import reference_of
from mesh.orchestration.cohort import encode_names, stage_size
from mesh.orchestration.commanding import percent
from mesh.orchestration.errors import CannotApplyError
from mesh.orchestration.intent import Intent, intent_key, is_slot
from mesh.orchestration.intent_checks import SUPERSEDES_MAX, check_intent
from mesh.orchestration.labels import labels_of
from mesh.orchestration.releasing import Release, check_released
from mesh.orchestration.rollouts import Rollout
from mesh.orchestration.standpoint import Standpoint, reach, short, signers
from mesh.orchestration.wish import Wish

__all__ = ["Plan", "candidate_key", "plan_rollout"]

CANDIDATE_EVENTS = ("traffic.*",)
"""Which events a candidate may stand behind where no model of its slot is on record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What applying would do.

    Attributes:
        intent: what is to be signed; where `unchanged`, what is signed already.
        names: the cohort, ascending.
        listing: the artefact that lists it, to be held by a store before the intent is signed.
        puts: registers and values to write, in that order; none where `unchanged`.
        before: the rollout whose place it takes, the one that boxes run now; None for the first.
        unchanged: whether the same is rolled out already.
        notes: what a person should know, a sentence each.
    """

    intent: Intent
    names: tuple[str, ...]
    listing: bytes
    puts: tuple[tuple[str, object], ...] = ()
    before: Rollout | None = None
    unchanged: bool = False
    notes: tuple[str, ...] = ()


def plan_rollout(view: Standpoint, wish: Wish, release: Release | None, nonce: bytes) -> Plan:
    """Return what is to be signed so that a wish becomes a rollout.

    Args:
        view: of whoever signs.
        wish: what is asked for.
        release: the artefact that it names, or None where its bytes are not at hand.
        nonce: 8 random bytes; they tell it from an earlier one that was aborted.

    Raises:
        CannotApplyError: it cannot be, for a reason that a person can do something about.
        InvalidIntentError: a value of it means nothing.
    """
    if wish.within and not is_name(wish.within):
        raise CannotApplyError(f"cohort.within {wish.within!r:.80}: expected such as city/north")
    signers(view, "roll out", wish.within)
    at_hand = _checked(view, wish, release)
    slot = _slot(wish, at_hand)
    names = _eligible(view, wish)
    listing = encode_names(names)
    listed, bytes_of = reference_of(listing), at_hand.reference
    intent = Intent(
        title=wish.title,
        scope=wish.within,
        slot=slot,
        artefact=bytes_of.digest,
        size=bytes_of.size,
        tree=bytes_of.tree,
        cohort=listed.digest,
        cohort_size=listed.size,
        cohort_tree=listed.tree,
        count=len(names),
        within=wish.within,
        labels=wish.labels,
        stages=wish.stages,
        gate=wish.gate,
        on_partition=wish.on_partition,
        on_failure=wish.on_failure,
        nonce=nonce,
    )
    check_intent(intent)
    heads = _heads(view, slot, wish.within)
    before = next(iter(heads), None)
    same = next((each for each in heads if _is_same(each.intent, intent)), None)
    if same is not None and len(heads) == 1:
        return _already(view, same, names, listing)
    intent = replace(intent, supersedes=_superseded(view, slot, wish.within))
    check_intent(intent)
    records = _candidate_record(view, intent)
    return Plan(
        intent=intent,
        names=names,
        listing=listing,
        puts=(*records, (intent_key(intent.scope, intent.id), intent.to_value())),
        before=before,
        notes=_notes(view, intent, heads, records),
    )


# --------------------------------------------------------------------------------- the artefact


def _checked(view: Standpoint, wish: Wish, release: Release | None) -> Release:
    """Refuse an artefact that is withdrawn, not at hand, another one, or released by nobody."""
    named = f"sha256:{wish.artefact.hex()}"
    if view.rollouts.is_withdrawn(wish.artefact):
        raise CannotApplyError(
            f"{named} is withdrawn: no box may run it; roll out another artefact, or sign another "
            "record with `mesh authority approve-model`"
        )
    if release is None:
        raise CannotApplyError(
            f"{named} is not in this store, so no box could fetch it: give the file with "
            "--artifact FILE"
        )
    if release.reference.digest != wish.artefact:
        raise CannotApplyError(
            f"the artefact given is sha256:{release.reference.digest.hex()} and spec.artifact is "
            f"{named}: correct the one or the other; `mesh artifact sign` prints the digest to use"
        )
    check_released(view, release)
    return release


def _slot(wish: Wish, release: Release) -> str:
    """Return the slot that was asked for, or else that of the artefact's kind."""
    usual = "model/detector" if release.kind == "model" else f"{release.kind}/{release.name}"
    slot = wish.slot or usual
    if not is_slot(slot):
        raise CannotApplyError(
            f"slot {slot!r:.80}: expected {release.kind}/… in lower-case segments; set spec.slot"
        )
    if slot.partition("/")[0] != release.kind:
        raise CannotApplyError(
            f"spec.slot is {slot!r:.80} and {release.name} {release.version} is of kind "
            f"{release.kind}: expected {release.kind}/…, such as {usual}"
        )
    return slot


# ----------------------------------------------------------------------------------- the cohort


def _eligible(view: Standpoint, wish: Wish) -> tuple[str, ...]:
    """Return the names that the rollout is for, ascending, each once."""
    boxes = list(view.boxes(wish.within))
    where = f"cohort.within {reach(wish.within)}"
    if not boxes:
        prefixes = sorted({each.pair.name.partition("/")[0] for each in view.boxes("")})
        known = ", ".join(prefixes[:8]) if prefixes else "boxes: none is granted yet"
        raise CannotApplyError(
            f"{where}: no current box is there; expected a prefix of names such as {known}; see "
            "`mesh get nodes`"
        )
    asked = dict(wish.labels)
    labelled = [(box.pair.name, labels_of(view.fleet, box.pair)) for box in boxes]
    found = {name: None for name, said in labelled if asked.items() <= said.items()}
    if found:
        return tuple(sorted(found))
    wanted = ", ".join(f"{key}={value}" for key, value in wish.labels)
    stated = sorted({f"{key}={value}" for _, said in labelled for key, value in said.items()})
    known = f"their labels are {', '.join(stated[:8])}" if stated else "none states any label"
    raise CannotApplyError(
        f"{where}, labels {wanted}: none of the {len(boxes)} boxes there carries them, {known}; "
        "correct cohort.labels, or leave them out"
    )


# ------------------------------------------------------------------------------ what it replaces


def _of_slot(view: Standpoint, slot: str) -> list[Rollout]:
    return [each for each in view.rollouts.by_id.values() if each.intent.slot == slot]


def _overlaps(one: str, other: str) -> bool:
    return is_at_or_under(one, other) or is_at_or_under(other, one)


def _heads(view: Standpoint, slot: str, scope: str) -> list[Rollout]:
    """Return the live rollouts of a slot that nothing supersedes and that meet a scope.

    Raises:
        CannotApplyError: one of them reaches further than the scope, so its place cannot be taken.
    """
    heads = [
        each
        for each in _of_slot(view, slot)
        if each.dead is None and not each.superseded_by and _overlaps(each.intent.scope, scope)
    ]
    for each in heads:
        if not is_at_or_under(each.intent.scope, scope):
            raise CannotApplyError(
                f"{each.intent.title} ({short(each.id)}) is rolled out to {slot} over "
                f"{reach(each.intent.scope)}, and one over {reach(scope)} cannot take its place: "
                f"the two would contend, and no box would start either; set cohort.within to "
                f"{each.intent.scope!r}, or abort it: mesh rollout abort {each.intent.title}"
            )
    return heads


def _superseded(view: Standpoint, slot: str, scope: str) -> tuple[bytes, ...]:
    """Return the unfinished rollouts of a slot within a scope; of too many the latest.

    Each names those before it, so the latest is the one that the fewest name.
    """
    unfinished = [
        each
        for each in _of_slot(view, slot)
        if each.ended is None and is_at_or_under(each.intent.scope, scope)
    ]
    named = Counter(older for each in unfinished for older in each.intent.supersedes)
    latest = sorted(unfinished, key=lambda each: (named[each.id], each.id))
    return tuple(sorted(each.id for each in latest[:SUPERSEDES_MAX]))


def _is_same(one: Intent, other: Intent) -> bool:
    """Whether two intents ask for the same; who is listed is as of the day of signing."""

    def asked(intent: Intent) -> Intent:
        return replace(
            intent,
            cohort=b"",
            cohort_size=0,
            cohort_tree=b"",
            count=0,
            supersedes=(),
            nonce=b"",
        )

    return asked(one) == asked(other)


def _already(view: Standpoint, same: Rollout, names: tuple[str, ...], listing: bytes) -> Plan:
    listed = view.cohorts.get(same.intent.cohort, names)
    later = [name for name in names if name not in frozenset(listed)]
    notes = [f"{len(later)} enrolled since start with its last stage"] if later else []
    return Plan(
        intent=same.intent,
        names=listed,
        listing=listing,
        before=same,
        unchanged=True,
        notes=(*notes, *_left_out(same.intent)),
    )


def _notes(
    view: Standpoint,
    intent: Intent,
    heads: list[Rollout],
    records: tuple[tuple[str, object], ...],
) -> tuple[str, ...]:
    notes = [f"takes the place of {each.intent.title} ({short(each.id)})" for each in heads]
    notes += [
        f"{each.intent.title} ({short(each.id)}) brought this artefact before and is {each.dead}"
        for each in _of_slot(view, intent.slot)
        if each.intent.artefact == intent.artefact and each.dead is not None
    ]
    notes += [f"recorded as a candidate: {key}" for key, _ in records]
    return (*notes, *_left_out(intent))


def _left_out(intent: Intent) -> tuple[str, ...]:
    """Return how many boxes no stage reaches, where the last one ends below all."""
    share_ppm = intent.shares_ppm[-1]
    never = intent.count - stage_size(share_ppm, intent.count)
    if not never:
        return ()
    whole = f"its last stage is {percent(share_ppm)}: {never} of {intent.count} boxes"
    return (f"{whole} never get it; add a stage of 100 % if they should",)


# -------------------------------------------------------------------------------- being heard


def candidate_key(slot: str, artefact: bytes) -> str:
    """Return the register of a candidate: beside the record of what is approved, not in it."""
    return f"{MODEL_PREFIX}{slot.partition('/')[2]}/{artefact.hex()[:DIGEST_SHOWN]}"


def _candidate_record(view: Standpoint, intent: Intent) -> tuple[tuple[str, object], ...]:
    """Return the put that lets boxes hear a model that is on no record; none for other kinds.

    Raises:
        CannotApplyError: it is on no record, and the signer may not put one.
    """
    if not intent.slot.startswith(MODEL_PREFIX) or intent.artefact in view.rollouts.models:
        return ()
    key = candidate_key(intent.slot, intent.artefact)
    events, area = _spoken_of(view.registers, intent.slot)
    name = key.removeprefix(MODEL_PREFIX)
    wanted = Capability(verb="approve", names=name, events=events, area=area)
    mine = [view.authority.standings[pair] for pair in view.authority.pairs_of(view.signer)]
    if not any(covers(held, wanted) for each in mine if each.current for held in each.capabilities):
        raise CannotApplyError(
            f"no record of sha256:{intent.artefact.hex()} is known, so no box would hear what it "
            "sees, and this key may not put one: have an authority run `mesh authority "
            f"approve-model sha256:{intent.artefact.hex()} --name {name} --state candidate`"
        )
    value = {
        "digest": intent.artefact,
        "state": str(ModelState.CANDIDATE),
        "events": list(events),
        "area": area if isinstance(area, str) else list(area),
    }
    return ((key, value),)


def _spoken_of(
    registers: Mapping[str, Register], slot: str
) -> tuple[tuple[str, ...], str | tuple[bytes, ...]]:
    """Return the events and the area of the approved model of a slot: a candidate's are those."""
    register = registers.get(slot)  # a slot model/x and the record of what is approved in it
    for contender in register.standing if register is not None else ():
        record = parse_model(contender.value)
        if record is not None and record.state.accepted:
            return record.events, record.area
    return CANDIDATE_EVENTS, EVERYWHERE
