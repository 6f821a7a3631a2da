"""`mesh artifact`: build, sign and show what is rolled out.

The three commands work on files alone: no node, no network. `build` turns a model, an agent's
folder or a configuration into an artefact; `sign` writes the artefact that may be rolled out;
`show` says what is in one, and whether a given key released it.
"""

import importlib
import json
from contextlib import closing
from pathlib import Path
from typing import Annotated, cast

import typer

from identity.did import public_from_did
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
)
from inference.artifact_text import describe
from inference.bundle import BUNDLE_SIZE_MAX, MEMBERS_MAX, build_bundle
from inference.onnx import load_model_bytes
from mesh.cli.options import CommandError
from mesh.config import load_config
from mesh.node.opening import load_secret

__all__ = ["app", "build", "show", "sign"]

app = typer.Typer(no_args_is_help=True, help="Build, sign and show what is rolled out.")

CONFIGURATION_ENDINGS = {".toml": "toml", ".json": "json"}
"""Files that are configurations."""

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
) -> None:
    """Write an unsigned artefact; a model gets canary frames and its golden answers to them."""
    text_format = CONFIGURATION_ENDINGS.get(source.suffix)
    is_agent = source.is_dir()
    if is_agent and (name or version):
        raise CommandError(
            f"{source}: an agent's manifest.json says --name and --version; not here"
        )
    if (is_agent or text_format is not None) and canary is not None:
        raise CommandError(f"{source}: --canary is for models; leave it out")
    if is_agent:
        made = build_agent(
            build_bundle(_files_of(source)), licence=_given(source, licence, "licence")
        )
    elif text_format is not None:
        made = build_configuration(
            _read(source, "a configuration"),
            name=name or source.stem,
            version=_given(source, version, "version"),
            licence=_given(source, licence, "licence"),
            text_format=text_format,
        )
    elif source.suffix == ".onnx":
        made = _model(source, output, name, version, licence, canary or 0)
    else:
        raise CommandError(
            f"{source}: expected a model (.onnx), an agent's folder, or a configuration (.toml or "
            ".json)"
        )
    path = output or _default_path(made.manifest.name, made.manifest.version)
    _write_new(path, made.raw)
    typer.echo(f"{path}: sha256:{made.digest.hex()}, {len(made.raw)} bytes")
    typer.echo(f"unsigned; next: mesh artifact sign {path} --config AUTHORITY.toml")


def _model(
    source: Path, output: Path | None, name: str, version: str, licence: str, canary: int
) -> Artifact:
    """A model's artefact; what can be wrong is found before the frames are rendered."""
    data = _read(source, "a model")
    with closing(load_model_bytes(data, label=str(source))) as runtime:
        says = runtime.model
    name, version = name or says.name, version or says.version
    licence = _given(source, licence or says.metadata.get("licence", ""), "licence")
    _refuse_existing(output or _default_path(name, version))
    # The renderer stands beside the command line and not below it: no import statement may name it.
    scenes = importlib.import_module("mesh.demo.canary")
    try:
        pictures = scenes.render_canary(canary)
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
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") or part == "__pycache__" for part in parts):
            continue
        if path.is_symlink() or not path.is_file():
            continue
        size += path.stat().st_size
        if len(files) >= MEMBERS_MAX or size > BUNDLE_SIZE_MAX:
            raise CommandError(
                f"{folder}: more than {MEMBERS_MAX} files or {BUNDLE_SIZE_MAX >> 20} MiB: leave "
                "something out"
            )
        files["/".join(parts)] = path.read_bytes()
    return files


@app.command()
def sign(
    file: ArtifactFile,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Whose key signs: an authority's.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Or a release key's file.")] = None,
    unlock: Annotated[Path | None, typer.Option(help="The unlock file of --key.")] = None,
    output: Annotated[Path | None, typer.Option("-o", help="FILE with .signed added.")] = None,
) -> None:
    """Write the signed artefact: another file, with another digest, and that is rolled out."""
    made = _artifact(file)
    signed = sign_artifact(made, _release_key(config, key, unlock))
    path = output or file.with_name(f"{file.stem}.signed{file.suffix}")
    _write_new(path, signed.raw)
    typer.echo(f"{path}: sha256:{signed.digest.hex()}")
    typer.echo(f"signed by {describe(signed)['signed_by']}; roll out this file")


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
    return parse_artifact(_read(file, "an artefact"))


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
