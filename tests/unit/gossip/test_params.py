"""Parameters that contradict each other are refused when made."""

import pytest

from mesh.gossip import Params, ParamsError, ScoreParams


@pytest.mark.parametrize(
    "values",
    [
        {"degree": 13},
        {"degree_low": 0},
        {"degree_low": 7},
        {"degree_outbound": 4},
        {"degree_score": 7},
        {"gossip_beats": 6},
        {"gossip_beats": 0},
        {"cover": False},
        {"heartbeat_ns": 0},
    ],
)
def test_contradictions(values: dict[str, int]) -> None:
    with pytest.raises(ParamsError, match=r"expected|told"):
        Params(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"gossip_threshold": 1.0},
        {"publish_threshold": -5.0},
        {"graylist_threshold": -20.0},
        {"invalid_weight": 1.0},
    ],
)
def test_scores_that_reward_the_wrong(values: dict[str, float]) -> None:
    with pytest.raises(ParamsError, match="expected"):
        ScoreParams(**values)
