"""Every command with wrong files, keys, permissions, names: one clear line, exit code 2."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crdt.store import Store
from mesh.node.opening import read_invite
from tests.unit.cli.commands import DIGEST, PLACE, Mesh

DID = "did:key:z6MkvQSQdvCNcuFGt8MjGf6MsLA8HNBC9qsijj8rGJH7xuTg"
CENTRE = ("-c", "fleet/authority.toml")
STEWARD = ("-c", "steward.toml")
GRANT = ("authority", "grant", DID, *CENTRE, "--name", "north/c")
REVOKE = ("authority", "revoke")
APPROVE = ("authority", "approve-model")

CASES: list[tuple[tuple[str, ...], str]] = [
    # the command line itself
    ((), "Usage"),
    (("authority", "fly"), "No such command 'fly'"),
    (("box", "init"), "Missing argument"),
    (("box", "run", "a.toml", "--fast"), "No such option: --fast"),
    (("dev", "--nodes", "many"), "Invalid value for '--nodes'"),
    # founding
    (("authority", "init", "fleet"), "fleet/root.key exists: it is never overwritten"),
    (("authority", "init", "a.toml"), "a.toml cannot be made"),
    (("authority", "init", "a.toml/under"), "a.toml/under cannot be made"),
    (("authority", "init", "x", "--name", "Centre"), "name 'Centre': expected lower-case"),
    (("authority", "init", "x", "--events", "a..b"), "--events 'a..b': expected"),
    (("authority", "init", "x", "--listen", "4701"), "--listen '4701': expected /ip4/"),
    (("box", "init", "a.toml"), "a.toml exists: it is never overwritten"),
    (("get", "counters", "-c", "a.toml"), "no node runs with a.toml: start it first"),
    (("get", "counters", "-c", "a.toml", "-o", "xml"), "expected table or json"),
    (("box", "init", "box"), "expected a name that ends with .toml"),
    (("box", "init", "none/c.toml"), "none is no directory"),
    (("box", "init", "c.toml", "--listen", "/ip4/127.0.0.1/tcp/70000"), "expected /ip4/"),
    (("box", "init", "c.toml", "--unlock", "secret"), "expected file:PATH or env:VARIABLE"),
    (("box", "init", "c.toml", "--unlock", "env:NOT_THERE"), "NOT_THERE is not set"),
    (("box", "init", "c.toml", "--unlock", "file:none"), "none cannot be read"),
    # granting
    (("authority", "grant", "z6Mk", *GRANT[3:]), "'z6Mk' is no did:key"),
    (("authority", "grant", DID[:-1] + "0", *GRANT[3:]), "is no did:key"),
    (("authority", "grant", DID, "-c", "none.toml", "--name", "north/c"), "none.toml cannot be"),
    ((*GRANT[:-1], "North/C", "--place", PLACE), "name 'North/C': expected lower-case"),
    ((*GRANT, "--place", "somewhere"), "--place 'somewhere': expected LAT,LON"),
    ((*GRANT, "--place", "91,0"), "--place 91,0: expected -90 to 90"),
    ((*GRANT, "--place", PLACE, "--area", "home"), "--area 'home': expected * or H3 cells"),
    ((*GRANT, "--place", PLACE, "--role", "king"), "--role 'king': expected one of box"),
    ((*GRANT, "--place", PLACE, "--edges", "all"), "--edges 'all': expected near or none"),
    ((*GRANT, "--place", PLACE, "--events", "Car"), "--events 'Car': expected"),
    ((*GRANT, "--place", PLACE, "-o", "a.toml"), "a.toml exists: it is never overwritten"),
    ((*GRANT, "--place", PLACE, "-o", "none/x"), "none is no directory"),
    ((*GRANT, "--place", PLACE, "--address", "here"), "--address 'here': expected"),
    ((*GRANT, "--place", PLACE, "--address", "/ip4/1.2.3.4/tcp/1"), "end with /p2p/PEER"),
    ((*GRANT, "--place", PLACE, "--address", "/ip4/1.2.3.4/tcp/1/p2p/x"), "peer id"),
    (GRANT, "north/c has no area: give --place LAT,LON or --area"),
    ((*GRANT[:3], *STEWARD, "--name", "south/c", "--place", PLACE), "may not grant south/c"),
    ((*GRANT[:3], *STEWARD, "--name", "north/d", "--role", "steward"), "below 2"),
    ((*GRANT[:-1], "north/steward", "--place", PLACE, "-o", "x"), "granted at stratum 2"),
    ((*GRANT[:-1], "north", "--role", "steward"), "stands in a district"),
    ((*GRANT[:3], "-c", "a.toml", "--name", "north/c", "--place", PLACE), "may not grant"),
    ((*GRANT[:3], "-c", "b.toml", "--name", "north/c", "--place", PLACE), "names no invite"),
    # revoking and approving
    ((*REVOKE, "north/nobody", *CENTRE), "nobody holds 'north/nobody'"),
    ((*REVOKE, "centre", *CENTRE), "only a senior can revoke it"),
    ((*REVOKE, "centre", *STEWARD), "may not revoke centre"),
    ((*REVOKE, "North", *CENTRE), "name 'North': expected lower-case"),
    ((*REVOKE, "north/a", *CENTRE, "--mode", "kill"), "--mode 'kill': expected compromise"),
    ((*APPROVE, "none.onnx", *CENTRE, "--name", "m"), "none.onnx cannot be read"),
    ((*APPROVE, "fleet", *CENTRE, "--name", "m"), "fleet cannot be read"),
    ((*APPROVE, "sha256:12", *CENTRE, "--name", "m"), "expected sha256: and 64"),
    ((*APPROVE, DIGEST, *STEWARD, "--name", "m"), "may not approve m"),
    ((*APPROVE, DIGEST, *CENTRE, "--name", "m", "--state", "fine"), "--state 'fine': expected"),
    ((*APPROVE, DIGEST, *CENTRE, "--name", "M"), "name 'M': expected"),
    # joining and running
    (("box", "join", "none.invite", "-c", "b.toml"), "none.invite cannot be read"),
    (("box", "join", "b.toml", "-c", "b.toml"), "is no invite"),
    (("box", "join", "north-a.invite", "-c", "b.toml"), "grants nothing to this key, did:key:"),
    (("box", "join", "north-b.invite", "-c", "b.toml", "--name", "north/x"), "grants this key"),
    (("box", "run", "b.toml"), "names no invite"),
    (("box", "run", "none.toml"), "none.toml cannot be read"),
    (("box", "run", "fleet"), "fleet cannot be read"),
    (("box", "run", "fleet/authority.toml"), "run it with `mesh authority run"),
    (("box", "run", "a.toml", "--model", "none.onnx"), "none.onnx cannot be read"),
    (("authority", "run", "a.toml"), "run it with `mesh box run a.toml`"),
    (("bootstrap", "fleet/authority.toml"), "run it with `mesh authority run"),
    (("bootstrap", "b.toml"), "names no invite"),
    # looking, playing, showing
    (("get", "nodes"), "3 node configurations in"),
    (("get", "nodes", "-c", "a.toml", "-o", "yaml"), "-o 'yaml': expected table or json"),
    (("get", "nodes", "-c", "b.toml"), "names no invite"),
    (("dev", "--nodes", "0"), "--nodes 0: expected 1 to 40"),
    (("dev", "--dir", "fleet"), "--dir fleet: expected an empty directory"),
    (("demo", "--act", "ballet"), "expected rollout, trust, reaction or partition"),
]


def _one_line(mesh: Mesh, words: tuple[str, ...], fragment: str) -> None:
    outcome = mesh(*words)
    assert outcome.code == 2
    assert fragment in outcome.err + outcome.out * (not words)
    if words:
        assert outcome.err.count("\n") == 1
        assert outcome.err.startswith("mesh: ")
        assert "Traceback" not in outcome.err + outcome.out


@pytest.mark.parametrize(("words", "fragment"), CASES, ids=[" ".join(words) for words, _ in CASES])
def test_what_is_typed_wrong_costs_one_line(mesh: Mesh, words: tuple[str, ...], fragment: str):
    before = _files()
    _one_line(mesh, words, fragment)
    assert _files() - before <= {Path("x")}, "a refused command leaves no file"


def _files() -> set[Path]:
    return {path for path in Path().rglob("*") if path.suffix not in (".db", ".db-wal", ".db-shm")}


def _garble(name: str) -> Callable[[], object]:
    return lambda: Path(name).write_bytes(b"\xff\x00garbage")


def _edit(name: str, old: str, new: str) -> Callable[[], object]:
    return lambda: Path(name).write_text(Path(name).read_text().replace(old, new))


def _swap_unlock() -> None:
    Path("a.unlock").write_bytes(Path("b.unlock").read_bytes())


def _swap_store() -> None:
    Store(Path("a.db"), read_invite(Path("other/authority.invite")).genesis.ns).close()


def _replace_by_directory() -> None:
    Path("a.key").unlink()
    Path("a.key").mkdir()


BROKEN: list[tuple[str, Callable[[], object], str]] = [
    ("no TOML", lambda: Path("a.toml").write_text("key = "), "a.toml is no TOML"),
    ("binary", _garble("a.toml"), "a.toml is no TOML"),
    ("misspelt", _edit("a.toml", "store =", "stor ="), "stor"),
    ("wrong type", _edit("a.toml", 'store = "a.db"', "store = 7"), "Expected `str`"),
    ("too large", lambda: Path("a.toml").write_text("#" * 100_000), "larger than"),
    ("bad role", _edit("a.toml", 'role = "box"', 'role = "king"'), "king"),
    ("no key", lambda: Path("a.key").unlink(), "a.key cannot be read"),
    ("key open to all", lambda: Path("a.key").chmod(0o644), "chmod 600 a.key"),
    ("key is garbage", _garble("a.key"), "a.key is no key file"),
    ("key is a directory", _replace_by_directory, "a.key cannot be read"),
    ("no unlock", lambda: Path("a.unlock").unlink(), "a.unlock cannot be read"),
    ("unlock open to all", lambda: Path("a.unlock").chmod(0o640), "chmod 600 a.unlock"),
    ("unlock of another", _swap_unlock, "does not open with this unlock secret"),
    ("unlock empty", lambda: Path("a.unlock").write_bytes(b""), "a.unlock is empty"),
    ("unlock kind", _edit("a.toml", "file:a.unlock", "tpm:1"), "expected file:PATH or env:"),
    ("no invite file", lambda: Path("a.invite").unlink(), "a.invite cannot be read"),
    ("invite is garbage", _garble("a.invite"), "this file is no invite"),
    ("store is garbage", _garble("a.db"), "it is no store"),
    ("store of another fleet", _swap_store, "is of fleet"),
    ("store is nowhere", _edit("a.toml", '"a.db"', '"none/a.db"'), "there is no directory"),
]


@pytest.mark.parametrize("command", [("get", "nodes", "-c"), ("authority", "revoke", "x", "-c")])
@pytest.mark.parametrize(("_name", "break_it", "fragment"), BROKEN, ids=[b[0] for b in BROKEN])
def test_a_wrong_file_costs_one_line(
    mesh: Mesh, command: tuple[str, ...], _name: str, break_it: Callable[[], object], fragment: str
):
    break_it()
    _one_line(mesh, (*command, "a.toml"), fragment)


def test_a_store_in_use_is_named(mesh: Mesh):
    mesh.ok("get", "nodes", "-c", "a.toml")
    with Store(Path("a.db"), read_invite(Path("a.invite")).genesis.ns):
        _one_line(mesh, ("get", "nodes", "-c", "a.toml"), "another process has it open")


def test_an_invite_of_another_fleet_does_not_replace_the_own(mesh: Mesh):
    did = mesh.ok("box", "init", "c.toml").strip()
    place = ("--name", "north/c", "--place", PLACE)
    mesh.ok("authority", "grant", did, *CENTRE, *place)
    mesh.ok("box", "join", "north-c.invite", "-c", "c.toml")
    mesh.ok("authority", "grant", did, "-c", "other/authority.toml", *place, "-o", "far.invite")
    _one_line(mesh, ("box", "join", "far.invite", "-c", "c.toml"), "is of fleet")


def test_revoking_twice_says_so(mesh: Mesh):
    mesh.ok("authority", "revoke", "north/a", *CENTRE)
    _one_line(mesh, ("authority", "revoke", "north/a", *CENTRE), "revoked already")
    _one_line(mesh, ("authority", "revoke", "north/a", "-c", "a.toml"), "only a senior")


def test_a_fault_of_ours_is_one_line_too(mesh: Mesh, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("mesh.cli.box.found_node", fail)
    outcome = mesh("box", "init", "c.toml")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "a fault of ours, ZeroDivisionError: oh" in outcome.err
    assert "Traceback" in mesh("--verbose", "box", "init", "c.toml").err
