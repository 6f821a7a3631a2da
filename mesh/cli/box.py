"""`mesh box`: make a node, let it join the fleet that granted it, run it."""

from pathlib import Path
from typing import Annotated

import typer

from crdt.standing import Standing
from identity.did import did_from_public
from identity.errors import InvalidInviteError
from identity.invite import Invite
from mesh.cli.options import CommandError, parse_listen, parse_model, parse_name
from mesh.config import load_config
from mesh.node.founding import found_node, install_invite, standings_in
from mesh.node.opening import load_secret, read_invite

__all__ = ["app", "bootstrap"]

app = typer.Typer(no_args_is_help=True, help="Make a node, let it join its fleet, run it.")

Model = Annotated[
    list[str] | None,
    typer.Option("--model", help="A model that it runs, FILE or sha256:…, for the inventory."),
]


@app.command()
def init(
    config: Annotated[Path, typer.Argument(metavar="NAME.toml", help="The files go beside it.")],
    listen: Annotated[str, typer.Option(help="Where it will listen.")] = "/ip4/127.0.0.1/tcp/0",
    unlock: Annotated[
        str, typer.Option(help="file:PATH or env:VARIABLE of a secret; a file is made else.")
    ] = "",
) -> None:
    """Make a key and a configuration, and print the key as an authority wants it."""
    if config.suffix != ".toml":
        raise CommandError(f"{config}: expected a name that ends with .toml, as box-1.toml")
    if unlock and unlock.partition(":")[0] not in ("file", "env"):
        raise CommandError(f"--unlock {unlock!r:.60}: expected file:PATH or env:VARIABLE")
    _, secret = found_node(config, listen=parse_listen(listen), unlock=unlock)
    typer.echo(did_from_public(secret.public))


@app.command()
def join(
    invite: Annotated[Path, typer.Argument(metavar="INVITE")],
    config: Annotated[Path, typer.Option("--config", "-c", help="The box's configuration.")],
    name: Annotated[str, typer.Option(help="Which name, if the key was granted several.")] = "",
) -> None:
    """Install an invite: check that it grants this box's key, and write down the name."""
    loaded = load_config(config)
    secret = load_secret(loaded)
    offered = read_invite(invite)
    standings = standings_in(offered, secret.public)
    standing = _choose(standings, name, invite, secret.public)
    if loaded.invite and loaded.path(loaded.invite).exists():
        _check_fleet(read_invite(loaded.path(loaded.invite)), offered, invite)
    path = install_invite(config, offered, name=standing.pair.name, role=_role(standing))
    typer.echo(f"joined as {standing.pair.name}; invite: {path}")
    command = "bootstrap" if _role(standing) == "bootstrap" else "box run"
    typer.echo(f"next: mesh {command} {config}")


def _choose(standings: tuple[Standing, ...], name: str, invite: Path, public: bytes) -> Standing:
    names = [standing.pair.name for standing in standings]
    if not standings:
        raise InvalidInviteError(
            f"{invite} grants nothing to this key, {did_from_public(public)}: have it granted, or "
            "take the invite that was made for it"
        )
    if name and parse_name(name) not in names:
        raise CommandError(f"--name {name}: {invite} grants this key {', '.join(names)}")
    if not name and len(standings) > 1:
        raise CommandError(f"{invite} grants this key {', '.join(names)}: choose one with --name")
    return standings[names.index(name) if name else 0]


def _role(standing: Standing) -> str:
    verbs = {capability.verb for capability in standing.capabilities}
    if verbs == {"none"}:
        return "bootstrap"
    return "authority" if standing.stratum == 1 else "box"


def _check_fleet(old: Invite, new: Invite, path: Path) -> None:
    if old.genesis.ns != new.genesis.ns:
        raise InvalidInviteError(
            f"{path} is of fleet {new.genesis.ns.hex()}, this node of {old.genesis.ns.hex()}: make "
            "a new node with `mesh box init`"
        )


@app.command()
def run(config: Annotated[Path, typer.Argument(metavar="CONFIG")], model: Model = None) -> None:
    """Run the node of a configuration until Ctrl-C."""
    from mesh.cli.running import run_node

    role = load_config(config).role
    if role != "box":
        raise CommandError(f"{config} is of role {role}: run it with `mesh {_RUN[role]} {config}`")
    run_node(config, models=[parse_model(text) for text in model or ()])


_RUN = {"authority": "authority run", "bootstrap": "bootstrap"}


def bootstrap(config: Annotated[Path, typer.Argument(metavar="CONFIG")]) -> None:
    """Run a bootstrap peer: it introduces members to each other, and may do nothing itself."""
    from mesh.cli.running import run_node

    if load_config(config).role == "authority":
        raise CommandError(f"{config} is an authority's: run it with `mesh authority run {config}`")
    run_node(config, role="bootstrap")
