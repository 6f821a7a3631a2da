"""What a box's detector answers to a known picture, beside what the artefact's own network does.

A box that swaps a name and keeps its weights says everything that a rollout asks of it. So each box
is shown a still of its own camera, and hands over the rows as its live network gives them, before
anything is decoded; the process that judges runs the artefact's bytes on the same still.
"""

from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import trio

from identity.encoding import Value
from inference.artifact import parse_artifact
from inference.live import LiveDetector
from inference.model_host import load_artifact
from inference.runtime import ROW_COLUMNS, Image, Rows
from mesh.demo.claims import Claims
from mesh.demo.scenes.scenery import load_stills
from mesh.node.control import ControlError, Verb

__all__ = ["answer_verbs", "judge_answers", "own_answers"]

ROW_SLACK = 1e-3
"""How far a number of a row may be from ours: rounding alone, on one machine with one library."""


def answer_verbs(live: LiveDetector, scene: Path, box: str) -> dict[str, Verb]:
    """Return the verb by which a box shows what its live detector makes of its first still."""

    async def rows(request: Mapping[str, Value]) -> Mapping[str, object]:
        del request
        picture = _still(scene, box)
        if picture is None:
            raise ControlError(f"{box} has no still; ask when the stills are rendered")
        found = await trio.to_thread.run_sync(live.rows, picture)
        return {"rows": found.astype("<f4").tobytes()}

    return {"rows": rows}


def own_answers(artefact: Path, scene: Path, boxes: Collection[str]) -> dict[str, Rows]:
    """Run an artefact's model on the first still of each box that has one. Blocking.

    Raises:
        InferenceError: it is no model's artefact, or its model cannot be run.
    """
    stills = {box: _still(scene, box) for box in boxes}
    with closing(load_artifact(parse_artifact(artefact.read_bytes()))) as runtime:
        return {box: runtime.run(still) for box, still in stills.items() if still is not None}


def judge_answers(
    version: str,
    ours: Mapping[str, Rows],
    others: Mapping[str, Rows],
    answers: Mapping[str, Mapping[str, Value]],
    claims: Claims,
) -> None:
    """See that each box answers as the release does, and not as another model.

    Args:
        version: of the release.
        ours: what the release makes of each box's still.
        others: what another model makes of them, for which no box may be taken.
        answers: what each box handed over.
        claims: where the claim is judged.
    """
    alike = [box for box, rows in ours.items() if _is_alike(rows, _rows(answers.get(box, {})))]
    told_apart = [box for box, rows in ours.items() if not _is_alike(rows, others.get(box))]
    claims.check(
        "runs_what_it_says",
        bool(ours) and set(alike) == set(told_apart) == set(ours),
        f"the detectors of {len(alike)} of {len(ours)} boxes answer to a still as {version} does "
        f"in our own process; another model answers otherwise to {len(told_apart)}",
    )


def _still(scene: Path, box: str) -> Image | None:
    stills = load_stills(scene, box)
    return None if stills is None else np.ascontiguousarray(stills[0])


def _rows(answer: Mapping[str, Value]) -> Rows | None:
    told = answer.get("rows")
    if not isinstance(told, bytes) or len(told) % (4 * ROW_COLUMNS):
        return None
    return np.frombuffer(told, "<f4").astype(np.float32).reshape(-1, ROW_COLUMNS)


def _is_alike(ours: Rows, theirs: Rows | None) -> bool:
    if theirs is None or theirs.shape != ours.shape:
        return False
    return bool(np.allclose(ours, theirs, rtol=0.0, atol=ROW_SLACK))
