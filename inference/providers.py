"""Which of the accelerators that a box offers runs a model: the fastest that is right.

What a runtime lists may be slower than the processor for so small a network, may fall back to it
without a word, or may give other numbers. So nothing is chosen by name: each is measured on real
frames, and one whose answers differ from the processor's by more than rounding is out, however fast
it is. Providers that send pictures elsewhere are never tried: frames do not leave a box.

Pure; `inference.onnx` measures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["CPU_PROVIDER", "REMOTE_PROVIDERS", "ProviderTiming", "choose_provider"]

CPU_PROVIDER = "CPUExecutionProvider"
"""Always there; what the others are compared with."""

REMOTE_PROVIDERS = ("AzureExecutionProvider",)
"""They run a model somewhere else."""

GAIN_MIN_PERCENT = 10
"""Another provider than the processor has to be faster by so much, or it is not worth its risk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTiming:
    """What was measured of one provider.

    Attributes:
        provider: its name.
        p50_us: median time of a frame, microseconds; 0 where it does not run.
        p95_us: 95th percentile of the same.
        problem: why it cannot be used; None if it can.
    """

    provider: str
    p50_us: int
    p95_us: int
    problem: str | None = None


def choose_provider(timings: Sequence[ProviderTiming]) -> str:
    """The usable provider with the least 95th percentile; the processor where none gains enough.

    Raises:
        ValueError: the processor itself was not measured, or has a problem.
    """
    usable = [timing for timing in timings if timing.problem is None]
    processor = next((timing for timing in usable if timing.provider == CPU_PROVIDER), None)
    if processor is None:
        raise ValueError(f"{CPU_PROVIDER} is not among the usable providers; measure it first")
    fastest = min(usable, key=lambda timing: timing.p95_us)
    worth = fastest.p95_us * 100 <= processor.p95_us * (100 - GAIN_MIN_PERCENT)
    return fastest.provider if worth else CPU_PROVIDER
