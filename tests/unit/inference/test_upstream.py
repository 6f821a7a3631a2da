"""Who handed over a model: recorded where no model can write, and absent where nobody asked."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.encoding import decode, encode
from inference.artifact import (
    Artifact,
    check_signature,
    parse_artifact,
    sign_artifact,
    with_upstream,
)
from inference.artifact_text import describe
from inference.errors import MalformedArtifactError
from inference.manifest import manifest_from_value, manifest_value
from inference.upstream import Upstream, UpstreamMethod, upstream_from_value, upstream_value
from tests.unit.inference.artifacts import KEY, a_configuration, artifacts

digests = st.binary(min_size=32, max_size=32)
printable = st.text(st.characters(codec="utf-8"), max_size=40).filter(str.isprintable)
upstreams = st.builds(
    Upstream,
    method=st.just(UpstreamMethod.KEY),
    signer=digests,
    subject=st.just(""),
    digest=digests,
    signature=digests,
) | st.builds(
    Upstream,
    method=st.just(UpstreamMethod.CERTIFICATE),
    signer=digests,
    subject=printable,
    digest=digests,
    signature=digests,
)
BY_KEY = Upstream(
    method=UpstreamMethod.KEY,
    signer=bytes(32),
    subject="",
    digest=bytes(32),
    signature=bytes(32),
)


@given(artifacts, upstreams)
def test_a_record_changes_nothing_else_and_is_signed_with_the_rest(
    made: Artifact, upstream: Upstream
):
    handed = with_upstream(made, upstream)
    assert handed.manifest == replace(made.manifest, upstream=upstream)
    assert (handed.payload, handed.signature) == (made.payload, None)
    signed = parse_artifact(sign_artifact(handed, KEY).raw)
    assert signed.manifest.upstream == upstream
    check_signature(signed, [KEY.public])
    told = json.loads(json.dumps(describe(signed)))["upstream"]
    assert told["signer"] == f"sha256:{upstream.signer.hex()}"
    assert told.get("subject", "") == upstream.subject


@given(artifacts)
def test_a_manifest_without_a_record_has_no_such_field(made: Artifact):
    assert "upstream" not in manifest_value(made.manifest)
    assert "upstream" not in describe(made)


def test_bytes_from_before_there_were_records_are_still_written_and_read():
    unsigned = "058fa85976f4bf28b271e5453d7db6382ae314bb0d7da27da1da8dea43b5dd6d"
    signed = "5d15f7a6b0ed2c56fa66e3869938d57bf7c50e09beeddfff60db52c3436a8158"
    made = a_configuration(7)
    assert made.digest.hex() == unsigned
    assert parse_artifact(sign_artifact(made, KEY).raw).digest.hex() == signed


def test_metadata_of_that_name_is_no_record():
    made = a_configuration(7)
    claimed = replace(made.manifest, metadata={"upstream": "Street Vision"})
    assert manifest_from_value(decode(encode(manifest_value(claimed)))).upstream is None


@pytest.mark.parametrize(
    "change",
    [
        {"method": "hearsay"},
        {"method": 1},
        {"signer": bytes(31)},
        {"digest": bytes(33)},
        {"signature": b""},
        {"signature": "0" * 32},
        {"subject": "CN=vendor"},
        {"method": "certificate", "subject": "CN=vendor\x1b[2J"},
        {"method": "certificate", "subject": "C" * 501},
        {"more": 1},
    ],
    ids=str,
)
def test_a_record_that_is_none_is_refused(change: dict[str, object]):
    value = upstream_value(BY_KEY)
    assert upstream_from_value(decode(encode(value))) == BY_KEY
    with pytest.raises(MalformedArtifactError, match="manifest: upstream"):
        upstream_from_value(decode(encode(value | change)))


def test_an_empty_record_is_another_spelling_of_none_and_refused():
    value = manifest_value(a_configuration(7).manifest) | {"upstream": None}
    with pytest.raises(MalformedArtifactError, match="manifest: upstream is None"):
        manifest_from_value(decode(encode(value)))
