"""What whoever signs or asks holds of rollouts: one view, and what people need to find in it.

Everything a person asks of rollouts is answered from one standpoint: the view of a running node, or
of a store that is only read. What others hold may differ, and an answer says whose it is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from crdt.entry import Lane
from crdt.registers import Register
from crdt.replica import Replica
from crdt.standing import Authority, Pair, Standing
from identity.capability import is_at_or_under
from identity.did import did_from_public
from mesh.orchestration.cohort import parse_names
from mesh.orchestration.errors import CannotApplyError, InvalidCohortError
from mesh.orchestration.records import halts_of, intent_in
from mesh.orchestration.rollouts import Rollout, Rollouts, fold_rollouts

__all__ = [
    "BOX_STRATUM",
    "LISTED_MAX",
    "Standpoint",
    "find_rollout",
    "lists_held",
    "reach",
    "short",
    "signers",
]

BOX_STRATUM = 3
"""From this stratum on a name is a box; what is senior to it administers."""
VERB = "rollout"
"""What the author of an intent or a command holds over its scope."""
SHORT_ID_SIZE = 8
"""Hexadecimal digits of an id that people are shown, and may type."""
LISTED_MAX = 5
"""Most names listed in a sentence."""

Topics = Mapping[Pair, Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standpoint:
    """One view.

    Attributes:
        signer: the key that asks or signs, 32 bytes.
        authority: who holds what.
        registers: intents, commands and model records among them.
        fleet: what boxes say to the fleet, their labels and reports among it.
        cohorts: the lists of names that are held, by digest.
        rollouts: the fold of all that.
    """

    signer: bytes
    authority: Authority
    registers: Mapping[str, Register]
    fleet: Topics
    cohorts: Mapping[bytes, tuple[str, ...]]
    rollouts: Rollouts

    @classmethod
    def of(
        cls, replica: Replica, signer: bytes, cohorts: Mapping[bytes, tuple[str, ...]]
    ) -> "Standpoint":
        """Return the standpoint of a replica that folds rollouts."""
        fleet = replica.status(Lane.FLEET)
        halts = halts_of(replica.authority, replica.entries())
        return cls(
            signer=signer,
            authority=replica.authority,
            registers=replica.registers,
            fleet=fleet,
            cohorts=cohorts,
            rollouts=fold_rollouts(replica.authority, replica.registers, fleet, halts, cohorts),
        )

    def boxes(self, within: str) -> Iterator[Standing]:
        """Yield the current pairs at or under a prefix that are boxes and may report, by name."""
        for standing in self.authority.standings.values():
            name = standing.pair.name
            if (
                standing.current
                and standing.stratum >= BOX_STRATUM
                and is_at_or_under(name, within)
                and standing.may("state", name)
            ):
                yield standing


def lists_held(
    registers: Mapping[str, Register], load: Callable[[bytes], bytes | None]
) -> dict[bytes, tuple[str, ...]]:
    """Return the lists of cohorts that a store holds, by digest.

    Args:
        registers: where the intents stand that name them.
        load: returns the bytes of a digest, or None where they are not held.
    """
    found: dict[bytes, tuple[str, ...]] = {}
    for key, register in registers.items():
        intent = intent_in(key, register)
        data = None if intent is None or intent.cohort in found else load(intent.cohort)
        if intent is not None and data is not None:
            try:
                found[intent.cohort] = parse_names(data)
            except InvalidCohortError:
                continue
    return found


def signers(view: Standpoint, act: str, scope: str) -> list[Standing]:
    """Return the signer's current pairs that hold `rollout` over a scope.

    Args:
        view: of the signer.
        act: what it is about to do, for the message.
        scope: over which names.

    Raises:
        CannotApplyError: there is none; the message says what the signer is instead.
    """
    mine = [view.authority.standings[pair] for pair in view.authority.pairs_of(view.signer)]
    current = [standing for standing in mine if standing.current]
    able = [standing for standing in current if standing.may(VERB, scope)]
    if able:
        return able
    who = did_from_public(view.signer)
    if not mine:
        raise CannotApplyError(f"{who} holds no grant in this fleet: it rolls nothing out")
    if not current:
        raise CannotApplyError(
            f"{mine[0].pair.name} ({who}) is not current any more: what it signs counts nowhere"
        )
    raise CannotApplyError(
        f"{current[0].pair.name} may not {act} over {reach(scope)}: expected the key of a steward "
        f"or an authority that holds `{VERB}` there; name its configuration with --config"
    )


def find_rollout(rollouts: Rollouts, name: str) -> Rollout:
    """Return the rollout that a person means: by title or by the beginning of its id.

    Of several with one title the one that is live and not superseded is meant.

    Raises:
        CannotApplyError: there is none, or several and nothing says which.
    """
    every = rollouts.by_id.values()
    named = [each for each in every if each.intent.title == name]
    if not named and len(name) >= SHORT_ID_SIZE:
        named = [each for each in every if each.id.hex().startswith(name)]
    if not named:
        titles = sorted({each.intent.title for each in every})
        known = _listed(titles) if titles else "nothing, because no rollout is known here yet"
        raise CannotApplyError(f"no rollout is called {name!r:.80}: expected {known}")
    for fits in (
        [each for each in named if each.dead is None and not each.superseded_by],
        [each for each in named if each.dead is None],
        named,
    ):
        if len(fits) == 1:
            return fits[0]
        if fits:
            ids = _listed([f"{short(each.id)} ({each.obstacle or 'open'})" for each in fits])
            raise CannotApplyError(
                f"{len(fits)} rollouts are called {name!r:.80}: name one by its id, {ids}"
            )
    raise AssertionError(name)


def short(identifier: bytes) -> str:
    """Return an id as people are shown it."""
    return identifier.hex()[:SHORT_ID_SIZE]


def reach(scope: str) -> str:
    """Return a scope as people say it."""
    return scope or "the whole fleet"


def _listed(items: list[str]) -> str:
    more = f" or {len(items) - LISTED_MAX} more" if len(items) > LISTED_MAX else ""
    return ", ".join(items[:LISTED_MAX]) + more
