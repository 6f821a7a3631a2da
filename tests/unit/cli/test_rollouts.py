"""`mesh apply`, `diff`, `get rollouts`, `rollout …`, `explain`, on files and without a network."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from crdt.entry import Lane, make_entry, parse_entry
from identity.keys import SecretKey
from inference.artifact import parse_artifact, sign_artifact
from mesh.cli.options import CommandError
from mesh.cli.rollouts import read_rollout_file
from mesh.config import load_config
from mesh.files.yaml_tree import YAML_SIZE_MAX
from mesh.node import rolling
from mesh.node.blobstore import BlobStore
from mesh.node.offline import Desk
from mesh.node.shelf import shelf_folder
from mesh.node.shell import read_clocks
from mesh.orchestration.cohort import parse_names
from mesh.orchestration.rollout_file import parse_rollout_file
from tests.unit.cli.commands import Mesh
from tests.unit.inference.artifacts import KEY, a_configuration

CENTRE = ("-c", "fleet/authority.toml")
STEWARD = ("-c", "steward.toml")
GIVEN = ("--artifact", "limits.artifact")


def write_rollout(name: str = "limits", digest: str | None = None, **changes: str) -> None:
    """Write rollout.yaml over the artefact in limits.artifact."""
    found = digest or sha256(Path("limits.artifact").read_bytes()).hexdigest()
    fields = {"within": "north", "stages": "[{percent: 50, soak: 1s}, {percent: 100}]", **changes}
    Path("rollout.yaml").write_text(
        f"apiVersion: mesh/v1\nkind: Rollout\nmetadata: {{name: {name}}}\nspec:\n"
        f"  artifact: sha256:{found}\n  cohort: {{within: {fields['within']}}}\n"
        f"  stages: {fields['stages']}\n"
    )


@pytest.fixture
def signed(mesh: Mesh) -> Mesh:
    """A fleet with a signed configuration in limits.artifact and a rollout of it."""
    Path("plain.artifact").write_bytes(a_configuration().raw)
    mesh.ok("artifact", "sign", "plain.artifact", *CENTRE, "-o", "limits.artifact")
    write_rollout()
    return mesh


def apply(mesh: Mesh, *words: str) -> str:
    return mesh.ok("apply", "-f", "rollout.yaml", *(words or (*CENTRE, *GIVEN)))


def rows(mesh: Mesh, config: tuple[str, ...] = CENTRE) -> list[dict[str, object]]:
    return json.loads(mesh.ok("get", "rollouts", *config, "-o", "json"))


def test_a_rollout_is_applied_and_its_bytes_are_held(signed: Mesh):
    said = apply(signed)
    assert "rolled out to config/limits of 2 boxes" in said
    assert "signed offline, in the store of fleet/authority.toml" in said
    assert "next: mesh rollout status limits -w" in said
    (row,) = rows(signed)
    assert (row["title"], row["state"], row["over"], row["names"]) == ("limits", "open", "north", 2)
    blobs = BlobStore(shelf_folder(load_config(Path("fleet/authority.toml"))))
    held = {reference.digest: blobs.load(reference.digest) for reference, _ in blobs.complete()}
    artefact = Path("limits.artifact").read_bytes()
    assert held.pop(sha256(artefact).digest()) == artefact
    (listing,) = held.values()
    assert parse_names(listing) == ("north/a", "north/b")


def test_the_same_again_is_unchanged_and_needs_no_file(signed: Mesh):
    apply(signed)
    assert "is rolled out already: unchanged" in apply(signed, *CENTRE)
    assert len(rows(signed)) == 1


def test_a_difference_is_shown_and_nothing_is_signed(signed: Mesh):
    said = signed.ok("diff", "-f", "rollout.yaml", *CENTRE, *GIVEN)
    assert "+ stages: 50 % soak 1 s, 100 %" in said
    assert "+ cohort: north/a, north/b" in said
    assert rows(signed) == []
    apply(signed)
    assert "no difference" in signed.ok("diff", "-f", "rollout.yaml", *CENTRE)
    write_rollout(stages="[{percent: 100}]")
    said = signed.ok("diff", "-f", "rollout.yaml", *CENTRE)
    assert said.splitlines()[:2] == ["- stages: 50 % soak 1 s, 100 %", "+ stages: 100 %"]
    assert "# takes the place of limits" in said
    assert len(rows(signed)) == 1


def test_a_steward_rolls_out_over_the_north_alone(signed: Mesh):
    assert "of 2 boxes" in apply(signed, *STEWARD, *GIVEN)
    write_rollout(within='""')
    outcome = signed("apply", "-f", "rollout.yaml", *STEWARD, *GIVEN)
    assert outcome.code == 2
    assert "north/steward may not roll out over the whole fleet" in outcome.err


def test_it_is_paused_resumed_promoted_and_ended(signed: Mesh):
    apply(signed)
    status = ("rollout", "status", "limits", *CENTRE)
    assert "50 % [........................]  2 boxes: 0 healthy, 2 held; not open" in signed.ok(
        *status
    )
    assert ": paused" in signed.ok("rollout", "pause", "limits", *CENTRE)
    assert "why:   paused" in signed.ok(*status)
    assert "1 pause lifted, 0 bad reports forgiven" in signed.ok(
        "rollout", "resume", "limits", *CENTRE
    )
    signed.ok("rollout", "promote", "limits", *CENTRE)
    assert "gate holds: 0 of 2 reports, 0 bad of 0 allowed" in signed.ok(*status)
    signed.ok("rollout", "promote", "limits", *CENTRE, "--percent", "100")
    told = json.loads(signed.ok(*status, "-o", "json"))
    assert (told["state"], told["complete"]) == ("open to its last stage", False)
    assert [bar["open"] for bar in told["bars"]] == [True, True]
    write_rollout(stages="[{percent: 100}]")
    apply(signed, *CENTRE)
    said = signed.ok("rollout", "abort", "limits", *CENTRE)
    assert "live again, because nothing takes its place now: limits" in said
    assert ": undone" in signed.ok("rollout", "undo", "limits", *CENTRE)
    assert [row["state"] for row in rows(signed)].count("aborted") == 1


def test_a_box_is_explained(signed: Mesh):
    assert "no rollout speaks of it" in signed.ok("explain", "north/a", *CENTRE)
    apply(signed)
    said = signed.ok("explain", "north/a", *CENTRE)
    assert "north/a: current" in said
    assert "waits for the stage of 50 %, which is not open" in said
    signed.ok("authority", "revoke", "north/a", *CENTRE)
    assert "north/a: not current" in signed.ok("explain", "north/a", *CENTRE)
    told = json.loads(signed.ok("explain", "north/b", *CENTRE, "-o", "json"))
    assert [slot["slot"] for slot in told["slots"]] == ["config/limits"]


def test_an_approved_candidate_is_one_no_more(signed: Mesh):
    digest = "9c" * 32
    name = f"detector/{digest[:16]}"
    approve = ("authority", "approve-model", f"sha256:{digest}", *CENTRE, "--name")
    signed.ok(*approve, name, "--state", "candidate")
    signed.ok(*approve, "detector")
    with Desk.open(Path("fleet/authority.toml")) as desk:
        states = {key: register.value["state"] for key, register in desk.replica.registers.items()
                  if key.startswith("model/")}  # fmt: skip
    assert states == {"model/detector": "approved", f"model/{name}": "approved"}


def test_the_schema_is_printed(mesh: Mesh):
    assert json.loads(mesh.ok("rollout", "schema"))["$ref"] == "#/$defs/RolloutFile"


def test_the_example_of_the_page_is_a_rollout():
    page = (Path(__file__).parents[3] / "docs/rollouts.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0].replace("9c1e…", "9c" * 32)
    found = parse_rollout_file(example.encode(), "page")
    assert found.spec.cohort.labels == {"camera": "true"}
    assert [stage.soak_ms for stage in found.spec.stages] == [1_800_000, 7_200_000, 0]


# ------------------------------------------------------------------------------------ mistakes


APPLY = ("apply", "-f", "rollout.yaml")
CASES: list[tuple[dict[str, str], tuple[str, ...], str]] = [
    ({}, ("apply", "-f", "none.yaml", *CENTRE), "none.yaml cannot be read: No such file"),
    ({}, ("apply", "-f", "a.toml", *CENTRE), "a.toml:1:"),
    ({}, (*APPLY, *CENTRE), "is not in this store, so no box could fetch it: give the file with"),
    ({}, (*APPLY, *CENTRE, "--artifact", "none"), "none cannot be read: No such file"),
    ({}, (*APPLY, *CENTRE, "--artifact", "a.toml"), "no artefact; make one with"),
    ({}, (*APPLY, *CENTRE, "--artifact", "plain.artifact"), "correct the one or the other"),
    ({"digest": "00" * 32}, (*APPLY, *CENTRE, *GIVEN), "and spec.artifact is sha256:0000"),
    ({"within": "south"}, (*APPLY, *CENTRE, *GIVEN), "no current box is there; expected a prefix"),
    ({"within": "North"}, (*APPLY, *CENTRE, *GIVEN), "'North': expected such as city/north"),
    ({"stages": "[{percent: 0}]"}, (*APPLY, *CENTRE, *GIVEN), "rollout.yaml:7:22: spec.stages[0]"),
    ({}, (*APPLY, "-c", "a.toml", *GIVEN), "north/a may not roll out over north: expected the"),
    ({}, (*APPLY, "-c", "b.toml", *GIVEN), "b.toml names no invite"),
    ({}, (*APPLY, *GIVEN), "3 node configurations in"),
    ({}, ("diff", "-f", "rollout.yaml", *CENTRE), "is not in this store"),
    ({}, ("get", "rollouts", *CENTRE, "-o", "yaml"), "-o 'yaml': expected table or json"),
    ({}, ("rollout", "status", "limits", *CENTRE), "'limits': expected nothing, because"),
    ({}, ("rollout", "pause", "limits", *CENTRE), "no rollout is called 'limits'"),
    ({}, ("rollout", "fly", "limits"), "No such command 'fly'"),
    ({}, ("explain", "north/z", *CENTRE), "nobody holds 'north/z': expected a name of"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "words", "said"), CASES, ids=[" ".join(c[1]) for c in CASES])
def test_a_mistake_is_one_sentence(
    signed: Mesh, changes: dict[str, str], words: tuple[str, ...], said: str
):
    write_rollout(**changes)
    refused(signed, words, said)


def refused(mesh: Mesh, words: tuple[str, ...], said: str) -> None:
    outcome = mesh(*words)
    assert outcome.code == 2, outcome.out
    assert said in outcome.err
    assert outcome.err.count("\n") == 1


def test_an_artefact_that_nobody_released(signed: Mesh):
    for raw, said in (
        (a_configuration().raw, "is unsigned: run `mesh artifact sign FILE --config"),
        (sign_artifact(a_configuration(), KEY).raw, "which may not approve in this fleet"),
    ):
        Path("limits.artifact").write_bytes(raw)
        write_rollout()
        refused(signed, (*APPLY, *CENTRE, *GIVEN), said)
    spoilt = bytearray(sign_artifact(a_configuration(), KEY).raw)
    spoilt[-1] ^= 1
    assert parse_artifact(bytes(spoilt)).signature
    Path("limits.artifact").write_bytes(spoilt)
    write_rollout()
    refused(signed, (*APPLY, *CENTRE, *GIVEN), "the signature is not that of")


def test_two_rollouts_for_one_slot(signed: Mesh):
    write_rollout(name="all", within='""')
    apply(signed)
    write_rollout()
    said = "all (" + str(rows(signed)[0]["id"]) + ") is rolled out to config/limits over the whole"
    refused(signed, (*APPLY, *CENTRE), said)
    assert len(rows(signed)) == 1


def test_commands_that_would_change_nothing(signed: Mesh):
    apply(signed)
    refused(signed, ("rollout", "resume", "limits", *CENTRE), "neither paused nor halted")
    refused(signed, ("rollout", "status", "limits", *CENTRE, "-w"), "nothing changes; leave -w out")
    promote = ("rollout", "promote", "limits", *CENTRE)
    refused(signed, (*promote, "--percent", "40"), "no stage of 40 %: expected 50 %, 100 %")
    refused(signed, ("rollout", "pause", "limits", "-c", "a.toml"), "no rollout is called")
    signed.ok("rollout", "undo", "limits", *CENTRE)
    refused(signed, (*promote,), "limits is undone, and that is final: apply it again")


def sign_later(seed: bytes, days: int) -> None:
    """Let another sign days after what this machine's clock says, and bring it to the desk."""
    t = read_clocks().wall_ms + days * 86_400_000
    with Desk.open(Path("fleet/authority.toml")) as desk:
        key = SecretKey.from_seed(seed * 32)
        desk.grant(key.public, f"north/s{seed.decode()}", stratum=2, capabilities=())
        entry = make_entry(key, ns=desk.replica.chain.genesis.ns, lane=Lane.AUTH, inc=0, seq=0,
                           prev=bytes(32), t=t, kind="pin", body={})  # fmt: skip
        desk.replica.offer(parse_entry(entry.wire))
        desk._store.append(_batch(entry))


def test_one_other_whose_facts_are_of_tomorrow_is_a_note_and_two_are_a_refusal(signed: Mesh):
    """Of two clocks either may be the wrong one: a right one must not be told to set itself."""
    sign_later(b"a", days=1)
    note = "north/sa signed a fact dated 23 h from now: one of the two clocks is wrong; compare"
    assert f"# {note}" in signed.ok("diff", "-f", "rollout.yaml", *CENTRE, *GIVEN)
    assert note in apply(signed)
    assert note in signed.ok("rollout", "pause", "limits", *CENTRE)
    sign_later(b"b", days=2)
    said = "this machine's clock is at least 23 h behind: north/sb, north/sa signed facts that"
    refused(signed, (*APPLY, *CENTRE), said)
    refused(signed, ("rollout", "pause", "limits", *CENTRE), said)
    assert f"# {said}" in signed.ok("diff", "-f", "rollout.yaml", *CENTRE), "it signs nothing"
    assert "limits" in signed.ok("get", "rollouts", *CENTRE)


@pytest.mark.parametrize("hours", [-25, 25])
def test_a_clock_that_is_off_by_a_day_is_told(
    signed: Mesh, monkeypatch: pytest.MonkeyPatch, hours: int
):
    """No other author needs to have signed: what the own key signed is of today too."""
    right = read_clocks()
    wrong = replace(right, wall_ms=right.wall_ms + hours * 3_600_000)
    monkeypatch.setattr(rolling, "read_clocks", lambda: wrong)
    if hours < 0:
        said = "this machine's clock is 24 h behind what this key signed last: it is wrong now, or"
        refused(signed, (*APPLY, *CENTRE, *GIVEN), said)
    else:
        assert "nobody here signed anything for 25 h, or this machine's clock is ahead" in apply(
            signed
        )


def _batch(entry):
    from crdt.store_records import Batch

    return Batch(entries=(entry,))


def test_a_file_that_is_not_there_or_too_large_is_one_sentence(tmp_path: Path):
    with pytest.raises(CommandError, match=r"none\.yaml cannot be read: No such file"):
        read_rollout_file(tmp_path / "none.yaml")
    (tmp_path / "large.yaml").write_bytes(b" " * (YAML_SIZE_MAX + 9))
    with pytest.raises(CommandError, match=r"large\.yaml:1:1: .*larger than"):
        read_rollout_file(tmp_path / "large.yaml")


def test_an_artefact_where_a_rollout_is_expected_is_recognised(signed: Mesh):
    outcome = signed("apply", "-f", "limits.artifact", *CENTRE)
    assert outcome.code == 2
    assert "limits.artifact is no text and looks like an artefact: -f wants" in outcome.err
