"""Who a rollout is for, in which order: exact counts without a server.

The eligible names are listed when the intent is signed. The list is an artefact of its own, named
in the intent by its digest: deterministic CBOR of the names, ascending, each once. Names are ranked
by hash(artefact ‖ name), so every box finds the same order alone, another artefact begins with
other boxes, and an intent that is applied again with another YAML begins with the same ones.

Stage k is the first max(⌈p·n⌉, min(2, n)) names, in integers: the ceiling of a float product is
wrong for 7 % of 100, and one box alone proves little.
"""

from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from identity.capability import is_at_or_under, is_name
from identity.encoding import decode, encode
from identity.errors import EncodingError
from mesh.orchestration.errors import InvalidCohortError
from mesh.orchestration.fields import MILLION

__all__ = [
    "COHORT_NAMES_MAX",
    "Cohort",
    "encode_names",
    "parse_names",
    "stage_size",
]

COHORT_NAMES_MAX = 65_536
"""Most names of one cohort; with names of 200 bytes the list is 13 MB."""
STAGE_NAMES_MIN = 2
"""Names of the smallest stage, where the cohort has as many."""


def encode_names(names: tuple[str, ...]) -> bytes:
    """Return the artefact that lists names, given in any order.

    Raises:
        InvalidCohortError: a name twice, one that is none, none at all or too many.
    """
    listed = sorted(names)
    if not 1 <= len(listed) <= COHORT_NAMES_MAX:
        raise InvalidCohortError(
            f"{len(listed)} names: a cohort has 1 to {COHORT_NAMES_MAX}; widen or narrow `within`"
        )
    for name in listed:
        if not is_name(name):
            raise InvalidCohortError(f"{name!r:.80} is no name, such as city/north/box-7")
    for one, other in pairwise(listed):
        if one == other:
            raise InvalidCohortError(f"{one!r} is listed twice: list each name once")
    return encode(listed)


def parse_names(data: bytes) -> tuple[str, ...]:
    """Return the names of a list, ascending. Total.

    Raises:
        InvalidCohortError: `data` is no such artefact.
    """
    try:
        value = decode(data)
    except EncodingError as error:
        raise InvalidCohortError(f"a cohort list is CBOR: {error}") from None
    if not isinstance(value, list) or not 1 <= len(value) <= COHORT_NAMES_MAX:
        raise InvalidCohortError(f"a cohort list is an array of 1 to {COHORT_NAMES_MAX} names")
    names = tuple(name for name in value if isinstance(name, str) and is_name(name))
    if len(names) != len(value) or any(a >= b for a, b in pairwise(names)):
        raise InvalidCohortError("a cohort list holds names only, ascending, each once")
    return names


def stage_size(share_ppm: int, count: int) -> int:
    """Return how many names of a cohort a stage holds: max(⌈p·n⌉, min(2, n)).

    Args:
        share_ppm: p, in parts per million.
        count: n, the names of the cohort.
    """
    return max(-(-share_ppm * count // MILLION), min(STAGE_NAMES_MIN, count))


@dataclass(frozen=True, slots=True)
class Cohort:
    """The names of a rollout in the order in which they start.

    Attributes:
        ranked: every name, the first to start first.
        sizes: how many names each stage holds, ascending.
        ranks: the place of each name in `ranked`.
    """

    ranked: tuple[str, ...]
    sizes: tuple[int, ...]
    ranks: dict[str, int]

    @classmethod
    def of(cls, artefact: bytes, names: tuple[str, ...], shares_ppm: tuple[int, ...]) -> "Cohort":
        """Return the cohort of an artefact (its digest) over names, by the stages' shares."""
        ranked = sorted(names, key=lambda name: (sha256(artefact + name.encode()).digest(), name))
        sizes = tuple(stage_size(share_ppm, len(names)) for share_ppm in shares_ppm)
        return cls(tuple(ranked), sizes, {name: rank for rank, name in enumerate(ranked)})

    def stage(self, number: int) -> tuple[str, ...]:
        """Return the names of a stage, by rank; a later stage holds those of an earlier one."""
        return self.ranked[: self.sizes[number]]

    def stage_of(self, name: str) -> int | None:
        """Return the first stage that holds a name, or None: not listed, or beyond the last."""
        rank = self.ranks.get(name)
        if rank is None:
            return None
        return next((number for number, size in enumerate(self.sizes) if rank < size), None)

    def is_within(self, scope: str) -> bool:
        """Whether every name lies at or under a scope: nobody rolls out over others' boxes."""
        return all(is_at_or_under(name, scope) for name in self.ranked)
