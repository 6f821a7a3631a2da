"""What became of boxes that were killed in the first act: with what they began again, from where.

What is in a box's own store need not be fetched; but a box that stands again may fetch it later all
the same, so it is asked until the act ends. It counts by artefact what peers sent it since it
started: what is released meanwhile it has to fetch like everyone.
"""

from collections.abc import Iterator, Sequence

from identity.encoding import Value
from mesh.demo.acts.rollout_verdict import Answer, Comeback, Trial
from mesh.demo.claims import Claims
from mesh.units import SECOND

__all__ = ["Watched", "bytes_fetched", "judge_comeback", "judge_own_store", "judge_stays_back"]

WATCHED_S_MIN = 5.0
"""Seconds for which a box must have been asked: what is late is no sign of a store of its own."""

Watched = Sequence[tuple[int, int | None]]
"""When a box was asked, monotonic nanoseconds, and what it said that it had fetched by then."""


def bytes_fetched(answer: Answer, digest: bytes) -> int | None:
    """Return how much of an artefact peers sent a box since it started; None if it knows none."""
    counts = [
        count
        for one, count in _rows(answer.get("fetched"))
        if one == digest and isinstance(count, int)
    ]
    return sum(counts) if counts else None


def judge_comeback(
    trial: Trial, back: Comeback, exit_code: int | None, answer: Answer, claims: Claims
) -> None:
    """See that a box that was killed in the middle came back by itself.

    Args:
        trial: what it ran.
        back: which box; is filled in.
        exit_code: of the process that was killed.
        answer: the box's, from its new process.
        claims: where the claim is judged.
    """
    back.began_with_release = answer.get("began_with") == trial.digest
    back.bytes_fetched = bytes_fetched(answer, trial.digest)
    runs = answer.get("running") == trial.digest and answer.get("proven") is True
    killed = exit_code is not None and exit_code < 0
    claims.check(
        "comes_back", killed and runs and back.began_with_release and back.bytes_fetched == 0,
        f"{back.box}, killed while it ran {trial.version}, began again "
        f"{'with it' if back.began_with_release else 'without it'} from its own store; "
        f"{back.bytes_fetched} bytes fetched",
    )  # fmt: skip


def judge_own_store(
    trial: Trial, back: Comeback, watched: Watched, ended_ns: int, claims: Claims
) -> None:
    """See that a box that came back never fetched what it had, until the act ended.

    Args:
        trial: what it ran.
        back: which box; is filled in.
        watched: what it said since it was back, in the order of time.
        ended_ns: a time at which all else of the act was over.
        claims: where the claim is judged.
    """
    told = [count for _, count in watched if count is not None]
    back.bytes_fetched = max(told, default=None)
    back.watched_s = round((watched[-1][0] - watched[0][0]) / SECOND, 1) if watched else 0.0
    until_end = bool(watched) and watched[-1][0] >= ended_ns and back.watched_s >= WATCHED_S_MIN
    claims.check(
        "own_store",
        until_end and len(told) == len(watched) and back.bytes_fetched == 0,
        f"{back.box} was asked {len(watched)} times in the {back.watched_s:g} s after it was back, "
        f"to the end of the act, and said {len(told)} times what it had fetched of "
        f"{trial.version}: at most {back.bytes_fetched} bytes",
    )


def judge_stays_back(
    trial: Trial, runs_again: bytes, box: str, answer: Answer, claims: Claims
) -> None:
    """See that a box that ran what was halted does not begin with it again."""
    ran = [digest for digest, _ in _rows(answer.get("ran"))]
    began = answer.get("began_with") == runs_again and trial.digest not in ran
    claims.check(
        "stays_back", began and answer.get("running") == runs_again,
        f"{box}, which had run {trial.version}, began again with "
        f"{'what was approved' if began else 'something else'}",
    )  # fmt: skip


def _rows(value: Value) -> Iterator[tuple[Value, Value]]:
    for row in value if isinstance(value, list) else ():
        match row:
            case [first, second]:
                yield first, second
            case _:
                pass
