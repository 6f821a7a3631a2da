"""Detections and rows as hypothesis draws them."""

import numpy as np
from hypothesis import strategies as st

from inference.detector import Detection
from inference.runtime import CLASSES, ModelInfo, Rows

MODEL = ModelInfo(name="test", version="0", digest=bytes(32), size=0)

coordinates = st.integers(0, 1600).map(lambda eighths: eighths / 8)
sizes = st.integers(8, 480).map(lambda eighths: eighths / 8)
scores = st.floats(0.3125, 1, width=32)


@st.composite
def detections(draw: st.DrawFn) -> Detection:
    left, top = draw(coordinates), draw(coordinates)
    box = (left, top, left + draw(sizes), top + draw(sizes))
    kind = draw(st.integers(0, len(CLASSES) - 1))
    return Detection(kind, draw(scores), box, (draw(coordinates), draw(coordinates)))


def best_first(found: list[Detection]) -> list[Detection]:
    return sorted(found, key=lambda detection: -detection.score)


def rows_of(found: list[Detection]) -> Rows:
    rows = [(d.kind, d.score, *d.box, *d.ground_point) for d in found]
    return np.array(rows, np.float32).reshape(-1, 8)


def van_rows(score: float = 0.9) -> Rows:
    """One van, somewhere."""
    return rows_of([Detection(CLASSES.index("van"), score, (50, 50, 90, 90), (70, 85))])
