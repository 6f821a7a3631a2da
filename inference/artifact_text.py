"""What an artefact says of itself, for people and for scripts."""

from identity.did import did_from_public
from inference.artifact import Artifact
from inference.upstream import Upstream

__all__ = ["describe"]


def describe(artifact: Artifact) -> dict[str, object]:
    """An artefact in values that print and turn into JSON as they are."""
    made = artifact.manifest
    told: dict[str, object] = {
        "digest": f"sha256:{artifact.digest.hex()}",
        "size": len(artifact.raw),
        "kind": str(made.kind),
        "name": made.name,
        "version": made.version,
        "licence": made.licence,
        "format": made.format,
        "payload": f"sha256:{made.payload.digest.hex()}",
        "payload_size": made.payload.size,
        "signed_by": None
        if artifact.signature is None
        else did_from_public(artifact.signature.key),
        "metadata": dict(made.metadata),
    }
    if made.upstream is not None:
        told["upstream"] = _upstream(made.upstream)
    if made.canary is not None:
        told["input_shape"] = list(made.input_shape)
        told["classes"] = list(made.classes)
        frames = made.canary.frames
        told["canary"] = {
            condition: {
                "frames": sum(frame.condition == condition for frame in frames),
                "incidents": sum(
                    frame.condition == condition and frame.in_lane is True for frame in frames
                ),
            }
            for condition in dict.fromkeys(frame.condition for frame in frames)
        }
    return told


def _upstream(upstream: Upstream) -> dict[str, str]:
    told = {"method": str(upstream.method), "signer": f"sha256:{upstream.signer.hex()}"}
    if upstream.subject:
        told["subject"] = upstream.subject
    told["digest"] = f"sha256:{upstream.digest.hex()}"
    told["signature"] = f"sha256:{upstream.signature.hex()}"
    return told
