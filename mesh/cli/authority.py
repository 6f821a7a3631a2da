"""`mesh authority`: found a fleet, enrol, replace and revoke its members, approve its models."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, cast

import trio
import typer

from identity.encoding import Value
from identity.invite import Invite, parse_invite
from identity.keystore import create_private_file
from mesh.cli.asking import Answer, ask_or_serve
from mesh.cli.options import (
    DIGEST_PREFIX,
    CommandError,
    parse_address,
    parse_area,
    parse_events,
    parse_key,
    parse_listen,
    parse_model,
    parse_name,
    parse_place,
)
from mesh.config import NodeConfig, load_config
from mesh.coordination.models import ModelState
from mesh.node.founding import AUTHORITY_LISTEN, found_authority, install_invite
from mesh.node.issuing import ROLES
from mesh.node.opening import read_invite
from mesh.orchestration.explain import counted

__all__ = ["app"]

KEY_SHOWN_SIZE = 8
"""Last characters of a did:key by which an invite is told from another of the same name."""
INVITES_MAX = 99
"""Invites of one key and name in one folder, before somebody has to tidy up."""
ADDRESSES_MAX = 16
"""Most addresses written into an invite."""

app = typer.Typer(no_args_is_help=True, help="Found a fleet; enrol, replace and revoke members.")

Config = Annotated[
    Path, typer.Option("--config", "-c", help="Whose key signs: an authority's or a steward's.")
]
Events = Annotated[
    list[str] | None, typer.Option("--events", help="Event patterns, as traffic.* (repeatable).")
]


def _ask(config: Path, request: dict[str, object]) -> Answer:
    values = cast("Mapping[str, Value]", {k: v for k, v in request.items() if v is not None})
    return trio.run(partial(ask_or_serve, config, values))


def _say_who(answer: Answer, config: Path) -> None:
    how = "by the running node" if answer.is_live else "offline, in the store"
    typer.echo(f"signed {how} of {config}")


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is not there.")],
    name: Annotated[str, typer.Option(help="The authority's name.")] = "centre",
    events: Events = None,
    listen: Annotated[str, typer.Option(help="Where it will listen.")] = AUTHORITY_LISTEN,
) -> None:
    """Found a fleet: root key, genesis, root statement 1, and the authority that it grants."""
    patterns = parse_events(events) or ["*"]
    founded = found_authority(
        directory, name=parse_name(name), events=patterns, listen=parse_listen(listen)
    )
    key, unlock = founded.root_files
    typer.echo(f"fleet {founded.genesis.ns.hex()} founded; its authority is {name}")
    typer.echo(founded.did)
    typer.echo(
        f"now move {key} and {unlock} off this machine, to two places: whoever has both is the "
        "root; they are needed again only to replace the authority itself"
    )
    typer.echo(f"next: mesh authority run {founded.config}")


@app.command()
def grant(
    did: Annotated[str, typer.Argument(metavar="DID", help="The did:key that init printed.")],
    config: Config,
    name: Annotated[str, typer.Option(help="The name to grant, as north/box-1.")],
    output: Annotated[
        Path | None, typer.Option("-o", help="The invite; a free NAME.invite.")
    ] = None,
    role: Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")] = "box",
    place: Annotated[str | None, typer.Option(help="LAT,LON in degrees.")] = None,
    edges: Annotated[
        str, typer.Option(help="Join with places within 250 m, both ways: near or none.")
    ] = "near",
    events: Events = None,
    area: Annotated[
        str | None, typer.Option(help="* or H3 cells; the place's cell and its ring.")
    ] = None,
    address: Annotated[
        list[str] | None, typer.Option(help="A further address for the invite (repeatable).")
    ] = None,
) -> None:
    """Enrol a key under a name; where the name is held, replace its holder (new hardware)."""
    key = parse_key(did)
    if role not in ROLES:
        raise CommandError(f"--role {role!r:.20}: expected one of {', '.join(ROLES)}")
    if edges not in ("near", "none"):
        raise CommandError(f"--edges {edges!r:.20}: expected near or none")
    own = key if role == "bootstrap" else None
    extra = [parse_address(text, own) for text in address or ()]
    path = output or _invite_path(parse_name(name), did)
    _check_output(path)
    loaded = load_config(config)
    answer = _ask(
        config,
        {
            "do": "grant",
            "key": key,
            "name": parse_name(name),
            "role": role,
            "position": list(parse_place(place)) if place is not None else None,
            "edges": edges == "near",
            "events": parse_events(events),
            "area": parse_area(area) if area is not None else None,
        },
    )
    invite = _complete(cast("bytes", answer.value["invite"]), loaded, extra)
    create_private_file(path, invite.encode())
    if role == "bootstrap" and extra:
        _remember(config, loaded, extra)
    _say_who(answer, config)
    _report_grant(name, answer.value, invite, path)


def _invite_path(name: str, did: str) -> Path:
    """Return a file name that is free: of a name's later keys each invite is called after its key.

    An invite is for one key, and the one of the hardware before may still wait for its box.
    """
    stem, key = name.replace("/", "-"), did.strip()[-KEY_SHOWN_SIZE:]
    further = (f"{stem}-{key}-{number}" for number in range(2, INVITES_MAX + 1))
    stems = (stem, f"{stem}-{key}", *further)
    paths = [Path(f"{each}.invite") for each in stems]
    return next((path for path in paths if not path.exists()), paths[-1])


def _check_output(path: Path) -> None:
    """Refuse before anything is signed what could not be written afterwards."""
    if path.exists():
        raise CommandError(f"{path} exists: it is never overwritten; name another file with -o")
    if not path.parent.is_dir():
        raise CommandError(f"{path.parent} is no directory: create it, or name another file")


def _complete(data: bytes, config: NodeConfig, extra: list[str]) -> Invite:
    """Return the invite with the addresses of the command and of the signer's own invite."""
    invite = parse_invite(data)
    own = read_invite(config.path(config.invite)).addresses if config.invite else ()
    addresses = tuple(dict.fromkeys((*extra, *invite.addresses, *own)))[:ADDRESSES_MAX]
    return Invite(invite.genesis, invite.pin, invite.statements, invite.entries, addresses)


def _remember(config: Path, loaded: NodeConfig, extra: list[str]) -> None:
    """Add a bootstrap peer's addresses to the signer's own invite, and so to all later ones."""
    own = read_invite(loaded.path(loaded.invite))
    addresses = tuple(dict.fromkeys((*own.addresses, *extra)))
    more = Invite(own.genesis, own.pin, own.statements, own.entries, addresses)
    install_invite(config, more, name=loaded.name)


def _report_grant(name: str, value: Mapping[str, object], invite: Invite, path: Path) -> None:
    typer.echo(f"{name} granted at epoch {value['epoch']}; place: {value['place'] or 'none'}")
    replaced = cast("list[dict[str, object]]", value["replaces"])
    for held in replaced:
        typer.echo(f"replaces {held['did']} (epoch {held['epoch']})")
    if replaced:
        outside = cast("list[str]", value["outside"])
        typer.echo(
            f"outside the cut, and void from now on: {', '.join(outside) or 'nothing known'}"
        )
    edges = cast("list[str]", value["edges"])
    if edges:
        typer.echo(f"joined both ways with {', '.join(edges)}")
    for other in cast("list[str]", value["skipped"]):
        typer.echo(f"{other} is near; its record is not this key's to change, ask its steward")
    typer.echo(f"invite: {path} ({counted(len(invite.addresses), 'address', 'addresses')})")
    if not invite.addresses:
        typer.echo(
            "it names no address: grant again with --address, or its holder will find nobody",
            err=True,
        )


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    config: Config,
    mode: Annotated[str, typer.Option(help="compromise or retire.")] = "compromise",
) -> None:
    """Revoke whoever holds a name: nothing it signs from now on counts anywhere."""
    if mode not in ("compromise", "retire"):
        raise CommandError(f"--mode {mode!r:.20}: expected compromise or retire")
    answer = _ask(config, {"do": "revoke", "name": parse_name(name), "mode": mode})
    _say_who(answer, config)
    for item in cast("list[dict[str, object]]", answer.value["revoked"]):
        outside = cast("list[str]", item["outside"])
        typer.echo(f"{name} revoked: {item['did']}")
        typer.echo(
            f"outside the cut, and void from now on: {', '.join(outside) or 'nothing known'}"
        )


@app.command("approve-model")
def approve_model(
    model: Annotated[str, typer.Argument(metavar="FILE|sha256:…")],
    config: Config,
    name: Annotated[str, typer.Option(help="The model's name, as detector.")],
    events: Events = None,
    area: Annotated[str, typer.Option(help="* or H3 cells.")] = "*",
    state: Annotated[str, typer.Option(help=f"One of {', '.join(ModelState)}.")] = "approved",
) -> None:
    """Say what may be done with a model: without an approved one no box's event is accepted."""
    digest = parse_model(model)
    if state not in tuple(ModelState):
        raise CommandError(f"--state {state!r:.20}: expected one of {', '.join(ModelState)}")
    answer = _ask(
        config,
        {
            "do": "approve",
            "name": parse_name(name),
            "digest": digest,
            "state": state,
            "events": parse_events(events),
            "area": parse_area(area),
            "file": None if model.startswith(DIGEST_PREFIX) else str(Path(model).absolute()),
        },
    )
    _say_who(answer, config)
    typer.echo(f"model {name} {state}: sha256:{digest.hex()}")
    replaced = answer.value.get("replaced")
    if isinstance(replaced, bytes):
        typer.echo(f"before: sha256:{replaced.hex()}; boxes that still run it are refused now")
    for note in cast("list[str]", answer.value.get("notes") or []):
        typer.echo(note, err=True)


@app.command()
def run(config: Annotated[Path, typer.Argument(metavar="CONFIG")]) -> None:
    """Run a node with the authority's key; it publishes what is signed with it."""
    from mesh.cli.running import run_node

    if load_config(config).role != "authority":
        raise CommandError(f"{config} is no authority's: run it with `mesh box run {config}`")
    run_node(config)
