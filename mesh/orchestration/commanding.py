"""What to sign so that a rollout pauses, goes on, opens, or ends.

A command counts by what it names: a resume lifts the pauses and forgives the bad reports in it, and
nothing that it did not know of. People do not type ids, so what is held is filled in here. A
command that would change nothing, or not what its words say, is refused before it is signed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import zip_longest

from mesh.orchestration.command import (
    FORGIVEN_MAX,
    LIFTED_MAX,
    Command,
    Verb,
    check_command,
)
from mesh.orchestration.errors import CannotApplyError
from mesh.orchestration.explain import forgivable
from mesh.orchestration.observing import opened
from mesh.orchestration.records import commands_in
from mesh.orchestration.rollouts import Rollout
from mesh.orchestration.sight import Sight
from mesh.orchestration.standpoint import Standpoint, signers

__all__ = ["percent", "plan_command"]


def percent(share_ppm: int) -> str:
    """Return a share in parts per million as people write it."""
    return f"{share_ppm / 10_000:g} %"


def plan_command(
    view: Standpoint,
    rollout: Rollout,
    verb: Verb,
    *,
    sight: Sight,
    nonce: bytes,
    share_ppm: int | None = None,
) -> tuple[Command, ...]:
    """Return what to sign, in order; more than one where one cannot name all.

    Args:
        view: of whoever signs.
        rollout: which one.
        verb: what it shall do.
        sight: what the signer sees; a box that started and is not seen is forgiven by a resume.
        nonce: 8 random bytes.
        share_ppm: of a promote, the stage up to which it opens; None for the next.

    Raises:
        CannotApplyError: the signer may not, or it would not do what it says.
    """
    able = signers(view, str(verb), rollout.intent.scope)
    title = rollout.intent.title
    if rollout.ended is not None and not (verb is Verb.ABORT and rollout.ended is Verb.UNDO):
        raise CannotApplyError(
            f"{title} is {rollout.dead}, and that is final: apply it again for another one"
        )
    first = Command(verb=verb, intent=rollout.id, nonce=nonce)
    if verb is Verb.RESUME:
        commands = _resume(view, rollout, first, sight, min(each.stratum for each in able))
    elif verb is Verb.PROMOTE:
        commands = (_promote(rollout, first, share_ppm),)
    else:
        if verb is Verb.PAUSE and rollout.pauses:
            raise CannotApplyError(f"{title} is paused already: `resume` lets it go on")
        commands = (first,)
    for command in commands:
        check_command(command)
    return commands


def _resume(
    view: Standpoint, rollout: Rollout, first: Command, sight: Sight, stratum: int
) -> tuple[Command, ...]:
    """Return resumes that lift every pause and forgive every bad report that are held."""
    signed = commands_in(view.registers).get((rollout.intent.scope, rollout.id), ())
    seniors = {command.id: by for command, by in signed}
    liftable = [each for each in rollout.pauses if stratum <= seniors.get(each, stratum)]
    forgiven = forgivable(rollout, sight)
    title = rollout.intent.title
    if rollout.dead == "its model is withdrawn":
        raise CannotApplyError(f"{title}: its model is withdrawn: sign another record of it first")
    if not liftable and not forgiven:
        if rollout.pauses:
            raise CannotApplyError(
                f"{title} was paused at stratum {seniors[rollout.pauses[0]]} and this key stands "
                f"at {stratum}: only somebody as senior lifts a pause"
            )
        raise CannotApplyError(
            f"{title} is neither paused nor halted, and holds no bad report: nothing to resume"
        )
    names, forgives = _pieces(liftable, LIFTED_MAX), _pieces(forgiven, FORGIVEN_MAX)
    return tuple(
        replace(first, names=lifted, forgives=pardoned)
        for lifted, pardoned in zip_longest(names, forgives, fillvalue=())
    )


def _pieces(items: Iterable[bytes], most: int) -> Iterator[tuple[bytes, ...]]:
    ordered = tuple(sorted(items))
    for at in range(0, len(ordered), most):
        yield ordered[at : at + most]


def _promote(rollout: Rollout, first: Command, share_ppm: int | None) -> Command:
    """Return a promote up to a stage; it names the resumes that are known."""
    title, shares = rollout.intent.title, rollout.intent.shares_ppm
    if rollout.obstacle is not None and rollout.cohort is not None:
        raise CannotApplyError(
            f"{title}: {rollout.obstacle}; `promote` lifts no pause and no halt, and opens nothing "
            "that is over: resume it first, if it can be"
        )
    widest = opened(rollout)
    if share_ppm is None:
        stage = widest + 1
        if stage >= len(shares):
            raise CannotApplyError(f"{title} is open to its last stage, {percent(shares[-1])}")
    else:
        if share_ppm not in shares:
            known = ", ".join(percent(each) for each in shares)
            raise CannotApplyError(
                f"{title} has no stage of {percent(share_ppm)}: expected {known}"
            )
        stage = shares.index(share_ppm)
        if stage <= widest:
            raise CannotApplyError(
                f"{title} is open to {percent(shares[widest])} already: promote it to more"
            )
    known = dict.fromkeys((*rollout.era, *rollout.resumes))
    return replace(first, stage=stage, names=tuple(sorted(list(known)[:LIFTED_MAX])))
