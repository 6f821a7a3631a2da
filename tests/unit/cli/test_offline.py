"""What an authority and a steward do without any network, and what the files say afterwards."""

import json
import stat
from pathlib import Path

import pytest

from identity.did import public_from_did
from mesh.cli.options import parse_area, parse_place
from mesh.config import load_config
from mesh.node.founding import standings_in
from mesh.node.opening import read_invite
from tests.unit.cli.commands import DIGEST, PLACE, Mesh

CENTRE = ("-c", "fleet/authority.toml")
STEWARD = ("-c", "steward.toml")


def nodes(mesh: Mesh, config: str) -> dict[str, dict[str, object]]:
    rows = json.loads(mesh.ok("get", "nodes", "-c", config, "-o", "json"))
    return {row["name"]: row for row in rows}


def test_founding_keeps_secrets_to_the_owner(mesh: Mesh):
    said = mesh.ok("authority", "init", "new", "--name", "hq", "--events", "traffic.*")
    assert "move new/root.key and new/root.unlock off this machine" in said
    for name in ("root.key", "root.unlock", "authority.key", "authority.unlock"):
        assert stat.S_IMODE((Path("new") / name).stat().st_mode) == 0o600
    config = load_config(Path("new/authority.toml"))
    assert (config.role, config.name) == ("authority", "hq")
    invite = read_invite(Path("new/authority.invite"))
    assert invite.pin[0] == 1
    assert invite.addresses[0].startswith("/ip4/127.0.0.1/tcp/4701/p2p/12D3KooW")


def test_a_grant_travels_in_its_invite_alone(mesh: Mesh):
    did = mesh.ok("box", "init", "c.toml").strip()
    said = mesh.ok("authority", "grant", did, *CENTRE, "--name", "north/c", "--place", PLACE)
    assert "granted at epoch 1" in said
    assert "joined both ways with north/a, north/b" in said
    (standing,) = standings_in(read_invite(Path("north-c.invite")), public_from_did(did))
    publish = next(c for c in standing.capabilities if c.verb == "publish")
    assert publish.events == ("traffic.*",)
    assert publish.area is not None
    assert len(publish.area) == 7
    assert standing.place == "north/c"
    mesh.ok("box", "join", "north-c.invite", "-c", "c.toml")
    assert load_config(Path("c.toml")).name == "north/c"
    assert nodes(mesh, "c.toml")["north/c"]["state"] == "current"


def test_joining_keeps_what_people_wrote(mesh: Mesh):
    path = Path("b.toml")
    path.write_text("# my box\n" + path.read_text() + 'reactions = "observe"\n')
    mesh.ok("box", "join", "north-b.invite", "-c", "b.toml")
    assert "# my box" in path.read_text()
    assert load_config(path).reactions == "observe"


def test_hardware_is_swapped_by_a_steward_with_what_the_box_had(mesh: Mesh):
    (old,) = (
        row["did"] for row in nodes(mesh, "steward.toml").values() if row["name"] == "north/a"
    )
    did = mesh.ok("box", "init", "new.toml").strip()
    said = mesh.ok("authority", "grant", did, *STEWARD, "--name", "north/a", "-o", "new.invite")
    assert "granted at epoch 2; place: north/a" in said
    assert f"replaces {old} (epoch 1)" in said
    assert "outside the cut, and void from now on: nothing known" in said
    row = nodes(mesh, "steward.toml")["north/a"]
    assert (row["did"], row["epoch"], row["place"]) == (did, 2, "north/a")
    mesh.ok("box", "join", "new.invite", "-c", "new.toml")


def test_each_invite_gets_a_file_of_its_own(mesh: Mesh):
    """Swaps, and grants that are repeated for another address, keep every invite before them."""
    kept = {path: path.read_bytes() for path in Path().glob("*.invite")}
    said: list[str] = []
    for key in ("b.toml", "new.toml", "newer.toml"):
        did = (
            mesh.ok("box", "init", key).strip()
            if key != "b.toml"
            else str(nodes(mesh, "fleet/authority.toml")["north/b"]["did"])
        )
        for _ in range(3):
            grant = ("authority", "grant", did, *CENTRE, "--name", "north/b")
            told = mesh.ok(*grant).split("invite: ")[1].split(" (")[0]
            assert standings_in(read_invite(Path(told)), public_from_did(did))
            said.append(told)
        assert said[-3:] == [f"north-b-{did[-8:]}{more}.invite" for more in ("", "-2", "-3")]
    assert len(set(said)) == 9
    assert {path: path.read_bytes() for path in kept} == kept
    mesh.ok("box", "join", said[-1], "-c", "newer.toml")


def test_names_that_read_alike_get_invites_of_their_own(mesh: Mesh):
    did = mesh.ok("box", "init", "c.toml").strip()
    for name in ("north/c-1", "north-c/1"):
        mesh.ok("authority", "grant", did, *CENTRE, "--name", name, "--place", PLACE)
    names = {
        standing.pair.name
        for path in Path().glob("north-c-1*.invite")
        for standing in standings_in(read_invite(path), public_from_did(did))
    }
    assert names == {"north/c-1", "north-c/1"}


def test_places_can_stay_apart(mesh: Mesh):
    did = mesh.ok("box", "init", "c.toml").strip()
    grant = ("authority", "grant", did, *CENTRE, "--name", "north/c", "--place", PLACE)
    assert "joined" not in mesh.ok(*grant, "--edges", "none")


def test_a_steward_cannot_change_a_neighbours_record(mesh: Mesh):
    did = mesh.ok("box", "init", "s.toml").strip()
    mesh.ok("authority", "grant", did, *CENTRE, "--name", "south/s", "--role", "steward")
    mesh.ok("box", "join", "south-s.invite", "-c", "s.toml")
    did = mesh.ok("box", "init", "c.toml").strip()
    grant = ("authority", "grant", did, "-c", "s.toml", "--name", "south/c", "--place", PLACE)
    said = mesh.ok(*grant)
    assert "north/a is near; its record is not this key's to change" in said


def test_a_bootstrap_peer_is_in_all_later_invites(mesh: Mesh):
    did = mesh.ok("box", "init", "boot.toml", "--listen", "/ip4/127.0.0.1/tcp/4799").strip()
    grant = ("authority", "grant", did, *CENTRE, "--name", "boot", "--role", "bootstrap")
    mesh.ok(*grant, "--address", "/ip4/127.0.0.1/tcp/4799")
    assert "mesh bootstrap boot.toml" in mesh.ok("box", "join", "boot.invite", "-c", "boot.toml")
    assert load_config(Path("boot.toml")).role == "bootstrap"
    did = mesh.ok("box", "init", "c.toml").strip()
    mesh.ok("authority", "grant", did, *CENTRE, "--name", "north/c", "--place", PLACE)
    addresses = read_invite(Path("north-c.invite")).addresses
    assert any("/tcp/4799/p2p/" in address for address in addresses)


def test_models_are_approved_and_replaced(mesh: Mesh):
    Path("model.onnx").write_bytes(b"weights")
    said = mesh.ok("authority", "approve-model", "model.onnx", *CENTRE, "--name", "detector")
    assert "model detector approved: sha256:" in said
    said = mesh.ok("authority", "approve-model", DIGEST, *CENTRE, "--name", "detector")
    assert "boxes that still run it are refused now" in said


def test_a_revocation_shows(mesh: Mesh):
    assert "north/a revoked: did:key:" in mesh.ok("authority", "revoke", "north/a", *CENTRE)
    assert nodes(mesh, "fleet/authority.toml")["north/a"]["state"] == "revoked"
    table = mesh.ok("get", "nodes", "-c", "fleet/authority.toml")
    assert "revoked" in table
    assert "this is what its store held last" in table


def test_the_only_configuration_here_is_meant(mesh: Mesh, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MESH_CONFIG", "steward.toml")
    assert "north/steward" in mesh.ok("get", "nodes")
    monkeypatch.delenv("MESH_CONFIG")
    monkeypatch.chdir("fleet")
    assert "centre" in mesh.ok("get", "nodes")


def test_an_unlock_secret_of_ones_own(mesh: Mesh, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BOX_SECRET", "correct horse")
    mesh.ok("box", "init", "c.toml", "--unlock", "env:BOX_SECRET")
    assert not Path("c.unlock").exists()
    assert load_config(Path("c.toml")).unlock == "env:BOX_SECRET"


def test_places_and_areas_are_read():
    assert parse_place(" -33.8688 , 151.2093") == (-33_868_800, 151_209_300)
    assert parse_area("*") == "*"
    assert parse_area("891f8d7a49bffff") == [bytes.fromhex("0891f8d7a49bffff")]
