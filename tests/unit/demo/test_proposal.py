"""What the demo rolls out is written as a person writes it, and asked for as `mesh apply` asks."""

from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.demo.acts.proposal import Proposal, apply_rollout
from mesh.demo.releases.release import delivered_digest
from mesh.demo.stage.cast import Cast
from mesh.node.control import ControlError
from mesh.orchestration.intent import Stage
from mesh.orchestration.rollout_file import parse_rollout_file
from mesh.orchestration.wish import Wish, parse_wish, wish_in


@given(
    shares=st.sets(st.integers(1, 100), min_size=1, max_size=5).map(sorted),
    soak_ms=st.integers(0, 999_999),
    digest=st.binary(min_size=32, max_size=32),
)
def test_what_is_written_is_what_is_asked_for(shares: list[int], soak_ms: int, digest: bytes):
    stages = [(share, soak_ms) for share in shares]
    proposal = Proposal(
        title="v1.4", artefact=Path("v1.4.artifact"), label="camera", stages=stages,
        gate='map50: ">= 0.45"',
    )  # fmt: skip
    wish = wish_in(parse_rollout_file(proposal.text(digest).encode(), "v1.4.yaml"))
    assert (wish.title, wish.artefact, wish.within) == ("v1.4", digest, "")
    assert wish.labels == (("camera", "true"),)
    assert wish.stages == tuple(Stage(share * 10_000, soak_ms) for share in shares)
    assert (wish.gate.min_reports_ppm, wish.gate.success_ppm) == (1_000_000, 1_000_000)
    assert (wish.gate.map50_ppm_min, wish.gate.p95_us_max) == (450_000, None)
    assert (wish.on_partition, wish.on_failure) == ("hold", "rollback")


class Console:
    """Whoever signs, who learns of one more label whenever she is asked."""

    def __init__(self, known: int) -> None:
        self.known = known
        self.asked: list[tuple[str, bool]] = []
        self.signed: list[Wish] = []

    async def ask(self, who: str, request: dict[str, Any]) -> dict[str, Any]:
        dry = request.get("dry") is True
        self.asked.append((request["do"], dry))
        self.known += dry
        if self.known < 1:
            raise ControlError("none of the 3 boxes there carries them")
        if not dry:
            self.signed.append(parse_wish(request["wish"]))
        return {"names": self.known, "intent": b"an intent"}

    async def until(self, holds: Any, seconds: float) -> None:
        for _ in range(9):
            if await holds():
                return


@pytest.fixture
def proposal(tmp_path: Path) -> Proposal:
    path = tmp_path / "detour.artifact"
    path.write_bytes(b"an artefact")
    return Proposal(title="detour", artefact=path, label="panel", stages=[(100, 0)])


async def test_a_rollout_is_signed_once_when_every_label_is_known(proposal: Proposal):
    console = Console(known=-1)
    digest, intent = await apply_rollout(cast("Cast", console), "centre", proposal, 3)
    assert (digest, intent) == (delivered_digest(proposal.artefact), b"an intent")
    assert console.asked == [("apply", True)] * 4 + [("apply", False)]
    assert [wish.artefact for wish in console.signed] == [digest]


async def test_a_refusal_is_heard(proposal: Proposal):
    with pytest.raises(ControlError, match="none of the 3 boxes"):
        await apply_rollout(cast("Cast", Console(known=-50)), "centre", proposal, 3)
