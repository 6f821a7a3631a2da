"""`mesh artifact`: build, sign and show what is rolled out.

`build` turns a model, an agent's folder or a configuration into an artefact, and takes it only with
its vendor's signature where one is asked for; `sign` writes the artefact that may be rolled out;
`show` says what is in one, and whether a given key released it. They work on files and need no
network. Who may release is known to a fleet alone, so `sign` asks the node that runs with a
configuration, or its store, and says so where the key may not, or where nobody could be asked: the
artefact is written all the same, for a key may be granted that later.
"""

import importlib
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Annotated, cast

import trio
import typer

from crdt.errors import CrdtError
from identity.did import public_from_did
from identity.errors import IdentityError
from identity.keys import SecretKey
from identity.keystore import load_key, read_unlock_file
from inference.artifact import (
    ARTIFACT_SIZE_MAX,
    Artifact,
    build_agent,
    build_configuration,
    check_signature,
    parse_artifact,
    sign_artifact,
    with_upstream,
)
from inference.artifact_text import describe
from inference.bundle import BUNDLE_SIZE_MAX, MANIFEST_NAME, MEMBERS_MAX, build_bundle
from inference.errors import MalformedArtifactError
from inference.onnx import load_model_bytes
from mesh.cli.asking import ask_or_serve
from mesh.cli.options import CommandError
from mesh.cli.upstream import ONE_FILE, HandedOver, UpstreamError, accept_upstream
from mesh.config import load_config
from mesh.node.control import ControlError
from mesh.node.opening import load_secret

__all__ = ["app", "build", "show", "sign"]

app = typer.Typer(no_args_is_help=True, help="Build, sign and show what is rolled out.")

CONFIGURATION_ENDINGS = {".toml": "toml", ".json": "json"}
"""Files that are configurations."""
SIGNATURE_NAME = "model.sig"
"""What model signing calls a vendor's signature unless told otherwise."""

ArtifactFile = Annotated[Path, typer.Argument(metavar="FILE", help="An artefact.")]


@app.command()
def build(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="MODEL.onnx, an agent's folder, or .toml/.json")
    ],
    output: Annotated[Path | None, typer.Option("-o", help="NAME-VERSION.artifact.")] = None,
    name: Annotated[str, typer.Option(help="Its family; an agent says it itself.")] = "",
    version: Annotated[str, typer.Option(help="For people; an agent says it itself.")] = "",
    licence: Annotated[str, typer.Option(help="SPDX; a model may say it itself.")] = "",
    canary: Annotated[
        int | None, typer.Option(help="Which set of canary frames a model gets, 0 to 99.")
    ] = None,
    signature: Annotated[
        Path | None, typer.Option(help="A vendor's OpenSSF model signature over SOURCE.")
    ] = None,
    public_key: Annotated[Path | None, typer.Option(help="Whose it must be: a PEM key,")] = None,
    certificate_chain: Annotated[
        Path | None, typer.Option(help="or PEM certificates up to a root that is trusted.")
    ] = None,
) -> None:
    """Write an unsigned artefact; a model gets canary frames and its golden answers to them."""
    signed = None
    if (signature, public_key, certificate_chain) != (None, None, None):
        signed = accept_upstream(source, signature, public_key, certificate_chain)
    elif (lies := _vendors_signature(source)) is not None:
        where = "inside" if lies.parent == source else "beside"
        typer.echo(
            f"{lies.name} lies {where} {source} and was not checked: give --signature {lies}, with "
            "--public-key or --certificate-chain",
            err=True,
        )
    said = _Said(output, name, version, licence, canary)
    made = _made(source, signed, said)
    if signed is not None:
        made = with_upstream(made, signed.upstream)
    path = output or _default_path(made.manifest.name, made.manifest.version)
    _write_new(path, made.raw)
    typer.echo(f"{path}: sha256:{made.digest.hex()}, {len(made.raw)} bytes")
    if signed is not None:
        upstream = signed.upstream
        whose = f"sha256:{upstream.signer.hex()} {upstream.subject}".rstrip()
        typer.echo(f"handed over under {signature}, signed by {upstream.method} {whose}")
    typer.echo(f"unsigned; next: mesh artifact sign {path} --config AUTHORITY.toml")


@dataclass(frozen=True, slots=True)
class _Said:
    """What was said of an artefact with options."""

    output: Path | None
    name: str
    version: str
    licence: str
    canary: int | None


def _made(source: Path, signed: HandedOver | None, said: _Said) -> Artifact:
    """The artefact of whatever lies at `source`; of what is signed, only that goes into it."""
    text_format = CONFIGURATION_ENDINGS.get(source.suffix)
    if source.is_dir() and signed is not None and MANIFEST_NAME not in signed.files:
        return _model(*_only_model(source, signed), said)
    is_agent = source.is_dir()
    if is_agent and signed is None:
        _refuse_bare_model(source)
    if is_agent and (said.name or said.version):
        raise CommandError(
            f"{source}: an agent's manifest.json says --name and --version; not here"
        )
    if (is_agent or text_format is not None) and said.canary is not None:
        raise CommandError(f"{source}: --canary is for models; leave it out")
    if is_agent:
        files = _files_of(source) if signed is None else _not_hidden(signed.files)
        return build_agent(build_bundle(files), licence=_given(source, said.licence, "licence"))
    if text_format is not None:
        return build_configuration(
            _content(source, signed, "a configuration"),
            name=said.name or source.stem,
            version=_given(source, said.version, "version"),
            licence=_given(source, said.licence, "licence"),
            text_format=text_format,
        )
    if source.suffix == ".onnx":
        return _model(source, _content(source, signed, "a model"), said)
    raise CommandError(
        f"{source}: expected a model (.onnx), an agent's folder, or a configuration (.toml or "
        ".json)"
    )


def _content(source: Path, signed: HandedOver | None, what: str) -> bytes:
    return _read(source, what) if signed is None else signed.files[ONE_FILE]


def _only_model(folder: Path, signed: HandedOver) -> tuple[Path, bytes]:
    """The one model among what a vendor signed as a folder, which may hold licences and cards."""
    models = sorted(name for name in signed.files if name.endswith(".onnx"))
    if len(models) != 1:
        raise UpstreamError(
            f"{folder} was signed with {len(models)} models (.onnx) and no {MANIFEST_NAME} of an "
            "agent: expected one model; ask the vendor for a folder of each"
        )
    return folder / models[0], signed.files[models[0]]


def _vendors_signature(source: Path) -> Path | None:
    """A signature file that came with what is built, by the names that vendors give it."""
    inside = [source / SIGNATURE_NAME] if source.is_dir() else []
    names = (SIGNATURE_NAME, f"{source.name}.sig", f"{source.stem}.sig")
    beside = [source.with_name(name) for name in names] if source.name else []
    return next((path for path in (*inside, *beside) if path.is_file()), None)


def _refuse_bare_model(folder: Path) -> None:
    """Refuse a folder with a model that is no agent's, and say how it is handed over."""
    models = sorted(folder.glob("*.onnx"))
    if (folder / MANIFEST_NAME).exists() or not models:
        return
    signature = _vendors_signature(folder)
    vendor = (
        "as a vendor's signed folder it needs --signature, with --public-key or --certificate-chain"
        if signature is None
        else f"it is a vendor's: give --signature {signature}, with --public-key or "
        "--certificate-chain"
    )
    raise CommandError(
        f"{folder} holds {models[0].name} and no {MANIFEST_NAME} of an agent: {vendor}; without a "
        f"signature, build {models[0]} itself"
    )


def _not_hidden(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if _is_packed(PurePosixPath(name))}


def _model(source: Path, data: bytes, said: _Said) -> Artifact:
    """A model's artefact; what can be wrong is found before the frames are rendered."""
    with closing(load_model_bytes(data, label=str(source))) as runtime:
        says = runtime.model
    name, version = said.name or says.name, said.version or says.version
    licence = _given(source, said.licence or says.metadata.get("licence", ""), "licence")
    _refuse_existing(said.output or _default_path(name, version))
    # The renderer stands beside the command line and not below it: no import statement may name it.
    scenes = importlib.import_module("mesh.demo.releases.canary")
    try:
        pictures = scenes.render_canary(said.canary or 0)
    except ValueError as error:
        raise CommandError(f"--canary: {error}") from None
    return scenes.detector_artifact(data, pictures, name=name, version=version, licence=licence)


def _given(source: Path, text: str, option: str) -> str:
    if not text:
        raise CommandError(f"{source} says no {option} of itself: give it one with --{option}")
    return text


def _default_path(name: str, version: str) -> Path:
    return Path(f"{name}-{version}.artifact".replace("/", "-"))


def _files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path from there; hidden ones and links are left out."""
    files: dict[str, bytes] = {}
    size = 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not _is_packed(name) or path.is_symlink() or not path.is_file():
            continue
        size += path.stat().st_size
        if len(files) >= MEMBERS_MAX or size > BUNDLE_SIZE_MAX:
            raise CommandError(
                f"{folder}: more than {MEMBERS_MAX} files or {BUNDLE_SIZE_MAX >> 20} MiB: leave "
                "something out"
            )
        files[name.as_posix()] = path.read_bytes()
    return files


def _is_packed(name: PurePath) -> bool:
    return not any(part.startswith(".") or part == "__pycache__" for part in name.parts)


@app.command()
def sign(
    file: ArtifactFile,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Whose key signs: an authority's.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Or a release key's file.")] = None,
    unlock: Annotated[Path | None, typer.Option(help="The unlock file of --key.")] = None,
    output: Annotated[Path | None, typer.Option("-o", help="FILE with .signed added.")] = None,
    fleet: Annotated[
        Path | None,
        typer.Option(help="A configuration in the fleet that knows whether --key may release."),
    ] = None,
) -> None:
    """Write the signed artefact: another file, with another digest, and that is rolled out."""
    made = _artifact(file)
    if made.signature is not None:
        before = describe(made)["signed_by"]
        typer.echo(f"{file} is signed already, by {before}; the new one takes its place", err=True)
    secret = _release_key(config, key, unlock)
    signed = sign_artifact(made, secret)
    path = output or file.with_name(f"{file.stem}.signed{file.suffix}")
    _refuse_existing(path)
    doubt = _doubt_of(secret.public, fleet or config)
    _write_new(path, signed.raw)
    typer.echo(f"{path}: sha256:{signed.digest.hex()}")
    next_step = "" if doubt else "; roll out this file"
    typer.echo(f"signed by {describe(signed)['signed_by']}{next_step}")
    if doubt:
        typer.echo(doubt, err=True)


def _doubt_of(key: bytes, config: Path | None) -> str:
    """Return what is to be known of a key that signs; "" if its fleet lets it release.

    Args:
        key: that signs, 32 bytes.
        config: whose fleet is asked; None where none was named.

    Raises:
        ConfigError: that is no configuration.
    """
    unknown = "whether a fleet lets this key release is not known here"
    if config is None:
        return f"{unknown}: name a configuration in it with --fleet"
    if not load_config(config).invite:
        return f"{unknown}: {config} is in no fleet yet; name another configuration with --fleet"
    try:
        answer = trio.run(ask_or_serve, config, {"do": "releaser", "key": key})
    except (ControlError, CrdtError, IdentityError) as error:
        return f"{unknown} ({error})"
    return str(answer.value["doubt"])


def _release_key(config: Path | None, key: Path | None, unlock: Path | None) -> SecretKey:
    if config is not None and key is None and unlock is None:
        return load_secret(load_config(config))
    if config is None and key is not None and unlock is not None:
        return load_key(key, read_unlock_file(unlock))
    raise CommandError(
        "nobody to sign: give --config with an authority's configuration, or --key with --unlock"
    )


@app.command()
def show(
    file: ArtifactFile,
    signer: Annotated[
        list[str] | None, typer.Option(help="A did:key that may release (repeatable).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Say what an artefact is; with --signer, fail unless one of these keys released it."""
    made = _artifact(file)
    if signer is not None:
        check_signature(made, [public_from_did(text) for text in signer])
    told = describe(made)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    for name, value in told.items():
        for line in _lines(name, value):
            typer.echo(line)


def _lines(name: str, value: object) -> list[str]:
    if name == "signed_by" and value is None:
        return ["signed_by     nobody: sign it with `mesh artifact sign`, or it is not rolled out"]
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return [f"{name}.{key}: {_text(inner)}" for key, inner in table.items()]
    return [f"{name:13} {_text(value)}"]


def _text(value: object) -> str:
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return ", ".join(f"{inner} {key}" for key, inner in table.items())
    if isinstance(value, list):
        return ", ".join(str(item) for item in cast("list[object]", value))
    return str(value)


def _artifact(file: Path) -> Artifact:
    try:
        return parse_artifact(_read(file, "an artefact"))
    except MalformedArtifactError as error:
        raise CommandError(f"{file}: {error}") from None


def _read(path: Path, what: str) -> bytes:
    try:
        if path.stat().st_size > ARTIFACT_SIZE_MAX:
            raise CommandError(f"{path} is larger than {ARTIFACT_SIZE_MAX >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise CommandError(
            f"{path} cannot be read: {error.strerror or error}; expected {what}"
        ) from None


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise CommandError(f"{path} exists: it is never overwritten; name another file with -o")


def _write_new(path: Path, data: bytes) -> None:
    _refuse_existing(path)
    try:
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}") from None
