"""Rollouts among what may happen: models, good and bad, and people who change their minds.

Each is a model that nobody ran before, or now and then one that is known, for one bank: stages of
seconds, under `hold` or `continue`. Later it may be paused, promoted, ended, approved, withdrawn.
Whether the signer knows of it by then, and whether it is over, nobody can tell beforehand: so a
plan may refuse, and says why.
"""

import math
from collections.abc import Mapping

from mesh.testing.chance.nemesis_drawing import Nemesis

__all__ = ["rollout"]

STEWARDS_SHARE = 0.3
"""How many of the rollouts are a steward's, over a model that is known."""
FATES = ("good", "good", "good", "blind", "slow", "fails", "kills")
"""What models do, the good ones more often: those go through all their stages."""
SHARES = ([100], [40, 100], [10, 50, 100], [50])
"""Stages, in percent."""
LATER = ("nothing", "nothing", "pause", "promote", "undo", "abort", "approved", "withdrawn")
"""What people do about it later."""


def rollout(nemesis: Nemesis, from_s: float, to_s: float) -> None:
    """Release a model, roll it out, and have people think of something else later."""
    rng = nemesis.rng
    bank, known = _known(nemesis, from_s)
    signer = nemesis.signs(f"{bank}/steward" if bank else "centre", from_s)
    if signer is None:
        return
    release: dict[str, object] = {"model": known, "by": signer}
    if not known:
        release["model"] = f"v{nemesis.number()}"
        nemesis.models.append((from_s, str(release["model"])))
        release |= _fate(nemesis, from_s)
    model = str(release["model"])
    nemesis.happens(from_s, release=release)
    title = f"rollout {nemesis.number()}"
    shares = rng.choice(SHARES)
    soaks = [{"percent": share, "soak": f"{rng.choice([1, 10, 30])}s"} for share in shares]
    nemesis.happens(
        from_s,
        apply={
            "model": model,
            "name": title,
            "by": signer,
            "within": bank,
            "stages": soaks,
            "gate": {"map50": ">= 0.5", "p95_ms": "<= 40", "success": ">= 0.99"},
            "on_partition": rng.choice(["hold", "continue"]),
            "on_failure": rng.choice(["rollback", "pause"]),
            "may_be_refused": True,
        },
    )
    _think_again(nemesis, model, title, signer, ((from_s + to_s) / 2, to_s))


def _known(nemesis: Nemesis, from_s: float) -> tuple[str, str]:
    """Return a bank, and a known model that its steward rolls out; empty if it is to be a new one.

    A new one is for all, and the centre's.
    """
    rng = nemesis.rng
    known = [model for at_s, model in nemesis.models if at_s < from_s]
    if not known or rng.random() >= STEWARDS_SHARE:
        return "", ""
    return rng.choice(["north", "south"]), rng.choice(known)


def _fate(nemesis: Nemesis, from_s: float) -> Mapping[str, object]:
    """Return what a model does, on all boxes or on some."""
    rng = nemesis.rng
    fate = rng.choice(FATES)
    if fate == "kills":  # a box that is down already cannot be crashed: it has this to itself
        name = nemesis.take(nemesis.boxes, from_s, math.inf)
        return {} if name is None else {"does": fate, "on": [name]}
    if fate == "good" or rng.random() < 0.5:
        return {"does": fate}
    return {"does": fate, "on": nemesis.some(nemesis.boxes)}


def _think_again(
    nemesis: Nemesis, model: str, title: str, signer: str, times_s: tuple[float, float]
) -> None:
    """Have people change their minds at one or two times."""
    what = nemesis.rng.choice(LATER)
    orders = ["pause", "resume"] if what == "pause" else [what]
    for at_s, order in zip(times_s, orders, strict=False):
        by = nemesis.signs("centre" if order in {"approved", "withdrawn"} else signer, at_s)
        if by is None or order == "nothing":
            continue
        if order in {"approved", "withdrawn"}:
            nemesis.happens(at_s, approve_model={"model": model, "state": order, "by": by})
        else:
            told = {"rollout": title, "by": by, "may_be_refused": True}
            nemesis.happens(at_s, **{order: told})
